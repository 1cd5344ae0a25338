/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Places inside blocks as steps that hold on every machine: which element, which member,
 * which element of that, and so on. */
#include <string.h>

#include "pickler/value/block.h"

static bool add_step(struct value_path *path, uint64_t step)
{
    if (path->n == PATH_MAX_STEPS)
        return false;
    path->steps[path->n++] = step;
    return true;
}

/* The member that holds the byte; else one that ends there; -1. `tail` is the number of
 * elements of the flexible array member at index `tail_field`. */
static long find_field(const struct types *types, const struct type *record,
                       uint64_t offset, const struct program *tailed, uint64_t tail)
{
    long ends_there = -1;
    for (size_t i = 0; i < record->n_fields; i++) {
        if (record->fields[i].bits >= 0 || !*record->fields[i].name)
            continue;
        uint64_t start = record->layout.offsets[i];
        uint64_t size = types_size(types, record->fields[i].type);
        if (tailed && i == tailed->tail_field)
            size = tail * tailed->tail->size;
        if (offset < start)
            continue;
        if (offset - start < size)
            return (long)i;
        if (offset - start == size &&
            types_get(types, record->fields[i].type)->kind == TYPE_ARRAY)
            ends_there = (long)i;
    }
    return ends_there;
}

bool path_find(const struct types *types, const struct blocks *blocks,
               const struct block *block, uint64_t offset, struct value_path *ret)
{
    const struct program *program = block->program;
    *ret = (struct value_path){0};
    if (!program || !program->size) {
        ret->rest = offset;
        return true;
    }
    const struct program *tailed = program->has_tail ? program : NULL;
    uint64_t index = tailed && offset >= program->size ? 0 : offset / program->size;
    uint32_t id = program->type;
    add_step(ret, index);
    offset -= index * program->size;
    while (offset) {
        const struct type *type = types_get(types, id);
        if (!type_is_record(type) || !type->layout.is_known)
            break;
        long field = find_field(types, type, offset, tailed, block_tail(blocks, block));
        if (field < 0)
            break;
        if (!add_step(ret, (uint64_t)field))
            return false;
        offset -= type->layout.offsets[field];
        id = type->fields[field].type;
        uint64_t count = 1;
        if (tailed && (uint64_t)field == tailed->tail_field)
            id = tailed->tail->type;
        else if (types_get(types, id)->kind != TYPE_ARRAY ||
                 !programs_flatten(types, &id, &count) || !types_size(types, id)) {
            tailed = NULL;
            continue;
        }
        tailed = NULL;
        if (!offset) /* the array itself is its first element */
            break;
        uint64_t size = types_size(types, id);
        if (!add_step(ret, offset / size))
            return false;
        offset %= size;
    }
    ret->rest = offset;
    return true;
}

/* One record or array step; *limit is the size of what has been reached. */
struct walker {
    const struct types *types;
    const struct program *tailed;
    uint64_t tail, offset, limit;
    uint32_t type;
    uint64_t count; /* > 0: in an array of so many */
};

static bool step_in(struct walker *walker, uint64_t step)
{
    if (walker->count) {
        uint64_t size = types_size(walker->types, walker->type);
        if (step > walker->count)
            return false;
        walker->offset += step * size;
        walker->limit = step < walker->count ? size : 0;
        walker->count = 0;
        return true;
    }
    const struct type *type = types_get(walker->types, walker->type);
    if (!type_is_record(type) || !type->layout.is_known || step >= type->n_fields ||
        type->fields[step].bits >= 0 || !walker->limit)
        return false;
    walker->offset += type->layout.offsets[step];
    walker->type = type->fields[step].type;
    walker->limit = types_size(walker->types, walker->type);
    if (walker->tailed && step == walker->tailed->tail_field) {
        walker->type = walker->tailed->tail->type;
        walker->count = walker->tail;
        walker->limit = walker->tail * walker->tailed->tail->size;
    } else if (types_get(walker->types, walker->type)->kind == TYPE_ARRAY) {
        walker->count = 1;
        if (!programs_flatten(walker->types, &walker->type, &walker->count))
            return false;
    }
    walker->tailed = NULL;
    return true;
}

bool path_offset(const struct types *types, const struct blocks *blocks,
                 const struct block *block, const struct value_path *path, uint64_t *ret)
{
    const struct program *program = block->program;
    if (!program || !program->size) {
        *ret = path->rest;
        return path->n == 0 && path->rest == 0;
    }
    struct walker walker = {.types = types,
                            .tailed = program->has_tail ? program : NULL,
                            .tail = block_tail(blocks, block),
                            .type = program->type};
    if (!path->n || path->steps[0] > block->count)
        return false;
    walker.offset = path->steps[0] * program->size;
    walker.limit = path->steps[0] < block->count ? program->size : 0;
    for (size_t i = 1; i < path->n; i++)
        if (!step_in(&walker, path->steps[i]))
            return false;
    if (path->rest && path->rest >= walker.limit)
        return false;
    *ret = walker.offset + path->rest;
    return *ret <= block_size(blocks, block);
}

#define TEXT_HOPS 6 /* pointers of a long way that are written out at either end */

static void add_member(const struct type_field *field, struct buffer *out)
{
    bool follows_arrow = out->size && out->data[out->size - 1] == '>';
    buffer_format(out, "%s%s", follows_arrow ? "" : ".", field->name);
}

/* Members and elements below an element: ".name[3].x"; yields the type that is reached.
 */
static uint32_t add_steps(const struct types *types, uint32_t id,
                          const struct value_path *path, struct buffer *out)
{
    for (size_t i = 1; i < path->n; i++) {
        const struct type *type = types_get(types, id);
        if (type->kind == TYPE_ARRAY) {
            buffer_format(out, "[%llu]", (unsigned long long)path->steps[i]);
            while (types_get(types, id)->kind == TYPE_ARRAY)
                id = types_get(types, id)->target;
        } else if (type_is_record(type) && path->steps[i] < type->n_fields) {
            add_member(&type->fields[path->steps[i]], out);
            id = type->fields[path->steps[i]].type;
        }
    }
    return id;
}

/* What stands at the very start of an object is in its first member, and so on: steps
 * leave that out. */
static void add_first_members(const struct types *types, uint32_t id, struct buffer *out)
{
    for (int depth = 0; depth < PATH_MAX_STEPS; depth++) {
        const struct type *type = types_get(types, id);
        if (type->kind == TYPE_ARRAY) {
            buffer_add_string(out, "[0]");
            id = type->target;
        } else if (type->kind == TYPE_STRUCT && type->layout.is_known && type->n_fields &&
                   type->fields[0].bits < 0 && type->layout.offsets[0] == 0) {
            add_member(&type->fields[0], out);
            id = type->fields[0].type;
        } else {
            return;
        }
    }
}

/* What is written behind the text of a pointer (or a root's name) for a place in its
 * block. */
static void add_hop(const struct types *types, const struct blocks *blocks, uint32_t id,
                    uint64_t offset, struct buffer *out)
{
    const struct block *block = block_at(blocks, id);
    struct value_path path;
    if (!block->program || !path_find(types, blocks, block, offset, &path) || !path.n)
        return;
    bool is_root = block->origin == BLOCK_NONE;
    bool is_record = type_is_record(types_get(types, block->program->type));
    if (block->count != 1 || (!is_root && !is_record))
        buffer_format(out, "[%llu]", (unsigned long long)path.steps[0]);
    else if (!is_root)
        buffer_add_string(out, "->");
    uint32_t reached = add_steps(types, block->program->type, &path, out);
    if (!path.rest)
        add_first_members(types, reached, out);
}

static const char *start_of(const struct blocks *blocks, uint32_t id)
{
    const struct block_extra *extra = block_extra(blocks, block_at(blocks, id));
    return extra && extra->name ? extra->name : "value";
}

char *path_text(const struct types *types, const struct blocks *blocks, uint32_t id,
                uint64_t offset)
{
    struct hop {
        uint32_t id;
        uint64_t offset;
    } near[TEXT_HOPS], far[TEXT_HOPS];
    size_t n = 0; /* hops from the place back to the root; far[] holds the last ones */
    for (; id != BLOCK_NONE && id < blocks->n; n++) {
        struct hop hop = {id, offset};
        if (n < TEXT_HOPS)
            near[n] = hop;
        else
            far[n % TEXT_HOPS] = hop;
        offset = block_at(blocks, id)->origin_offset;
        id = block_at(blocks, id)->origin;
    }
    struct buffer text = {0};
    for (size_t left = n; left > 0; left--) {
        size_t i = left - 1;
        if (i >= TEXT_HOPS && i + TEXT_HOPS < n) {
            buffer_format(&text, " ... (%zu pointers) ... ", n - 2 * TEXT_HOPS);
            left = TEXT_HOPS + 1;
            continue;
        }
        const struct hop *hop = i < TEXT_HOPS ? &near[i] : &far[i % TEXT_HOPS];
        if (left == n)
            buffer_add_string(&text, start_of(blocks, hop->id));
        add_hop(types, blocks, hop->id, hop->offset, &text);
    }
    return buffer_take(&text);
}
