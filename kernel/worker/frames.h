/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What differs between processors when a process looks at itself: the registers in a
 * signal's context, and the frames of a stack in which code of cells and of libraries
 * alternate. Each processor has a file, frames_NAME.c. Everything here may run in a
 * signal handler: nothing is allocated. */
#ifndef ACHAR_WORKER_FRAMES_H
#define ACHAR_WORKER_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "pickler/code/names.h"

/* ---- registers ---- */

const char *registers_ip(const ucontext_t *context); /* of the instruction */
uintptr_t registers_sp(const ucontext_t *context);
/* The address that the last SIGSEGV is about, and whether it was to be written to. */
uintptr_t registers_address(const ucontext_t *context);
bool registers_is_write(const ucontext_t *context);
/* It was to be executed. */
bool registers_is_call(const ucontext_t *context, uintptr_t address);
/* Of a SIGFPE: the divisor is known to be zero. */
bool registers_divides_by_zero(const ucontext_t *context);
/* A general register holds [low, high]. */
bool registers_hold(const ucontext_t *context, uintptr_t low, uintptr_t high);
/* After a breakpoint's SIGTRAP: back to the breakpoint. */
void registers_leave_trap(ucontext_t *context);

/* ---- frames ---- */

struct stack_frame {
    const char *ip;
    bool is_exact;  /* `ip` is an instruction's own address, not that behind a call */
    const void *sp; /* all that it has called stands below */
    void **slot;    /* the place that holds `ip`, to which what it has called returns */
};

/* False: it has seen enough. */
typedef bool (*frame_visitor)(void *context, const struct stack_frame *frame);

/* Once a process. */
void frames_init(const struct arena *arena);

/* From the innermost one on, as long as they can be found: those of the interrupted
 * context; of our callers that are no code of this executable, for NULL. */
void frames_walk(const struct arena *arena, const ucontext_t *interrupted,
                 frame_visitor visit, void *context);

/* Where a function has no frame yet, or no longer, or was called where there is no code:
 * the context is moved to its caller. False: it has a frame. */
struct frames_saved {
    uintptr_t ip, sp;
};
bool frames_step_out(const struct names *names, ucontext_t *context);
struct frames_saved frames_save(const ucontext_t *context);
void frames_restore(ucontext_t *context, const struct frames_saved *saved);

/* Whether a SIGSEGV is due to a function that returned to an address that had been
 * overwritten. Reads the stack, and may fault itself. */
bool frames_is_smashed(const struct names *names, const ucontext_t *context);

/* The stack pointer of the caller, as it is before and after the call. */
const void *frames_sp(void);

/* Code that is no function: returned to, it calls frames_landed(). */
extern const char frames_landing[] __attribute__((visibility("hidden")));
_Noreturn void frames_landed(void); /* guard.c */

#endif
