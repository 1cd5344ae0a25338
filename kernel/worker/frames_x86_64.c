/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One synthetic unwind description of the arena (CFA = rbp + 16) lets the unwinder cross
 * from library code into cells and back: all loaded code keeps frame pointers. */
#include "kernel/worker/frames.h"

#include <dlfcn.h>
#include <string.h>
#include <unwind.h>

#include "pickler/code/tcc_helper.h"

#define ALLOCA_SIZE 48 /* bytes of libtcc1's alloca() */

enum { ERROR_WRITE = 2, ERROR_FETCH = 16 }; /* page fault error code */
enum { CODE_PUSH_BP = 0x55, CODE_RET = 0xc3, CODE_JMP = 0xe9 };

extern void __register_frame(void *description);
extern const char __executable_start[], etext[]; /* the linker's */

__asm__(".text\n.hidden frames_landing\n.globl frames_landing\n"
        ".type frames_landing, @function\nframes_landing:\n"
        "    and $-16, %rsp\n    call frames_landed\n    ud2\n"
        ".size frames_landing, . - frames_landing\n"
        ".hidden frames_sp\n.globl frames_sp\n.type frames_sp, @function\nframes_sp:\n"
        "    lea 8(%rsp), %rax\n    ret\n.size frames_sp, . - frames_sp\n");

const char *registers_ip(const ucontext_t *context)
{
    return (const char *)(uintptr_t)context->uc_mcontext.gregs[REG_RIP];
}

uintptr_t registers_sp(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
}

uintptr_t registers_address(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.gregs[REG_CR2];
}

bool registers_hold(const ucontext_t *context, uintptr_t low, uintptr_t high)
{
    for (int i = REG_R8; i <= REG_RCX; i++) {
        uintptr_t value = (uintptr_t)context->uc_mcontext.gregs[i];
        if (value >= low && value <= high)
            return true;
    }
    return false;
}

bool registers_is_write(const ucontext_t *context)
{
    return context->uc_mcontext.gregs[REG_ERR] & ERROR_WRITE;
}

bool registers_is_call(const ucontext_t *context, uintptr_t address)
{
    return context->uc_mcontext.gregs[REG_ERR] & ERROR_FETCH ||
           address == (uintptr_t)registers_ip(context);
}

/* Known of an idiv or div with a register operand. */
bool registers_divides_by_zero(const ucontext_t *context)
{
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    const uint8_t *code = (const uint8_t *)registers_ip(context);
    unsigned high = 0;
    bool is_wide = false;
    if ((*code & 0xf0) == 0x40) { /* REX */
        high = (*code & 1) * 8;
        is_wide = *code & 8;
        code++;
    }
    if (code[0] != 0xf7 || code[1] < 0xf0) /* F7 /6, F7 /7 with mod 11 */
        return false;
    int64_t value = context->uc_mcontext.gregs[order[(code[1] & 7) + high]];
    return !(is_wide ? value : (int32_t)value);
}

void registers_leave_trap(ucontext_t *context)
{
    context->uc_mcontext.gregs[REG_RIP]--; /* int3 has been executed */
}

/* A CIE and an FDE (DWARF 4, section 6.4.1) for [start, start + size): every function
 * saves rbp and keeps rbp - 16 = CFA. */
static void describe(unsigned char *out, uint64_t start, uint64_t size)
{
    static const unsigned char cie[24] = {20,   0, 0,    0,    0,  0,    0, 0,
                                          1,    0, 1,    0x78, 16, 0x0c, 6, 16,
                                          0x86, 2, 0x90, 1,    0,  0,    0, 0};
    uint32_t length = 24, back = 28;
    memcpy(out, cie, sizeof(cie));
    memcpy(out + 24, &length, 4);
    memcpy(out + 28, &back, 4);
    memcpy(out + 32, &start, 8);
    memcpy(out + 40, &size, 8);
}

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *argument)
{
    ++*(int *)argument;
    return _URC_NO_REASON;
}

void frames_init(const struct arena *arena)
{
    static unsigned char description[64] __attribute__((aligned(8))); /* kept for ever */
    const struct arena_region *code = &arena->parts[ARENA_CODE];
    describe(description, (uint64_t)(uintptr_t)code->start, code->size);
    __register_frame(description);
    int n = 0;
    _Unwind_Backtrace(count_frame, &n); /* what it allocates once, it allocates now */
}

struct walk {
    const char *start; /* frames are skipped until this address; NULL: our own */
    bool has_started;
    frame_visitor visit;
    void *context;
};

static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    int is_exact = 0;
    const char *ip = (const char *)_Unwind_GetIPInfo(context, &is_exact);
    bool is_own = ip >= __executable_start && ip < etext;
    if (!walk->has_started && (walk->start ? ip != walk->start : is_own))
        return _URC_NO_REASON;
    walk->has_started = true;
    /* what libgcc calls the CFA here is the stack pointer of this frame */
    void **sp = (void **)_Unwind_GetCFA(context);
    struct stack_frame frame = {ip, is_exact, sp, sp - 1};
    return walk->visit(walk->context, &frame) ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void frames_walk(const struct arena *arena, const ucontext_t *interrupted,
                 frame_visitor visitor, void *context)
{
    (void)arena;
    struct walk walk = {.start = interrupted ? registers_ip(interrupted) : NULL,
                        .visit = visitor,
                        .context = context};
    _Unwind_Backtrace(visit, &walk);
}

static const char *word_at(uintptr_t address)
{
    const char *value;
    memcpy(&value, (const void *)address, sizeof(value));
    return value;
}

/* A function that has not pushed rbp yet (or popped it again) is not described by the
 * FDE. */
bool frames_step_out(const struct names *names, ucontext_t *context)
{
    greg_t *registers = context->uc_mcontext.gregs;
    const uint8_t *ip = (const uint8_t *)registers_ip(context);
    const uint8_t *alloca_code = tcc_helper("alloca");
    const char *held = (const char *)(uintptr_t)registers[REG_RDX];
    if ((size_t)(ip - alloca_code) < ALLOCA_SIZE && arena_has_code(names->arena, held)) {
        registers[REG_RIP] = registers[REG_RDX]; /* it keeps its return address there */
        return true;
    }
    const struct unit *unit = names_unit(names, ip);
    uintptr_t sp = registers_sp(context);
    Dl_info about;
    int skipped = -1;
    if (unit) {
        const struct image_symbol *symbol = image_symbol_at(unit->image, ip);
        const uint8_t *start = symbol ? (const uint8_t *)symbol->address : NULL;
        bool is_first = start == ip && (*ip == CODE_PUSH_BP || *ip == CODE_JMP);
        if (*ip == CODE_RET || is_first) /* the jump is redirect.h's */
            skipped = 0;
        else if (start && ip == start + 1 && *start == CODE_PUSH_BP)
            skipped = 8; /* between push %rbp and mov %rsp, %rbp */
    } else if (!arena_has_code(names->arena, ip) && !dladdr(ip, &about) &&
               arena_has_code(names->arena, word_at(sp))) {
        skipped = 0;
    }
    if (skipped < 0)
        return false;
    registers[REG_RIP] = (greg_t)(uintptr_t)word_at(sp + (unsigned)skipped);
    registers[REG_RSP] += skipped + 8;
    return true;
}

struct frames_saved frames_save(const ucontext_t *context)
{
    return (struct frames_saved){(uintptr_t)registers_ip(context), registers_sp(context)};
}

void frames_restore(ucontext_t *context, const struct frames_saved *saved)
{
    context->uc_mcontext.gregs[REG_RIP] = (greg_t)saved->ip;
    context->uc_mcontext.gregs[REG_RSP] = (greg_t)saved->sp;
}

bool frames_is_smashed(const struct names *names, const ucontext_t *context)
{
    const char *ip = registers_ip(context);
    uintptr_t sp = registers_sp(context);
    Dl_info about;
    if (arena_has_code(names->arena, ip))
        return *(const uint8_t *)ip == CODE_RET; /* to what is no address */
    /* a call has just pushed an address of code, a return has just popped its own */
    return !dladdr(ip, &about) && word_at(sp - 8) == ip &&
           !arena_has_code(names->arena, word_at(sp));
}
