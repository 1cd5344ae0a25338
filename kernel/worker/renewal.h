/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A job worker that takes another task starts from exactly the state that the last one
 * started from: every byte of its memory is put back, and the kernel's side of the
 * process is untouched because the task made no system call (the first one that it makes
 * is seen, by syscall user dispatch, and rules the renewal out); what is left is the
 * processor time it has used. Written pages are found by write protection. Where the
 * machine lacks the one (Linux before 5.11, other processors), or a task did more than
 * compute, a fresh process takes its place.
 *
 * One a process, on its only thread; the state is the process's, as a signal handler
 * needs it. In order: prepare; sigsetjmp() on start, in a function that stays active;
 * snapshot; any number of tasks, each followed by restore. */
#ifndef ACHAR_WORKER_RENEWAL_H
#define ACHAR_WORKER_RENEWAL_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

#define RENEWAL_PAGES_MAX 512 /* that are put back; more is not worth it */

/* Whether it is worth to try. Once, in the parent of all that call the rest. */
bool renewal_is_supported(void);
/* In the same: false when its children had little use of it so far. */
bool renewal_is_worth_it(void);
/* After fork(). False: this machine or process cannot do it. `kept` is shared with
 * another process and no part of what is put back; it may be NULL. */
bool renewal_prepare(const void *kept, size_t kept_size);
/* Where restore returns to; the second argument of sigsetjmp() is 0. */
sigjmp_buf *renewal_start(void);
/* To be called by the same function as restore. */
void renewal_snapshot(void);

/* Around all code that may be a task's, also what streams and the like call back, and
 * around all of ours that may map memory. They do nothing without renewal_prepare(), or
 * once a system call was seen. Outside of them, between the snapshot and restore, a
 * system call must not write to memory that the program has not written to since. */
void renewal_watch(void);
void renewal_unwatch(void);

/* After a task: true when restore may be called. */
bool renewal_is_possible(void);
/* Puts everything back and jumps to start. Ends the process, with status 0, in the rare
 * case that the machine cannot after all. */
_Noreturn void renewal_restore(void);

#endif
