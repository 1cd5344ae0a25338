/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All loaded code keeps a frame record: x29 points at the caller's x29, and behind it at
 * the address that is returned to (Procedure Call Standard, 6.4.6). So do the functions
 * of libraries that call back, so that their frames can be followed from a cell on; what
 * a library does innermost need not have one, and is unwound by the tables of its own. */
#include "kernel/worker/frames.h"

#include <dlfcn.h>
#include <string.h>
#include <unwind.h>

#define OP_RET UINT32_C(0xd65f03c0)
#define OP_SET_X29 UINT32_C(0x910003fd)      /* add x29, sp, #0, which is mov x29, sp */
#define OP_SET_X29_MASK UINT32_C(0xffc003ff) /* with any distance */
#define PROLOGUE_MAX 256 /* instructions in front of the one that sets x29 */

enum { REGISTER_FRAME = 29, REGISTER_LINK = 30 };

extern const char __executable_start[], etext[]; /* the linker's */

__asm__(".text\n.hidden frames_landing\n.globl frames_landing\n"
        ".type frames_landing, @function\nframes_landing:\n"
        "    bl frames_landed\n    brk #0\n"
        ".size frames_landing, . - frames_landing\n"
        ".hidden frames_sp\n.globl frames_sp\n.type frames_sp, @function\nframes_sp:\n"
        "    mov x0, sp\n    ret\n.size frames_sp, . - frames_sp\n");

const char *registers_ip(const ucontext_t *context)
{
    return (const char *)(uintptr_t)context->uc_mcontext.pc;
}

uintptr_t registers_sp(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.sp;
}

uintptr_t registers_address(const ucontext_t *context)
{
    return (uintptr_t)context->uc_mcontext.fault_address;
}

static uint32_t op_at(const char *ip)
{
    uint32_t op;
    memcpy(&op, ip, sizeof(op));
    return op;
}

bool registers_is_call(const ucontext_t *context, uintptr_t address)
{
    return address == (uintptr_t)registers_ip(context);
}

/* Arm Architecture Reference Manual, C4.1, "Loads and Stores". The kernel tells it too,
 * but emulators do not. */
bool registers_hold(const ucontext_t *context, uintptr_t low, uintptr_t high)
{
    for (int i = 0; i < 31; i++)
        if (context->uc_mcontext.regs[i] >= low && context->uc_mcontext.regs[i] <= high)
            return true;
    return false;
}

bool registers_is_write(const ucontext_t *context)
{
    if (registers_is_call(context, registers_address(context)))
        return false;
    uint32_t op = op_at(registers_ip(context));
    bool is_access = (op >> 25 & 5) == 4, is_vector = op >> 26 & 1;
    uint32_t kind = op >> 28 & 3, code = op >> 22 & 3;
    bool is_atomic = (op & 0x3b200c00) == 0x38200000 || (op & 0x3fa07c00) == 0x08a07c00;
    if (!is_access)
        return (op & 0xffffffe0) == 0xd50b7420; /* dc zva */
    if (is_atomic)
        return true;
    if (kind == 3) /* one register: loads that extend have codes of their own */
        return is_vector ? !(code & 1) : !code;
    return !(code & 1); /* pairs, exclusive ones, structures */
}

bool registers_divides_by_zero(const ucontext_t *context)
{
    (void)context; /* a division never traps */
    return false;
}

void registers_leave_trap(ucontext_t *context)
{
    (void)context; /* it is at the breakpoint */
}

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *argument)
{
    ++*(int *)argument;
    return _URC_NO_REASON;
}

void frames_init(const struct arena *arena)
{
    (void)arena;
    int n = 0;
    _Unwind_Backtrace(count_frame, &n); /* what it allocates once, it allocates now */
}

/* The record behind one; NULL: it is the last, or none, for they stand above each other.
 */
static uintptr_t *next_record(const uintptr_t *record)
{
    uintptr_t *next = (uintptr_t *)record[0];
    return next > record && (uintptr_t)next % sizeof(*next) == 0 ? next : NULL;
}

/* From a frame on, by its record. */
static void follow(struct stack_frame frame, const uintptr_t *record, frame_visitor visit,
                   void *context)
{
    while (record && (uintptr_t)record % sizeof(*record) == 0) {
        frame.sp = record;
        if (!visit(context, &frame))
            return;
        frame = (struct stack_frame){.ip = (const char *)record[1]};
        record = next_record(record);
    }
}

/* Where a function that was called from `ip`, in the frame of `record`, keeps that; NULL:
 * it has no record yet, or no longer. */
static void **slot_below(uintptr_t *innermost, const uintptr_t *record, const char *ip)
{
    while (innermost && (uintptr_t)innermost % sizeof(*innermost) == 0 &&
           innermost < record) {
        if (innermost[0] == (uintptr_t)record)
            return innermost[1] == (uintptr_t)ip ? (void **)&innermost[1] : NULL;
        innermost = next_record(innermost);
    }
    return NULL;
}

struct walk {
    const struct arena *arena;
    const char *start; /* frames are skipped until this address; NULL: our own */
    const void *sp;    /* there */
    bool has_started, has_stopped;
    frame_visitor visit;
    void *context;
    const char *cell; /* the first frame of a cell's code, from where records lead on */
    const uintptr_t *record;
};

static _Unwind_Reason_Code visit_library(struct _Unwind_Context *context, void *argument)
{
    struct walk *walk = argument;
    int is_exact = 0;
    const char *ip = (const char *)_Unwind_GetIPInfo(context, &is_exact);
    bool is_own = ip >= __executable_start && ip < etext;
    if (!walk->has_started && (walk->start ? ip != walk->start : is_own))
        return _URC_NO_REASON;
    walk->has_started = true;
    if (arena_has_code(walk->arena, ip)) {
        walk->cell = ip;
        walk->record = (const uintptr_t *)_Unwind_GetGR(context, REGISTER_FRAME);
        return _URC_END_OF_STACK;
    }
    struct stack_frame frame = {.ip = ip, .is_exact = is_exact};
    /* what libgcc calls the CFA here is the stack pointer of this frame, or, of the
     * interrupted one, that of the handler */
    frame.sp = is_exact && walk->sp ? walk->sp : (void *)_Unwind_GetCFA(context);
    return walk->visit(walk->context, &frame) ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void frames_walk(const struct arena *arena, const ucontext_t *interrupted,
                 frame_visitor visit, void *context)
{
    const char *ip = interrupted ? registers_ip(interrupted) : NULL;
    uintptr_t *record =
        ip ? (uintptr_t *)interrupted->uc_mcontext.regs[REGISTER_FRAME] : NULL;
    if (ip && arena_has_code(arena, ip)) {
        struct stack_frame frame = {.ip = ip, .is_exact = true};
        follow(frame, record, visit, context);
        return;
    }
    struct walk walk = {.arena = arena,
                        .start = ip,
                        .sp = ip ? (const void *)registers_sp(interrupted) : NULL,
                        .visit = visit,
                        .context = context};
    _Unwind_Backtrace(visit_library, &walk);
    if (!walk.cell)
        return;
    struct stack_frame frame = {.ip = walk.cell,
                                .slot = slot_below(record, walk.record, walk.cell)};
    follow(frame, walk.record, visit, context);
}

/* Whether x29 is not yet, or no longer, the function's own. */
static bool has_no_record(const struct names *names, const char *ip)
{
    const struct unit *unit = names_unit(names, ip);
    const struct image_symbol *symbol = unit ? image_symbol_at(unit->image, ip) : NULL;
    if (!symbol || (uintptr_t)ip % 4 || op_at(ip) == OP_RET)
        return symbol != NULL;
    const char *at = symbol->address;
    for (size_t i = 0; i < PROLOGUE_MAX && at < ip; i++, at += 4)
        if ((op_at(at) & OP_SET_X29_MASK) == OP_SET_X29)
            return false;
    return at >= ip;
}

bool frames_step_out(const struct names *names, ucontext_t *context)
{
    const char *ip = registers_ip(context);
    uintptr_t link = (uintptr_t)context->uc_mcontext.regs[REGISTER_LINK];
    Dl_info about;
    bool is_nowhere = !arena_has_code(names->arena, ip) && !dladdr(ip, &about) &&
                      arena_has_code(names->arena, (const char *)link);
    if (!is_nowhere && !has_no_record(names, ip))
        return false;
    context->uc_mcontext.pc = link;
    return true;
}

struct frames_saved frames_save(const ucontext_t *context)
{
    return (struct frames_saved){(uintptr_t)registers_ip(context), registers_sp(context)};
}

void frames_restore(ucontext_t *context, const struct frames_saved *saved)
{
    context->uc_mcontext.pc = saved->ip;
    context->uc_mcontext.sp = saved->sp;
}

/* What a return finds is in x30 as well, where the eight upper bits, which addresses do
 * not have, are still there; after a call there is an address of code. */
bool frames_is_smashed(const struct names *names, const ucontext_t *context)
{
    const char *ip = registers_ip(context);
    const char *link = (const char *)context->uc_mcontext.regs[REGISTER_LINK];
    Dl_info about;
    return !arena_has_code(names->arena, ip) && !dladdr(ip, &about) &&
           !(((uintptr_t)link ^ (uintptr_t)ip) << 8);
}
