/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/tier_text.h"

#include <string.h>

#include "pickler/base/map.h"
#include "pickler/graph/emit.h"

struct closure {
    const struct tier_scope *scope;
    bool *is_in; /* by id */
    size_t n_ids;
    const struct definition **all; /* in order of discovery: also the list of work */
    bool *is_copied;               /* by position: a function with its body */
    size_t n, capacity, copied_capacity;
    size_t source_size;
    struct tier_text *text;
};

void tier_text_clear(struct tier_text *text)
{
    buffer_clear(&text->text);
    free(text->functions);
    free(text->called);
    *text = (struct tier_text){0};
}

const struct definition *tier_get(const struct tier_scope *scope, uint32_t id)
{
    const struct plan *plan = scope->plan;
    for (size_t i = 0; plan && i < plan->n_definitions; i++)
        if (plan->definitions[i]->id == id)
            return plan->definitions[i];
    return graph_get(scope->graph, id);
}

static const struct definition *find(void *context, uint32_t id)
{
    return tier_get(context, id);
}

static bool is_object(const struct definition *definition)
{
    return definition->kind == DEFINITION_FUNCTION ||
           definition->kind == DEFINITION_VARIABLE;
}

const struct definition *tier_current(const struct tier_scope *scope, const char *name)
{
    const struct definition *old = graph_current(scope->graph, name);
    const struct plan *plan = scope->plan;
    if (old && !is_object(old))
        old = NULL;
    for (size_t i = plan ? plan->n_definitions : 0; i-- > 0;) {
        const struct definition *at = plan->definitions[i];
        if (!is_object(at) || strcmp(at->name, name) != 0)
            continue;
        bool hides = at->source || !old || !old->source || old->type != at->type;
        return hides ? at : old;
    }
    return old;
}

static bool is_refused(const struct tier_scope *scope, uint32_t id)
{
    for (size_t i = 0; i < scope->n_refused; i++)
        if (scope->refused[i] == id)
            return true;
    return false;
}

static bool has_options(const struct definition *definition, const char *options)
{
    const char *own = definition->options;
    return own && options ? strcmp(own, options) == 0 : !own && !options;
}

static bool has_room(const struct closure *closure, const struct definition *function)
{
    return closure->text->n_functions < TIER_FUNCTIONS_MAX &&
           closure->source_size + strlen(function->source) <= TIER_SOURCE_MAX;
}

static void reach(struct closure *closure, const struct definition *definition)
{
    struct tier_text *text = closure->text;
    if (definition->id >= closure->n_ids || closure->is_in[definition->id] ||
        closure->n >= TIER_CLOSURE_MAX)
        return;
    closure->is_in[definition->id] = true;
    bool is_copied = definition_is_copyable(definition) &&
                     has_options(definition, closure->scope->options) &&
                     !is_refused(closure->scope, definition->id) &&
                     has_room(closure, definition);
    GROW(closure->all, closure->n, closure->capacity);
    GROW(closure->is_copied, closure->n, closure->copied_capacity);
    closure->is_copied[closure->n] = is_copied;
    closure->all[closure->n++] = definition;
    if (is_copied) {
        closure->source_size += strlen(definition->source);
        GROW(text->functions, text->n_functions, text->functions_capacity);
        text->functions[text->n_functions++] = definition;
    } else if (definition->kind == DEFINITION_FUNCTION) {
        GROW(text->called, text->n_called, text->called_capacity);
        text->called[text->n_called++] = definition;
    }
}

/* What is only declared needs nothing of the objects that its body mentions. */
static void reach_refs(struct closure *closure, size_t index)
{
    const struct definition *of = closure->all[index];
    bool is_declared = is_object(of) && !closure->is_copied[index];
    for (size_t i = 0; i < of->n_refs; i++) {
        const struct definition *to = tier_get(closure->scope, of->refs[i]);
        if (!to || (is_declared && is_object(to)))
            continue;
        const struct definition *now =
            is_object(to) ? tier_current(closure->scope, to->name) : NULL;
        reach(closure, now ? now : to);
    }
}

static int compare_ids(const void *a, const void *b)
{
    const struct definition *const *x = a, *const *y = b;
    return (*x)->id<(*y)->id ? -1 : (*x)->id>(*y)->id;
}

static bool is_thread_local(const char *declaration)
{
    return strstr(declaration, "__thread") || strstr(declaration, "hread_local");
}

/* As pickler/code/names.c lays storage out; vector code is a tenth faster for knowing. */
static void declare_alignment(const struct definition *variable, struct buffer *out)
{
    const char *name = variable->name;
    if (strstr(variable->declaration, "[]")) /* its size is not known */
        return;
    buffer_format(out,
                  "extern __typeof__(%s) %s __attribute__((aligned(sizeof(%s) >= 64 ? 64 "
                  ": sizeof(%s) >= 16 ? 16 : __alignof__(%s))));\n",
                  name, name, name, name, name);
}

/* A variable of the session is near: it is reached without a table of addresses. */
static void declare(struct emitter *emitter, const struct definition *definition,
                    struct buffer *out)
{
    bool is_near = definition->kind == DEFINITION_VARIABLE && definition->source &&
                   definition->declaration && !is_thread_local(definition->declaration);
    if (is_near)
        buffer_add_string(out, "#pragma GCC visibility push(hidden)\n");
    emitter_declare(emitter, definition);
    if (is_near)
        declare_alignment(definition, out);
    if (is_near)
        buffer_add_string(out, "#pragma GCC visibility pop\n");
}

static void emit(const struct closure *closure)
{
    struct tier_text *text = closure->text;
    CLEANUP(freep)
    const struct definition **sorted = must_alloc((closure->n + 1) * sizeof(*sorted));
    CLEANUP(emitter_freep)
    struct emitter *emitter = emitter_new(find, (void *)closure->scope, &text->text);
    for (size_t i = 0; i < closure->n; i++)
        sorted[i] = closure->all[i];
    qsort(sorted, closure->n, sizeof(*sorted), compare_ids);
    for (size_t i = 0; i < closure->n; i++)
        declare(emitter, sorted[i], &text->text);
    size_t n = text->n_functions;
    for (size_t i = 0; i < n; i++)
        sorted[i] = text->functions[i];
    qsort(sorted, n, sizeof(*sorted), compare_ids);
    for (size_t i = 0; i < n; i++)
        emitter_define(emitter, sorted[i]);
}

static size_t count_ids(const struct tier_scope *scope)
{
    size_t n = graph_next_id(scope->graph);
    const struct plan *plan = scope->plan;
    for (size_t i = 0; plan && i < plan->n_definitions; i++)
        if (plan->definitions[i]->id >= n)
            n = (size_t)plan->definitions[i]->id + 1;
    return n;
}

void tier_text_make(const struct tier_scope *scope, const uint32_t *roots, size_t n,
                    struct tier_text *ret)
{
    struct closure closure = {.scope = scope, .n_ids = count_ids(scope), .text = ret};
    closure.is_in = must_alloc(closure.n_ids * sizeof(*closure.is_in));
    for (size_t i = 0; i < n; i++) {
        const struct definition *root = tier_get(scope, roots[i]);
        if (root)
            reach(&closure, root);
    }
    for (size_t i = 0; i < closure.n; i++)
        reach_refs(&closure, i);
    emit(&closure);
    free(closure.is_in);
    free(closure.all);
    free(closure.is_copied);
}

static bool is_listed(const uint32_t *ids, size_t n, uint32_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static const struct definition *find_function(const struct tier_text *text, uint32_t id)
{
    for (size_t i = 0; i < text->n_functions; i++)
        if (text->functions[i]->id == id)
            return text->functions[i];
    return NULL;
}

void tier_text_needs(const struct tier_scope *scope, const struct tier_text *text,
                     const struct definition *root, uint32_t **ret, size_t *ret_n)
{
    uint32_t *ids = must_alloc((text->n_functions + 1) * sizeof(*ids));
    size_t n = 0;
    ids[n++] = root->id;
    for (size_t i = 0; i < n; i++) {
        const struct definition *of = find_function(text, ids[i]);
        for (size_t k = 0; of && k < of->n_refs; k++) {
            const struct definition *to = tier_get(scope, of->refs[k]);
            if (to && to->kind == DEFINITION_FUNCTION)
                to = tier_current(scope, to->name);
            if (to && find_function(text, to->id) && !is_listed(ids, n, to->id))
                ids[n++] = to->id;
        }
    }
    *ret = ids;
    *ret_n = n;
}

/* ---- recursion -----------------------------------------------------------------------
 */

enum { ON_THE_WAY = 1, SEEN }; /* of a function in a walk */

struct walk {
    const struct tier_scope *scope;
    struct map states; /* by id */
    struct step {
        const struct definition *function;
        size_t next_ref;
    } *way;
    size_t n, capacity;
};

/* False: it is on the way already, or calls itself. */
static bool enter(struct walk *walk, const struct definition *function)
{
    uint64_t *state = map_at(&walk->states, function->id, NULL);
    if (*state)
        return *state == SEEN;
    *state = ON_THE_WAY;
    GROW(walk->way, walk->n, walk->capacity);
    walk->way[walk->n++] = (struct step){function, 0};
    return !definition_mentions_itself(function);
}

/* True while there are more steps; *ret: the next one leads back. */
static bool walk_on(struct walk *walk, bool *ret)
{
    struct step *last = &walk->way[walk->n - 1];
    if (last->next_ref == last->function->n_refs || walk->states.n > TIER_FUNCTIONS_MAX) {
        *map_at(&walk->states, last->function->id, NULL) = SEEN;
        return --walk->n > 0;
    }
    const struct definition *to =
        tier_get(walk->scope, last->function->refs[last->next_ref++]);
    if (to && to->kind == DEFINITION_FUNCTION)
        to = tier_current(walk->scope, to->name);
    if (to && to->kind == DEFINITION_FUNCTION && to->source)
        *ret = !enter(walk, to);
    return !*ret;
}

bool tier_is_recursive(const struct tier_scope *scope, const struct definition *function)
{
    struct walk walk = {.scope = scope};
    bool is_recursive = !enter(&walk, function);
    while (!is_recursive && walk_on(&walk, &is_recursive))
        ;
    map_clear(&walk.states);
    free(walk.way);
    return is_recursive;
}
