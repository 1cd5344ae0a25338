/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %%remote: a whole cell on an executor. What it defines becomes part of the session, the
 * state it reaches goes with it, and what it changed comes home. */
#include <string.h>

#include "kernel/peer/protocol.h"
#include "magics/executor_table.h"
#include "magics/job.h"
#include "magics/ranks.h"

extern const struct magic magic_remote;

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
    ret->roots.is_heavy = plan->is_heavy;
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

/* Variables that come home, when not all that changed do. */
static int name_targets(struct magic_context *context, struct job *job,
                        struct payload *payload, struct result *result, struct error *err)
{
    const struct job_options *options = &job->options;
    int r = 0;
    for (size_t i = 0; r == 0 && i < options->n_out; i++) {
        struct session_place place;
        CLEANUP(freep) char *pointer = must_format("&(%s)", options->out[i]);
        if (!payload_has_variable(payload, options->out[i])) {
            result_error(result, "UsageError",
                         "--out %s: the cell has no variable of that name",
                         options->out[i]);
            return 0;
        }
        r = session_place(context->session, context->cell, pointer, context->events,
                          &place, result, err);
        if (r < 0 || result->kind != RESULT_OK)
            return r;
        job_add_target(job, options->out[i], pointer, &place);
        payload_add_out(payload, options->out[i], 0);
    }
    return r;
}

/* The first line of the cell that says something. */
static char *describe(const char *body)
{
    body += strspn(body, " \t\r\n");
    size_t size = strcspn(body, "\n");
    return must_format("%%%%remote %.*s", (int)(size < 60 ? size : 60), body);
}

static bool read_options(const struct magic_arguments *arguments,
                         struct job_options *options, struct result *result)
{
    if (!job_options_read(&magic_remote, arguments, options, result))
        return false;
    if (options->executor && arguments->n_words) {
        result_error(result, "UsageError",
                     "%%%%remote has two executors: '%s' and --on %s",
                     arguments->words[0], options->executor);
        return false;
    }
    if (arguments->n_words)
        options->executor = must_strdup(arguments->words[0]);
    return true;
}

static int run_in_pool(struct magic_context *context,
                       const struct magic_arguments *arguments, struct result *result,
                       struct error *err)
{
    CLEANUP(statements_clear) struct statements statements = {0};
    CLEANUP(payload_freep) struct payload *payload = NULL;
    CLEANUP(freep) char *what = describe(arguments->body);
    CLEANUP(job_freep) struct job *job = job_new(JOB_STATE, what);
    if (!read_options(arguments, &job->options, result))
        return 0;
    int r = prepare(context, arguments, &statements, result, err);
    if (r < 0 || result->kind != RESULT_OK || !statements.entry)
        return r;
    struct capture_shown shown = {statements.type, statements.sites, statements.n_sites};
    r = capture_with_mime(context, &statements.roots, shown, &payload, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    fill_entry(context, &statements, payload);
    r = name_targets(context, job, payload, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    if (job->options.name && !job->n_targets)
        payload->returns_state = false;
    return job_start(context, TAKE(job), payload, NULL, result, err);
}

enum { OPTION_GATHER = JOB_OPTIONS_N, OPTION_GROUP };

static const struct magic_option options[] = {
    JOB_OPTIONS,
    {"gather", "[ARRAY=]NAME", "ranks: a variable of each, as an array over the ranks"},
    {"group", "order|rank|type", "ranks: how their output is grouped"},
    {NULL, NULL, NULL},
};

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    const char *on = arguments->options[OPTION_ON];
    const char *name = arguments->n_words ? arguments->words[0] : on;
    struct named_executor *executor = executors_find(context->magics, name, result);
    struct ranks_options wanted = {.gather = arguments->options[OPTION_GATHER],
                                   .group = arguments->options[OPTION_GROUP],
                                   .out = arguments->options[OPTION_OUT]};
    if (!executor)
        return 0;
    if (executor->type->is_ranks) {
        CLEANUP(job_options_clear) struct job_options read = {0};
        if (!job_options_allow(&magic_remote, arguments,
                               1u << OPTION_ON | 1u << OPTION_OUT | 1u << OPTION_TIMEOUT,
                               "ranks", result) ||
            !job_options_read(&magic_remote, arguments, &read, result))
            return 0;
        wanted.timeout_ms = read.timeout_ms;
        return ranks_run(context, executor, arguments, &wanted, result, err);
    }
    if (wanted.gather || wanted.group) {
        result_error(result, "UsageError",
                     "--gather and --group are for executors with ranks (type mpi); '%s' "
                     "is of type %s",
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
