/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Plans on their way into the worker: which compiler, what a new worker is told first,
 * and when a cell's definitions become the session's. */
#include <errno.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/session/look.h"
#include "kernel/session/state.h"
#include "pickler/code/cc.h"

static int say_interrupted(struct result *result)
{
    result_error(result, "Interrupted",
                 "interrupted while the cell was compiled; nothing was run");
    return 1;
}

/* An object for the plan when libtcc must not compile it, or cc makes it so much faster;
 * 0 with an empty buffer when libtcc is to do it. Positive: cc refused it, and the result
 * says why. */
static int compile(struct session *session, const struct plan *plan, bool is_forced,
                   struct buffer *ret_object, struct result *result, struct error *err)
{
    bool is_needed = plan->cc_reason || is_forced;
    bool is_better = plan->is_heavy && session->tier.level;
    if (!plan->text || (!is_needed && !is_better))
        return 0;
    CLEANUP(freep) char *messages = NULL;
    struct cc_options options = {.flags = (const char *const *)session->flags,
                                 .n_flags = session->n_flags,
                                 .chosen = plan->options,
                                 .is_cached = true,
                                 .wake_fd = session->interrupt.fd};
    int r = cc_compile(plan->text, &options, ret_object, &messages, err);
    if (r == 0 || (r < 0 && is_needed))
        return r;
    bool was_interrupted = session_was_interrupted(session);
    if (!is_needed && !was_interrupted) {
        buffer_clear(ret_object);
        return 0;
    }
    if (was_interrupted)
        return say_interrupted(result);
    result_error(result, "CompileError", "%s", messages ? messages : "cc refused it");
    return 1;
}

/* What libtcc has made of the last plan in the analyser, while that was read here. 0 with
 * an empty buffer: there is none, and the worker is to try. Positive: the result says
 * why not. */
static int take_object(struct session *session, struct buffer *ret_object,
                       bool *ret_is_refused, struct result *result)
{
    CLEANUP(freep) char *why = NULL;
    struct frame answer;
    if (!session->has_object)
        return 0;
    session->has_object = false;
    worker_client_look(&session->worker); /* there is time for the checkpoint's answer */
    if (analyser_client_more(&session->analyser, &answer, &why) == 0) {
        if (strstr(why, "interrupted") != why)
            return 0;
        return say_interrupted(result);
    }
    size_t size;
    struct unpack in = unpack_init(answer.data, answer.size);
    bool is_ok = unpack_bool(&in);
    const void *object = unpack_bytes(&in, &size);
    if (answer.kind != ANALYSER_OBJECT || !unpack_done(&in))
        return 0;
    *ret_is_refused = !is_ok;
    if (is_ok)
        buffer_add(ret_object, object, size);
    return 0;
}

/* The plan as the worker must see it: with every type it has not been told of. */
void session_pack_plan(const struct plan *plan, const struct buffer *object,
                       struct buffer *out)
{
    CLEANUP(buffer_clear) struct buffer packed = {0};
    plan_pack(plan, &packed);
    pack_bytes(out, packed.data, packed.size);
    pack_bytes(out, object->data, object->size);
}

static int replay_unit(struct session *session, const struct kept_unit *unit,
                       const struct session_events *events, struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    session_pack_plan(unit->plan, &unit->object, &question);
    pack_u64(&question, RUN_LOAD_ONLY);
    int r = worker_client_ask(&session->worker, WORKER_RUN, &question, events, &outcome,
                              &rest, err);
    if (r == 0 && outcome.kind == OUTCOME_DIED)
        r = error_set(err, -EIO, "the new worker died while In[%u] was loaded into it",
                      unit->plan->cell);
    return r; /* what no longer loads is left out: calls of it say so */
}

static int replay_types(struct session *session, const struct session_events *events,
                        struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0}, types = {0};
    struct unpack rest;
    types_pack(&session->types, 1, &types);
    pack_u64(&question, 1);
    pack_bytes(&question, types.data, types.size);
    int r = worker_client_ask(&session->worker, WORKER_TYPES, &question, events, &outcome,
                              &rest, err);
    if (r == 0 && outcome.kind == OUTCOME_DIED)
        r = error_set(err, -EIO,
                      "the session's new process died while it was told of types");
    return r;
}

static void forget_library(struct session *session, size_t i)
{
    free(session->libraries[i]);
    memmove(session->libraries + i, session->libraries + i + 1,
            (--session->n_libraries - i) * sizeof(*session->libraries));
}

static int replay_library(struct session *session, size_t i,
                          const struct session_events *events, struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    pack_string(&question, session->libraries[i]);
    int r = worker_client_ask(&session->worker, WORKER_LINK, &question, events, &outcome,
                              &rest, err);
    if (r < 0 || outcome.kind != OUTCOME_DIED)
        return r;
    r = error_set(
        err, -EIO,
        "the session's new process did not survive '%s'; it is no longer linked, "
        "and the next cell has a process again",
        session->libraries[i]);
    forget_library(session, i);
    return r;
}

/* No cell is to blame that could say so. */
static void say_lost(const struct session_events *events)
{
    static const char text[] =
        "note: the session's process has ended while nothing ran (kill -9?): definitions "
        "are kept, variables and memory start again from their initial values\n";
    if (events)
        events->stream(events->context, true, text, sizeof(text) - 1);
}

int session_ready(struct session *session, const struct session_events *events,
                  struct error *err)
{
    if (worker_client_is_alive(&session->worker) || past_revive(session, events))
        return 0;
    if (session->worker.process.pid > 0)
        say_lost(events);
    worker_client_stop(&session->worker);
    int r = worker_client_start(&session->worker, err);
    analyser_client_watch(&session->analyser, session->worker.process.pid);
    for (size_t i = 0; r == 0 && i < session->n_libraries; i++)
        r = replay_library(session, i, events, err);
    if (r == 0 && session->types.n > 1)
        r = replay_types(session, events, err);
    for (size_t i = 0; r == 0 && i < session->kept.n; i++)
        r = replay_unit(session, &session->kept.at[i], events, err);
    past_forget(session); /* what checkpoints print would be lost with the old process */
    if (r < 0)
        worker_client_stop(&session->worker);
    else
        past_keep(session);
    return r;
}

/* A process that is new, or of before the limit was set, is told of it. */
static int tell_limit(struct session *session, const struct session_events *events,
                      struct error *err)
{
    struct worker_client *worker = &session->worker;
    uint32_t generation = worker->process.generation;
    bool was_told = worker->told_generation == generation;
    if (!worker->limits.memory && !worker->told_generation)
        return 0;
    if (was_told && worker->told_memory == worker->limits.memory)
        return 0;
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    pack_u64(&question, worker->limits.memory);
    worker->told_memory = worker->limits.memory;
    worker->told_generation = generation;
    return worker_client_ask(worker, WORKER_LIMIT, &question, events, &outcome, &rest,
                             err);
}

int session_ask(struct session *session, uint16_t kind, const struct buffer *question,
                const struct session_events *events, struct outcome *ret,
                struct unpack *ret_rest, struct error *err)
{
    int r = session_ready(session, events, err);
    if (r < 0)
        return r;
    past_open(session, events);
    r = tell_limit(session, events, err);
    if (r == 0)
        r = worker_client_ask(&session->worker, kind, question, events, ret, ret_rest,
                              err);
    if (r == 0 && ret->kind == OUTCOME_DIED)
        past_roll_back(session, ret);
    return r;
}

static void prune(struct session *session)
{
    CLEANUP(freep) uint32_t *macros = NULL;
    size_t n = 0;
    transcript_follow(&session->transcript, session->graph, &macros, &n);
    graph_prune(session->graph, macros, n);
}

/* What the worker has taken becomes the session's, and the analyser is told. */
static int commit(struct session *session, struct plan *plan, struct buffer *object,
                  struct error *err)
{
    CLEANUP(plan_freep) struct plan *owned = plan;
    struct unpack in = unpack_init(plan->types, plan->types_size);
    size_t n_types = session->types.n;
    int r = plan->types_from == session->types.n
                ? types_unpack(&session->types, &in, err)
                : error_set(err, -EPROTO, "the analyser's types start at %zu, not at %zu",
                            plan->types_from, session->types.n);
    if (r < 0)
        return r;
    CLEANUP(buffer_clear) struct buffer message = {0};
    if (!look_is_all(plan, session->graph, &session->types))
        past_change(session);
    else if (session->types.n != n_types || plan->n_layouts)
        past_learn(session);
    plan_pack_definitions(plan, &message);
    if (session->types.n != n_types || plan->n_definitions)
        analyser_client_tell(&session->analyser, ANALYSER_DEFINE, &message);
    tier_defined(&session->tier, plan);
    for (size_t i = 0; i < plan->n_definitions; i++)
        graph_add(session->graph, plan->definitions[i]);
    plan->n_definitions = 0;
    if (graph_is_prune_due(session->graph))
        prune(session);
    kept_add(&session->kept, TAKE(owned), object, session->past.moment, session->graph,
             &session->types);
    return 0;
}

static int ask_once(struct session *session, uint16_t kind, uint64_t flags,
                    const struct plan *plan, const struct buffer *object,
                    const struct session_events *events, struct outcome *ret,
                    struct unpack *ret_rest, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    session_pack_plan(plan, object, &question);
    if (kind != WORKER_ADDRESS)
        pack_u64(&question, flags);
    session->tier_context.scope.plan = plan;
    int r = session_ask(session, kind, &question, events, ret, ret_rest, err);
    session->tier_context.scope.plan = NULL;
    bool is_defined = r == 0 && ret->kind != OUTCOME_COMPILE &&
                      ret->kind != OUTCOME_LINK && ret->kind != OUTCOME_DIED;
    if (!is_defined && session->tier.has_seen_plan)
        tier_sync(&session->tier, session->graph);
    session->tier.has_seen_plan = false;
    return r;
}

/* A cell that ended its process, without a checkpoint to go back to, has defined what it
 * defines all the same, unless a new process does not survive loading it. */
static int keep_definitions(struct session *session, struct plan *plan,
                            struct buffer *object, struct error *err)
{
    CLEANUP(plan_freep) struct plan *owned = plan;
    CLEANUP(outcome_clear) struct outcome again = {0};
    struct error why = {0};
    struct unpack rest;
    int r = ask_once(session, WORKER_RUN, RUN_LOAD_ONLY, plan, object, NULL, &again,
                     &rest, &why);
    return r < 0 || again.kind != OUTCOME_OK ? 0
                                             : commit(session, TAKE(owned), object, err);
}

struct sending {
    uint16_t kind;
    uint64_t flags;
    struct buffer *packed; /* gets the request that runs what was taken; or NULL */
};

static void pack_request(const struct plan *plan, const struct buffer *object,
                         bool is_tcc, struct buffer *out)
{
    if (!out)
        return;
    buffer_clear(out);
    session_pack_plan(plan, object, out);
    pack_u64(out, is_tcc ? RUN_TCC_OBJECT : 0);
}

static int send_plan(struct session *session, const struct sending *how,
                     struct plan *plan, const struct session_events *events,
                     struct outcome *ret, struct unpack *ret_rest, struct result *result,
                     struct error *err)
{
    CLEANUP(plan_freep) struct plan *owned = plan;
    CLEANUP(buffer_clear) struct buffer object = {0};
    bool is_refused = false;
    uint16_t kind = how->kind;
    uint64_t flags = how->flags;
    int r = take_object(session, &object, &is_refused, result);
    bool is_tcc = object.size > 0;
    if (r == 0 && !is_tcc)
        r = compile(session, plan, is_refused, &object, result, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = ask_once(session, kind, is_tcc ? flags | RUN_TCC_OBJECT : flags, plan, &object,
                 events, ret, ret_rest, err);
    if (r < 0)
        return r;
    pack_request(plan, &object, is_tcc, how->packed);
    if (is_tcc) /* a worker that needs it again makes it from the text */
        buffer_clear(&object);
    if (ret->kind == OUTCOME_COMPILE && !object.size) {
        r = compile(session, plan, true, &object, result, err);
        if (r != 0)
            return r < 0 ? r : 0;
        outcome_clear(ret);
        r = ask_once(session, kind, flags, plan, &object, events, ret, ret_rest, err);
        if (r < 0)
            return r;
        pack_request(plan, &object, false, how->packed);
    }
    if (ret->kind == OUTCOME_COMPILE || ret->kind == OUTCOME_LINK)
        return 0;
    if (ret->kind == OUTCOME_DIED && ret->note)
        return 0;
    if (ret->kind == OUTCOME_DIED)
        return kind == WORKER_RUN ? keep_definitions(session, TAKE(owned), &object, err)
                                  : 0;
    return commit(session, TAKE(owned), &object, err);
}

int session_send_plan(struct session *session, uint16_t kind, uint64_t flags,
                      struct plan *plan, const struct session_events *events,
                      struct outcome *ret, struct unpack *ret_rest, struct result *result,
                      struct error *err)
{
    struct sending how = {.kind = kind, .flags = flags};
    return send_plan(session, &how, plan, events, ret, ret_rest, result, err);
}

int session_load_plan(struct session *session, struct plan *plan,
                      const struct session_events *events, struct outcome *ret,
                      struct buffer *ret_packed, struct result *result, struct error *err)
{
    struct sending how = {
        .kind = WORKER_RUN, .flags = RUN_LOAD_ONLY, .packed = ret_packed};
    struct unpack rest;
    return send_plan(session, &how, plan, events, ret, &rest, result, err);
}
