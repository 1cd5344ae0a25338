/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values on their way out of and into the worker. */
#include <errno.h>
#include <string.h>

#include "kernel/peer/memory_file.h"
#include "kernel/peer/protocol.h"
#include "kernel/session/state.h"

static int check_place(struct session *session, const struct session_place *place,
                       struct result *result)
{
    if (worker_client_is_alive(&session->worker) &&
        place->generation == session->worker.process.generation)
        return 0;
    result_error(result, "StateLost", "the session's process was replaced meanwhile");
    return 1;
}

static int ask(struct session *session, uint16_t kind, const struct buffer *question,
               struct unpack *ret_rest, struct result *result, struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    int r = session_ask(session, kind, question, NULL, &outcome, ret_rest, err);
    if (r == 0 && (kind == WORKER_LOAD || kind == WORKER_LOAD_AT))
        past_change(session);
    if (r == 0)
        session_report(session, &outcome, result);
    return r;
}

void session_dumped_clear(struct session_dumped *dumped)
{
    blob_unref(dumped->values);
    free(dumped->cuts);
    for (size_t i = 0; i < dumped->n_names; i++)
        free(dumped->names[i]);
    free(dumped->names);
    *dumped = (struct session_dumped){0};
}

/* Cuts that are in order and inside. */
static void take_cuts(struct unpack *in, struct session_dumped *ret)
{
    uint64_t size = ret->values->size, last = 0;
    size_t n = unpack_count(in);
    ret->cuts = must_alloc((n + 1) * sizeof(*ret->cuts));
    for (; ret->n_cuts < n && !in->failed; ret->n_cuts++) {
        uint64_t at = unpack_max(in, size);
        in->failed |= at < last;
        last = ret->cuts[ret->n_cuts] = at;
    }
}

/* What the worker has written there, and cannot change any more. */
static void take_file(struct session *session, struct unpack *in,
                      struct session_dumped *ret)
{
    int file = session->worker.answer_file;
    size_t size = (size_t)unpack_max(in, PTRDIFF_MAX);
    session->worker.answer_file = -1;
    if (!in->failed && memory_file_is_sealed(file, size))
        ret->values = blob_map(file, size);
    else
        close(file);
    in->failed |= !ret->values;
    if (!in->failed)
        take_cuts(in, ret);
}

static int take_values(struct session *session, struct unpack *in,
                       struct session_dumped *ret, struct error *err)
{
    CLEANUP(session_dumped_clear) struct session_dumped dumped = {0};
    size_t size, n;
    const void *values = unpack_bytes(in, &size);
    n = unpack_count(in);
    dumped.names = must_alloc((n + 1) * sizeof(*dumped.names));
    for (; dumped.n_names < n && !in->failed; dumped.n_names++) {
        dumped.names[dumped.n_names] = unpack_string(in);
        in->failed |= !dumped.names[dumped.n_names];
    }
    if (session->worker.answer_file >= 0)
        take_file(session, in, &dumped);
    else
        dumped.values = blob_new(values, size);
    if (in->failed)
        return error_set(err, -EBADMSG, "the worker's values cannot be read");
    *ret = dumped;
    dumped = (struct session_dumped){0};
    return 0;
}

static int take_copy(struct session *session, struct unpack *in,
                     struct buffer *ret_values, char ***ret_names, size_t *ret_n_names,
                     struct error *err)
{
    CLEANUP(session_dumped_clear) struct session_dumped dumped = {0};
    int r = take_values(session, in, &dumped, err);
    if (r < 0)
        return r;
    buffer_add(ret_values, dumped.values->data, dumped.values->size);
    *ret_names = TAKE(dumped.names);
    *ret_n_names = dumped.n_names;
    dumped.n_names = 0;
    return 0;
}

static int ask_dump(struct session *session, const char *const *variables, size_t n,
                    struct unpack *ret_rest, struct result *result, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    pack_u64(&question, n);
    for (size_t i = 0; i < n; i++)
        pack_string(&question, variables[i]);
    pack_u64(&question, true);
    return ask(session, WORKER_DUMP, &question, ret_rest, result, err);
}

int session_dump_shared(struct session *session, const char *const *variables, size_t n,
                        struct session_dumped *ret, struct result *result,
                        struct error *err)
{
    struct unpack rest;
    *ret = (struct session_dumped){0};
    int r = ask_dump(session, variables, n, &rest, result, err);
    return r < 0 || result->kind != RESULT_OK ? r : take_values(session, &rest, ret, err);
}

int session_dump(struct session *session, const char *const *variables, size_t n,
                 struct buffer *ret_values, char ***ret_names, size_t *ret_n_names,
                 struct result *result, struct error *err)
{
    struct unpack rest;
    *ret_names = NULL;
    *ret_n_names = 0;
    int r = ask_dump(session, variables, n, &rest, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    return take_copy(session, &rest, ret_values, ret_names, ret_n_names, err);
}

int session_bytes(struct session *session, const char *const *names, size_t n, size_t max,
                  struct buffer *ret, struct result *result, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    pack_u64(&question, max);
    pack_u64(&question, n);
    for (size_t i = 0; i < n; i++)
        pack_string(&question, names[i]);
    int r = ask(session, WORKER_BYTES, &question, &rest, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    if (unpack_count(&rest) != n)
        rest.failed = true;
    for (size_t i = 0; i < n && !rest.failed; i++) {
        size_t size;
        const void *bytes = unpack_bytes(&rest, &size);
        if (!rest.failed)
            buffer_add(&ret[i], bytes, size);
    }
    return rest.failed ? error_set(err, -EBADMSG, "the worker's bytes cannot be read")
                       : 0;
}

int session_load(struct session *session, const void *values, size_t size,
                 struct result *result, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    pack_bytes(&question, values, size);
    return ask(session, WORKER_LOAD, &question, &rest, result, err);
}

int session_place(struct session *session, uint32_t cell, const char *pointer_expression,
                  const struct session_events *events, struct session_place *ret,
                  struct result *result, struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    struct plan *plan = NULL;
    struct unpack rest;
    int r = session_plan(session, cell, 1, PLAN_EXPRESSION, pointer_expression, &plan,
                         result, err);
    if (r < 0 || !plan)
        return r;
    uint32_t type = plan->value_type;
    r = session_send_plan(session, WORKER_ADDRESS, 0, plan, events, &outcome, &rest,
                          result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    session_report(session, &outcome, result);
    if (result->kind != RESULT_OK)
        return 0;
    const struct type *pointer = types_get(&session->types, type);
    if (pointer->kind != TYPE_POINTER) {
        result_error(result, "TypeError", "'%s' has no address: it is '%s'",
                     pointer_expression, pointer->spelling);
        return 0;
    }
    ret->address = unpack_u64(&rest);
    ret->count = unpack_u64(&rest);
    ret->element_size = unpack_u64(&rest);
    ret->type = pointer->target;
    ret->generation = session->worker.process.generation;
    return rest.failed ? error_set(err, -EBADMSG, "the worker's address cannot be read")
                       : 0;
}

int session_place_variable(struct session *session, const char *name,
                           const struct session_events *events, struct session_place *ret,
                           bool *ret_is_found, struct result *result, struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    const struct definition *definition = graph_current(session->graph, name);
    *ret_is_found = false;
    if (!definition || definition->kind != DEFINITION_VARIABLE)
        return 0;
    uint32_t type = definition->type;
    pack_string(&question, name);
    int r = session_ask(session, WORKER_PLACE, &question, events, &outcome, &rest, err);
    if (r < 0)
        return r;
    session_report(session, &outcome, result);
    if (result->kind != RESULT_OK)
        return 0;
    ret->address = unpack_u64(&rest);
    ret->element_size = unpack_u64(&rest);
    ret->count = 1;
    ret->type = type;
    ret->generation = session->worker.process.generation;
    *ret_is_found = !rest.failed && ret->element_size;
    return rest.failed ? error_set(err, -EBADMSG, "the worker's address cannot be read")
                       : 0;
}

static void pack_place(const struct session_place *place, uint64_t from, uint64_t count,
                       struct buffer *ret)
{
    pack_u64(ret, place->address + from * place->element_size);
    pack_u64(ret, place->type);
    pack_u64(ret, count);
}

int session_dump_at(struct session *session, const char *root,
                    const struct session_place *place, uint64_t from, uint64_t count,
                    struct buffer *ret_values, char ***ret_names, size_t *ret_n_names,
                    struct result *result, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    *ret_names = NULL;
    *ret_n_names = 0;
    if (check_place(session, place, result))
        return 0;
    pack_string(&question, root);
    pack_place(place, from, count, &question);
    pack_u64(&question, true);
    int r = ask(session, WORKER_DUMP_AT, &question, &rest, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    return take_copy(session, &rest, ret_values, ret_names, ret_n_names, err);
}

int session_dump_pieces(struct session *session, const char *root,
                        const struct session_place *place, uint64_t from, uint64_t count,
                        struct buffer *ret_values, size_t n, struct result *result,
                        struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    if (check_place(session, place, result))
        return 0;
    pack_string(&question, root);
    pack_place(place, from, count * n, &question);
    pack_u64(&question, n);
    int r = ask(session, WORKER_DUMP_PIECES, &question, &rest, result, err);
    for (size_t i = 0; r == 0 && result->kind == RESULT_OK && i < n; i++) {
        CLEANUP(session_dumped_clear) struct session_dumped dumped = {0};
        r = take_values(session, &rest, &dumped, err);
        if (r == 0)
            buffer_add(&ret_values[i], dumped.values->data, dumped.values->size);
    }
    return r;
}

int session_load_at(struct session *session, const struct session_place *place,
                    const struct session_part *parts, size_t n, struct result *result,
                    struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    if (!n || check_place(session, place, result))
        return 0;
    for (size_t i = 0; i < n; i++) {
        pack_place(place, parts[i].from, parts[i].count, &question);
        pack_bytes(&question, parts[i].values, parts[i].size);
    }
    return ask(session, WORKER_LOAD_AT, &question, &rest, result, err);
}
