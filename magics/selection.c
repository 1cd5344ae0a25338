/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/selection.h"

#include <fnmatch.h>
#include <string.h>

#define OUR_PREFIX "__achar_" /* of names that magics bring in */

struct wanted {
    bool kinds[DEFINITION_KIND_COUNT], is_any_kind;
    char **names; /* owned; patterns too */
    size_t n_names, capacity;
};

void selection_clear(struct selection *selection)
{
    free(selection->at);
    *selection = (struct selection){0};
}

static void wanted_clear(struct wanted *wanted)
{
    for (size_t i = 0; i < wanted->n_names; i++)
        free(wanted->names[i]);
    free(wanted->names);
}

static bool is_listed(const struct definition *definition)
{
    return definition->kind != DEFINITION_INCLUDE &&
           definition->kind != DEFINITION_PRAGMA && !definition->is_local_static &&
           strncmp(definition->name, OUR_PREFIX, sizeof(OUR_PREFIX) - 1) != 0;
}

static bool is_tag_word(const char *word)
{
    return !strcmp(word, "struct") || !strcmp(word, "union") || !strcmp(word, "enum");
}

/* "functions" too. */
static int find_kind(const char *word)
{
    size_t size = strlen(word);
    for (int i = 0; i < DEFINITION_KIND_COUNT; i++) {
        const char *name = definition_kind_name((enum definition_kind)i);
        size_t n = strlen(name);
        if (!strncmp(word, name, n) && (size == n || !strcmp(word + n, "s")))
            return i;
    }
    return -1;
}

static bool has_name(const struct definition *definition, const char *pattern)
{
    bool fits = fnmatch(pattern, definition->name, 0) == 0;
    for (size_t i = 0; !fits && i < definition->n_names; i++)
        fits = fnmatch(pattern, definition->names[i], 0) == 0;
    return fits;
}

static bool fits_any(const struct graph *graph, const char *pattern)
{
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        if (is_listed(at) && graph_is_current(graph, at) && has_name(at, pattern))
            return true;
    }
    return false;
}

static void unknown(const struct graph *graph, const char *word, bool takes_kinds,
                    struct result *result)
{
    size_t n = 0, n_all = graph_count(graph) + DEFINITION_KIND_COUNT;
    CLEANUP(freep) const char **names = must_alloc((n_all + 1) * sizeof(*names));
    for (size_t i = 0; i < graph_count(graph); i++)
        if (graph_is_current(graph, graph_at(graph, i)))
            names[n++] = graph_at(graph, i)->name;
    for (int i = 0; takes_kinds && i < DEFINITION_KIND_COUNT; i++)
        names[n++] = definition_kind_name((enum definition_kind)i);
    const char *near = nearest_name(word, names, n);
    result_error(
        result, takes_kinds ? "UsageError" : "NameError", "'%s' is %s%s%s%s", word,
        takes_kinds ? "no kind of definition, and nothing of that name is defined"
                    : "not defined in this session",
        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool add_word(const struct graph *graph, const char *word, bool takes_kinds,
                     struct wanted *wanted, struct result *result)
{
    int kind = takes_kinds && !graph_current(graph, word) ? find_kind(word) : -1;
    if (kind >= 0) {
        wanted->kinds[kind] = wanted->is_any_kind = true;
        return true;
    }
    bool is_pattern = strpbrk(word, "*?[") != NULL;
    if (!fits_any(graph, word) && !(is_pattern && takes_kinds)) {
        unknown(graph, word, takes_kinds, result);
        return false;
    }
    GROW(wanted->names, wanted->n_names, wanted->capacity);
    wanted->names[wanted->n_names++] = must_strdup(word);
    return true;
}

static bool is_wanted(const struct definition *definition, const struct wanted *wanted)
{
    if (wanted->is_any_kind && !wanted->kinds[definition->kind])
        return false;
    bool fits = !wanted->n_names;
    for (size_t i = 0; !fits && i < wanted->n_names; i++)
        fits = has_name(definition, wanted->names[i]);
    return fits;
}

static void select_add(struct selection *selection, const struct definition *definition)
{
    GROW(selection->at, selection->n, selection->capacity);
    selection->at[selection->n++] = definition;
}

static bool make(const struct graph *graph, const char *const *words, size_t n,
                 bool takes_kinds, struct selection *ret, struct result *result)
{
    CLEANUP(wanted_clear) struct wanted wanted = {0};
    for (size_t i = 0; i < n; i++) {
        bool is_tag = is_tag_word(words[i]) && i + 1 < n;
        CLEANUP(freep)
        char *word =
            is_tag ? must_format("%s %s", words[i], words[i + 1]) : must_strdup(words[i]);
        i += is_tag;
        if (!add_word(graph, word, takes_kinds, &wanted, result))
            return false;
    }
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        if (is_listed(at) && graph_is_current(graph, at) && is_wanted(at, &wanted))
            select_add(ret, at);
    }
    return true;
}

bool selection_make(const struct magic_context *context, const char *const *words,
                    size_t n, struct selection *ret, struct result *result)
{
    return make(session_graph(context->session), words, n, true, ret, result);
}

bool selection_names(const struct magic_context *context, const char *const *words,
                     size_t n, struct selection *ret, struct result *result)
{
    return make(session_graph(context->session), words, n, false, ret, result);
}

void selection_users(const struct graph *graph, const struct definition *definition,
                     struct selection *ret)
{
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *at = graph_at(graph, i);
        if (at != definition && is_listed(at) && graph_is_current(graph, at) &&
            graph_uses(graph, at, definition))
            select_add(ret, at);
    }
}
