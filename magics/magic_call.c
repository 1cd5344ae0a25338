/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %call: one expression, evaluated by an executor; the typed value comes home. */
#include <string.h>

#include "kernel/peer/protocol.h"
#include "magics/arguments.h"
#include "magics/job.h"
#include "magics/target.h"

extern const struct magic magic_call;

/* What is needed of an expression's plan after the session has taken it. */
struct expression {
    char *entry_text;
    uint32_t type;
    struct capture_roots roots;
};

static void expression_clear(struct expression *expression)
{
    free(expression->entry_text);
    capture_roots_clear(&expression->roots);
}

/* Without the lines that say where it stands: the same call of another cell is the same
 * payload, which the pool has already. */
static char *placeless(const char *text)
{
    struct buffer out = {0};
    while (*text) {
        size_t size = strcspn(text, "\n") + (text[strcspn(text, "\n")] == '\n');
        if (strncmp(text, "#line ", 6))
            buffer_add(&out, text, size);
        text += size;
    }
    return buffer_take(&out);
}

static int analyse(struct magic_context *context, const char *text,
                   struct expression *ret, struct result *result, struct error *err)
{
    struct plan *plan = NULL;
    int r = session_plan(context->session, context->cell, context->line, PLAN_EXPRESSION,
                         text, &plan, result, err);
    if (r < 0 || !plan)
        return r;
    ret->entry_text = placeless(plan->entry_text);
    ret->type = plan->value_symbol ? plan->value_type : 0;
    for (size_t i = 0; i < plan->n_refs; i++)
        capture_roots_add(&ret->roots, plan->refs[i]);
    return session_define(context->session, plan, context->events, result, err);
}

/* Finds the place of the value, and makes the expression one of the place's type where
 * C's assignment would convert it. */
static int aim(struct magic_context *context, const char *text, const char *target,
               struct expression *expression, struct session_place *ret,
               struct result *result, struct error *err)
{
    int r;
    if (!expression->type) {
        result_error(result, "TypeError", "'%s' has no value to store in '%s'", text,
                     target);
        return 0;
    }
    if (!target_place(context, target, expression->type, 0, ret, result, &r, err))
        return r;
    uint32_t type = target_type(context, target, ret, text, expression->type, result);
    if (!type || type == expression->type)
        return 0;
    const struct types *types = session_types(context->session);
    CLEANUP(freep)
    char *converted =
        must_format("(__typeof__(%s))(%s)", types_get(types, type)->spelling, text);
    expression_clear(expression);
    *expression = (struct expression){0};
    return analyse(context, converted, expression, result, err);
}

/* Takes the job. */
static int call(struct magic_context *context, struct job *job, const char *text,
                const char *target, struct result *result, struct error *err)
{
    CLEANUP(job_freep) struct job *owned = job;
    CLEANUP(expression_clear) struct expression expression = {0};
    CLEANUP(payload_freep) struct payload *payload = NULL;
    int r = analyse(context, text, &expression, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    struct session_place place;
    if (target)
        r = aim(context, text, target, &expression, &place, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    struct capture_shown shown = {.type = target ? 0 : expression.type};
    r = capture_with_mime(context, &expression.roots, shown, &payload, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    payload->entry = PAYLOAD_CALL;
    payload->entry_text = TAKE(expression.entry_text);
    payload->value_type =
        payload_import_type(payload, session_graph(context->session),
                            session_types(context->session), expression.type);
    CLEANUP(freep) char *pointer = target ? must_format("&(%s)", target) : NULL;
    if (target)
        job_add_target(job, target, pointer, &place);
    return job_start(context, TAKE(owned), payload, NULL, result, err);
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    CLEANUP(freep) char *text = NULL;
    CLEANUP(freep) char *target = NULL;
    CLEANUP(freep) char *what = must_format("%%call %s", arguments->text);
    CLEANUP(job_freep) struct job *job = job_new(JOB_CALL, what);
    if (!job_options_read(&magic_call, arguments, &job->options, result))
        return 0;
    arrow_split(arguments->text, &text, &target);
    if (!*text || (target && !*target)) {
        result_error(result, "UsageError", "%%call takes EXPR [-> LVALUE]");
        return 0;
    }
    return call(context, TAKE(job), text, target, result, err);
}

const struct magic magic_call = {
    .name = "call",
    .is_line = true,
    .usage = "EXPR [-> LVALUE]",
    .summary = "evaluate an expression on an executor",
    .options = (const struct magic_option[]){JOB_OPTIONS, {0}},
    .min_words = 1,
    .max_words = SIZE_MAX,
    .run = run,
};
