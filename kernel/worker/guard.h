/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Calls of cell code that survive what that code does: faults, exit(), interrupts. The
 * cell is left by a long jump only where that is safe (trace.h). Else an interrupt waits
 * until the library function returns to the cell: its return address is changed to lead
 * to us; where even that cannot be, it is tried again every 200 us. A fault ends the
 * process after telling the front.
 *
 * One process runs cells on one thread, so the state is the process's, as signal handlers
 * need it. */
#ifndef ACHAR_WORKER_GUARD_H
#define ACHAR_WORKER_GUARD_H

#include "kernel/peer/outcome.h"
#include "kernel/worker/trace.h"

struct guard_report {
    enum outcome_kind kind; /* OK, FAULT, EXIT or INTERRUPTED */
    int status;             /* exit status, or the signal's number */
    bool is_state_kept;
    char name[32]; /* "SIGSEGV" */
    char message[512];
    struct trace trace;
};

struct guard_call {
    void (*function)(void);
    int (*main)(int argc, char **argv, char **environment); /* or this one */
    int argc;
    char **argv;
    void (*with)(void *, void *); /* or this one */
    void *arguments[2];
};

/* `dying` is called from a signal handler (it may not allocate) before the process ends.
 */
void guard_init(const struct names *names,
                void (*dying)(const struct guard_report *report));
/* Called right before and after each call; a call that is left otherwise has no after. */
void guard_watch(void (*before)(void), void (*after)(void));
/* Whether a checkpoint would take over from this process: then a fault ends it, and so
 * does what stands in for _exit(). */
void guard_set_checkpoint(bool has_checkpoint);
/* Called when a call has come back, before it is a success; it may end in guard_fault().
 */
void guard_check(void (*check)(void));
/* For a signal handler: it interrupted code of cells itself, on the thread that runs it,
 * and so is in the middle of no library function. */
bool guard_is_in_cell(const ucontext_t *context);
/* For a signal handler: where the cell is that it interrupted. False when none runs, or
 * on another thread, which then gets the signal `number`. */
bool guard_where(int number, ucontext_t *context, struct guard_report *ret);
/* After fork(): this process and thread are the ones that run cells now. */
void guard_adopt(void);
/* The signals that are blocked now are so before each call: they are not asked for. */
void guard_keep_mask(void);

/* Runs the call. For main, a return is OUTCOME_EXIT with its status. */
void guard_run(const struct guard_call *call, struct guard_report *ret);

/* A request begins. An interrupt whose signal carries the id of another request
 * (sigqueue()) is not for it; one that came early for this one counts. */
void guard_begin(uint32_t id);
/* SIGINT since then: asked before a call is made, and between steps. */
bool guard_was_interrupted(void);

/* Owned outcome of a report. */
void guard_outcome(const struct guard_report *report, struct outcome *ret);

/* For what stands in for library functions: the cell that called ends with a fault, or
 * with an exit status. `name` NULL: the signal's. */
_Noreturn void guard_fault(int signal, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
_Noreturn void guard_exit(int status);
_Noreturn void guard_exit_at_once(int status); /* _exit() */
/* The process cannot go on whatever the trace says: the next guard_fault() ends it. */
void guard_give_up(void);
bool guard_has_one_thread(void);

bool guard_is_forked(void); /* a child that user code has forked */

#endif
