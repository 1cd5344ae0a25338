/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %%remote: a whole cell on an executor. What it defines becomes part of the session, the
 * state it reaches goes with it, and what it changed comes home. */
#include "kernel/peer/protocol.h"
#include "magics/dispatch.h"
#include "magics/executor_table.h"
#include "magics/ranks.h"

/* What is needed of the cell's plan after the session has taken it. */
struct statements {
    struct capture_roots roots;
    char *entry;
    uint32_t type; /* of the value, 0: none */
    struct allocation_site *sites;
    size_t n_sites;
};

static void statements_clear(struct statements *statements)
{
    capture_roots_clear(&statements->roots);
    free(statements->entry);
    free(statements->sites);
}

static int prepare(struct magic_context *context, const struct magic_arguments *arguments,
                   struct statements *ret, struct result *result, struct error *err)
{
    struct plan *plan = NULL;
    int r = session_plan(context->session, context->cell, arguments->body_line, PLAN_CELL,
                         arguments->body, &plan, result, err);
    if (r < 0 || !plan)
        return r;
    ret->entry = must_strdup(plan->entry_text);
    ret->type = plan->value_symbol ? plan->value_type : 0;
    ret->n_sites = plan->n_sites;
    ret->sites = TAKE(plan->sites);
    plan->n_sites = 0;
    for (size_t i = 0; i < plan->n_refs; i++)
        capture_roots_add(&ret->roots, plan->refs[i]);
    for (size_t i = 0; i < plan->n_definitions; i++)
        capture_roots_add(&ret->roots, plan->definitions[i]->id);
    return session_define(context->session, plan, context->events, result, err);
}

static void fill_entry(struct magic_context *context, struct statements *statements,
                       struct payload *payload)
{
    const struct graph *graph = session_graph(context->session);
    const struct types *types = session_types(context->session);
    payload->cell = context->cell;
    payload->entry = PAYLOAD_CALL;
    payload->entry_text = TAKE(statements->entry);
    payload->returns_state = true;
    payload->value_type = payload_import_type(payload, graph, types, statements->type);
    for (size_t i = 0; i < statements->n_sites; i++)
        statements->sites[i].type =
            payload_import_type(payload, graph, types, statements->sites[i].type);
    payload->n_sites = statements->n_sites;
    payload->sites = TAKE(statements->sites);
}

static int run_in_pool(struct magic_context *context,
                       const struct magic_arguments *arguments, struct result *result,
                       struct error *err)
{
    CLEANUP(statements_clear) struct statements statements = {0};
    CLEANUP(payload_freep) struct payload *payload = NULL;
    CLEANUP(buffer_clear) struct buffer values = {0};
    int r = prepare(context, arguments, &statements, result, err);
    if (r < 0 || result->kind != RESULT_OK || !statements.entry)
        return r;
    r = capture(context, &statements.roots, &payload, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    fill_entry(context, &statements, payload);
    const char *executor = arguments->n_words ? arguments->words[0] : NULL;
    if (!dispatch_one(context, executor, payload, &values, result))
        return 0;
    return values.size
               ? session_load(context->session, values.data, values.size, result, err)
               : 0;
}

enum { OPTION_GATHER, OPTION_GROUP, OPTION_OUT };

static const struct magic_option options[] = {
    {"gather", "[ARRAY=]NAME", "ranks: a variable of each, as an array over the ranks"},
    {"group", "order|rank|type", "ranks: how their output is grouped"},
    {"out", "NAMES", "ranks: variables that come home from rank 0"},
    {NULL, NULL, NULL},
};

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    const char *name = arguments->n_words ? arguments->words[0] : NULL;
    struct named_executor *executor = executors_find(context->magics, name, result);
    struct ranks_options wanted = {.gather = arguments->options[OPTION_GATHER],
                                   .group = arguments->options[OPTION_GROUP],
                                   .out = arguments->options[OPTION_OUT]};
    if (!executor)
        return 0;
    if (executor->type->is_ranks)
        return ranks_run(context, executor, arguments, &wanted, result, err);
    if (wanted.gather || wanted.group || wanted.out) {
        result_error(result, "UsageError",
                     "--gather, --group and --out are for executors with ranks (type "
                     "mpi); '%s' is of type %s",
                     executor->name, executor->type->name);
        return 0;
    }
    return run_in_pool(context, arguments, result, err);
}

const struct magic magic_remote = {
    .name = "remote",
    .is_cell = true,
    .usage = "[NAME]",
    .summary = "run the cell on an executor; changed state comes home",
    .options = options,
    .max_words = 1,
    .run = run,
};
