/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Blocks and pointers of a load: every block is made when it is met for the first time,
 * so a pointer never waits for what comes later. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "pickler/value/load.h"
#include "pickler/value/scalar.h"

static bool is_number(const struct type *type)
{
    return type->kind >= TYPE_BOOL && type->kind <= TYPE_LDOUBLE;
}

/* The entry of this process's table that the data's type is, with its layout. */
static uint32_t find_type(struct load *load, uint32_t id, char **ret_why)
{
    const struct types *types = load->world->types, *from = &load->index.types;
    const struct type *type = types_get(from, id);
    uint32_t found = 0, best = 0;
    while (types_find_next(types, type->kind, type->spelling, &found)) {
        char *why = NULL;
        bool is_equal = types_match(types, found, from, id, "in the data", &why);
        if (is_equal && (!best || !types_size(types, best)))
            best = found;
        if (!is_equal && !*ret_why)
            *ret_why = TAKE(why);
        free(why);
    }
    /* Numbers need no name that both know: 'const char' will do for 'char'. */
    for (uint32_t i = 1; !best && is_number(type) && i < types->n; i++)
        if (types->at[i]->kind == type->kind)
            best = i;
    return best;
}

struct program *load_program(struct load *load, uint32_t id)
{
    if (load->by_id[id])
        return load->by_id[id];
    const struct type *type = types_get(&load->index.types, id);
    CLEANUP(freep) char *why = NULL;
    uint32_t here = type->kind == TYPE_ARRAY ? 0 : find_type(load, id, &why);
    if (!here) {
        if (why)
            load_fail(load, -EINVAL, "%s", why);
        else
            load_fail(load, -EINVAL, "the type '%s' is not known here", type->spelling);
        return NULL;
    }
    struct program *program =
        programs_get(&load->programs, programs_plain(&load->programs, here));
    if (program->refusal) {
        load_fail(load, -EINVAL, "a value %s", program->refusal);
        return NULL;
    }
    load->by_id[id] = program;
    return program;
}

static bool count_bytes(struct load *load, uint64_t size)
{
    if (size > LOAD_MAX - load->total)
        return load_fail(load, -EINVAL, "the values are larger than 64 GiB");
    load->total += size;
    return true;
}

void load_zero(char *memory, uint64_t size)
{
    static const char zeros[4096];
    for (; size >= sizeof(zeros); memory += sizeof(zeros), size -= sizeof(zeros))
        if (memcmp(memory, zeros, sizeof(zeros)) != 0)
            memset(memory, 0, sizeof(zeros));
    memset(memory, 0, size);
}

bool load_is_zeroed(const struct program *program, uint64_t count)
{
    return program->has_tail || !program->is_dense ||
           (!program->width && count >= GROUPED_MIN);
}

static bool add_heap(struct load *load, const struct block *like, uint64_t tail)
{
    struct block block = {.program = like->program,
                          .count = like->count,
                          .origin = like->origin,
                          .origin_offset = like->origin_offset};
    uint64_t size;
    if (!program_size(block.program, block.count, tail, &size))
        return load_damaged(load);
    if (load->blocks.n >= BLOCKS_MAX || !count_bytes(load, size))
        return load_damaged(load);
    block.start =
        load->world->allocate(load->world->context, size ? size : 1, block.program->type);
    if (!block.start)
        return load_fail(load, -ENOMEM,
                         "there is no memory for %" PRIu64 " bytes of values", size);
    if (load_is_zeroed(block.program, block.count))
        load_zero(block.start, size);
    struct block *added = blocks_add(&load->blocks, &block);
    if (tail)
        blocks_extend(&load->blocks, added)->tail = tail;
    return true;
}

/* Numbers that are read to where they belong. Constants may be in memory that cannot be
 * written. */
static bool is_direct(const struct load *load, const struct program *program,
                      uint64_t size, const struct value_variable *place)
{
    const struct types *types = load->world->types;
    const struct type *type = types_get(types, place->type);
    while (type->kind == TYPE_ARRAY)
        type = types_get(types, type->target);
    return load->world->is_disposable && program->width && size >= LOAD_DIRECT_MIN &&
           !type->is_const && !place->is_literal;
}

/* Adds a variable at its place, its values to be staged. */
static bool add_variable(struct load *load, const char *name, struct program *program,
                         uint64_t count, uint64_t tail,
                         const struct value_variable *place, uint32_t origin,
                         uint64_t origin_offset)
{
    uint64_t size;
    char *start = place->start;
    if (!program_size(program, count, tail, &size) || !count_bytes(load, size))
        return load_damaged(load);
    bool is_here = is_direct(load, program, size, place);
    char *staging = is_here ? NULL : calloc(1, size ? size : 1);
    if (is_here)
        memory_prefer_huge(start, size);
    else if (!staging)
        return load_fail(load, -ENOMEM,
                         "there is no memory for %" PRIu64 " bytes of '%s'", size, name);
    struct block *block =
        blocks_add(&load->blocks, &(struct block){.start = start,
                                                  .program = program,
                                                  .count = count,
                                                  .origin = origin,
                                                  .origin_offset = origin_offset});
    struct block_extra *extra = blocks_extend(&load->blocks, block);
    extra->kind = BLOCK_VARIABLE;
    extra->name = name;
    extra->tail = tail;
    extra->staging = staging;
    return true;
}

/* The place's type and length must be those of the data, arrays taken apart. */
static bool check_place(struct load *load, const char *name, uint32_t type,
                        uint64_t count, uint32_t data_type, uint64_t data_count,
                        struct program **ret)
{
    const struct types *types = load->world->types;
    CLEANUP(freep) char *why = NULL;
    if (!programs_flatten(types, &type, &count))
        return load_fail(load, -EINVAL, "'%s' is an array of unknown length here", name);
    type = programs_plain(&load->programs, type);
    if (!types_match(types, type, &load->index.types, data_type, "in the data", &why))
        return load_fail(load, -EINVAL, "'%s': %s", name, why ? why : "another type");
    if (data_count > count)
        return load_fail(load, -EINVAL,
                         "'%s' has %" PRIu64 " elements here and %" PRIu64 " in the data",
                         name, count, data_count);
    *ret = programs_get(&load->programs, type);
    if ((*ret)->refusal)
        return load_fail(load, -EINVAL, "'%s' %s", name, (*ret)->refusal);
    return true;
}

static uint64_t room_for_tail(const struct program *program, uint64_t count,
                              uint64_t size)
{
    uint64_t n, tail;
    if (!program->has_tail || count != 1 || !program_fits(program, size, &n, &tail))
        return 0;
    return tail;
}

/* A header may have given it another type on this machine. */
static bool check_size(struct load *load, const struct value_variable *variable,
                       const struct program *program, uint64_t count)
{
    uint64_t size;
    if (!variable->size || !program_size(program, count, 0, &size) ||
        size <= variable->size)
        return true;
    return load_fail(load, -EINVAL,
                     "'%s' has %zu bytes on this machine, and %" PRIu64
                     " where it comes from",
                     variable->name, variable->size, size);
}

static bool load_root(struct load *load, const struct value_root_info *info,
                      const struct value_root *at)
{
    struct program *program;
    struct value_variable variable = {.name = info->name};
    if (at) {
        if (!check_place(load, at->name ? at->name : info->name, at->type, at->count,
                         info->type, info->count, &program))
            return false;
        variable.start = at->address;
        variable.type = at->type;
        return add_variable(load, info->name, program, info->count, 0, &variable,
                            BLOCK_NONE, 0);
    }
    if (!load->world->variable(load->world->context, info->name, &variable))
        return load_fail(load, -EINVAL, "the variable '%s' is not defined here",
                         info->name);
    if (!check_place(load, info->name, variable.type, 1, info->type, info->count,
                     &program) ||
        !check_size(load, &variable, program, info->count))
        return false;
    uint64_t tail = room_for_tail(program, info->count, variable.size);
    return add_variable(load, info->name, program, info->count, tail, &variable,
                        BLOCK_NONE, 0);
}

bool load_roots(struct load *load, const struct value_root *at)
{
    if (at && load->index.n_roots != 1)
        return load_fail(load, -EINVAL, "there are %zu values, but one place for them",
                         load->index.n_roots);
    for (size_t i = 0; i < load->index.n_roots; i++)
        if (!load_root(load, &load->index.roots[i], at))
            return false;
    return true;
}

static const char *read_name(struct load *load)
{
    uint64_t size;
    if (!load_number(load, &size))
        return NULL;
    const uint8_t *at = size ? load_bytes(load, size - 1) : NULL;
    if (!at || memchr(at, 0, size - 1)) {
        load_damaged(load);
        return NULL;
    }
    GROW(load->names, load->n_names, load->names_capacity);
    load->names[load->n_names] = must_strndup((const char *)at, size - 1);
    return load->names[load->n_names++];
}

struct description {
    uint64_t type, count, tail;
    struct program *program;
};

static bool read_description(struct load *load, struct description *ret)
{
    *ret = (struct description){0};
    if (!load_max(load, load->index.types.n - 1, &ret->type) ||
        !load_number(load, &ret->count))
        return false;
    ret->program = load_program(load, (uint32_t)ret->type);
    if (!ret->program)
        return false;
    return !ret->program->has_tail || ret->count != 1 || load_number(load, &ret->tail);
}

static bool add_named_variable(struct load *load, uint64_t offset)
{
    const char *name = read_name(load);
    struct description it;
    struct program *program;
    struct value_variable variable;
    if (!name || !read_description(load, &it))
        return false;
    if (!load->world->variable(load->world->context, name, &variable))
        return load_fail(load, -EINVAL, "the variable '%s' is not defined here", name);
    if (!check_place(load, name, variable.type, 1, (uint32_t)it.type, it.count,
                     &program) ||
        !check_size(load, &variable, program, it.count))
        return false;
    if (it.tail > room_for_tail(program, it.count, variable.size))
        return load_damaged(load);
    return add_variable(load, name, program, it.count, it.tail, &variable, load->current,
                        offset);
}

static bool add_function(struct load *load, enum block_kind kind, uint64_t offset)
{
    const char *name = read_name(load);
    if (!name)
        return false;
    bool is_library = kind == BLOCK_LIBRARY;
    void *address = load->world->function(load->world->context, name, is_library);
    if (!address)
        return load_fail(load, -EINVAL, "the %s '%s' is not defined here",
                         is_library ? "library function" : "function", name);
    struct block *block =
        blocks_add(&load->blocks, &(struct block){.start = address,
                                                  .origin = load->current,
                                                  .origin_offset = offset});
    blocks_extend(&load->blocks, block)->kind = kind;
    return true;
}

static bool add_stream(struct load *load, uint64_t offset)
{
    uint64_t number;
    if (!load_max(load, 2, &number))
        return false;
    FILE *streams[] = {stdin, stdout, stderr};
    struct block *block =
        blocks_add(&load->blocks, &(struct block){.start = (char *)streams[number],
                                                  .origin = load->current,
                                                  .origin_offset = offset});
    blocks_extend(&load->blocks, block)->kind = BLOCK_STREAM;
    return true;
}

static bool add_described(struct load *load, uint64_t offset)
{
    uint64_t kind;
    struct description it;
    if (!load_max(load, BLOCK_KIND_COUNT - 1, &kind))
        return false;
    switch ((enum block_kind)kind) {
    case BLOCK_HEAP:
        return read_description(load, &it) &&
               add_heap(load,
                        &(struct block){.program = it.program,
                                        .count = it.count,
                                        .origin = load->current,
                                        .origin_offset = offset},
                        it.tail);
    case BLOCK_VARIABLE:
        return add_named_variable(load, offset);
    case BLOCK_FUNCTION:
    case BLOCK_LIBRARY:
        return add_function(load, (enum block_kind)kind, offset);
    case BLOCK_STREAM:
        return add_stream(load, offset);
    case BLOCK_KIND_COUNT:
        break;
    }
    return load_damaged(load);
}

static bool add_same(struct load *load, uint64_t offset)
{
    struct block same = (*block_at(&load->blocks, load->current));
    if (same.program->has_tail)
        return load_damaged(load);
    same.origin = load->current;
    same.origin_offset = offset;
    return add_heap(load, &same, 0);
}

static bool read_path(struct load *load, const struct block *block, uint64_t *ret)
{
    struct value_path path;
    uint64_t n;
    if (!load_max(load, PATH_MAX_STEPS, &n))
        return false;
    path.n = (size_t)n;
    for (size_t i = 0; i < path.n; i++)
        if (!load_number(load, &path.steps[i]))
            return false;
    if (!load_number(load, &path.rest))
        return false;
    return path_offset(load->world->types, &load->blocks, block, &path, ret) ||
           load_damaged(load);
}

static bool fits_pointer(struct load *load, const struct op *op,
                         const struct block *block)
{
    enum block_kind kind = block_kind(&load->blocks, block);
    bool is_code = kind == BLOCK_FUNCTION || kind == BLOCK_LIBRARY;
    if ((op->is_code && !is_code) || (op->kind == OP_STREAM && kind != BLOCK_STREAM))
        return load_damaged(load);
    return true;
}

bool load_pointer(struct load *load, const struct op *op, uint64_t offset, char *to)
{
    uint64_t code, inside = 0;
    if (!load_number(load, &code))
        return false;
    size_t id = load->blocks.n;
    bool has_path = code == CODE_NEW_PATH;
    if (code == CODE_NULL) {
        const char *nothing = NULL;
        memcpy(to, &nothing, sizeof(nothing));
        return true;
    }
    if (code == CODE_NEW_SAME) {
        if (!add_same(load, offset))
            return false;
    } else if (code == CODE_NEW || code == CODE_NEW_PATH) {
        if (!add_described(load, offset))
            return false;
    } else {
        code -= CODE_FIRST_REF;
        has_path = code & 1;
        id = (size_t)((int64_t)load->current - unzigzag(code >> 1));
    }
    if (id >= load->blocks.n)
        return load_damaged(load);
    const struct block *block = block_at(&load->blocks, id);
    if (!fits_pointer(load, op, block) || (has_path && !read_path(load, block, &inside)))
        return false;
    char *pointer = block->start + inside;
    memcpy(to, &pointer, sizeof(pointer));
    return true;
}
