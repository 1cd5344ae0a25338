/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %undef: definitions are taken out of the session. */
#include <string.h>

#include "magics/selection.h"

static const struct magic_option options[] = {
    {.name = "force", .help = "what uses it stays, and says so when it is used"},
    {.name = NULL},
};

static bool is_among(const struct selection *selection,
                     const struct definition *definition)
{
    for (size_t i = 0; i < selection->n; i++)
        if (selection->at[i] == definition)
            return true;
    return false;
}

/* Code keeps the macros and types of its time; functions and variables must be there. */
static bool is_needed_by_users(const struct definition *definition)
{
    return definition->kind != DEFINITION_MACRO;
}

static void list_users(const struct graph *graph, const struct selection *selection,
                       const struct definition *definition, struct buffer *out)
{
    CLEANUP(selection_clear) struct selection users = {0};
    size_t n = 0;
    selection_users(graph, definition, &users);
    for (size_t i = 0; i < users.n; i++) {
        if (is_among(selection, users.at[i]))
            continue;
        if (!n++)
            buffer_format(out, "%s'%s' is used by", out->size ? "; " : "",
                          definition->name);
        buffer_format(out, "%s '%s' (In[%u])", n > 1 ? "," : "", users.at[i]->name,
                      users.at[i]->cell);
    }
}

static bool check_users(const struct magic_context *context,
                        const struct selection *selection, struct result *result)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    for (size_t i = 0; i < selection->n; i++)
        if (is_needed_by_users(selection->at[i]))
            list_users(session_graph(context->session), selection, selection->at[i],
                       &text);
    if (text.size)
        result_error(result, "NameInUse", "%s; take these out too, or use --force",
                     buffer_string(&text));
    return text.size == 0;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    CLEANUP(selection_clear) struct selection selection = {0};
    if (!selection_names(context, arguments->words, arguments->n_words, &selection,
                         result))
        return 0;
    if (!arguments->options[0] && !check_users(context, &selection, result))
        return 0;
    CLEANUP(freep) uint32_t *ids = must_alloc((selection.n + 1) * sizeof(*ids));
    for (size_t i = 0; i < selection.n; i++)
        ids[i] = selection.at[i]->id;
    return session_forget(context->session, ids, selection.n, context->events, err);
}

const struct magic magic_undef = {
    .name = "undef",
    .is_line = true,
    .usage = "NAME | PATTERN ...",
    .summary = "take definitions out of the session",
    .options = options,
    .min_words = 1,
    .max_words = 1000,
    .run = run,
};
