/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A payload, compiled and loaded, and the tasks that run on it: what a zygote does
 * between its frames. Loading happens once in the zygote; a task is run by a fresh copy
 * of the process, so it may change everything. */
#ifndef ACHAR_WORKER_JOB_H
#define ACHAR_WORKER_JOB_H

#include "kernel/worker/engine.h"
#include "kernel/worker/ledger.h"
#include "kernel/worker/zygote.h"
#include "pickler/payload/payload.h"

/* State that is compared after a PAYLOAD_RANGE task; of more, a write elsewhere than to
 * the arrays that come home is not noticed. */
#define JOB_WATCHED_MAX ((size_t)64 << 20)
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
    bool is_by_tcc;                 /* the unit is */
    struct job_variable *variables; /* only where it matters whether they change */
    size_t n_variables;
    void *ledger;  /* LANE_LEDGER_SIZE bytes; NULL: none */
    uint32_t task; /* the one that runs */
};

/* As zygote_work.load and .run, with a job as context. */
void job_load(void *context, const struct zygote_payload *payload,
              struct zygote_object object, struct outcome *ret);
void job_run(void *context, const void *argument, size_t size, struct outcome *ret,
             struct buffer *result);

/* A unit of its functions knows what they allocate. */
void job_add_sites(const struct job *job, struct unit *unit);

/* As zygote_work.has_ledger and .salvage. */
bool job_has_ledger(void *context);
uint32_t job_salvage(void *context, const void *memory, struct buffer *result);

/* For the files that run tasks. */
bool job_set_object(const struct job *job, const char *symbol, const void *value,
                    size_t size, struct outcome *ret);
void job_call(const struct job *job, struct outcome *ret);
/* The variables that differ from what was loaded, at most job->n_variables. */
size_t job_find_changed(const struct job *job, struct value_root *roots);
void job_dump_roots(const struct job *job, const struct value_root *roots, size_t n,
                    struct outcome *ret, struct buffer *result);
/* Runs what the task has given to atexit(); its own outcome comes first. It is over then.
 */
void job_end(const struct job *job, struct ledger *ledger, struct outcome *ret,
             struct buffer *result);

/* job_partial.c */
/* Where a task has several elements: from now on the payload counts those that are done.
 * The ledger must stay where it is. */
void job_open_ledger(const struct job *job, uint64_t count, struct ledger *ledger);
/* After a failure: how far the task has come, and the elements of the roots so far. */
void job_pack_partial(const struct job *job, const struct ledger *ledger,
                      struct value_root *roots, size_t n, struct buffer *result);
/* The same of the whole result of a task that failed behind its last element. */
void job_make_partial(const struct job *job, const struct ledger *ledger,
                      struct buffer *result);

/* job_range.c */
void job_run_range(const struct job *job, const void *argument, size_t size,
                   struct outcome *ret, struct buffer *result);

#endif
