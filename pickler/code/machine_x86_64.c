/* SPDX-License-Identifier: BSD-3-Clause
 *
 * x86-64: System V ABI, AMD64 supplement, 4.4. */
#include "pickler/code/machine.h"

#include <string.h>

const char machine_name[] = "x86_64";
const uint16_t machine_elf = EM_X86_64;
const size_t machine_code_max = SIZE_MAX;

int machine_need(uint32_t type)
{
    switch (type) {
    case R_X86_64_GOTPCREL:
    case R_X86_64_GOTPCRELX:
    case R_X86_64_REX_GOTPCRELX:
    case R_X86_64_GOTPCREL64:
    case R_X86_64_GOT64:
    case R_X86_64_GOT32:
        return LINK_SLOT;
    case R_X86_64_PLT32:
    case R_X86_64_PC32:
        return LINK_STUB;
    case R_X86_64_TLSGD:
        return LINK_PAIR;
    case R_X86_64_NONE:
    case R_X86_64_TLSLD:
    case R_X86_64_DTPOFF32:
    case R_X86_64_DTPOFF64:
    case R_X86_64_64:
    case R_X86_64_PC64:
    case R_X86_64_32:
    case R_X86_64_32S:
    case R_X86_64_GOTPC32:
    case R_X86_64_GOTPC64:
    case R_X86_64_GOTOFF64:
    case R_X86_64_PLTOFF64:
        return 0;
    case R_X86_64_GOTTPOFF:
    case R_X86_64_TPOFF32:
    case R_X86_64_GOTPC32_TLSDESC:
        return MACHINE_THREAD_MODEL;
    default:
        return MACHINE_UNKNOWN;
    }
}

size_t machine_width(uint32_t type)
{
    switch (type) {
    case R_X86_64_NONE:
        return 0;
    case R_X86_64_64:
    case R_X86_64_PC64:
    case R_X86_64_DTPOFF64:
    case R_X86_64_GOTPCREL64:
    case R_X86_64_GOTPC64:
    case R_X86_64_GOTOFF64:
    case R_X86_64_PLTOFF64:
    case R_X86_64_GOT64:
        return 8;
    default:
        return 4;
    }
}

static int write_signed(const struct binder *binder, char *place, int64_t value,
                        size_t symbol)
{
    int32_t narrow = (int32_t)value;
    if (narrow != value)
        return binder_too_far(binder, symbol);
    memcpy(place, &narrow, sizeof(narrow));
    return 0;
}

static int write_unsigned(const struct binder *binder, char *place, uint64_t value,
                          size_t symbol)
{
    uint32_t narrow = (uint32_t)value;
    if (narrow != value)
        return binder_too_far(binder, symbol);
    memcpy(place, &narrow, sizeof(narrow));
    return 0;
}

static int write_64(char *place, uint64_t value)
{
    memcpy(place, &value, sizeof(value));
    return 0;
}

/* target + addend - place, for any values. */
static int64_t between(const char *place, const void *target, int64_t addend)
{
    return (int64_t)((uint64_t)(uintptr_t)target + (uint64_t)addend -
                     (uint64_t)(uintptr_t)place);
}

/* PC32 and PLT32: a function that is too far away is reached through a stub. */
static int write_relative(struct binder *binder, char *place, const Elf64_Rela *r)
{
    size_t symbol = ELF64_R_SYM(r->r_info);
    const Elf64_Sym *at = &binder->link->elf.symbols[symbol];
    bool is_call = ELF64_R_TYPE(r->r_info) == R_X86_64_PLT32 ||
                   ELF64_ST_TYPE(at->st_info) == STT_FUNC;
    const char *target =
        is_call ? binder_called(binder, symbol) : binder->addresses[symbol];
    return write_signed(binder, place, between(place, target, r->r_addend), symbol);
}

/* Distances from a place and from the table, of 64 bits, which always reach. */
static int apply_64(struct binder *binder, char *place, const Elf64_Rela *r)
{
    size_t symbol = ELF64_R_SYM(r->r_info);
    uint64_t value =
        (uint64_t)(uintptr_t)binder_shown(binder, symbol) + (uint64_t)r->r_addend;
    const char *table = binder_table(binder);
    switch (ELF64_R_TYPE(r->r_info)) {
    case R_X86_64_64:
        return write_64(place, value);
    case R_X86_64_PC64:
        return write_64(place, value - (uint64_t)(uintptr_t)place);
    case R_X86_64_DTPOFF64:
        return write_64(place, value - (uint64_t)(uintptr_t)binder->image->thread_start);
    case R_X86_64_GOTPCREL64:
        return write_64(
            place, (uint64_t)between(place, binder_slot(binder, symbol), r->r_addend));
    case R_X86_64_GOTPC64:
        return write_64(place, (uint64_t)between(place, table, r->r_addend));
    case R_X86_64_GOTOFF64:
    case R_X86_64_PLTOFF64:
        return write_64(place, value - (uint64_t)(uintptr_t)table);
    case R_X86_64_GOT64:
        return write_64(
            place, (uint64_t)between(table, binder_slot(binder, symbol), r->r_addend));
    default:
        return 0; /* R_X86_64_NONE: link_scan() refused what is not known */
    }
}

int machine_apply(struct binder *binder, char *place, const Elf64_Rela *r)
{
    size_t symbol = ELF64_R_SYM(r->r_info);
    const char *target = binder_shown(binder, symbol), *table = binder_table(binder);
    switch (ELF64_R_TYPE(r->r_info)) {
    case R_X86_64_32:
        return write_unsigned(binder, place, (uint64_t)between(NULL, target, r->r_addend),
                              symbol);
    case R_X86_64_32S:
        return write_signed(binder, place, between(NULL, target, r->r_addend), symbol);
    case R_X86_64_PLT32:
    case R_X86_64_PC32:
        return write_relative(binder, place, r);
    case R_X86_64_GOTPCREL:
    case R_X86_64_GOTPCRELX:
    case R_X86_64_REX_GOTPCRELX:
        target = binder_slot(binder, symbol);
        return write_signed(binder, place, between(place, target, r->r_addend), symbol);
    case R_X86_64_TLSGD:
    case R_X86_64_TLSLD:
        symbol = ELF64_R_TYPE(r->r_info) == R_X86_64_TLSGD ? symbol : 0;
        target = (const char *)binder_pair(binder, symbol);
        return write_signed(binder, place, between(place, target, r->r_addend), symbol);
    case R_X86_64_DTPOFF32:
        return write_signed(binder, place,
                            between(binder->image->thread_start, target, r->r_addend),
                            symbol);
    case R_X86_64_GOTPC32:
        return write_signed(binder, place, between(place, table, r->r_addend), symbol);
    case R_X86_64_GOT32:
        target = binder_slot(binder, symbol);
        return write_signed(binder, place, between(table, target, r->r_addend), symbol);
    default:
        return apply_64(binder, place, r);
    }
}

static const uint8_t stub[8] = {0xff, 0x25, 2, 0, 0, 0, 0x90, 0x90}; /* jmp *8(start) */

void machine_write_stub(char *code, const void *target)
{
    memcpy(code, stub, sizeof(stub));
    memcpy(code + sizeof(stub), &target, sizeof(target));
}

const void *machine_stub_target(const char *code)
{
    const void *target;
    if (memcmp(code, stub, sizeof(stub)))
        return NULL;
    memcpy(&target, code + sizeof(stub), sizeof(target));
    return target;
}

/* libtcc's: push %rbp; mov %rsp, %rbp; sub $n, %rsp. The jump is shorter than the first
 * two with the opcode of the third. */
static const unsigned char prologue[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x81, 0xec};
const size_t machine_redirect_size = 5;

bool machine_write_redirect(char *code, const void *target)
{
    int64_t distance = (const char *)target - (code + 5);
    int32_t near = (int32_t)distance;
    if (memcmp(code, prologue, sizeof(prologue)) != 0 || near != distance)
        return false;
    *code = (char)0xe9; /* jmp rel32 */
    memcpy(code + 1, &near, sizeof(near));
    return true;
}

void machine_write_trampoline(char *code, const char *slot)
{
    static const uint8_t jump[2] = {0xff, 0x25}; /* jmp *slot(%rip) */
    int32_t distance = (int32_t)(slot - (code + 6));
    memcpy(code, jump, sizeof(jump));
    memcpy(code + 2, &distance, sizeof(distance));
    memset(code + 6, 0xcc, MACHINE_TRAMPOLINE_SIZE - 6);
}

void machine_write_thunk(char *code, const void *argument, const void *target)
{
    static const uint8_t load_argument[2] = {0x48, 0xbf}, load_target[2] = {0x48, 0xb8},
                         jump[2] = {0xff, 0xe0};
    memcpy(code, load_argument, 2); /* mov $argument, %rdi */
    memcpy(code + 2, &argument, 8);
    memcpy(code + 10, load_target, 2); /* mov $target, %rax */
    memcpy(code + 12, &target, 8);
    memcpy(code + 20, jump, 2); /* jmp *%rax */
}

bool machine_call_target(const char *return_address, const char **ret)
{
    const uint8_t *code = (const uint8_t *)return_address;
    bool is_direct = code[-5] == 0xe8;                      /* call rel32 */
    bool is_through = code[-6] == 0xff && code[-5] == 0x15; /* call *rel32(%rip) */
    int32_t distance;
    memcpy(&distance, code - 4, sizeof(distance));
    *ret = is_direct || is_through ? return_address + distance : NULL;
    return !is_direct;
}

void machine_code_written(char *start, size_t size)
{
    (void)start, (void)size; /* instruction caches are coherent */
}

uintptr_t machine_pointer_guard(void)
{
    uintptr_t guard;
    __asm__("movq %%fs:0x30, %0" : "=r"(guard));
    return guard;
}

uintptr_t machine_revealed(uintptr_t value, uintptr_t guard)
{
    return (value >> 17 | value << 47) ^ guard;
}

/* libtcc1.a, linked in; the names have no prototypes that a C compiler would accept. */
#define HELPERS(X)                                                                       \
    X(__fixdfdi)                                                                         \
    X(__fixsfdi)                                                                         \
    X(__fixunsdfdi)                                                                      \
    X(__fixunssfdi)                                                                      \
    X(__fixunsxfdi)                                                                      \
    X(__fixxfdi) X(__floatundidf) X(__floatundisf) X(__floatundixf) X(__va_arg) X(alloca)

#define DECLARE(symbol) extern char helper_##symbol[] __asm__(#symbol);
HELPERS(DECLARE)
#define ENTRY(symbol) {#symbol, helper_##symbol},
const struct machine_helper machine_helpers[] = {HELPERS(ENTRY){NULL, NULL}};
