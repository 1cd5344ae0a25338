/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A payload from the definition graph of a session: the closure, renumbered. */
#include <errno.h>
#include <string.h>

#include "pickler/base/map.h"
#include "pickler/graph/name_ids.h"
#include "pickler/payload/payload.h"

#define PATH_NAMES_MAX 12 /* of the way from a root to a blocker that are named */

struct capture {
    const struct graph *graph;
    const struct types *types; /* the session's */
    bool is_linked;            /* libraries may define what is only declared */
    const struct definition **closure;
    size_t n_closure;
    struct map by_id;        /* session id -> index in `kept`, plus 1 */
    struct name_ids objects; /* function or variable name -> the same */
    struct name_ids shared;  /* type or include name -> the same, of its last version */
    const struct definition **kept; /* the closure without duplicates */
    size_t n_kept;
    size_t *parents; /* by index in `kept`: how it is reached; SIZE_MAX: a root */
};

static void capture_clear(struct capture *capture)
{
    map_clear(&capture->by_id);
    name_ids_clear(&capture->objects);
    name_ids_clear(&capture->shared);
    free(capture->closure);
    free(capture->kept);
    free(capture->parents);
}

static bool is_object(const struct definition *definition)
{
    return definition->kind == DEFINITION_VARIABLE ||
           definition->kind == DEFINITION_FUNCTION;
}

/* Index + 1 of what a reference means here, 0 when it is not in the closure. */
static size_t resolve(const struct capture *capture, uint32_t id)
{
    const struct definition *definition = graph_get(capture->graph, id);
    if (definition && is_object(definition)) {
        uint32_t found =
            name_ids_get(&capture->objects, definition->name, strlen(definition->name));
        if (found)
            return found;
    }
    const uint64_t *found = map_find(&capture->by_id, id);
    return found ? (size_t)*found : 0;
}

/* --- the closure --- */

static uint32_t current_root(const struct graph *graph, uint32_t id)
{
    const struct definition *root = graph_get(graph, id);
    if (!root || !is_object(root))
        return id;
    const struct definition *now = graph_current(graph, root->name);
    return now && is_object(now) ? now->id : id;
}

/* A cell that was run again defines the same type anew: one unit holds it once. Index + 1
 * of the same definition, else 0. */
static size_t find_same(struct capture *capture, const struct definition *definition)
{
    if (definition->kind != DEFINITION_TYPE && definition->kind != DEFINITION_INCLUDE)
        return 0;
    uint32_t at =
        name_ids_get(&capture->shared, definition->name, strlen(definition->name));
    if (at && memcmp(capture->kept[at - 1]->hash, definition->hash,
                     sizeof(definition->hash)) == 0)
        return at;
    name_ids_set(&capture->shared, definition->name, (uint32_t)capture->n_kept + 1);
    return 0;
}

static void keep(struct capture *capture)
{
    capture->kept = must_alloc(capture->n_closure * sizeof(*capture->kept));
    for (size_t i = 0; i < capture->n_closure; i++) {
        const struct definition *definition = capture->closure[i];
        size_t at = find_same(capture, definition);
        if (!at) {
            capture->kept[capture->n_kept++] = definition;
            at = capture->n_kept;
        }
        bool is_new;
        *map_at(&capture->by_id, definition->id, &is_new) = at;
        if (is_object(definition))
            name_ids_set(&capture->objects, definition->name, (uint32_t)at);
    }
}

/* Breadth first, so that the way to a blocker is a shortest one. */
static void find_parents(struct capture *capture, const uint32_t *roots, size_t n_roots)
{
    size_t *todo = must_alloc(capture->n_kept * sizeof(*todo));
    bool *is_seen = must_alloc(capture->n_kept * sizeof(*is_seen));
    size_t n_todo = 0;
    capture->parents = must_alloc(capture->n_kept * sizeof(*capture->parents));
    memset(capture->parents, 0xff, capture->n_kept * sizeof(*capture->parents));
    for (size_t i = 0; i < n_roots; i++) {
        size_t at = resolve(capture, roots[i]);
        if (!at || is_seen[at - 1])
            continue;
        is_seen[at - 1] = true;
        todo[n_todo++] = at - 1;
    }
    for (size_t next = 0; next < n_todo; next++) {
        const struct definition *definition = capture->kept[todo[next]];
        for (size_t i = 0; i < definition->n_refs; i++) {
            size_t at = resolve(capture, definition->refs[i]);
            if (!at || is_seen[at - 1])
                continue;
            is_seen[at - 1] = true;
            capture->parents[at - 1] = todo[next];
            todo[n_todo++] = at - 1;
        }
    }
    free(todo);
    free(is_seen);
}

/* --- what cannot travel --- */

/* "f -> g -> h", owned. */
static char *way_to(const struct capture *capture, size_t index)
{
    const char *names[PATH_NAMES_MAX];
    size_t n = 0;
    while (index != SIZE_MAX && n < PATH_NAMES_MAX) {
        names[n++] = capture->kept[index]->name;
        index = capture->parents[index];
    }
    struct buffer out = {0};
    if (index != SIZE_MAX)
        buffer_add_string(&out, "... -> ");
    while (n--)
        buffer_format(&out, "%s%s", names[n], n ? " -> " : "");
    return buffer_take(&out);
}

static int check_definition(const struct capture *capture, size_t i, struct error *err)
{
    const struct definition *d = capture->kept[i];
    const char *kind = definition_kind_name(d->kind);
    CLEANUP(freep) char *way = NULL;
    if (d->is_stale) {
        way = way_to(capture, i);
        return error_set(err, -EINVAL,
                         "%s '%s' of In[%u] depends on something that was redefined and "
                         "could not follow (%s): define it again",
                         kind, d->name, d->cell, way);
    }
    if (!capture->is_linked && (definition_is_thread_local(d) || d->is_opaque)) {
        way = way_to(capture, i);
        return error_set(err, -EINVAL, "%s '%s' of In[%u] cannot be sent (%s): %s", kind,
                         d->name, d->cell, way,
                         d->is_opaque
                             ? "it is C that only gcc accepts, and what it refers "
                               "to is not known"
                             : "every thread has its own copy of it");
    }
    if (d->kind == DEFINITION_LINK || (d->source && *d->source) || capture->is_linked)
        return 0;
    way = way_to(capture, i);
    return error_set(err, -EINVAL,
                     "%s '%s' is declared in In[%u] but not defined (%s): define it, or "
                     "include the header of the library it comes from",
                     kind, d->name, d->cell, way);
}

static int clash(const struct capture *capture, const char *name, size_t a, size_t b,
                 struct error *err)
{
    CLEANUP(freep) char *a_way = way_to(capture, a);
    CLEANUP(freep) char *b_way = way_to(capture, b);
    return error_set(err, -EINVAL,
                     "two versions of '%s' are used: that of In[%u] (%s) and that of "
                     "In[%u] (%s): run the cell with the older use again",
                     name, capture->kept[a]->cell, a_way, capture->kept[b]->cell, b_way);
}

static int check_type_names(const struct capture *capture, struct error *err)
{
    struct name_ids seen = {0};
    int r = 0;
    for (size_t i = 0; i < capture->n_kept && r == 0; i++) {
        const struct definition *d = capture->kept[i];
        if (d->kind != DEFINITION_TYPE)
            continue;
        for (size_t k = 0; k <= d->n_names && r == 0; k++) {
            const char *name = k ? d->names[k - 1] : d->name;
            uint32_t other = name_ids_get(&seen, name, strlen(name));
            if (*name && other && other != i + 1)
                r = clash(capture, name, other - 1, i, err);
            name_ids_set(&seen, name, (uint32_t)i + 1);
        }
    }
    name_ids_clear(&seen);
    return r;
}

static int check(const struct capture *capture, struct error *err)
{
    for (size_t i = 0; i < capture->n_kept; i++) {
        int r = check_definition(capture, i, err);
        if (r < 0)
            return r;
    }
    return check_type_names(capture, err);
}

/* --- the copy --- */

static struct definition *renumbered(const struct capture *capture, size_t index,
                                     struct types *types)
{
    const struct definition *from = capture->kept[index];
    struct definition *copy = definition_copy(from);
    copy->id = (uint32_t)index + 1;
    copy->n_refs = 0;
    for (size_t i = 0; i < from->n_refs; i++)
        definition_add_ref(copy, (uint32_t)resolve(capture, from->refs[i]));
    if (copy->type)
        copy->type = types_import(types, capture->types, from->type);
    for (size_t i = 0; i < copy->n_sites; i++)
        copy->sites[i].type = types_import(types, capture->types, from->sites[i].type);
    return copy;
}

/* Types name the definitions of their tags by session ids until now. */
static void renumber_types(const struct capture *capture, struct types *types)
{
    for (uint32_t id = 1; id < types->n; id++) {
        uint32_t definition = types_get(types, id)->definition;
        if (definition)
            types_edit(types, id)->definition = (uint32_t)resolve(capture, definition);
    }
}

static void add_names(const struct capture *capture, const uint32_t *roots,
                      size_t n_roots, struct payload *payload)
{
    payload->names = must_alloc(n_roots * sizeof(*payload->names));
    for (size_t i = 0; i < n_roots; i++) {
        size_t at = resolve(capture, roots[i]);
        const struct definition *root = at ? capture->kept[at - 1] : NULL;
        if (!root || !*root->name || root->kind == DEFINITION_INCLUDE ||
            root->kind == DEFINITION_PRAGMA)
            continue;
        bool is_there = false;
        for (size_t k = 0; k < payload->n_names; k++)
            is_there |= strcmp(payload->names[k], root->name) == 0;
        if (!is_there)
            payload->names[payload->n_names++] = must_strdup(root->name);
    }
}

static struct payload *build(const struct capture *capture, const uint32_t *roots,
                             size_t n_roots)
{
    struct payload *payload = must_alloc(sizeof(*payload));
    types_init(&payload->types);
    payload->definitions = must_alloc(capture->n_kept * sizeof(*payload->definitions));
    for (size_t i = 0; i < capture->n_kept; i++) {
        struct definition *copy = renumbered(capture, i, &payload->types);
        payload->needs_cc |= copy->needs_cc;
        payload->is_heavy |= copy->is_heavy;
        payload->definitions[payload->n_definitions++] = copy;
    }
    renumber_types(capture, &payload->types);
    add_names(capture, roots, n_roots, payload);
    return payload;
}

static int make(const struct graph *graph, const struct types *types,
                const uint32_t *roots, size_t n_roots, bool is_linked,
                struct payload **ret, struct error *err)
{
    CLEANUP(capture_clear)
    struct capture capture = {.graph = graph, .types = types, .is_linked = is_linked};
    CLEANUP(freep) uint32_t *now = must_alloc(n_roots * sizeof(*now));
    for (size_t i = 0; i < n_roots; i++) {
        now[i] = current_root(graph, roots[i]);
        if (!graph_get(graph, now[i]))
            return error_set(err, -EINVAL, "there is no definition %u", now[i]);
    }
    graph_closure(graph, now, n_roots, &capture.closure, &capture.n_closure);
    keep(&capture);
    find_parents(&capture, now, n_roots);
    int r = check(&capture, err);
    if (r < 0)
        return r;
    *ret = build(&capture, now, n_roots);
    return 0;
}

int payload_new(const struct graph *graph, const struct types *types,
                const uint32_t *roots, size_t n_roots, struct payload **ret,
                struct error *err)
{
    return make(graph, types, roots, n_roots, false, ret, err);
}

int payload_new_program(const struct graph *graph, const struct types *types,
                        const uint32_t *roots, size_t n_roots, struct payload **ret,
                        struct error *err)
{
    return make(graph, types, roots, n_roots, true, ret, err);
}

static uint32_t find_copy(const struct payload *payload, const struct definition *from)
{
    for (size_t i = 0; from && i < payload->n_definitions; i++) {
        const struct definition *copy = payload->definitions[i];
        if (copy->kind == from->kind && copy->cell == from->cell &&
            copy->line == from->line && !strcmp(copy->name, from->name))
            return copy->id;
    }
    return 0;
}

uint32_t payload_import_type(struct payload *payload, const struct graph *graph,
                             const struct types *types, uint32_t id)
{
    size_t before = payload->types.n;
    uint32_t ret = types_import(&payload->types, types, id);
    for (size_t i = before; i < payload->types.n; i++) {
        uint32_t definition = types_get(&payload->types, (uint32_t)i)->definition;
        if (definition)
            types_edit(&payload->types, (uint32_t)i)->definition =
                find_copy(payload, graph_get(graph, definition));
    }
    return ret;
}
