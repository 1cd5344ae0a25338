/* SPDX-License-Identifier: BSD-3-Clause
 *
 * AArch64: ELF for the Arm 64-bit Architecture, 5.7. Instructions are 32 bits wide and
 * refer to pages of 4 KiB (adrp) within 4 GiB, to their lower 12 bits, and by branches
 * to 128 MiB: the arena's code stays within that, so that what is called directly is
 * near, and what is outside is called through a stub. */
#include "pickler/code/machine.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

const char machine_name[] = "aarch64";
const uint16_t machine_elf = EM_AARCH64;
const size_t machine_code_max =
    ((size_t)128 << 20) - ((size_t)64 << 10); /* whole pages */

#define OP_LDR_X16_8 UINT32_C(0x58000050)   /* ldr x16, . + 8 */
#define OP_LDR_X0_16 UINT32_C(0x58000080)   /* ldr x0, . + 16 */
#define OP_LDR_X16_20 UINT32_C(0x580000b0)  /* ldr x16, . + 20 */
#define OP_ADRP_X16 UINT32_C(0x90000010)    /* adrp x16, the page of . */
#define OP_LDR_X16_X16 UINT32_C(0xf9400210) /* ldr x16, [x16, #0] */
#define OP_BR_X16 UINT32_C(0xd61f0200)
#define OP_BRK UINT32_C(0xd4200000)
#define OP_PROLOGUE UINT32_C(0xa9b27bfd) /* libtcc's: stp x29, x30, [sp, #-224]! */
#define OP_B UINT32_C(0x14000000)        /* and 26 bits */
#define OP_BL UINT32_C(0x94000000)       /* and 26 bits */
#define OP_BL_MASK UINT32_C(0xfc000000)

int machine_need(uint32_t type)
{
    switch (type) {
    case R_AARCH64_ADR_GOT_PAGE:
    case R_AARCH64_LD64_GOT_LO12_NC:
        return LINK_SLOT;
    case R_AARCH64_CALL26:
    case R_AARCH64_JUMP26:
        return LINK_STUB;
    case R_AARCH64_TLSGD_ADR_PAGE21:
    case R_AARCH64_TLSGD_ADD_LO12_NC:
    case R_AARCH64_TLSDESC_ADR_PAGE21:
    case R_AARCH64_TLSDESC_LD64_LO12:
    case R_AARCH64_TLSDESC_ADD_LO12:
        return LINK_PAIR;
    case R_AARCH64_NONE:
    case R_AARCH64_TLSDESC_CALL:
    case R_AARCH64_ABS64:
    case R_AARCH64_ABS32:
    case R_AARCH64_PREL64:
    case R_AARCH64_PREL32:
    case R_AARCH64_ADR_PREL_PG_HI21:
    case R_AARCH64_ADR_PREL_PG_HI21_NC:
    case R_AARCH64_ADR_PREL_LO21:
    case R_AARCH64_LD_PREL_LO19:
    case R_AARCH64_CONDBR19:
    case R_AARCH64_TSTBR14:
    case R_AARCH64_ADD_ABS_LO12_NC:
    case R_AARCH64_LDST8_ABS_LO12_NC:
    case R_AARCH64_LDST16_ABS_LO12_NC:
    case R_AARCH64_LDST32_ABS_LO12_NC:
    case R_AARCH64_LDST64_ABS_LO12_NC:
    case R_AARCH64_LDST128_ABS_LO12_NC:
        return 0;
    case R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21:
    case R_AARCH64_TLSIE_LD64_GOTTPREL_LO12_NC:
    case R_AARCH64_TLSLE_ADD_TPREL_HI12:
    case R_AARCH64_TLSLE_ADD_TPREL_LO12:
    case R_AARCH64_TLSLE_ADD_TPREL_LO12_NC:
        return MACHINE_THREAD_MODEL;
    default:
        return MACHINE_UNKNOWN;
    }
}

size_t machine_width(uint32_t type)
{
    if (type == R_AARCH64_NONE)
        return 0;
    return type == R_AARCH64_ABS64 || type == R_AARCH64_PREL64 ? 8 : 4;
}

static uint32_t read_op(const char *place)
{
    uint32_t op;
    memcpy(&op, place, sizeof(op));
    return op;
}

static int write_op(char *place, uint32_t op)
{
    memcpy(place, &op, sizeof(op));
    return 0;
}

static bool fits(int64_t value, int bits)
{
    return value >= -((int64_t)1 << (bits - 1)) && value < (int64_t)1 << (bits - 1);
}

/* `bits` bits of a distance, from its bit `shift` on, into the instruction from bit `at`
 * on; what is below is left out. */
static int write_field(const struct binder *binder, char *place, int64_t distance,
                       int shift, int bits, int at, size_t symbol)
{
    uint32_t mask = (UINT32_C(1) << bits) - 1;
    if (!fits(distance, bits + shift))
        return binder_too_far(binder, symbol);
    uint32_t field = (uint32_t)((uint64_t)distance >> shift) & mask;
    return write_op(place, (read_op(place) & ~(mask << at)) | field << at);
}

/* adr and adrp: 21 bits, of which the lowest two stand apart. */
static int write_adr(const struct binder *binder, char *place, int64_t value,
                     size_t symbol)
{
    if (!fits(value, 21))
        return binder_too_far(binder, symbol);
    uint32_t field = (uint32_t)value & 0x1fffff;
    return write_op(place, (read_op(place) & 0x9f00001f) | (field & 3) << 29 |
                               (field >> 2) << 5);
}

static int write_page(const struct binder *binder, char *place, uint64_t target,
                      size_t symbol)
{
    int64_t pages = (int64_t)(target >> 12) - (int64_t)((uint64_t)(uintptr_t)place >> 12);
    return write_adr(binder, place, pages, symbol);
}

/* The lower 12 bits of an address, in units of what is loaded. */
static int write_low(char *place, uint64_t target, int shift)
{
    uint32_t field = (uint32_t)(target & 0xfff) >> shift;
    return write_op(place, (read_op(place) & ~(UINT32_C(0xfff) << 10)) | field << 10);
}

static int write_data(const struct binder *binder, char *place, uint64_t value,
                      size_t width, size_t symbol)
{
    if (width == 4 && !fits((int64_t)value, 32) && value >> 32)
        return binder_too_far(binder, symbol);
    memcpy(place, &value, width);
    return 0;
}

static uint64_t plus(const void *address, int64_t addend)
{
    return (uint64_t)(uintptr_t)address + (uint64_t)addend;
}

/* ---- thread-local variables ----
 *
 * A descriptor is two words: a function that is given its address in x0, and what it
 * needs. It returns the distance of the variable from the thread's pointer, and leaves
 * all registers but x0 (and lr) as they were. */

extern const char machine_resolve[] __attribute__((visibility("hidden")));
__asm__(".text\n.hidden machine_resolve\n.globl machine_resolve\n"
        ".type machine_resolve, @function\nmachine_resolve:\n"
        "    stp x29, x30, [sp, #-160]!\n    mov x29, sp\n"
        "    stp x1, x2, [sp, #16]\n    stp x3, x4, [sp, #32]\n"
        "    stp x5, x6, [sp, #48]\n    stp x7, x8, [sp, #64]\n"
        "    stp x9, x10, [sp, #80]\n    stp x11, x12, [sp, #96]\n"
        "    stp x13, x14, [sp, #112]\n    stp x15, x16, [sp, #128]\n"
        "    stp x17, x18, [sp, #144]\n"
        ".irp q, 0,2,4,6,8,10,12,14,16,18,20,22,24,26,28,30\n"
        "    str q\\q, [sp, #-16]!\n.endr\n"
        ".irp q, 1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31\n"
        "    str q\\q, [sp, #-16]!\n.endr\n"
        "    ldr x0, [x0, #8]\n    bl machine_thread_get\n"
        ".irp q, 31,29,27,25,23,21,19,17,15,13,11,9,7,5,3,1\n"
        "    ldr q\\q, [sp], #16\n.endr\n"
        ".irp q, 30,28,26,24,22,20,18,16,14,12,10,8,6,4,2,0\n"
        "    ldr q\\q, [sp], #16\n.endr\n"
        "    mrs x1, tpidr_el0\n    sub x0, x0, x1\n"
        "    ldp x1, x2, [sp, #16]\n    ldp x3, x4, [sp, #32]\n"
        "    ldp x5, x6, [sp, #48]\n    ldp x7, x8, [sp, #64]\n"
        "    ldp x9, x10, [sp, #80]\n    ldp x11, x12, [sp, #96]\n"
        "    ldp x13, x14, [sp, #112]\n    ldp x15, x16, [sp, #128]\n"
        "    ldp x17, x18, [sp, #144]\n    ldp x29, x30, [sp], #160\n    ret\n"
        ".size machine_resolve, . - machine_resolve\n");

__attribute__((used, visibility("hidden"))) void *
machine_thread_get(const struct thread_index *index);
void *machine_thread_get(const struct thread_index *index)
{
    return thread_block_get(index);
}

static uint64_t descriptor_of(struct binder *binder, size_t symbol)
{
    struct link_pair *pair = binder_pair(binder, symbol);
    pair->descriptor[0] = machine_resolve;
    pair->descriptor[1] = &pair->index;
    return plus(pair->descriptor, 0);
}

static int apply_thread(struct binder *binder, char *place, const Elf64_Rela *r)
{
    size_t symbol = ELF64_R_SYM(r->r_info);
    if (r->r_addend)
        return error_set(binder->err, -ENOTSUP,
                         "a part of thread-local variable '%s' is accessed by itself",
                         elf_symbol_name(&binder->link->elf, symbol));
    switch (ELF64_R_TYPE(r->r_info)) {
    case R_AARCH64_TLSGD_ADR_PAGE21:
        return write_page(binder, place, plus(binder_pair(binder, symbol), 0), symbol);
    case R_AARCH64_TLSGD_ADD_LO12_NC:
        return write_low(place, plus(binder_pair(binder, symbol), 0), 0);
    case R_AARCH64_TLSDESC_ADR_PAGE21:
        return write_page(binder, place, descriptor_of(binder, symbol), symbol);
    case R_AARCH64_TLSDESC_LD64_LO12:
        return write_low(place, descriptor_of(binder, symbol), 3);
    case R_AARCH64_TLSDESC_ADD_LO12:
        return write_low(place, descriptor_of(binder, symbol), 0);
    default:
        return 0; /* what only marks a place; link_scan() refused what is not known */
    }
}

/* ---- relocations ---- */

/* Of calls and of jumps that end a function; of branches within one. */
static int apply_branch(struct binder *binder, char *place, const Elf64_Rela *r)
{
    size_t symbol = ELF64_R_SYM(r->r_info);
    uint32_t type = ELF64_R_TYPE(r->r_info);
    bool is_call = type == R_AARCH64_CALL26 || type == R_AARCH64_JUMP26;
    const char *target =
        is_call ? binder_called(binder, symbol) : binder->addresses[symbol];
    int64_t distance = (int64_t)(plus(target, r->r_addend) - plus(place, 0));
    if (is_call)
        return write_field(binder, place, distance, 2, 26, 0, symbol);
    return write_field(binder, place, distance, 2, type == R_AARCH64_TSTBR14 ? 14 : 19, 5,
                       symbol);
}

/* Code that takes an address without a slot knows that it is the image's own. */
static int apply_address(struct binder *binder, char *place, const Elf64_Rela *r)
{
    size_t symbol = ELF64_R_SYM(r->r_info);
    uint64_t target = plus(binder_shown(binder, symbol), r->r_addend);
    uint64_t here = plus(place, 0);
    switch (ELF64_R_TYPE(r->r_info)) {
    case R_AARCH64_ABS64:
        return write_data(binder, place, target, 8, symbol);
    case R_AARCH64_ABS32:
        return write_data(binder, place, target, 4, symbol);
    case R_AARCH64_PREL64:
        return write_data(binder, place, target - here, 8, symbol);
    case R_AARCH64_PREL32:
        return write_data(binder, place, target - here, 4, symbol);
    case R_AARCH64_ADR_PREL_PG_HI21:
    case R_AARCH64_ADR_PREL_PG_HI21_NC:
        return write_page(binder, place, target, symbol);
    case R_AARCH64_ADR_PREL_LO21:
        return write_adr(binder, place, (int64_t)(target - here), symbol);
    case R_AARCH64_ADD_ABS_LO12_NC:
    case R_AARCH64_LDST8_ABS_LO12_NC:
        return write_low(place, target, 0);
    case R_AARCH64_LDST16_ABS_LO12_NC:
        return write_low(place, target, 1);
    case R_AARCH64_LDST32_ABS_LO12_NC:
        return write_low(place, target, 2);
    case R_AARCH64_LDST64_ABS_LO12_NC:
        return write_low(place, target, 3);
    case R_AARCH64_LDST128_ABS_LO12_NC:
        return write_low(place, target, 4);
    default:
        return apply_thread(binder, place, r);
    }
}

int machine_apply(struct binder *binder, char *place, const Elf64_Rela *r)
{
    size_t symbol = ELF64_R_SYM(r->r_info);
    switch (ELF64_R_TYPE(r->r_info)) {
    case R_AARCH64_ADR_GOT_PAGE:
        return write_page(binder, place, plus(binder_slot(binder, symbol), r->r_addend),
                          symbol);
    case R_AARCH64_LD64_GOT_LO12_NC:
        return write_low(place, plus(binder_slot(binder, symbol), r->r_addend), 3);
    case R_AARCH64_CALL26:
    case R_AARCH64_JUMP26:
    case R_AARCH64_LD_PREL_LO19:
    case R_AARCH64_CONDBR19:
    case R_AARCH64_TSTBR14:
        return apply_branch(binder, place, r);
    default:
        return apply_address(binder, place, r);
    }
}

/* ---- code of our own ---- */

void machine_write_stub(char *code, const void *target)
{
    write_op(code, OP_LDR_X16_8);
    write_op(code + 4, OP_BR_X16);
    memcpy(code + 8, &target, sizeof(target));
}

const void *machine_stub_target(const char *code)
{
    const void *target;
    if ((uintptr_t)code % 4 || read_op(code) != OP_LDR_X16_8 ||
        read_op(code + 4) != OP_BR_X16)
        return NULL;
    memcpy(&target, code + 8, sizeof(target));
    return target;
}

const size_t machine_redirect_size = 4;

bool machine_write_redirect(char *code, const void *target)
{
    int64_t distance = (int64_t)(plus(target, 0) - plus(code, 0));
    if (read_op(code) != OP_PROLOGUE || !fits(distance, 28))
        return false;
    write_op(code, OP_B | ((uint32_t)((uint64_t)distance >> 2) & ~OP_BL_MASK));
    return true;
}

void machine_write_trampoline(char *code, const char *slot)
{
    uint64_t at = plus(slot, 0);
    uint32_t pages = (uint32_t)((at >> 12) - (plus(code, 0) >> 12)) & 0x1fffff;
    write_op(code, OP_ADRP_X16 | (pages & 3) << 29 | (pages >> 2) << 5);
    write_op(code + 4, OP_LDR_X16_X16 | (uint32_t)(at & 0xfff) >> 3 << 10);
    write_op(code + 8, OP_BR_X16);
    write_op(code + 12, OP_BRK);
}

void machine_write_thunk(char *code, const void *argument, const void *target)
{
    write_op(code, OP_LDR_X0_16);
    write_op(code + 4, OP_LDR_X16_20);
    write_op(code + 8, OP_BR_X16);
    write_op(code + 12, OP_BRK);
    memcpy(code + 16, &argument, sizeof(argument));
    memcpy(code + 24, &target, sizeof(target));
}

bool machine_call_target(const char *return_address, const char **ret)
{
    uint32_t op = (uintptr_t)return_address % 4 ? 0 : read_op(return_address - 4);
    bool is_call = (op & OP_BL_MASK) == OP_BL;
    int64_t distance = (int64_t)((uint64_t)op << 38) >> 36; /* 26 bits, times 4 */
    *ret = is_call ? return_address - 4 + distance : NULL;
    return !is_call;
}

void machine_code_written(char *start, size_t size)
{
    __builtin___clear_cache(start, start + size);
}

/* glibc keeps it in its dynamic linker here. */
uintptr_t machine_pointer_guard(void)
{
    const uintptr_t *place = dlvsym(RTLD_DEFAULT, "__pointer_chk_guard", "GLIBC_PRIVATE");
    return place ? *place : 0;
}

uintptr_t machine_revealed(uintptr_t value, uintptr_t guard)
{
    return value ^ guard;
}

/* ---- what code of libtcc calls: libtcc1.a, linked in ---- */

/* libtcc makes room at the stack pointer, and finds the rest by the frame pointer. */
__asm__(".text\n.hidden machine_alloca\n.globl machine_alloca\n"
        ".type machine_alloca, @function\nmachine_alloca:\n"
        "    add x0, x0, #15\n    and x0, x0, #-16\n    sub sp, sp, x0\n    mov x0, sp\n"
        "    ret\n.size machine_alloca, . - machine_alloca\n");
extern char machine_alloca[] __attribute__((visibility("hidden")));

#define HELPERS(X)                                                                       \
    X(__addtf3)                                                                          \
    X(__subtf3)                                                                          \
    X(__multf3)                                                                          \
    X(__divtf3)                                                                          \
    X(__extendsftf2)                                                                     \
    X(__extenddftf2)                                                                     \
    X(__trunctfsf2)                                                                      \
    X(__trunctfdf2)                                                                      \
    X(__fixtfsi)                                                                         \
    X(__fixtfdi)                                                                         \
    X(__fixunstfsi)                                                                      \
    X(__fixunstfdi)                                                                      \
    X(__floatsitf)                                                                       \
    X(__floatditf)                                                                       \
    X(__floatunsitf)                                                                     \
    X(__floatunditf)                                                                     \
    X(__eqtf2) X(__netf2) X(__lttf2) X(__letf2) X(__gttf2) X(__getf2) X(__clear_cache)

#define DECLARE(symbol) extern char helper_##symbol[] __asm__(#symbol);
HELPERS(DECLARE)
#define ENTRY(symbol) {#symbol, helper_##symbol},
const struct machine_helper machine_helpers[] = {HELPERS(ENTRY){"alloca", machine_alloca},
                                                 {NULL, NULL}};
