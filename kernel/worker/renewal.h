/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A job worker that takes another task starts from exactly the state that the last one
 * started from: every byte of its memory is put back, and the kernel's side of the
 * process is untouched because the task made no system call (the first one that it makes
 * is seen, by syscall user dispatch, and rules the renewal out); what is left is the
 * processor time it has used. Written pages are found by the asynchronous write
 * protection of userfaultfd. Where the machine lacks either (Linux before 6.7, other
 * processors), or a task did more than compute, a fresh process takes its place.
 *
 * One a process, on its only thread; the state is the process's, as a signal handler
 * needs it. In order: prepare; sigsetjmp() on start, in a function that stays active;
 * snapshot; any number of tasks, each followed by restore. */
#ifndef ACHAR_WORKER_RENEWAL_H
#define ACHAR_WORKER_RENEWAL_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

#define RENEWAL_BYTES_MAX                                                                \
    ((size_t)16 << 20)        /* of memory to be put back; more is not tried */
#define RENEWAL_PAGES_MAX 512 /* that tasks have added to it; more is not worth it */

/* Whether it is worth to try. */
bool renewal_is_supported(void);
/* After fork(). False: this machine or process cannot do it. */
bool renewal_prepare(void);
/* Where restore returns to; the second argument of sigsetjmp() is 0. */
sigjmp_buf *renewal_start(void);
/* To be called by the same function as restore. */
void renewal_snapshot(void);

/* Around all code that may be a task's, also what streams and the like call back. They do
 * nothing without renewal_prepare(), or once a system call was seen. The heap must not
 * shrink meanwhile (M_TRIM_THRESHOLD): memory that comes back is not protected. */
void renewal_watch(void);
void renewal_unwatch(void);

/* After a task: true when restore may be called. */
bool renewal_is_possible(void);
/* Puts everything back and jumps to start. Ends the process, with status 0, in the rare
 * case that the machine cannot after all. */
_Noreturn void renewal_restore(void);

#endif
