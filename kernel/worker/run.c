/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/run.h"

#include "kernel/display/value.h"
#include "kernel/peer/protocol.h"

static enum name_kind kind_of(enum binding_kind kind)
{
    switch (kind) {
    case BINDING_FUNCTION:
        return NAME_FUNCTION;
    case BINDING_VARIABLE:
        return NAME_VARIABLE;
    case BINDING_DECLARED:
        return NAME_DECLARED;
    }
    return NAME_DECLARED;
}

static struct unit *load(struct engine *engine, const struct plan *plan,
                         const void *object, size_t object_size, struct outcome *ret)
{
    CLEANUP(freep)
    struct name_binding *bindings =
        must_alloc((plan->n_bindings + 1) * sizeof(*bindings));
    for (size_t i = 0; i < plan->n_bindings; i++) {
        const struct binding *binding = &plan->bindings[i];
        bindings[i] = (struct name_binding){kind_of(binding->kind), binding->name,
                                            binding->symbol, binding->type};
    }
    struct unit *unit = engine_load(engine, plan->text, object, object_size, bindings,
                                    plan->n_bindings, ret);
    if (!unit)
        return NULL;
    struct error err = {0};
    if (engine_read_layouts(engine, unit, plan->layouts, NULL, plan->n_layouts, &err) < 0)
        outcome_set(ret, OUTCOME_LINK, "LayoutError", "%s", err.text);
    for (size_t i = 0; i < plan->n_definitions; i++)
        engine_add_sites(unit, plan->definitions[i]->cell, plan->definitions[i]->sites,
                         plan->definitions[i]->n_sites);
    engine_add_sites(unit, plan->cell, plan->sites, plan->n_sites);
    return unit;
}

static void call_all(struct engine *engine, const struct plan *plan,
                     const struct unit *unit, struct outcome *ret)
{
    static char *arguments[] = {(char *)"cell", NULL};
    for (size_t i = 0; i < plan->n_runs && ret->kind == OUTCOME_OK; i++)
        engine_call(engine, unit, plan->runs[i], ret);
    if (plan->main_symbol && ret->kind == OUTCOME_OK)
        engine_call_main(engine, unit, plan->main_symbol, 1, arguments, ret);
}

static void render(struct engine *engine, const struct plan *plan, const char *value,
                   struct outcome *ret)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    display_value(&engine->world, &engine->types, plan->value_type, value, NULL, &text);
    ret->value_text = buffer_take(&text);
}

static bool leaves_nothing(const struct outcome *outcome)
{
    return outcome->kind == OUTCOME_COMPILE || outcome->kind == OUTCOME_LINK;
}

int run_plan(struct engine *engine, const struct plan *plan, const void *object,
             size_t object_size, unsigned run_flags, struct outcome *ret,
             char **ret_value, struct error *err)
{
    size_t n_types = engine->types.n;
    *ret_value = NULL;
    int r =
        engine_add_types(engine, plan->types_from, plan->types, plan->types_size, err);
    if (r < 0 || !plan->text)
        return r;
    struct unit *unit = load(engine, plan, object, object_size, ret);
    if (leaves_nothing(ret))
        types_truncate(&engine->types, n_types);
    if (!unit || ret->kind != OUTCOME_OK || run_flags & RUN_LOAD_ONLY)
        return 0;
    call_all(engine, plan, unit, ret);
    engine_flush();
    bool is_done = ret->kind == OUTCOME_OK ||
                   (ret->kind == OUTCOME_EXIT && !ret->status && plan->main_symbol);
    if (!is_done || !plan->value_symbol)
        return 0;
    *ret_value = image_address(unit->image, plan->value_symbol);
    if (*ret_value && !(run_flags & RUN_NO_VALUE))
        render(engine, plan, *ret_value, ret);
    return 0;
}
