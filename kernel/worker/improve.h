/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What cc has made of a payload's functions, on its way into the zygote that serves it
 * and into job workers that are in the middle of a task: their next call of a function
 * runs the new code (pickler/code/redirect.h). State is as it was in both. */
#ifndef ACHAR_WORKER_IMPROVE_H
#define ACHAR_WORKER_IMPROVE_H

#include "kernel/worker/job.h"

/* Once, in the zygote; the job must stay. Without room for it there is no help for
 * running tasks. */
void improve_init(struct job *job);
/* After fork(): where the stack is that tasks run on. */
void improve_begin(void);

/* As zygote_work.is_improvable and .improve, with that job as context. */
bool improve_is_possible(void *context);
int improve_take(void *context, const void *object, size_t size, struct error *err);

#endif
