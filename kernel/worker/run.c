/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/run.h"

#include <string.h>
#include <time.h>

#include "kernel/peer/protocol.h"
#include "kernel/worker/carry.h"
#include "kernel/worker/limit.h"
#include "kernel/worker/represent.h"
#include "kernel/worker/tidy.h"

static enum name_kind kind_of(enum binding_kind kind)
{
    switch (kind) {
    case BINDING_FUNCTION:
        return NAME_FUNCTION;
    case BINDING_VARIABLE:
        return NAME_VARIABLE;
    case BINDING_DECLARED:
        return NAME_DECLARED;
    case BINDING_STALE:
        return NAME_STALE;
    case BINDING_EXTERN:
        return NAME_VARIABLE;
    }
    return NAME_DECLARED;
}

static struct unit *load(struct engine *engine, const struct plan *plan,
                         struct engine_object object, bool is_quiet, struct outcome *ret)
{
    CLEANUP(freep)
    struct name_binding *bindings =
        must_alloc((plan->n_bindings + 1) * sizeof(*bindings));
    for (size_t i = 0; i < plan->n_bindings; i++) {
        const struct binding *binding = &plan->bindings[i];
        bindings[i] = (struct name_binding){.kind = kind_of(binding->kind),
                                            .name = binding->name,
                                            .symbol = binding->symbol,
                                            .type = binding->type,
                                            .is_carried = binding->is_carried,
                                            .version = binding->definition,
                                            .is_weak = binding->kind == BINDING_EXTERN};
    }
    CLEANUP(carry_clear) struct carry carry = {0};
    carry_start(&carry, engine, plan);
    struct unit *unit =
        engine_load(engine, plan->text, object, bindings, plan->n_bindings, ret);
    if (!unit)
        return NULL;
    struct error err = {0};
    if (engine_read_layouts(engine, unit, plan->layouts, NULL, plan->n_layouts, &err) < 0)
        outcome_set(ret, OUTCOME_LINK, "LayoutError", "%s", err.text);
    else
        carry_finish(&carry, engine, is_quiet);
    for (size_t i = 0; i < plan->n_definitions; i++)
        engine_add_sites(unit, plan->definitions[i]->cell, plan->definitions[i]->sites,
                         plan->definitions[i]->n_sites);
    engine_add_sites(unit, plan->cell, plan->sites, plan->n_sites);
    return unit;
}

/* They stay, as they do for a program: a cell may keep pointers to them. */
static char **copy_arguments(struct engine *engine, const struct plan *plan)
{
    static const char name[] = "cell";
    size_t n = plan->n_arguments + 1, size = (n + 1) * sizeof(char *) + sizeof(name);
    for (size_t i = 0; i < plan->n_arguments; i++)
        size += strlen(plan->arguments[i]) + 1;
    char **list =
        (char **)(void *)arena_take(&engine->arena, ARENA_DATA, size, sizeof(char *));
    char *at = (char *)(list + n + 1);
    for (size_t i = 0; list && i < n; i++) {
        const char *text = i ? plan->arguments[i - 1] : name;
        list[i] = at;
        at = stpcpy(at, text) + 1;
    }
    if (list)
        list[n] = NULL;
    return list;
}

static void call_main(struct engine *engine, const struct plan *plan,
                      const struct unit *unit, struct outcome *ret)
{
    char **arguments = copy_arguments(engine, plan);
    if (!arguments)
        outcome_set(ret, OUTCOME_LINK, "LinkError", "no room for main's arguments");
    else
        engine_call_main(engine, unit, plan->main_symbol, (int)plan->n_arguments + 1,
                         arguments, ret);
}

static void call_all(struct engine *engine, const struct plan *plan,
                     const struct unit *unit, struct outcome *ret)
{
    limit_begin();
    for (size_t i = 0; i < plan->n_runs && ret->kind == OUTCOME_OK; i++)
        engine_call(engine, unit, plan->runs[i], ret);
    if (plan->main_symbol && ret->kind == OUTCOME_OK)
        call_main(engine, plan, unit, ret);
    limit_end();
}

static void render(struct engine *engine, const struct plan *plan, const char *value,
                   struct outcome *ret)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    void *object;
    if (represent_is_handle(&engine->types, plan->value_type))
        return;
    represent_function function =
        represent_find(engine, plan->value_type, value, &object);
    if (function) {
        represent_run(function, object, &bundle, ret);
        if (ret->kind != OUTCOME_OK)
            return;
    }
    represent_rest(&engine->world, plan->value_type, value, !function, &bundle);
    ret->value_text = bundle_take_text(&bundle);
    bundle_move(&ret->value_more, &bundle);
}

static bool leaves_nothing(const struct outcome *outcome)
{
    return outcome->kind == OUTCOME_COMPILE || outcome->kind == OUTCOME_LINK;
}

/* The plan's types, and its unit; NULL when there is nothing to run or it failed. */
static int take_plan(struct engine *engine, const struct plan *plan,
                     struct engine_object object, bool is_quiet, struct outcome *ret,
                     struct unit **ret_unit, struct error *err)
{
    size_t n_types = engine->types.n;
    int r =
        engine_add_types(engine, plan->types_from, plan->types, plan->types_size, err);
    if (r < 0 || !plan->text)
        return r;
    struct unit *unit = load(engine, plan, object, is_quiet, ret);
    if (leaves_nothing(ret))
        types_truncate(&engine->types, n_types);
    *ret_unit = ret->kind == OUTCOME_OK ? unit : NULL;
    return 0;
}

int run_plan(struct engine *engine, const struct plan *plan, const void *object,
             size_t object_size, unsigned run_flags, struct outcome *ret,
             char **ret_value, struct error *err)
{
    struct unit *unit = NULL;
    *ret_value = NULL;
    tidy(engine);
    int r =
        take_plan(engine, plan,
                  (struct engine_object){object, object_size, run_flags & RUN_TCC_OBJECT},
                  run_flags & RUN_LOAD_ONLY, ret, &unit, err);
    if (r < 0 || !unit || run_flags & RUN_LOAD_ONLY)
        return r;
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

/* --- timing --- */

unsigned long run_loops;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t time_once(void (*run)(void), uint64_t loops, struct outcome *ret)
{
    run_loops = loops;
    uint64_t start = now_ns();
    engine_call_again(run, ret);
    uint64_t time = now_ns() - start;
    if (ret->kind == OUTCOME_OK && run_loops)
        outcome_set(ret, OUTCOME_REFUSED, "UsageError",
                    "the statement was left before its end, so there is nothing to time");
    return time;
}

/* 1, 2, 5, 10, ...: until they take long enough. */
static uint64_t choose_loops(void (*run)(void), struct outcome *ret)
{
    static const unsigned steps[] = {1, 2, 5};
    uint64_t scale = 1;
    for (unsigned i = 0;; i++) {
        uint64_t loops = scale * steps[i % 3];
        uint64_t time = time_once(run, loops, ret);
        if (ret->kind != OUTCOME_OK || time >= TIME_ENOUGH_MS * 1000000u ||
            loops >= TIME_LOOPS_MAX)
            return loops;
        scale *= i % 3 == 2 ? 10 : 1;
    }
}

int run_timed(struct engine *engine, const struct plan *plan, const void *object,
              size_t object_size, uint64_t *loops, unsigned repeats, struct outcome *ret,
              uint64_t **ret_times, struct error *err)
{
    struct unit *unit = NULL;
    int r = take_plan(engine, plan, (struct engine_object){object, object_size, false},
                      false, ret, &unit, err);
    if (r < 0 || !unit || !plan->n_runs)
        return r;
    void (*run)(void) = engine_name_run(unit, plan->runs[0]);
    uint64_t *times = must_alloc((repeats + 1) * sizeof(*times));
    if (!*loops)
        *loops = choose_loops(run, ret);
    for (unsigned i = 0; i < repeats && ret->kind == OUTCOME_OK; i++)
        times[i] = time_once(run, *loops, ret);
    engine_flush();
    *ret_times = times;
    return 0;
}
