/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/kept.h"

#define KEPT_PRUNE_FIRST 256

static void clear_unit(struct kept_unit *unit)
{
    plan_free(unit->plan);
    buffer_clear(&unit->object);
}

void kept_clear(struct kept_units *kept)
{
    for (size_t i = 0; i < kept->n; i++)
        clear_unit(&kept->at[i]);
    free(kept->at);
    *kept = (struct kept_units){.n_added = kept->n_added, .n_drops = kept->n_drops + 1};
}

static bool is_needed(const struct graph *graph, uint32_t id)
{
    const struct definition *definition = graph_get(graph, id);
    return definition && graph_may_return(graph, definition);
}

/* Something of the unit can still be reached by name, or could be after an undo. */
static bool is_live(const struct kept_unit *unit, const struct graph *graph,
                    const struct types *types)
{
    const struct plan *plan = unit->plan;
    for (size_t i = 0; i < plan->n_bindings; i++)
        if (is_needed(graph, plan->bindings[i].definition))
            return true;
    for (size_t i = 0; i < plan->n_layouts; i++) {
        uint32_t definition = types_get(types, plan->layouts[i])->definition;
        if (!definition || is_needed(graph, definition))
            return true;
    }
    return false;
}

static void prune(struct kept_units *kept, const struct graph *graph,
                  const struct types *types)
{
    size_t n = 0;
    for (size_t i = 0; i < kept->n; i++) {
        if (is_live(&kept->at[i], graph, types))
            kept->at[n++] = kept->at[i];
        else
            clear_unit(&kept->at[i]);
    }
    kept->n = n;
    kept->prune_at = 2 * n < KEPT_PRUNE_FIRST ? KEPT_PRUNE_FIRST : 2 * n;
}

void kept_add(struct kept_units *kept, struct plan *plan, struct buffer *object,
              uint64_t moment, const struct graph *graph, const struct types *types)
{
    struct kept_unit unit = {
        .plan = plan, .object = *object, .moment = moment, .serial = ++kept->n_added};
    *object = (struct buffer){0};
    if (!plan->n_bindings && !plan->n_layouts) {
        clear_unit(&unit);
        return;
    }
    GROW(kept->at, kept->n, kept->capacity);
    kept->at[kept->n++] = unit;
    if (kept->n >= (kept->prune_at ? kept->prune_at : KEPT_PRUNE_FIRST))
        prune(kept, graph, types);
}

void kept_drop_after(struct kept_units *kept, uint64_t moment)
{
    size_t n = kept->n;
    while (kept->n && kept->at[kept->n - 1].moment > moment)
        clear_unit(&kept->at[--kept->n]);
    kept->n_drops += kept->n != n;
}
