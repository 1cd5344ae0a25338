/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %who: what is defined in the session now. */
#include <string.h>

#include "magics/context.h"

static bool is_wanted(const struct definition *definition,
                      const struct magic_arguments *arguments)
{
    if (definition->kind == DEFINITION_INCLUDE || definition->kind == DEFINITION_PRAGMA)
        return false;
    if (!arguments->n_words)
        return true;
    for (size_t i = 0; i < arguments->n_words; i++)
        if (!strcmp(arguments->words[i], definition_kind_name(definition->kind)))
            return true;
    return false;
}

static bool check_kinds(const struct magic_arguments *arguments, struct result *result)
{
    const char *kinds[DEFINITION_KIND_COUNT];
    for (int i = 0; i < DEFINITION_KIND_COUNT; i++)
        kinds[i] = definition_kind_name((enum definition_kind)i);
    for (size_t i = 0; i < arguments->n_words; i++) {
        bool is_known = false;
        for (int k = 0; k < DEFINITION_KIND_COUNT; k++)
            is_known |= !strcmp(arguments->words[i], kinds[k]);
        if (is_known)
            continue;
        const char *near =
            nearest_name(arguments->words[i], kinds, DEFINITION_KIND_COUNT);
        result_error(result, "UsageError", "'%s' is no kind of definition%s%s%s",
                     arguments->words[i], near ? "; did you mean '" : "",
                     near ? near : "", near ? "'?" : "");
        return false;
    }
    return true;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    (void)err;
    const struct graph *graph = session_graph(context->session);
    const struct types *types = session_types(context->session);
    size_t n_shown = 0;
    if (!check_kinds(arguments, result))
        return 0;
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *definition = graph_at(graph, i);
        if (!graph_is_current(graph, definition) || !is_wanted(definition, arguments))
            continue;
        bool has_type = definition->kind == DEFINITION_FUNCTION ||
                        definition->kind == DEFINITION_VARIABLE;
        const char *spelling =
            has_type ? types_get(types, definition->type)->spelling : NULL;
        if (!n_shown++)
            magic_print(context, "%-10s %-20s %-28s %s\n", "kind", "name", "type",
                        "cell");
        magic_print(context, "%-10s %-20s %-28s In[%u]%s\n",
                    definition_kind_name(definition->kind), definition->name,
                    spelling ? spelling : "", definition->cell,
                    definition->is_stale ? "  (stale)" : "");
    }
    if (!n_shown)
        magic_print(context, "nothing is defined\n");
    return 0;
}

const struct magic magic_who = {
    .name = "who",
    .is_line = true,
    .usage = "[function | variable | type | macro ...]",
    .summary = "list what is defined",
    .max_words = 16,
    .run = run,
};
