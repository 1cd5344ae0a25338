/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Which values of the session the ranks are given. */
#include <string.h>

#include "kernel/peer/protocol.h"
#include "magics/ranks.h"

#define BYTES_MAX ((size_t)1 << 30) /* of variables without pointers, at once */

struct names {
    const char **at; /* borrowed from the graph */
    size_t n, capacity;
};

static bool names_have(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++)
        if (!strcmp(names->at[i], name))
            return true;
    return false;
}

static void names_add(struct names *names, const char *name)
{
    if (names_have(names, name))
        return;
    GROW(names->at, names->n, names->capacity);
    names->at[names->n++] = name;
}

static void names_clear(struct names *names)
{
    free(names->at);
}

static struct ranks_variable *find_sent(const struct ranks *ranks, const char *name)
{
    for (size_t i = 0; i < ranks->n_variables; i++)
        if (!strcmp(ranks->variables[i].name, name))
            return &ranks->variables[i];
    return NULL;
}

static struct ranks_variable *note_sent(struct ranks *ranks, const char *name)
{
    struct ranks_variable *variable = find_sent(ranks, name);
    if (variable)
        return variable;
    GROW(ranks->variables, ranks->n_variables, ranks->variables_capacity);
    variable = &ranks->variables[ranks->n_variables++];
    *variable = (struct ranks_variable){.name = must_strdup(name)};
    return variable;
}

static bool is_made(const struct ranks_cell *cell, const char *name)
{
    for (size_t i = 0; i < cell->n_made; i++)
        if (!strcmp(cell->made[i], name))
            return true;
    return false;
}

/* Has a value that code may have set. */
static bool has_state(const struct ranks_cell *cell, const struct definition *at)
{
    return at->kind == DEFINITION_VARIABLE && at->source && !at->is_local_static &&
           !definition_is_thread_local(at) && !is_made(cell, at->name);
}

static void find_reached(const struct ranks_cell *cell, const uint32_t *roots, size_t n,
                         struct names *ret)
{
    const struct graph *graph = session_graph(cell->context->session);
    CLEANUP(freep) const struct definition **closure = NULL;
    size_t n_closure = 0;
    graph_closure(graph, roots, n, &closure, &n_closure);
    for (size_t i = 0; i < n_closure; i++)
        if (has_state(cell, closure[i]))
            names_add(ret, closure[i]->name);
}

/* One variable's value as bytes, by whichever way it goes; what it refers to is added to
 * `more` (NULL: not wanted). *ret_sendable false: it cannot travel, and the result says
 * why. */
static int value_hash(struct ranks_cell *cell, const char *name, struct names *more,
                      uint8_t ret[PAYLOAD_HASH_SIZE], bool *ret_sendable,
                      struct result *result, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer values = {0};
    const struct graph *graph = session_graph(cell->context->session);
    char **names = NULL;
    size_t n = 0;
    int r =
        session_dump(cell->context->session, &name, 1, &values, &names, &n, result, err);
    *ret_sendable = r == 0 && result->kind == RESULT_OK;
    for (size_t i = 0; i < n; i++) {
        const struct definition *at = graph_current(graph, names[i]);
        if (more && at && has_state(cell, at))
            names_add(more, at->name);
        free(names[i]);
    }
    free(names);
    if (*ret_sendable)
        payload_hash(values.data, values.size, ret);
    return r;
}

/* Compares one variable with what the ranks have; adds it to `changed`. */
static int look(struct ranks_cell *cell, const char *name, const struct buffer *bytes,
                struct names *reached, struct names *changed, struct result *result,
                struct error *err)
{
    struct ranks *ranks = cell->ranks;
    const struct ranks_variable *before = find_sent(ranks, name);
    uint8_t hash[PAYLOAD_HASH_SIZE];
    bool is_sendable = true;
    int r = 0;
    if (bytes->size)
        payload_hash(bytes->data, bytes->size, hash);
    else
        r = value_hash(cell, name, reached, hash, &is_sendable, result, err);
    if (r < 0)
        return r;
    if (!is_sendable && before && before->is_unknown) {
        result_clear(result); /* as when the ranks made it: theirs is another one */
        return 0;
    }
    if (!is_sendable ||
        (before && !before->is_unknown && !memcmp(before->hash, hash, sizeof(hash))))
        return 0;
    struct ranks_variable *now = note_sent(ranks, name);
    memcpy(now->hash, hash, sizeof(hash));
    now->is_unknown = false;
    names_add(changed, name);
    return 0;
}

/* `reached` grows on the way: values refer to other variables. */
static int find_changed(struct ranks_cell *cell, struct names *reached,
                        struct names *changed, struct result *result, struct error *err)
{
    struct session *session = cell->context->session;
    const struct ranks *ranks = cell->ranks;
    bool is_as_before = ranks->moment == session_moment(session) &&
                        ranks->generation == session_generation(session);
    size_t n_bytes = reached->n;
    CLEANUP(freep) struct buffer *bytes = must_alloc((n_bytes + 1) * sizeof(*bytes));
    int r = session_bytes(session, reached->at, n_bytes, BYTES_MAX, bytes, result, err);
    for (size_t i = 0; r == 0 && result->kind == RESULT_OK && i < reached->n; i++) {
        static const struct buffer none;
        if (is_as_before && find_sent(ranks, reached->at[i]))
            continue;
        r = look(cell, reached->at[i], i < n_bytes ? &bytes[i] : &none, reached, changed,
                 result, err);
    }
    for (size_t i = 0; i < n_bytes; i++)
        buffer_clear(&bytes[i]);
    return r;
}

static int send(struct ranks_cell *cell, const struct names *changed,
                struct result *result, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer values = {0}, body = {0};
    struct rank_answers answers;
    char **names = NULL;
    size_t n = 0;
    int r = session_dump(cell->context->session, changed->at, changed->n, &values, &names,
                         &n, result, err);
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    pack_bytes(&body, values.data, values.size);
    if (ranks_ask(cell, RANKS_ALL, WORKER_LOAD, &body, &answers, result))
        rank_answers_clear(&answers);
    return 0;
}

int ranks_send_state(struct ranks_cell *cell, const uint32_t *roots, size_t n_roots,
                     struct result *result, struct error *err)
{
    CLEANUP(names_clear) struct names reached = {0};
    CLEANUP(names_clear) struct names changed = {0};
    find_reached(cell, roots, n_roots, &reached);
    if (!reached.n)
        return 0;
    int r = find_changed(cell, &reached, &changed, result, err);
    if (r == 0 && result->kind == RESULT_OK && changed.n)
        r = send(cell, &changed, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        cell->ranks->is_stale = changed.n > 0; /* nobody knows what arrived */
    return r;
}

int ranks_own(struct ranks_cell *cell, const char *const *names, size_t n,
              struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        CLEANUP(result_clear) struct result result = {0};
        CLEANUP(buffer_clear) struct buffer bytes = {0};
        struct ranks_variable *variable = note_sent(cell->ranks, names[i]);
        bool is_sendable = true;
        int r = session_bytes(cell->context->session, &names[i], 1, BYTES_MAX, &bytes,
                              &result, err);
        if (r == 0 && bytes.size)
            payload_hash(bytes.data, bytes.size, variable->hash);
        else if (r == 0)
            r = value_hash(cell, names[i], NULL, variable->hash, &is_sendable, &result,
                           err);
        if (r < 0)
            return r;
        variable->is_unknown = !is_sendable;
    }
    return 0;
}
