/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A zygote has loaded one payload and forks job workers ahead of need; each takes a task,
 * answers, and ends, or takes another from the very state it started from (renewal.h). It
 * runs no task itself, so every task starts from the same state, and a task that dies
 * takes nothing with it. Speaks ZYGOTE_* frames with the pool on PROCESS_CHANNEL_FD. */
#ifndef ACHAR_WORKER_ZYGOTE_H
#define ACHAR_WORKER_ZYGOTE_H

#include <stdbool.h>

#include "kernel/peer/outcome.h"
#include "pickler/payload/recipe.h"

/* What cc has made of a payload. */
struct zygote_object {
    const void *data;
    size_t size;      /* 0: none */
    bool is_hopeless; /* and there will be none */
};

/* The bytes of a payload, or of a recipe and where its pieces with a hash are. */
struct zygote_payload {
    const void *data;
    size_t size;
    const struct recipe_place *places;
    size_t n_places;
};

/* What is done with a payload and a task; it knows nothing of processes and frames. */
struct zygote_work {
    void *context;
    /* In the zygote, while nothing is asked of it yet: what makes load() faster. */
    void (*warm)(void *context);
    /* In the zygote, once, or again after OUTCOME_COMPILE: everything that tasks share.
     * An empty object means: compile here, which may be refused with OUTCOME_COMPILE
     * where cc would do better, if there is hope of cc. Fills `ret` when it is not OK. */
    void (*load)(void *context, const struct zygote_payload *payload,
                 struct zygote_object object, struct outcome *ret);
    /* In the zygote, when it is loaded: whether improve() may be called. Both may be
     * NULL.
     */
    bool (*is_improvable)(void *context);
    /* In the zygote: better code for what is loaded, in the state that it is in. On
     * failure all is as before. Job workers that run are sent SIGURG from then on. */
    int (*improve)(void *context, const void *object, size_t size, struct error *err);
    /* In the zygote: whether tasks may leave something when they die. NULL: none do. */
    bool (*has_ledger)(void *context);
    /* In a fresh job worker, before its task comes; `ledger`: LANE_LEDGER_SIZE bytes that
     * outlive it, NULL: there are none. As warm() it may be NULL. */
    void (*begin)(void *context, int task_fd, void *ledger);
    /* In the same, before each task: what is reported from now on is of that id; may be
     * NULL. */
    void (*begin_task)(void *context, uint32_t id);
    /* In the same: one task, the code of others between renewal_watch() and _unwatch().
     * `result` gets the values. Must return, whatever the task does short of killing the
     * process; output is flushed by the caller. */
    void (*run)(void *context, const void *argument, size_t size, struct outcome *ret,
                struct buffer *result);
    /* In the zygote, of a job worker that has ended: the id of the task that it was in,
     * 0: none, and what it has left of its result. Only with has_ledger(). */
    uint32_t (*salvage)(void *context, const void *ledger, struct buffer *result);
};

#define ZYGOTE_CHILDREN_MAX 1024 /* job workers alive at once */

/* Serves until the pool closes the channel; returns the exit status. Dies with its
 * parent. */
int zygote_serve(const struct zygote_work *work);

/* The mode `--zygote` of achar-worker: payloads, compiled and loaded. */
int zygote_main(void);

#endif
