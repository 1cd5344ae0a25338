/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a signal means, in words. Runs in the signal handler: nothing is allocated. */
#ifndef ACHAR_WORKER_FAULT_H
#define ACHAR_WORKER_FAULT_H

#include <signal.h>
#include <stddef.h>
#include <ucontext.h>

struct fault_stack {  /* of the thread that runs cells */
    char *low, *high; /* it may not grow below `low` */
};

/* "SIGSEGV" */
void fault_name(int signal, char *name, size_t size);
/* "write to address 0x0 (null pointer)", "division by zero", "stack overflow", ... */
void fault_describe(int signal, const siginfo_t *info, const ucontext_t *context,
                    const struct fault_stack *stack, char *text, size_t size);

#endif
