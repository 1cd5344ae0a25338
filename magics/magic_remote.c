/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %%remote: a whole cell on an executor. What it defines becomes part of the session, the
 * state it reaches goes with it, and what it changed comes home. */
#include "kernel/peer/protocol.h"
#include "magics/dispatch.h"

static int prepare(struct magic_context *context, const struct magic_arguments *arguments,
                   struct capture_roots *roots, char **ret_entry, uint32_t *ret_type,
                   struct result *result, struct error *err)
{
    struct plan *plan = NULL;
    int r = session_plan(context->session, context->cell, arguments->body_line, PLAN_CELL,
                         arguments->body, &plan, result, err);
    if (r < 0 || !plan)
        return r;
    *ret_entry = must_strdup(plan->entry_text);
    *ret_type = plan->value_symbol ? plan->value_type : 0;
    for (size_t i = 0; i < plan->n_refs; i++)
        capture_roots_add(roots, plan->refs[i]);
    for (size_t i = 0; i < plan->n_definitions; i++)
        capture_roots_add(roots, plan->definitions[i]->id);
    return session_define(context->session, plan, context->events, result, err);
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    CLEANUP(capture_roots_clear) struct capture_roots roots = {0};
    CLEANUP(payload_freep) struct payload *payload = NULL;
    CLEANUP(buffer_clear) struct buffer values = {0};
    CLEANUP(freep) char *entry = NULL;
    uint32_t type = 0;
    int r = prepare(context, arguments, &roots, &entry, &type, result, err);
    if (r < 0 || result->kind != RESULT_OK || !entry)
        return r;
    r = capture(context, &roots, &payload, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    payload->cell = context->cell;
    payload->entry = PAYLOAD_CALL;
    payload->entry_text = TAKE(entry);
    payload->returns_state = true;
    payload->value_type = payload_import_type(payload, session_graph(context->session),
                                              session_types(context->session), type);
    const char *executor = arguments->n_words ? arguments->words[0] : NULL;
    if (!dispatch_one(context, executor, payload, &values, result))
        return 0;
    return values.size
               ? session_load(context->session, values.data, values.size, result, err)
               : 0;
}

const struct magic magic_remote = {
    .name = "remote",
    .is_cell = true,
    .usage = "[NAME]",
    .summary = "run the cell on an executor; changed state comes home",
    .max_words = 1,
    .run = run,
};
