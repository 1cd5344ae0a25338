/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The inside of a session, for the files of this folder only. */
#ifndef ACHAR_SESSION_STATE_H
#define ACHAR_SESSION_STATE_H

#include "kernel/session/analyser_client.h"
#include "kernel/session/cells.h"
#include "kernel/session/kept.h"
#include "kernel/session/past.h"
#include "kernel/session/session.h"
#include "kernel/session/sources.h"
#include "kernel/session/transcript.h"
#include "kernel/session/worker_client.h"

#define SESSION_COMPACT_EVERY 500 /* types since the last time */
#define SESSION_FLAGS_MAX 900     /* the analyser takes 1000 words at once */

struct session {
    struct graph *graph;
    struct types types;
    struct analyser_client analyser;
    struct worker_client worker;
    struct interrupt interrupt;
    bool has_object; /* the analyser is about to send that of its last plan */
    struct kept_units kept;
    struct sources sources;
    struct cells cells;
    struct past past;
    struct texts transcript;
    struct tier tier;
    struct tier_context tier_context;
    char **libraries; /* opened by %link, in order */
    size_t n_libraries, libraries_capacity;
    char **flags; /* -I, -D, ... */
    size_t n_flags, flags_capacity;
    size_t
        compact_at; /* number of types at which those that serve nothing are looked for */
    char **arguments; /* of main, behind its name */
    size_t n_arguments;
};

/* A worker that has everything the session has defined; starts one where there is none.
 */
int session_ready(struct session *session, const struct session_events *events,
                  struct error *err) MUST_USE;

/* Sends a plan to the worker as `kind` (WORKER_RUN or WORKER_TIME with the number that
 * follows the object, or WORKER_ADDRESS),
 * trying cc where libtcc refuses it, and makes its definitions part of the session unless
 * it could not be loaded. Takes the plan. *ret_rest: what follows the outcome. */
int session_send_plan(struct session *session, uint16_t kind, uint64_t flags,
                      struct plan *plan, const struct session_events *events,
                      struct outcome *ret, struct unpack *ret_rest, struct result *result,
                      struct error *err) MUST_USE;
/* As WORKER_RUN with RUN_LOAD_ONLY; *ret_packed (NULL: not wanted) is the body of the
 * WORKER_RUN that runs it. */
int session_load_plan(struct session *session, struct plan *plan,
                      const struct session_events *events, struct outcome *ret,
                      struct buffer *ret_packed, struct result *result,
                      struct error *err) MUST_USE;

/* A plan and its object as the worker reads them. */
void session_pack_plan(const struct plan *plan, const struct buffer *object,
                       struct buffer *out);

/* One request that may change the state, in a worker that is ready for it; one that dies
 * of it is replaced by its checkpoint, if there is one. What follows an outcome is not
 * read after OUTCOME_DIED. */
int session_ask(struct session *session, uint16_t kind, const struct buffer *question,
                const struct session_events *events, struct outcome *ret,
                struct unpack *ret_rest, struct error *err) MUST_USE;

/* Has all flags as the next analyser is told of them. */
void session_pack_flags(struct session *session);

/* As session_plan() of a cell whose text starts at its first line, but *ret may also be a
 * plan that lacks nothing but lengths of arrays. */
int session_plan_or_lengths(struct session *session, uint32_t cell, const char *text,
                            struct plan **ret, struct result *result,
                            struct error *err) MUST_USE;

/* compact.c */
/* Between cells: frees types that nothing leads to any more, when there may be many. */
void session_compact(struct session *session);

/* lengths.c */
/* Runs a cell whose plan lacks lengths of arrays. */
int lengths_run(struct session *session, uint32_t cell, const char *text,
                const struct plan *plan, const struct session_events *events,
                struct result *result, struct error *err) MUST_USE;

/* Moves an outcome that is not a success into the result. */
void session_report(struct session *session, const struct outcome *outcome,
                    struct result *result);

#endif
