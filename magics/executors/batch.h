/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Work that an engine carries without us: a folder of signed files (batch_file.h) and a
 * job of the engine that runs them. It goes on when this kernel ends, and is found again
 * by the engine's id. Only batch_new() and batch_find() wait, for as long as the engine's
 * programs take. */
#ifndef ACHAR_EXECUTORS_BATCH_H
#define ACHAR_EXECUTORS_BATCH_H

#include "magics/executors/batch_file.h"
#include "magics/executors/executor.h"

struct batch;

struct batch_argument { /* of part i, in the order of the parts */
    uint64_t from, count;
    const void *data;
    size_t size; /* 0: none */
};

struct batch_order {
    const char *name; /* what the engine's queue shows */
    const void *payload;
    size_t payload_size;
    const struct batch_argument *arguments;
    size_t n_arguments;
    const void *memo; /* comes back from batch_memo(), also after batch_find() */
    size_t memo_size;
};

/* Whether the executor's engine can do that; the error says what can. */
int batch_check(const struct executor_type *type, struct error *err) MUST_USE;
int batch_new(const struct executor_option *options, size_t n_options,
              const struct batch_order *order, struct batch **ret,
              struct error *err) MUST_USE;
/* One that was submitted by this user, by the engine's id. */
int batch_find(const struct executor_option *options, size_t n_options, const char *id,
               struct batch **ret, struct error *err) MUST_USE;
void batch_free(struct batch *batch); /* the job goes on */
DEFINE_FREEP(struct batch, batch_free)

const char *batch_id(const struct batch *batch);
const void *batch_memo(const struct batch *batch, size_t *ret_size);

/* How elements [from, from + count) ended, once each; takes the outcome, `values` are
 * borrowed. */
typedef void batch_take(void *context, uint64_t from, uint64_t count,
                        struct outcome *outcome, const void *values, size_t size);
/* Hands out what has come since, and asks the engine now and then. */
void batch_look(struct batch *batch, batch_take *take, void *context);
bool batch_has_begun(const struct batch *batch);
bool batch_is_over(const struct batch *batch); /* all parts have been handed out */
/* "pending: Resources", "12 of 40 run"; borrowed, NULL: nothing is known. */
const char *batch_detail(const struct batch *batch);
int batch_cancel(struct batch *batch, struct error *err) MUST_USE;
/* What the parts have printed so far, one after the other: stream 1 or 2, or 0 for a
 * packed bundle. */
typedef void batch_print(void *context, uint64_t from, int stream, const void *data,
                         size_t size);
void batch_log(const struct batch *batch, batch_print *print, void *context);

#endif
