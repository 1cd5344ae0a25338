/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A payload as one translation unit. */
#include "pickler/payload/unit.h"

#include <errno.h>
#include <string.h>

#include "pickler/graph/name_ids.h"
#include "pickler/type/layout.h"

const struct definition *payload_find(void *context, uint32_t id)
{
    const struct payload *payload = context;
    return id && id <= payload->n_definitions ? payload->definitions[id - 1] : NULL;
}

static bool is_object(const struct definition *definition)
{
    return definition->kind == DEFINITION_VARIABLE ||
           definition->kind == DEFINITION_FUNCTION;
}

void payload_newest_macros(const struct payload *payload, uint32_t **ret, size_t *ret_n)
{
    uint32_t *ids = must_alloc(payload->n_definitions * sizeof(*ids));
    struct name_ids seen = {0};
    size_t n = 0;
    for (size_t i = payload->n_definitions; i > 0; i--) {
        const struct definition *definition = payload->definitions[i - 1];
        if (definition->kind != DEFINITION_MACRO ||
            name_ids_get(&seen, definition->name, strlen(definition->name)))
            continue;
        name_ids_set(&seen, definition->name, definition->id);
        ids[n++] = definition->id;
    }
    name_ids_clear(&seen);
    *ret = ids;
    *ret_n = n;
}

void payload_add_entry(const struct payload *payload, struct emitter *emitter,
                       struct buffer *out)
{
    CLEANUP(freep) uint32_t *macros = NULL;
    size_t n = 0;
    payload_newest_macros(payload, &macros, &n);
    emitter_macros(emitter, macros, n);
    if (payload->cell)
        buffer_format(out, "#line 1 \"In[%u]\"\n", payload->cell);
    else
        buffer_add_string(out, "#line 1 \"entry\"\n");
    buffer_add_string(out, payload->entry_text);
    buffer_add_char(out, '\n');
}

/* A macro may have the name of a member or type. */
static void drop_macros(const struct payload *payload, struct buffer *out)
{
    CLEANUP(freep) uint32_t *macros = NULL;
    size_t n = 0;
    payload_newest_macros(payload, &macros, &n);
    buffer_add_string(out, "#line 1 \"layouts\"\n");
    for (size_t i = 0; i < n; i++)
        buffer_format(out, "#undef %s\n", payload->definitions[macros[i] - 1]->name);
}

static void add_layouts(const struct payload *payload, const struct types *layouts,
                        struct buffer *out)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    for (uint32_t id = 1; id < layouts->n; id++) {
        const struct type *type = types_get(layouts, id);
        if (type_is_record(type) && !type->is_incomplete)
            layout_emit_with_sizes(layouts, id, id, &text);
    }
    if (!text.size)
        return;
    drop_macros(payload, out);
    buffer_add(out, text.data, text.size);
}

int payload_unit(const struct payload *payload, const struct types *layouts,
                 struct buffer *out, struct error *err)
{
    CLEANUP(emitter_freep)
    struct emitter *emitter = emitter_new(payload_find, (void *)payload, out);
    for (size_t i = 0; i < payload->n_definitions; i++)
        emitter_declare(emitter, payload->definitions[i]);
    for (size_t i = 0; i < payload->n_definitions; i++)
        if (is_object(payload->definitions[i]) && payload->definitions[i]->declaration)
            emitter_define(emitter, payload->definitions[i]);
    if (payload->entry_text)
        payload_add_entry(payload, emitter, out);
    add_layouts(payload, layouts ? layouts : &payload->types, out);
    if (out->size > PAYLOAD_SIZE_MAX)
        return error_set(err, -EFBIG, "the C text of the payload has %zu bytes",
                         out->size);
    return 0;
}
