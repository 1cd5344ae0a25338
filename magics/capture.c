/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/capture.h"

#include <string.h>

#include "kernel/display/mime_function.h"
#include "kernel/session/tier.h"

#define CAPTURE_ROUNDS_MAX 1000 /* each adds at least one definition */

void capture_roots_clear(struct capture_roots *roots)
{
    free(roots->ids);
    *roots = (struct capture_roots){0};
}

void capture_roots_add(struct capture_roots *roots, uint32_t id)
{
    for (size_t i = 0; i < roots->n; i++)
        if (roots->ids[i] == id)
            return;
    GROW(roots->ids, roots->n, roots->capacity);
    roots->ids[roots->n++] = id;
}

/* The one with the type's name, else the newest that takes it. */
static const struct definition *find_mime(const struct graph *graph,
                                          const struct types *types, uint32_t type)
{
    CLEANUP(freep) char *own = mime_function_name(types, type);
    const struct definition *found = NULL;
    for (size_t i = 0; i < graph_count(graph); i++) {
        const struct definition *definition = graph_at(graph, i);
        if (definition->kind != DEFINITION_FUNCTION || !definition->source ||
            !mime_function_is_name(definition->name) ||
            !graph_is_current(graph, definition) ||
            !mime_function_takes(types, definition->type, type))
            continue;
        found = definition;
        if (!strcmp(definition->name, own))
            break;
    }
    return found;
}

static void add_mime(struct magic_context *context, uint32_t id,
                     struct capture_roots *roots)
{
    const struct types *types = session_types(context->session);
    const struct type *type = types_get(types, id);
    uint32_t shown = type->kind == TYPE_POINTER ? type->target : id;
    const struct definition *function =
        mime_function_suits(types, shown)
            ? find_mime(session_graph(context->session), types, shown)
            : NULL;
    if (function)
        capture_roots_add(roots, function->id);
}

static void add_displayed(struct magic_context *context,
                          const struct allocation_site *sites, size_t n,
                          struct capture_roots *roots)
{
    for (size_t i = 0; i < n; i++)
        if (display_site_is(sites[i].line))
            add_mime(context, sites[i].type, roots);
}

static bool has_definition(const struct payload *payload, const char *name)
{
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *definition = payload->definitions[i];
        if ((definition->kind == DEFINITION_FUNCTION ||
             definition->kind == DEFINITION_VARIABLE) &&
            !strcmp(definition->name, name))
            return true;
    }
    return false;
}

/* Adds what was met in values and is not in the payload yet; true when there was any. */
static bool extend(struct magic_context *context, const struct payload *payload,
                   char **names, size_t n, struct capture_roots *roots)
{
    const struct graph *graph = session_graph(context->session);
    size_t before = roots->n;
    for (size_t i = 0; i < n; i++) {
        const struct definition *definition = graph_current(graph, names[i]);
        if (definition && !has_definition(payload, names[i]))
            capture_roots_add(roots, definition->id);
    }
    return roots->n > before;
}

static void add_libraries(struct magic_context *context, struct payload *payload)
{
    size_t n;
    const char *const *libraries = session_libraries(context->session, &n);
    payload->libraries = must_alloc((n + 1) * sizeof(*payload->libraries));
    for (; payload->n_libraries < n; payload->n_libraries++)
        payload->libraries[payload->n_libraries] =
            must_strdup(libraries[payload->n_libraries]);
}

static void release_values(void *values)
{
    blob_unref(values);
}

/* Takes them. */
static void set_values(struct payload *payload, struct session_dumped *dumped)
{
    payload->values = dumped->values->data;
    payload->values_size = dumped->values->size;
    payload->values_owner = TAKE(dumped->values);
    payload->values_release = release_values;
    payload->cuts = TAKE(dumped->cuts);
    payload->n_cuts = dumped->n_cuts;
}

struct blob *capture_values(const struct payload *payload)
{
    return payload->n_cuts && payload->values_release == release_values
               ? payload->values_owner
               : NULL;
}

/* One round: code of the roots, values of its variables. *ret_more: the values reach
 * further than the code did. */
static int capture_round(struct magic_context *context, struct capture_roots *roots,
                         struct payload **ret, bool *ret_more, struct result *result,
                         struct error *err)
{
    CLEANUP(payload_freep) struct payload *payload = NULL;
    CLEANUP(session_dumped_clear) struct session_dumped dumped = {0};
    CLEANUP(freep) const char **variables = NULL;
    struct error why = {0};
    size_t n_variables;
    if (payload_new(session_graph(context->session), session_types(context->session),
                    roots->ids, roots->n, &payload, &why) < 0) {
        result_error(result, "PickleError", "%s", why.text);
        return 0;
    }
    payload_variables(payload, &variables, &n_variables);
    int r = session_dump_shared(context->session, variables, n_variables, &dumped, result,
                                err);
    *ret_more = r == 0 && result->kind == RESULT_OK &&
                extend(context, payload, dumped.names, dumped.n_names, roots);
    if (r < 0 || result->kind != RESULT_OK || *ret_more)
        return r;
    set_values(payload, &dumped);
    payload->is_heavy |= roots->is_heavy;
    payload->is_plain = session_tier(context->session)->level == NULL; /* %opt off */
    payload->is_heavy &= !payload->is_plain;
    add_libraries(context, payload);
    *ret = TAKE(payload);
    return 0;
}

int capture(struct magic_context *context, struct capture_roots *roots,
            struct payload **ret, struct result *result, struct error *err)
{
    bool is_more = true;
    int r = 0;
    *ret = NULL;
    for (int i = 0; is_more && i < CAPTURE_ROUNDS_MAX; i++) {
        is_more = false;
        r = capture_round(context, roots, ret, &is_more, result, err);
        if (r < 0 || result->kind != RESULT_OK)
            return r;
    }
    if (!*ret)
        result_error(result, "PickleError", "the values reach ever more definitions");
    return 0;
}

static bool has_mime(const struct graph *graph)
{
    for (size_t i = 0; i < graph_count(graph); i++)
        if (mime_function_is_name(graph_at(graph, i)->name))
            return true;
    return false;
}

/* True when the payload shows what a function mime_TYPE that is no root yet is for. */
static bool add_looks(struct magic_context *context, struct capture_shown shown,
                      const struct payload *payload, struct capture_roots *roots)
{
    const struct graph *graph = session_graph(context->session);
    size_t before = roots->n;
    add_mime(context, shown.type, roots);
    add_displayed(context, shown.sites, shown.n_sites, roots);
    for (size_t i = 0; i < payload->n_definitions; i++) {
        const struct definition *used =
            graph_current(graph, payload->definitions[i]->name);
        if (used)
            add_displayed(context, used->sites, used->n_sites, roots);
    }
    return roots->n > before;
}

/* The same without values, which are what takes long: what code alone tells. */
static bool add_looks_of_code(struct magic_context *context, struct capture_shown shown,
                              struct capture_roots *roots)
{
    CLEANUP(payload_freep) struct payload *code = NULL;
    struct error why = {0};
    return payload_new(session_graph(context->session), session_types(context->session),
                       roots->ids, roots->n, &code, &why) == 0 &&
           add_looks(context, shown, code, roots);
}

/* Until nothing that values lead to shows more. NULL in *ret: something cannot travel. */
static int capture_looks(struct magic_context *context, struct capture_shown shown,
                         struct capture_roots *roots, struct payload **ret,
                         struct error *err)
{
    CLEANUP(payload_freep) struct payload *payload = NULL;
    do {
        CLEANUP(result_clear) struct result hindrance = {0};
        payload_free(TAKE(payload));
        int r = capture(context, roots, &payload, &hindrance, err);
        if (r < 0)
            return r;
    } while (payload && add_looks(context, shown, payload, roots));
    *ret = TAKE(payload);
    return 0;
}

int capture_with_mime(struct magic_context *context, struct capture_roots *roots,
                      struct capture_shown shown, struct payload **ret,
                      struct result *result, struct error *err)
{
    CLEANUP(capture_roots_clear)
    struct capture_roots more = {.is_heavy = roots->is_heavy};
    *ret = NULL;
    if (!has_mime(session_graph(context->session)))
        return capture(context, roots, ret, result, err);
    for (size_t i = 0; i < roots->n; i++)
        capture_roots_add(&more, roots->ids[i]);
    bool has_looks = add_looks_of_code(context, shown, &more);
    int r = has_looks ? capture_looks(context, shown, &more, ret, err) : 0;
    if (r < 0 || *ret)
        return r;
    r = capture(context, roots, ret, result, err);
    if (has_looks || !*ret || !add_looks(context, shown, *ret, &more))
        return r;
    struct payload *with_looks = NULL;
    r = capture_looks(context, shown, &more, &with_looks, err);
    if (with_looks) {
        payload_free(*ret);
        *ret = with_looks;
    }
    return r;
}

int capture_pack(const struct payload *payload, struct packed_payload *ret,
                 struct result *result)
{
    struct error why = {0};
    if (payload_pack(payload, &ret->bytes, &why) < 0) {
        result_error(result, "PickleError", "%s", why.text);
        return -1;
    }
    payload_hash(ret->bytes.data, ret->bytes.size, ret->hash);
    return 0;
}
