/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a signal means, in words. Runs in the signal handler: nothing is allocated. */
#ifndef ACHAR_WORKER_FAULT_H
#define ACHAR_WORKER_FAULT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <ucontext.h>

struct fault_stack {  /* of a thread */
    char *low, *high; /* it may not grow below `low` */
};

/* "SIGSEGV" */
void fault_name(int signal, char *name, size_t size);
/* `stack` NULL: not known. "write to address 0x0 (null pointer)", "division by zero",
 * "stack overflow", ... */
void fault_describe(int signal, const siginfo_t *info, const ucontext_t *context,
                    const struct fault_stack *stack, char *text, size_t size);
/* A write that has run through all frames up to the end of the stack. */
bool fault_is_behind_stack(const ucontext_t *context, const struct fault_stack *stack);
/* A better name and text, where there are: what the C library has said when it has found
 * damage and aborted, the memory that was refused when a null pointer is used. */
void fault_find_cause(int signal, const siginfo_t *info, char *name, size_t name_size,
                      char *text, size_t size);

#endif
