/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Threads that cells start: each has an alternate stack for signal handlers, so that one
 * that runs out of its own stack can still be reported. */
#ifndef ACHAR_WORKER_THREAD_H
#define ACHAR_WORKER_THREAD_H

#include <pthread.h>
#include <threads.h>

#include "kernel/worker/fault.h"

/* For replace_find(). */
int thread_create(pthread_t *ret, const pthread_attr_t *attributes,
                  void *(*function)(void *), void *argument);
int thread_create_c11(thrd_t *ret, thrd_start_t function, void *argument);

/* The calling thread's; NULL when it was not started by the functions above. May be asked
 * by a signal handler. */
const struct fault_stack *thread_stack(void);

#endif
