/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/represent.h"

#include <stdio.h>
#include <string.h>

#include "kernel/display/mime_function.h"
#include "kernel/display/place.h"
#include "kernel/display/probe.h"
#include "kernel/display/table.h"
#include "kernel/display/value.h"

#define HTML_MAX (1u << 20) /* bytes of a table */

bool represent_is_handle(const struct types *types, uint32_t type)
{
    return mime_is_pointer_to(types, type, "achar_display");
}

/* ---- the session's functions
 * ------------------------------------------------------------ */

static bool takes(const struct types *types, const struct name *name, uint32_t id)
{
    return name->kind == NAME_FUNCTION && mime_function_takes(types, name->type, id);
}

static void complain(const struct types *types, const struct name *name,
                     const struct type *type)
{
    const char *spelling = types_get(types, name->type)->spelling;
    fprintf(stderr,
            "%s() is not used: it is '%s', not 'void (const %s *, achar_bundle *)'\n",
            name->text, spelling ? spelling : "?", plain_spelling(type->spelling));
}

/* The one with the type's name, else the newest that takes it. */
static const struct name *find_function(const struct engine *engine, uint32_t id)
{
    const struct type *type = types_get(&engine->types, id);
    CLEANUP(freep) char *text = mime_function_name(&engine->types, id);
    const struct names *names = &engine->names;
    const struct name *own = names_find(names, text);
    if (own && takes(&engine->types, own, id))
        return own;
    for (size_t i = names->n; i-- > 0;) {
        const struct name *name = names->all[i];
        if (mime_function_is_name(name->text) && takes(&engine->types, name, id))
            return name;
    }
    if (own && own->kind == NAME_FUNCTION)
        complain(&engine->types, own, type);
    return NULL;
}

represent_function represent_find(const struct engine *engine, uint32_t id,
                                  const void *value, void **ret_value)
{
    const struct types *types = &engine->types;
    const struct type *type = types_get(types, id);
    void *object = (void *)value;
    if (type->kind == TYPE_POINTER) {
        memcpy(&object, value, sizeof(object));
        id = type->target;
        type = types_get(types, id);
    }
    uint64_t size = types_size(types, id);
    if (!mime_function_suits(types, id) || !size || !probe_is_readable(object, size))
        return NULL;
    const struct name *name = find_function(engine, id);
    if (!name)
        return NULL;
    *ret_value = object;
    /* Code of a payload has no trampolines. */
    return (represent_function)(void *)(name->trampoline ? name->trampoline : name->body);
}

void represent_run(represent_function function, void *value, struct bundle *bundle,
                   struct outcome *ret)
{
    struct guard_call call = {.with = function, .arguments = {value, bundle}};
    struct guard_report report;
    guard_run(&call, &report);
    outcome_clear(ret);
    guard_outcome(&report, ret);
}

/* ---- what every value has
 * --------------------------------------------------------------- */

static void add(struct bundle *bundle, const char *mime, const struct buffer *text)
{
    if (text->size && !bundle_find(bundle, mime) &&
        !bundle_add(bundle, mime, text->data, text->size))
        return; /* a bundle that is full already */
}

void represent_rest(const struct value_world *world, uint32_t type, const void *value,
                    bool is_ours, struct bundle *bundle)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    CLEANUP(buffer_clear) struct buffer html = {0};
    display_value(world, world->types, type, value, NULL, &text);
    add(bundle, "text/plain", &text);
    if (is_ours && display_table(world, world->types, type, value, &html) &&
        html.size <= HTML_MAX)
        add(bundle, "text/html", &html);
}
