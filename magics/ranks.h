/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cells on ranks. A rank is a session worker: it is fed what the session has defined, and
 * keeps its variables between cells. A variable of the session goes to all ranks when a
 * cell first reaches it, and again when its value in the session has changed since; what
 * ranks do to their copies stays with them. */
#ifndef ACHAR_MAGICS_RANKS_H
#define ACHAR_MAGICS_RANKS_H

#include "magics/capture.h"
#include "magics/context.h"
#include "magics/executors/ranks_client.h"
#include "magics/ranks_output.h"
#include "pickler/payload/payload.h"

/* A variable as the ranks were last given it, or as it was here when they made it. */
struct ranks_variable {
    char *name;
    uint8_t hash[PAYLOAD_HASH_SIZE];
    bool is_unknown; /* its value cannot be sent */
};

struct ranks {
    struct ranks_client *client;
    uint32_t world; /* that `feed` and `variables` speak of */
    struct session_feed feed;
    struct ranks_variable *variables;
    size_t n_variables, variables_capacity;
    uint64_t moment;     /* of the session when a cell last ended here */
    uint32_t generation; /* likewise */
    bool is_stale;       /* they must be started again */
};

void ranks_free(struct ranks *ranks); /* ends them */

/* Starts the ranks and does not wait for them. */
int ranks_prestart(struct magic_context *context, struct named_executor *executor,
                   struct result *result, struct error *err) MUST_USE;

struct ranks_options {
    const char *out, *gather, *group; /* NULL: not given */
    double timeout_ms;                /* 0: none */
};

/* Runs the body of a cell magic on all ranks of the executor. */
int ranks_run(struct magic_context *context, struct named_executor *executor,
              const struct magic_arguments *arguments,
              const struct ranks_options *options, struct result *result,
              struct error *err) MUST_USE;

/* A run on ranks, for the files of it. */
struct ranks_cell {
    struct magic_context *context;
    struct ranks *ranks;
    struct ranks_output output;
    struct ranks_events events;
    char **made; /* names of variables that the cell defines */
    size_t n_made;
    bool was_stopped;
    int64_t late_at; /* by clock_ms(); 0: it has no time limit, or does not run */
    bool was_late;
};

/* One request to all ranks; false after a failure, told in the result. */
bool ranks_ask(struct ranks_cell *cell, size_t rank, uint16_t kind,
               const struct buffer *body, struct rank_answers *ret,
               struct result *result);

/* ranks_state.c */
/* Sends the variables that the roots reach and that have changed. */
int ranks_send_state(struct ranks_cell *cell, const uint32_t *roots, size_t n_roots,
                     struct result *result, struct error *err) MUST_USE;
/* The ranks have values of their own for these: what the session holds now is not sent.
 */
int ranks_own(struct ranks_cell *cell, const char *const *names, size_t n,
              struct error *err) MUST_USE;

/* ranks_results.c */
/* The answers as the cell's result: rank 0's value, or what failed first. */
void ranks_report(struct ranks_cell *cell, struct rank_answers *answers,
                  struct result *result);
/* What is to come home is a variable, or will be one when the cell has run; else the
 * result says so, before anything runs. */
void ranks_check_wanted(struct ranks_cell *cell, const struct ranks_options *options,
                        struct result *result);
int ranks_bring_out(struct ranks_cell *cell, const char *names, struct result *result,
                    struct error *err) MUST_USE;
int ranks_gather(struct ranks_cell *cell, const char *text, struct result *result,
                 struct error *err) MUST_USE;

#endif
