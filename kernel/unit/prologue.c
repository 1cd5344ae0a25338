/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/unit/prologue.h"

#include <string.h>

static bool is_hidden(const struct draft *draft, const struct definition *definition)
{
    if (draft_hides(draft, definition->name))
        return true;
    for (size_t i = 0; i < definition->n_names; i++)
        if (draft_hides(draft, definition->names[i]))
            return true;
    return false;
}

static const struct definition *find(void *context, uint32_t id)
{
    return graph_get(context, id);
}

static void use(struct draft *draft, uint32_t id)
{
    draft->used = must_realloc(draft->used, draft->n_used + 1, sizeof(*draft->used));
    draft->used[draft->n_used++] = id;
}

void prologue_full(struct draft *draft)
{
    const struct graph *graph = draft->analysis->graph;
    CLEANUP(emitter_freep)
    struct emitter *emitter = emitter_new(find, (void *)graph, &draft->prologue);
    CLEANUP(freep) uint32_t *macros = NULL;
    size_t n_macros = 0;
    draft->n_used = 0;
    draft->prologue.size = 0;
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *definition = graph_at(graph, i);
        if (!graph_is_current(graph, definition) || is_hidden(draft, definition))
            continue;
        use(draft, definition->id);
        if (definition->kind == DEFINITION_INCLUDE)
            emitter_macros(emitter, macros, n_macros);
        if (definition->kind == DEFINITION_MACRO) {
            macros = must_realloc(macros, n_macros + 1, sizeof(*macros));
            macros[n_macros++] = definition->id;
        } else {
            emitter_declare(emitter, definition);
        }
    }
    emitter_macros(emitter, macros, n_macros);
}

/* ---- by the index --------------------------------------------------------------------
 */

struct include_list {
    struct include_line *at;
    size_t n, capacity;
    struct buffer before; /* macros since the last line */
};

static void include_add(struct include_list *list, uint32_t id, const char *text)
{
    GROW(list->at, list->n, list->capacity);
    list->at[list->n++] = (struct include_line){
        .definition = id, .text = text, .before = buffer_take(&list->before)};
}

static void macro_add(struct include_list *list, const char *source)
{
    if (!source)
        return;
    buffer_add_string(&list->before, source);
    if (!list->before.size || list->before.data[list->before.size - 1] != '\n')
        buffer_add_char(&list->before, '\n');
}

static void include_list_clear(struct include_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free((char *)list->at[i].before);
    free(list->at);
    buffer_clear(&list->before);
}

static void list_includes(struct draft *draft, struct include_list *list)
{
    const struct graph *graph = draft->analysis->graph;
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *definition = graph_at(graph, i);
        if (definition->kind == DEFINITION_MACRO)
            macro_add(list, definition->source);
        else if (definition->kind == DEFINITION_INCLUDE &&
                 graph_is_current(graph, definition) &&
                 !draft_hides(draft, definition->name))
            include_add(list, definition->id, definition->source);
    }
    for (size_t i = 0; i < draft->n_entities; i++) {
        const struct definition *definition = draft->entities[i]->definition;
        if (definition->kind == DEFINITION_MACRO)
            macro_add(list, definition->source);
        else if (definition->kind == DEFINITION_INCLUDE)
            include_add(list, definition->id, definition->source);
    }
}

int prologue_index(struct draft *draft, struct error *err)
{
    CLEANUP(include_list_clear) struct include_list list = {0};
    list_includes(draft, &list);
    return headers_update(draft->analysis->headers, list.at, list.n, err);
}

int prologue_minimal(struct draft *draft, const char *text, size_t size,
                     struct error *err)
{
    struct analysis *analysis = draft->analysis;
    int r = prologue_index(draft, err);
    if (r < 0)
        return r;
    free(draft->used);
    draft->used = NULL;
    draft->n_used = 0;
    draft->prologue.size = 0;
    return headers_prologue(analysis->headers, analysis->graph, text, size,
                            &draft->is_hidden, NULL, 0, &draft->prologue, &draft->used,
                            &draft->n_used, err);
}
