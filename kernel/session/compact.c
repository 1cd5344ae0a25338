/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The table of types is the same in front, analyser and worker and only grows while cells
 * define things. What no definition, no kept unit and nothing in the worker leads to any
 * more is emptied now and then, at leisure, in all three. */
#include "kernel/peer/protocol.h"
#include "kernel/session/state.h"

static void keep(bool *is_kept, const struct types *types, uint32_t id)
{
    if (id < types->n)
        is_kept[id] = true;
}

static void keep_sites(bool *is_kept, const struct types *types,
                       const struct allocation_site *sites, size_t n)
{
    for (size_t i = 0; i < n; i++)
        keep(is_kept, types, sites[i].type);
}

static void keep_unit(bool *is_kept, const struct types *types, const struct plan *plan)
{
    for (size_t i = 0; i < plan->n_bindings; i++)
        keep(is_kept, types, plan->bindings[i].type);
    for (size_t i = 0; i < plan->n_layouts; i++)
        keep(is_kept, types, plan->layouts[i]);
    keep(is_kept, types, plan->value_type);
    keep_sites(is_kept, types, plan->sites, plan->n_sites);
}

/* Old versions that the graph still has may come back (%undo). */
static void keep_ours(const struct session *session, bool *is_kept)
{
    const struct types *types = &session->types;
    for (size_t i = 0; i < graph_count(session->graph); i++) {
        const struct definition *at = graph_at(session->graph, i);
        keep(is_kept, types, at->type);
        keep_sites(is_kept, types, at->sites, at->n_sites);
    }
    for (uint32_t i = 1; i < types->n; i++) {
        uint32_t definition = types_get(types, i)->definition;
        is_kept[i] |= definition && graph_get(session->graph, definition);
    }
    for (size_t i = 0; i < session->kept.n; i++)
        keep_unit(is_kept, types, session->kept.at[i].plan);
    types_reach(types, is_kept);
}

/* The worker adds what it needs; false when it cannot say. */
static bool ask_worker(struct session *session, bool *is_kept)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct error ignored;
    struct unpack rest;
    types_pack_kept(&session->types, is_kept, &question);
    return worker_client_ask(&session->worker, WORKER_KEEP_TYPES, &question, NULL,
                             &outcome, &rest, &ignored) == 0 &&
           outcome.kind == OUTCOME_OK &&
           types_unpack_kept(&rest, &session->types, is_kept);
}

void session_compact(struct session *session)
{
    struct types *types = &session->types;
    size_t n = types_count(types);
    if (n < session->compact_at || !worker_client_is_alive(&session->worker))
        return;
    CLEANUP(freep) bool *is_kept = must_alloc(types->n * sizeof(*is_kept));
    keep_ours(session, is_kept);
    if (ask_worker(session, is_kept)) {
        CLEANUP(buffer_clear) struct buffer message = {0};
        types_reach(types, is_kept);
        types_empty(types, is_kept);
        types_pack_kept(types, is_kept, &message);
        analyser_client_tell(&session->analyser, ANALYSER_KEEP_TYPES, &message);
    }
    session->compact_at = types_count(types) + SESSION_COMPACT_EVERY;
}
