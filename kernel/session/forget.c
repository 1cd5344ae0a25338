/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Definitions on their way out of the session, and what is known of those that stay. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/session/state.h"

/* Names of functions and variables that stop being anything in the worker. */
static void add_names(const struct graph *graph, const struct definition *definition,
                      struct buffer *list, size_t *n)
{
    bool is_bound = definition->kind == DEFINITION_FUNCTION ||
                    definition->kind == DEFINITION_VARIABLE;
    if (!is_bound || !graph_is_current(graph, definition))
        return;
    pack_string(list, definition->name);
    ++*n;
}

static bool is_static_of(const struct graph *graph, const struct definition *function,
                         const struct definition *other)
{
    if (function->kind != DEFINITION_FUNCTION || !other || !other->is_local_static)
        return false;
    CLEANUP(freep) char *prefix = must_format("%s__static_", function->name);
    return strncmp(other->name, prefix, strlen(prefix)) == 0 &&
           graph_is_current(graph, other);
}

struct forgetting {
    struct buffer names, bound; /* of the graph; of the worker */
    size_t n_names, n_bound;
};

static void add(const struct graph *graph, const struct definition *definition,
                struct forgetting *to)
{
    bool is_macro = definition->kind == DEFINITION_MACRO;
    CLEANUP(freep)
    char *name = must_format("%s%s", is_macro ? "#" : "", definition->name);
    pack_string(&to->names, name);
    to->n_names++;
    add_names(graph, definition, &to->bound, &to->n_bound);
}

static void collect(const struct graph *graph, const uint32_t *ids, size_t n,
                    struct forgetting *ret)
{
    for (size_t i = 0; i < n; i++) {
        const struct definition *at = graph_get(graph, ids[i]);
        if (!at || !graph_is_current(graph, at))
            continue;
        add(graph, at, ret);
        for (size_t k = 0; k < at->n_refs; k++) {
            const struct definition *local = graph_get(graph, at->refs[k]);
            if (is_static_of(graph, at, local))
                add(graph, local, ret);
        }
    }
}

static int tell_worker(struct session *session, const struct forgetting *forgetting,
                       const struct session_events *events, struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    if (!forgetting->n_bound || !worker_client_is_alive(&session->worker))
        return 0;
    pack_u64(&question, forgetting->n_bound);
    buffer_add(&question, forgetting->bound.data, forgetting->bound.size);
    return session_ask(session, WORKER_FORGET, &question, events, &outcome, &rest, err);
}

static void forget_names(struct session *session, const struct forgetting *forgetting)
{
    CLEANUP(buffer_clear) struct buffer message = {0}, no_types = {0};
    types_pack(&session->types, session->types.n, &no_types);
    pack_u64(&message, session->types.n);
    pack_bytes(&message, no_types.data, no_types.size);
    pack_u64(&message, 0);
    pack_u64(&message, forgetting->n_names);
    buffer_add(&message, forgetting->names.data, forgetting->names.size);
    analyser_client_tell(&session->analyser, ANALYSER_DEFINE, &message);
    struct unpack in = unpack_init(forgetting->names.data, forgetting->names.size);
    for (size_t i = 0; i < forgetting->n_names; i++) {
        CLEANUP(freep) char *name = unpack_string(&in);
        if (!name)
            continue;
        graph_forget(session->graph, name);
        tier_forget(&session->tier, name);
    }
}

int session_forget(struct session *session, const uint32_t *ids, size_t n,
                   const struct session_events *events, struct error *err)
{
    struct forgetting forgetting = {0};
    past_open(session, events);
    past_change(session);
    collect(session->graph, ids, n, &forgetting);
    forget_names(session, &forgetting);
    int r = tell_worker(session, &forgetting, events, err);
    buffer_clear(&forgetting.names);
    buffer_clear(&forgetting.bound);
    return r;
}

/* ---- cells that are edited
 * ------------------------------------------------------------------ */

/* What uses the definition and is not in the list itself; NULL: nothing. */
static const struct definition *find_user(const struct graph *graph,
                                          const struct definition *definition,
                                          const uint32_t *ids, size_t n)
{
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        bool is_leaving = false;
        if (at == definition || !graph_is_current(graph, at) ||
            !graph_uses(graph, at, definition))
            continue;
        for (size_t k = 0; k < n; k++)
            is_leaving |= ids[k] == at->id;
        if (!is_leaving)
            return at;
    }
    return NULL;
}

static void say(const struct session_events *events, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct session_events *events, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char *text = must_vformat(format, arguments);
    va_end(arguments);
    if (events)
        events->stream(events->context, true, text, strlen(text));
    free(text);
}

/* Takes out of the list what something outside it uses; true when there was any. */
static bool keep_used(const struct session *session, uint32_t *ids, size_t *n,
                      const struct session_events *events)
{
    for (size_t i = 0; i < *n; i++) {
        const struct definition *at = graph_get(session->graph, ids[i]);
        const struct definition *user = find_user(session->graph, at, ids, *n);
        if (!user)
            continue;
        say(events, "note: '%s' is no longer in its cell; '%s' (In[%u]) still uses it\n",
            at->name, user->name, user->cell);
        memmove(ids + i, ids + i + 1, (--*n - i) * sizeof(*ids));
        return true;
    }
    return false;
}

/* Variables hold values, which running a cell again does not bring back. */
static size_t without_variables(const struct graph *graph, uint32_t *ids, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (graph_get(graph, ids[i])->kind != DEFINITION_VARIABLE)
            ids[kept++] = ids[i];
    return kept;
}

static void say_forgotten(const struct graph *graph, const uint32_t *ids, size_t n,
                          const struct session_events *events)
{
    CLEANUP(buffer_clear) struct buffer names = {0};
    for (size_t i = 0; i < n; i++)
        buffer_format(&names, "%s'%s'", i ? ", " : "", graph_get(graph, ids[i])->name);
    if (n)
        say(events, "note: %s %s no longer in %s cell and forgotten\n",
            buffer_string(&names), n > 1 ? "are" : "is", n > 1 ? "their" : "its");
}

void session_begin_cell(struct session *session, uint32_t cell,
                        const struct cell_origin *origin)
{
    cells_begin(&session->cells, cell, origin);
}

int session_end_cell(struct session *session, uint32_t cell, bool has_succeeded,
                     const struct session_events *events, struct error *err)
{
    const char *text = sources_text(&session->sources, cell);
    CLEANUP(freep) uint32_t *ids = NULL;
    size_t n = 0;
    if (!has_succeeded || !text)
        return 0;
    cells_end(&session->cells, cell, session->graph, text, &ids, &n);
    n = without_variables(session->graph, ids, n);
    while (keep_used(session, ids, &n, events))
        ;
    say_forgotten(session->graph, ids, n, events);
    return n ? session_forget(session, ids, n, events, err) : 0;
}

enum session_cell_state session_cell_state(const struct session *session,
                                           const struct definition *definition)
{
    return cells_state(&session->cells, definition);
}

/* ---- all of it
 * ------------------------------------------------------------------------------ */

static void clear_words(char ***words, size_t *n, size_t *capacity)
{
    for (size_t i = 0; i < *n; i++)
        free((*words)[i]);
    free(*words);
    *words = NULL;
    *n = *capacity = 0;
}

void session_forget_settings(struct session *session)
{
    clear_words(&session->libraries, &session->n_libraries, &session->libraries_capacity);
    clear_words(&session->flags, &session->n_flags, &session->flags_capacity);
    session_pack_flags(session);
    analyser_client_stop(&session->analyser);
    worker_client_stop(&session->worker);
}

void session_reset(struct session *session, bool only_variables)
{
    past_forget(session);
    worker_client_stop(&session->worker);
    if (only_variables)
        return;
    cells_clear(&session->cells);
    analyser_client_stop(&session->analyser);
    kept_clear(&session->kept);
    graph_clear(session->graph);
    types_clear(&session->types);
    types_init(&session->types);
    session->compact_at = SESSION_COMPACT_EVERY;
    tier_reset(&session->tier);
    texts_clear(&session->transcript);
}

static int read_shown(struct unpack *in, struct session_shown *ret, size_t n,
                      struct error *err)
{
    for (size_t i = 0; i < n; i++) {
        ret[i].size = unpack_u64(in);
        ret[i].text = unpack_string(in);
    }
    return in->failed ? error_set(err, -EBADMSG, "the worker's values cannot be read")
                      : 0;
}

int session_show(struct session *session, const char *const *names, size_t n,
                 struct session_shown *ret, struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    pack_u64(&question, n);
    for (size_t i = 0; i < n; i++)
        pack_string(&question, names[i]);
    int r = session_ready(session, NULL, err);
    if (r == 0)
        r = worker_client_ask(&session->worker, WORKER_SHOW, &question, NULL, &outcome,
                              &rest, err);
    if (r < 0 || outcome.kind != OUTCOME_OK)
        return r;
    return read_shown(&rest, ret, n, err);
}
