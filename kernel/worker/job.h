/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A payload, compiled and loaded, and the tasks that run on it: what a zygote does
 * between its frames. Loading happens once in the zygote; a task is run by a fresh copy
 * of the process, so it may change everything. */
#ifndef ACHAR_WORKER_JOB_H
#define ACHAR_WORKER_JOB_H

#include "kernel/worker/engine.h"
#include "pickler/payload/payload.h"

#define JOB_ELEMENTS_MAX ((uint64_t)1 << 40) /* of one PAYLOAD_MAP task */

/* A variable's value as it was loaded, to see later whether a task has changed it. */
struct job_variable {
    const char *name; /* borrowed from the payload */
    struct value_root root;
    struct buffer before; /* its value graph; empty: it could not be taken */
};

struct job {
    struct engine *engine;
    struct payload *payload; /* NULL: nothing is loaded yet */
    struct unit *unit;
    struct job_variable *variables; /* only where the payload returns state */
    size_t n_variables;
};

/* As zygote_work.load and .run, with a job as context. */
void job_load(void *context, const void *payload, size_t size, const void *object,
              size_t object_size, struct outcome *ret);
void job_run(void *context, const void *argument, size_t size, struct outcome *ret,
             struct buffer *result);

#endif
