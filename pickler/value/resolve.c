/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where pointers lead: to blocks that are known, to new ones, or to what cannot travel.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "pickler/value/dump.h"

void dump_block(struct dump *dump, uint32_t id, uint64_t offset, char *reason, char *hint)
{
    struct value_dump *ret = dump->ret;
    char *path = path_text(dump->world->types, &dump->blocks, id, offset);
    if (dump->is_collecting || ret->n_blockers >= VALUE_BLOCKERS_MAX) {
        free(path);
        free(reason);
        free(hint);
        return;
    }
    GROW(ret->blockers, ret->n_blockers, ret->n_blockers_capacity);
    ret->blockers[ret->n_blockers++] = (struct value_blocker){path, reason, hint};
}

static bool refuse(struct dump *dump, uint64_t offset, char *reason, const char *hint)
{
    dump_block(dump, dump->current, offset, reason, must_strdup(hint));
    return false;
}

char *dump_set_type(struct dump *dump, uint32_t id, uint32_t type, uint64_t size)
{
    uint64_t count, tail;
    struct program *program = programs_elements(&dump->programs, type);
    if (!program)
        return must_format("has type '%s', whose contents are not known",
                           types_get(dump->world->types, type)->spelling);
    if (program->refusal)
        return must_strdup(program->refusal);
    if (!program_fits(program, size, &count, &tail))
        return must_format(
            "points to %" PRIu64 " bytes, which are no whole number of '%s' "
            "(%" PRIu64 " bytes)",
            size, types_get(dump->world->types, program->type)->spelling, program->size);
    struct block *block = block_at(&dump->blocks, id);
    block->program = program;
    block->count = count;
    if (tail)
        blocks_extend(&dump->blocks, block)->tail = tail;
    return NULL;
}

static uint32_t add_block(struct dump *dump, const char *start, uint64_t offset)
{
    uint32_t id = (uint32_t)dump->blocks.n;
    blocks_add(&dump->blocks, &(struct block){.start = (char *)start,
                                              .origin = dump->current,
                                              .origin_offset = offset});
    *blocks_slot(&dump->blocks, start) = id + 1;
    return id;
}

static uint32_t add_named(struct dump *dump, const char *start, uint64_t offset,
                          enum block_kind kind, const char *name)
{
    uint32_t id = add_block(dump, start, offset);
    struct block_extra *extra = blocks_extend(&dump->blocks, block_at(&dump->blocks, id));
    extra->kind = kind;
    extra->name = name;
    return id;
}

/* malloc(0): there is nothing in it, so any type is right. */
static bool add_empty(struct dump *dump, const struct value_block *heap,
                      const struct op *op, uint64_t offset, uint32_t *ret)
{
    *ret = add_block(dump, heap->start, offset);
    char *reason = dump_set_type(dump, *ret, op->target, 0);
    if (!reason)
        return true;
    free(reason);
    *blocks_slot(&dump->blocks, heap->start) = 0;
    dump->blocks.n--;
    return refuse(dump, offset, must_strdup("points to memory whose type is not known"),
                  "set it to NULL while it is empty");
}

static bool add_untyped(struct dump *dump, const struct value_block *heap,
                        const struct op *op, uint64_t offset, uint32_t *ret)
{
    if (!heap->size)
        return add_empty(dump, heap, op, offset, ret);
    const uint64_t *known = map_find(&dump->decisions, (uintptr_t)heap->start);
    if (dump->is_collecting || !known) {
        dump->needs_types |= !dump->is_collecting;
        *ret = add_block(dump, heap->start, offset);
        struct block_extra *extra =
            blocks_extend(&dump->blocks, block_at(&dump->blocks, *ret));
        extra->size = heap->size;
        return true;
    }
    if (!(*known & 1)) {
        refuse(
            dump, offset, must_strdup(dump->reasons[*known / 2]),
            "allocate it in a cell as 'T *p = malloc(n * sizeof(T))', so that its type "
            "is known");
        return false;
    }
    *ret = add_block(dump, heap->start, offset);
    free(dump_set_type(dump, *ret, (uint32_t)(*known / 2), heap->size));
    return true;
}

static bool add_heap(struct dump *dump, const struct value_block *heap,
                     const struct op *op, uint64_t offset, uint32_t *ret)
{
    if (!programs_elements(&dump->programs, heap->type)) /* the site says nothing */
        return add_untyped(dump, heap, op, offset, ret);
    *ret = add_block(dump, heap->start, offset);
    char *reason = dump_set_type(dump, *ret, heap->type, heap->size);
    if (!reason)
        return true;
    *blocks_slot(&dump->blocks, heap->start) = 0;
    dump->blocks.n--;
    refuse(dump, offset, reason,
           "allocate n * sizeof(T) bytes, or make the last member a flexible array");
    return false;
}

/* A session that never mentions plain char has 'const char' for what points to the
 * literal. */
static uint32_t literal_type(const struct types *types)
{
    uint32_t type = 0;
    if (types_find_next(types, TYPE_CHAR, "char", &type))
        return type;
    for (type = 1; type < types->n; type++)
        if (types->at[type]->kind == TYPE_CHAR)
            return type;
    return 0;
}

static bool add_variable(struct dump *dump, const struct value_variable *variable,
                         uint64_t offset, uint32_t *ret)
{
    uint32_t type = variable->type;
    uint64_t size = variable->size, whole = types_size(dump->world->types, type);
    bool is_record = type_is_record(types_get(dump->world->types, type));
    if (whole && whole < size && !variable->is_literal &&
        !(is_record && programs_get(&dump->programs, type)->has_tail))
        size = whole; /* storage may be rounded up */
    if (variable->is_literal && !type)
        type = literal_type(dump->world->types);
    *ret = add_block(dump, variable->start, offset);
    char *reason = dump_set_type(dump, *ret, type, size);
    if (reason) {
        *blocks_slot(&dump->blocks, variable->start) = 0;
        dump->blocks.n--;
        return refuse(dump, offset, reason, NULL);
    }
    if (variable->is_literal)
        return true;
    struct block_extra *extra =
        blocks_extend(&dump->blocks, block_at(&dump->blocks, *ret));
    extra->kind = BLOCK_VARIABLE;
    extra->name = variable->name;
    return true;
}

static bool find_stream(const char *pointer)
{
    return pointer == (const char *)stdin || pointer == (const char *)stdout ||
           pointer == (const char *)stderr;
}

static bool in_loose_root(struct dump *dump, const char *pointer, struct target *ret)
{
    for (size_t i = 0; i < dump->n_loose; i++) {
        const struct block *block = block_at(&dump->blocks, dump->loose[i]);
        if (pointer >= block->start &&
            pointer <= block->start + block_size(&dump->blocks, block)) {
            *ret = (struct target){dump->loose[i], false,
                                   (uint64_t)(pointer - block->start)};
            return true;
        }
    }
    return false;
}

/* Finds the start of the object that holds the address, which may be one past its end. */
struct object {
    struct value_block heap;
    struct value_variable variable;
    bool is_heap;
    const char *start;
};

static bool find_object_at(struct dump *dump, const char *pointer, const char *asked,
                           struct object *ret)
{
    const struct value_world *world = dump->world;
    if (world->find_block(world->context, asked, &ret->heap) &&
        pointer <= ret->heap.start + ret->heap.size) {
        ret->is_heap = true;
        ret->start = ret->heap.start;
        return true;
    }
    if (world->find_variable(world->context, asked, &ret->variable) &&
        pointer <= ret->variable.start + ret->variable.size) {
        ret->is_heap = false;
        ret->start = ret->variable.start;
        return true;
    }
    return false;
}

static bool find_object(struct dump *dump, const char *pointer, struct object *ret)
{
    return find_object_at(dump, pointer, pointer, ret) ||
           (find_object_at(dump, pointer, pointer - 1, ret));
}

static bool resolve_named(struct dump *dump, const char *pointer, uint64_t offset,
                          struct target *ret)
{
    uint32_t *slot = blocks_slot(&dump->blocks, pointer);
    bool is_library = false;
    if (*slot) {
        *ret = (struct target){*slot - 1, false, 0};
        return true;
    }
    if (find_stream(pointer)) {
        *ret = (struct target){add_named(dump, pointer, offset, BLOCK_STREAM, NULL), true,
                               0};
        return true;
    }
    const char *name =
        dump->world->find_function(dump->world->context, pointer, &is_library);
    if (!name)
        return false;
    enum block_kind kind = is_library ? BLOCK_LIBRARY : BLOCK_FUNCTION;
    *ret = (struct target){add_named(dump, pointer, offset, kind, name), true, 0};
    return true;
}

static bool refuse_unknown(struct dump *dump, const char *pointer, const struct op *op,
                           uint64_t offset)
{
    const struct value_world *world = dump->world;
    if (op->kind == OP_STREAM)
        return refuse(dump, offset,
                      must_strdup("has type 'FILE *' and is an open stream; only stdin, "
                                  "stdout and stderr can travel"),
                      "open the file where it is used, or pass its name");
    if (op->is_code)
        return refuse(dump, offset, must_strdup("points to code that has no name"),
                      "point to a function of a cell or of a library");
    if (world->is_stack && world->is_stack(world->context, pointer))
        return refuse(dump, offset, must_strdup("points into the stack"),
                      "point to a variable or to allocated memory");
    return refuse(dump, offset, must_strdup("points to memory that is not known"),
                  "set it to NULL, or point to a variable or to allocated memory");
}

static bool add_object(struct dump *dump, const struct object *object,
                       const struct op *op, uint64_t offset, uint32_t *ret)
{
    if (dump->blocks.n >= BLOCKS_MAX)
        return refuse(dump, offset, must_strdup("is one of too many objects"), NULL);
    if (!object->is_heap)
        return add_variable(dump, &object->variable, offset, ret);
    return add_heap(dump, &object->heap, op, offset, ret);
}

/* Raw pointers inside a block of bytes would be lost. */
static bool is_bytes_misused(const struct dump *dump, const struct op *op, uint32_t id)
{
    const struct program *program = block_at(&dump->blocks, id)->program;
    return program && program->is_byte && !op->is_flat_target;
}

static bool refuse_misuse(struct dump *dump, const struct op *op, uint64_t offset)
{
    const char *name = types_get(dump->world->types, op->target)->spelling;
    return refuse(
        dump, offset,
        must_format("points to '%s' in memory that was allocated as bytes", name),
        "allocate it as what it holds: 'T *p = malloc(n * sizeof(T))'");
}

static bool is_character(const struct dump *dump, uint32_t type)
{
    enum type_kind kind = types_get(dump->world->types, type)->kind;
    return kind == TYPE_CHAR || kind == TYPE_SCHAR || kind == TYPE_UCHAR;
}

bool dump_resolve(struct dump *dump, const char *pointer, const struct op *op,
                  uint64_t offset, struct target *ret)
{
    struct object object;
    if (op->is_code || op->kind == OP_STREAM)
        return resolve_named(dump, pointer, offset, ret) ||
               refuse_unknown(dump, pointer, op, offset);
    if (!find_object(dump, pointer, &object))
        return in_loose_root(dump, pointer, ret) ||
               resolve_named(dump, pointer, offset, ret) ||
               refuse_unknown(dump, pointer, op, offset);
    if (!object.is_heap && object.variable.is_text && !is_character(dump, op->target))
        return refuse_unknown(dump, pointer, op, offset);
    if (object.is_heap && object.heap.is_freed)
        return refuse(dump, offset, must_strdup("points to freed memory"),
                      "set it to NULL when the memory is freed");
    if (dump->n_loose && map_find(&dump->partial, (uintptr_t)object.start))
        return in_loose_root(dump, pointer, ret) ||
               refuse(dump, offset,
                      must_strdup("points to an element of the same array that does not "
                                  "travel with it"),
                      "let the whole array travel");
    uint32_t id = *blocks_slot(&dump->blocks, object.start);
    ret->is_new = !id;
    if (id)
        id--;
    else if (!add_object(dump, &object, op, offset, &id))
        return false;
    ret->id = id;
    ret->offset = (uint64_t)(pointer - object.start);
    const struct block *block = block_at(&dump->blocks, id);
    if (block->program && ret->offset > block_size(&dump->blocks, block))
        return refuse(dump, offset, must_strdup("points behind the end of an object"),
                      NULL);
    if (is_bytes_misused(dump, op, id))
        return refuse_misuse(dump, op, offset);
    if (dump->is_collecting)
        dump_vote(dump, id, op->target, ret->offset);
    return true;
}

/* A root that is a whole object is that object's block; part of one is a block of its
 * own. */
static void place_root(struct dump *dump, uint32_t id)
{
    const struct block *block = block_at(&dump->blocks, id);
    uint64_t size = block_size(&dump->blocks, block), whole;
    struct object object = {0};
    if (find_object_at(dump, block->start, block->start, &object)) {
        whole = object.heap.size;
        if (!object.is_heap) /* not its storage, which may be rounded up */
            whole = types_size(dump->world->types, object.variable.type);
        if (object.start == block->start && size >= whole)
            return;
        *map_at(&dump->partial, (uintptr_t)object.start, NULL) = 1;
    }
    GROW(dump->loose, dump->n_loose, dump->loose_capacity);
    dump->loose[dump->n_loose++] = id;
}

/* A struct variable with a flexible array member that has been initialised. */
static uint64_t root_size(struct dump *dump, const struct value_root *root,
                          const struct program *program, uint64_t count)
{
    struct value_variable variable;
    if (program->has_tail && count == 1 &&
        dump->world->find_variable(dump->world->context, root->address, &variable) &&
        variable.start == (char *)root->address && variable.size >= program->size)
        return variable.size;
    return count * program->size;
}

static int add_root(struct dump *dump, const struct value_root *root, struct error *err)
{
    uint32_t type = root->type, *slot = blocks_slot(&dump->blocks, root->address);
    uint64_t count = root->count, tail;
    uint32_t id = (uint32_t)dump->blocks.n;
    if (*slot)
        return error_set(
            err, -EINVAL, "'%s' and '%s' are the same object", root->name,
            dump->blocks.extras[block_at(&dump->blocks, *slot - 1)->extra - 1].name);
    *slot = id + 1;
    blocks_add(&dump->blocks,
               &(struct block){.start = root->address, .origin = BLOCK_NONE});
    struct block_extra *extra = blocks_extend(&dump->blocks, block_at(&dump->blocks, id));
    extra->kind = BLOCK_VARIABLE;
    extra->name = root->name;
    if (!programs_flatten(dump->world->types, &type, &count)) {
        dump_block(dump, id, 0, must_strdup("is an array of unknown length"), NULL);
        return 0;
    }
    struct program *program =
        programs_get(&dump->programs, programs_plain(&dump->programs, type));
    if (program->refusal) {
        dump_block(dump, id, 0, must_strdup(program->refusal), NULL);
        return 0;
    }
    struct block *block = block_at(&dump->blocks, id);
    block->program = program;
    block->count = count;
    if (program->size &&
        program_fits(program, root_size(dump, root, program, count), &count, &tail))
        extra->tail = count == block->count ? tail : 0;
    place_root(dump, id);
    return 0;
}

int dump_add_roots(struct dump *dump, struct error *err)
{
    dump->current = BLOCK_NONE;
    for (size_t i = 0; i < dump->n_roots; i++) {
        int result = add_root(dump, &dump->roots[i], err);
        if (result < 0)
            return result;
    }
    return 0;
}
