/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Nodes stand in one array in order of id. Names mean ids in two tables, as in C: macros
 * hide everything else until they are undefined. */
#include "pickler/graph/graph.h"

#include <assert.h>
#include <string.h>

#include "pickler/graph/hash.h"
#include "pickler/graph/name_ids.h"

struct name_change {
    struct name_ids *names; /* the graph's names or macros */
    char *name;             /* owned */
    uint32_t id;            /* what it meant before */
};

struct graph {
    struct definition **at; /* owned, in order of id */
    size_t n, capacity;
    struct name_ids names, macros;
    size_t prune_at; /* number of definitions at which the old ones are looked for */
    bool is_noting;
    struct name_change *changes; /* oldest first */
    size_t n_changes, changes_capacity;
    uint64_t n_forgotten; /* changes before the first that is kept */
};

#define PRUNE_FIRST 256

struct graph *graph_new(void)
{
    return must_alloc(sizeof(struct graph));
}

void graph_clear(struct graph *graph)
{
    for (size_t i = 0; i < graph->n; i++)
        definition_free(graph->at[i]);
    free(graph->at);
    for (size_t i = 0; i < graph->n_changes; i++)
        free(graph->changes[i].name);
    free(graph->changes);
    name_ids_clear(&graph->names);
    name_ids_clear(&graph->macros);
    *graph = (struct graph){0};
}

void graph_free(struct graph *graph)
{
    if (!graph)
        return;
    graph_clear(graph);
    free(graph);
}

uint32_t graph_next_id(const struct graph *graph)
{
    return graph->n ? graph->at[graph->n - 1]->id + 1 : 1;
}

/* Index of the first node whose id is not below `id`. */
static size_t lower_bound(const struct graph *graph, uint32_t id)
{
    size_t low = 0, high = graph->n;
    if (high && graph->at[high - 1]->id < id)
        return high;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (graph->at[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct definition *graph_get(const struct graph *graph, uint32_t id)
{
    size_t i = lower_bound(graph, id);
    return i < graph->n && graph->at[i]->id == id ? graph->at[i] : NULL;
}

static const struct definition *find_for_hash(void *context, uint32_t id)
{
    return graph_get(context, id);
}

static struct name_ids *table_of(struct graph *graph, const struct definition *definition)
{
    return definition->kind == DEFINITION_MACRO ? &graph->macros : &graph->names;
}

static bool is_named(const struct definition *definition)
{
    return definition->kind != DEFINITION_PRAGMA && definition->name && *definition->name;
}

static bool is_undef(const struct definition *definition)
{
    const char *text = definition->source;
    if (definition->kind != DEFINITION_MACRO || !text)
        return false;
    text += strspn(text, " \t");
    if (*text == '#')
        text++;
    text += strspn(text, " \t");
    return strncmp(text, "undef", 5) == 0;
}

/* All changes of meaning go through here. */
static void set_name(struct graph *graph, struct name_ids *names, const char *name,
                     uint32_t id)
{
    if (graph->is_noting) {
        GROW(graph->changes, graph->n_changes, graph->changes_capacity);
        graph->changes[graph->n_changes++] = (struct name_change){
            names, must_strdup(name), name_ids_get(names, name, strlen(name))};
    }
    name_ids_set(names, name, id);
}

/* A new version of a type takes every name of the old one away: its enumerators and tags
 * would bring the old version back beside the new one. */
static void drop_further_names(struct graph *graph, struct name_ids *names, uint32_t id)
{
    const struct definition *old = graph_get(graph, id);
    for (size_t i = 0; old && i < old->n_names; i++)
        if (name_ids_get(names, old->names[i], strlen(old->names[i])) == id)
            set_name(graph, names, old->names[i], 0);
}

/* All tags share one space of names: an enum takes the name of a struct away. */
static void drop_twin_tags(struct graph *graph, const char *name)
{
    static const char *const kinds[] = {"struct", "union", "enum"};
    const char *tag = strchr(name, ' ');
    for (size_t i = 0; tag && i < sizeof(kinds) / sizeof(*kinds); i++) {
        CLEANUP(freep) char *twin = must_format("%s%s", kinds[i], tag);
        if (strcmp(twin, name) != 0)
            graph_forget(graph, twin);
    }
}

static void publish(struct graph *graph, const struct definition *definition)
{
    struct name_ids *names = table_of(graph, definition);
    uint32_t old_id = name_ids_get(names, definition->name, strlen(definition->name));
    const struct definition *old = old_id ? graph_get(graph, old_id) : NULL;
    bool is_declared_only =
        definition->kind == DEFINITION_FUNCTION && !definition->source;
    if (old && is_declared_only && old->kind == DEFINITION_FUNCTION && old->source &&
        old->type == definition->type)
        return;
    if (old && strcmp(old->name, definition->name) == 0)
        drop_further_names(graph, names, old_id);
    bool is_gone = is_undef(definition);
    set_name(graph, names, definition->name, is_gone ? 0 : definition->id);
    for (size_t i = 0; !is_gone && i < definition->n_names; i++)
        set_name(graph, names, definition->names[i], definition->id);
    if (definition->kind != DEFINITION_TYPE)
        return;
    drop_twin_tags(graph, definition->name);
    for (size_t i = 0; i < definition->n_names; i++)
        drop_twin_tags(graph, definition->names[i]);
}

void graph_add(struct graph *graph, struct definition *definition)
{
    GROW(graph->at, graph->n, graph->capacity);
    size_t i = lower_bound(graph, definition->id);
    if (i < graph->n && graph->at[i]->id == definition->id) {
        definition_free(graph->at[i]);
    } else {
        memmove(graph->at + i + 1, graph->at + i, (graph->n - i) * sizeof(*graph->at));
        graph->n++;
    }
    graph->at[i] = definition;
    definition_hash(definition, find_for_hash, graph);
    if (is_named(definition))
        publish(graph, definition);
}

const struct definition *graph_current(const struct graph *graph, const char *name)
{
    size_t size = strlen(name);
    uint32_t id = name_ids_get(&graph->macros, name, size);
    if (!id)
        id = name_ids_get(&graph->names, name, size);
    return id ? graph_get(graph, id) : NULL;
}

bool graph_forget(struct graph *graph, const char *name)
{
    bool is_macro = *name == '#';
    name += is_macro;
    size_t size = strlen(name);
    struct name_ids *names = is_macro || name_ids_get(&graph->macros, name, size)
                                 ? &graph->macros
                                 : &graph->names;
    uint32_t id = name_ids_get(names, name, size);
    if (!id)
        return false;
    const struct definition *definition = graph_get(graph, id);
    if (definition && strcmp(definition->name, name) == 0)
        drop_further_names(graph, names, id);
    set_name(graph, names, name, 0);
    return true;
}

static size_t pack_if_forgotten(const struct graph *graph,
                                const struct definition *definition, const char *name,
                                struct buffer *out)
{
    bool is_macro = definition->kind == DEFINITION_MACRO;
    const struct name_ids *names = is_macro ? &graph->macros : &graph->names;
    if (name_ids_get(names, name, strlen(name)))
        return 0;
    CLEANUP(freep) char *text = must_format("%s%s", is_macro ? "#" : "", name);
    pack_string(out, text);
    return 1;
}

void graph_pack_forgotten(const struct graph *graph, struct buffer *out)
{
    CLEANUP(buffer_clear) struct buffer list = {0};
    size_t n = 0;
    for (size_t i = 0; i < graph->n; i++) {
        const struct definition *at = graph->at[i];
        if (!is_named(at))
            continue;
        n += pack_if_forgotten(graph, at, at->name, &list);
        for (size_t k = 0; k < at->n_names; k++)
            n += pack_if_forgotten(graph, at, at->names[k], &list);
    }
    pack_u64(out, n);
    buffer_add(out, list.data, list.size);
}

struct graph_mark graph_mark(struct graph *graph)
{
    graph->is_noting = true;
    return (struct graph_mark){graph_next_id(graph),
                               graph->n_forgotten + graph->n_changes};
}

/* Ids must not be given again: others remember them. */
static void add_last_id(struct graph *graph, uint32_t id)
{
    static const char name[] = "__achar_taken_back";
    struct definition *last = must_alloc(sizeof(*last));
    *last = (struct definition){.id = id,
                                .kind = DEFINITION_MACRO,
                                .name = must_strdup(name),
                                .source = must_format("#undef %s", name)};
    graph_add(graph, last);
}

void graph_rewind(struct graph *graph, struct graph_mark mark)
{
    uint32_t next_id = graph_next_id(graph);
    assert(mark.n_changes >= graph->n_forgotten);
    while (graph->n_forgotten + graph->n_changes > mark.n_changes) {
        struct name_change *change = &graph->changes[--graph->n_changes];
        name_ids_set(change->names, change->name, change->id);
        free(change->name);
    }
    while (graph->n && graph->at[graph->n - 1]->id >= mark.next_id)
        definition_free(graph->at[--graph->n]);
    if (graph_next_id(graph) < next_id)
        add_last_id(graph, next_id - 1);
}

void graph_forget_marks(struct graph *graph, struct graph_mark oldest)
{
    size_t n = oldest.n_changes > graph->n_forgotten
                   ? (size_t)(oldest.n_changes - graph->n_forgotten)
                   : 0;
    for (size_t i = 0; i < n; i++)
        free(graph->changes[i].name);
    graph->n_changes -= n;
    graph->n_forgotten += n;
    memmove(graph->changes, graph->changes + n,
            graph->n_changes * sizeof(*graph->changes));
}

bool graph_may_return(const struct graph *graph, const struct definition *definition)
{
    for (size_t i = 0; i < graph->n_changes; i++)
        if (graph->changes[i].id == definition->id)
            return true;
    return graph_is_current(graph, definition);
}

size_t graph_count(const struct graph *graph)
{
    return graph->n;
}

const struct definition *graph_at(const struct graph *graph, size_t index)
{
    return index < graph->n ? graph->at[index] : NULL;
}

bool graph_is_current(const struct graph *graph, const struct definition *definition)
{
    if (!is_named(definition))
        return true;
    const struct name_ids *names =
        definition->kind == DEFINITION_MACRO ? &graph->macros : &graph->names;
    return name_ids_get(names, definition->name, strlen(definition->name)) ==
           definition->id;
}

bool graph_uses(const struct graph *graph, const struct definition *user,
                const struct definition *used)
{
    bool is_late_bound =
        used->kind == DEFINITION_FUNCTION || used->kind == DEFINITION_VARIABLE;
    for (size_t i = 0; i < user->n_refs; i++) {
        if (user->refs[i] == used->id)
            return true;
        const struct definition *to =
            is_late_bound ? graph_get(graph, user->refs[i]) : NULL;
        if (to && to->kind == used->kind && strcmp(to->name, used->name) == 0)
            return true;
    }
    return false;
}

/* Calls of functions and uses of variables reach what the name means now. */
static size_t follow(const struct graph *graph, uint32_t id)
{
    const struct definition *definition = graph_get(graph, id);
    if (definition && (definition->kind == DEFINITION_FUNCTION ||
                       definition->kind == DEFINITION_VARIABLE)) {
        uint32_t now =
            name_ids_get(&graph->names, definition->name, strlen(definition->name));
        const struct definition *current = now ? graph_get(graph, now) : NULL;
        if (current && (current->kind == DEFINITION_FUNCTION ||
                        current->kind == DEFINITION_VARIABLE))
            id = now;
    }
    size_t i = lower_bound(graph, id);
    return i < graph->n && graph->at[i]->id == id ? i : SIZE_MAX;
}

struct closure {
    bool *is_in; /* by index */
    size_t *todo;
    size_t n_todo, n;
};

static void reach(struct closure *closure, size_t index)
{
    if (index == SIZE_MAX || closure->is_in[index])
        return;
    closure->is_in[index] = true;
    closure->todo[closure->n_todo++] = index;
    closure->n++;
}

void graph_closure(const struct graph *graph, const uint32_t *roots, size_t n_roots,
                   const struct definition ***ret, size_t *ret_n)
{
    struct closure closure = {.is_in = must_alloc(graph->n * sizeof(bool)),
                              .todo = must_alloc(graph->n * sizeof(size_t))};
    for (size_t i = 0; i < n_roots; i++) {
        size_t index = lower_bound(graph, roots[i]);
        if (index < graph->n && graph->at[index]->id == roots[i])
            reach(&closure, index);
    }
    while (closure.n_todo) {
        const struct definition *definition = graph->at[closure.todo[--closure.n_todo]];
        for (size_t i = 0; i < definition->n_refs; i++)
            reach(&closure, follow(graph, definition->refs[i]));
    }
    const struct definition **list = must_alloc(closure.n * sizeof(*list));
    size_t n = 0;
    for (size_t i = 0; i < graph->n; i++)
        if (closure.is_in[i])
            list[n++] = graph->at[i];
    free(closure.is_in);
    free(closure.todo);
    *ret = list;
    *ret_n = n;
}

/* ---- old versions
 * ------------------------------------------------------------------------ */

static void reach_id(const struct graph *graph, struct closure *closure, uint32_t id)
{
    size_t i = lower_bound(graph, id);
    if (i < graph->n && graph->at[i]->id == id)
        reach(closure, i);
}

/* Of a function or variable that has been redefined only its name is needed: what it
 * refers to is not. */
static void reach_ref(const struct graph *graph, struct closure *closure,
                      bool *is_named_only, uint32_t id)
{
    size_t i = lower_bound(graph, id);
    if (i >= graph->n || graph->at[i]->id != id)
        return;
    size_t now = follow(graph, id);
    if (now == i)
        reach(closure, i);
    else
        is_named_only[i] = true;
    if (now != SIZE_MAX)
        reach(closure, now);
}

bool graph_is_prune_due(const struct graph *graph)
{
    return graph->n >= (graph->prune_at ? graph->prune_at : PRUNE_FIRST);
}

void graph_prune(struct graph *graph, const uint32_t *roots, size_t n_roots)
{
    if (!graph_is_prune_due(graph))
        return;
    CLEANUP(freep) bool *is_in = must_alloc(graph->n * sizeof(*is_in));
    CLEANUP(freep) bool *is_named_only = must_alloc(graph->n * sizeof(*is_named_only));
    CLEANUP(freep) size_t *todo = must_alloc(graph->n * sizeof(*todo));
    struct closure closure = {.is_in = is_in, .todo = todo};
    for (size_t i = 0; i < graph->n; i++)
        if (graph_is_current(graph, graph->at[i]))
            reach(&closure, i);
    for (size_t i = 0; i < graph->n_changes; i++)
        reach_id(graph, &closure, graph->changes[i].id);
    for (size_t i = 0; i < n_roots; i++)
        reach_id(graph, &closure, roots[i]);
    while (closure.n_todo) {
        const struct definition *at = graph->at[closure.todo[--closure.n_todo]];
        for (size_t i = 0; i < at->n_refs; i++)
            reach_ref(graph, &closure, is_named_only, at->refs[i]);
    }
    size_t n = 0;
    for (size_t i = 0; i < graph->n; i++) {
        bool is_last = i + 1 == graph->n; /* ids must not be given again */
        if (is_in[i] || is_named_only[i] || is_last)
            graph->at[n++] = graph->at[i];
        else
            definition_free(graph->at[i]);
    }
    graph->n = n;
    graph->prune_at = 2 * n < PRUNE_FIRST ? PRUNE_FIRST : 2 * n;
}
