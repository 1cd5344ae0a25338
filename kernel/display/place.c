/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/display/place.h"

#include <inttypes.h>
#include <string.h>

#define DEPTH_MAX 32

const char *plain_spelling(const char *spelling)
{
    static const char *const words[] = {"const ", "volatile "};
    for (size_t i = 0; spelling && i < 2; i++)
        if (!strncmp(spelling, words[i], strlen(words[i]))) {
            spelling += strlen(words[i]);
            i = (size_t)-1;
        }
    return spelling ? spelling : "";
}

bool is_same_plain(const struct types *types, uint32_t a_id, uint32_t b_id)
{
    const struct type *a = types_get(types, a_id), *b = types_get(types, b_id);
    if (a_id == b_id || a->kind != b->kind)
        return a_id == b_id;
    if (type_is_record(a) || a->kind == TYPE_ENUM)
        return a->definition == b->definition &&
               !strcmp(plain_spelling(a->spelling), plain_spelling(b->spelling));
    if (a->kind == TYPE_POINTER || a->kind == TYPE_ARRAY)
        return a->count == b->count && is_same_plain(types, a->target, b->target);
    return a->kind < TYPE_COMPLEX || types_equal(types, a_id, types, b_id, NULL);
}

static bool descend(struct buffer *out, const struct types *types, uint32_t type,
                    uint32_t target, uint64_t offset, unsigned depth);

static bool into_array(struct buffer *out, const struct types *types,
                       const struct type *array, uint32_t target, uint64_t offset,
                       unsigned depth)
{
    uint64_t size = types_size(types, array->target);
    if (!size || offset / size > array->count)
        return false;
    buffer_format(out, "[%" PRIu64 "]", offset / size);
    if (offset / size == array->count) /* nothing is in there */
        return offset % size == 0 &&
               (!target || is_same_plain(types, array->target, target));
    return descend(out, types, array->target, target, offset % size, depth + 1);
}

static bool into_record(struct buffer *out, const struct types *types,
                        const struct type *record, uint32_t target, uint64_t offset,
                        unsigned depth)
{
    size_t mark = out->size;
    for (size_t i = 0; record->layout.is_known && i < record->n_fields; i++) {
        const struct type_field *field = &record->fields[i];
        uint64_t start = record->layout.offsets[i];
        if (field->bits >= 0 || !*field->name || offset < start ||
            offset - start >= types_size(types, field->type))
            continue;
        buffer_format(out, ".%s", field->name);
        if (descend(out, types, field->type, target, offset - start, depth + 1))
            return true;
        out->size = mark;
        out->data[mark] = '\0';
    }
    return false;
}

static bool descend(struct buffer *out, const struct types *types, uint32_t id,
                    uint32_t target, uint64_t offset, unsigned depth)
{
    const struct type *type = types_get(types, id);
    if (!offset && (!target || is_same_plain(types, id, target)))
        return true;
    if (depth > DEPTH_MAX)
        return false;
    if (type->kind == TYPE_ARRAY)
        return into_array(out, types, type, target, offset, depth);
    return type_is_record(type) && into_record(out, types, type, target, offset, depth);
}

bool place_add(struct buffer *out, const struct types *types, uint32_t type,
               uint32_t target, uint64_t offset)
{
    size_t mark = out->size;
    buffer_add(out, "", 0);
    if (descend(out, types, type, target, offset, 0))
        return true;
    out->size = mark;
    out->data[mark] = '\0';
    return false;
}
