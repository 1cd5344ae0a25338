/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A small world for tests of the value graph: a heap that knows its blocks, a table of
 * variables and one of functions. Fresh memory holds 0xAA, so that padding shows. */
#ifndef ACHAR_TESTS_WORLD_H
#define ACHAR_TESTS_WORLD_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pickler/value/value.h"
#include "tests/unit/types.h"

#define WORLD_HEAP_SIZE ((size_t)512 << 20)
#define WORLD_GRANULE 16

struct world_function {
    const char *name;
    void *address;
    bool is_library;
};

struct world {
    struct types types;
    char *heap;
    size_t used, limit;
    uint32_t *owner; /* by granule: block number plus one */
    struct value_block *blocks;
    size_t n_blocks, blocks_capacity;
    struct value_variable variables[32];
    size_t n_variables;
    struct world_function functions[8];
    size_t n_functions;
    char *stack_low, *stack_high;
    size_t n_live;
    bool stops;
    struct value_world callbacks;
};

static inline void *world_memory(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

static inline bool world_find_block(void *context, const void *address,
                                    struct value_block *ret)
{
    struct world *world = context;
    size_t at = (size_t)((const char *)address - world->heap);
    if ((const char *)address < world->heap || at >= world->used)
        return false;
    uint32_t owner = world->owner[at / WORLD_GRANULE];
    if (!owner)
        return false;
    *ret = world->blocks[owner - 1];
    return true;
}

static inline bool world_find_variable(void *context, const void *address,
                                       struct value_variable *ret)
{
    struct world *world = context;
    for (size_t i = 0; i < world->n_variables; i++) {
        const struct value_variable *variable = &world->variables[i];
        if ((const char *)address >= variable->start &&
            (const char *)address < variable->start + variable->size) {
            *ret = *variable;
            return true;
        }
    }
    return false;
}

static inline const char *world_find_function(void *context, const void *address,
                                              bool *ret_is_library)
{
    struct world *world = context;
    for (size_t i = 0; i < world->n_functions; i++)
        if (world->functions[i].address == address) {
            *ret_is_library = world->functions[i].is_library;
            return world->functions[i].name;
        }
    return NULL;
}

static inline bool world_is_stack(void *context, const void *address)
{
    struct world *world = context;
    return (const char *)address >= world->stack_low &&
           (const char *)address < world->stack_high;
}

static inline bool world_variable(void *context, const char *name,
                                  struct value_variable *ret)
{
    struct world *world = context;
    for (size_t i = 0; i < world->n_variables; i++)
        if (world->variables[i].name && strcmp(world->variables[i].name, name) == 0) {
            *ret = world->variables[i];
            return true;
        }
    return false;
}

static inline void *world_function(void *context, const char *name, bool is_library)
{
    struct world *world = context;
    for (size_t i = 0; i < world->n_functions; i++)
        if (strcmp(world->functions[i].name, name) == 0 &&
            world->functions[i].is_library == is_library)
            return world->functions[i].address;
    return NULL;
}

static inline void *world_allocate(void *context, size_t size, uint32_t type)
{
    struct world *world = context;
    size_t room = (size + WORLD_GRANULE) / WORLD_GRANULE * WORLD_GRANULE;
    if (size > world->limit || room > world->limit - world->used)
        return NULL;
    char *start = world->heap + world->used;
    GROW(world->blocks, world->n_blocks, world->blocks_capacity);
    world->blocks[world->n_blocks++] =
        (struct value_block){.start = start, .size = size, .type = type};
    for (size_t i = 0; i < room / WORLD_GRANULE; i++)
        world->owner[world->used / WORLD_GRANULE + i] = (uint32_t)world->n_blocks;
    world->used += room;
    world->n_live++;
    if (size < 65536)
        memset(start, 0xAA, size);
    return start;
}

static inline void world_release(void *context, void *block)
{
    struct world *world = context;
    struct value_block found;
    if (!world_find_block(world, block, &found) || found.is_freed)
        abort();
    world->blocks[world->owner[(size_t)((char *)block - world->heap) / WORLD_GRANULE] - 1]
        .is_freed = true;
    world->n_live--;
}

static inline bool world_should_stop(void *context)
{
    return ((struct world *)context)->stops;
}

static inline void world_init(struct world *world)
{
    *world = (struct world){.limit = WORLD_HEAP_SIZE};
    types_init(&world->types);
    world->heap = world_memory(WORLD_HEAP_SIZE);
    world->owner = world_memory(WORLD_HEAP_SIZE / WORLD_GRANULE * sizeof(uint32_t));
    world->callbacks = (struct value_world){.types = &world->types,
                                            .context = world,
                                            .find_block = world_find_block,
                                            .find_variable = world_find_variable,
                                            .find_function = world_find_function,
                                            .is_stack = world_is_stack,
                                            .variable = world_variable,
                                            .function = world_function,
                                            .allocate = world_allocate,
                                            .release = world_release,
                                            .should_stop = world_should_stop};
}

/* All blocks are gone; memory is as new. */
static inline void world_empty(struct world *world)
{
    memset(world->owner, 0, world->used / WORLD_GRANULE * sizeof(uint32_t));
    world->used = world->n_blocks = world->n_live = 0;
}

static inline void world_clear(struct world *world)
{
    types_clear(&world->types);
    free(world->blocks);
    munmap(world->heap, WORLD_HEAP_SIZE);
    munmap(world->owner, WORLD_HEAP_SIZE / WORLD_GRANULE * sizeof(uint32_t));
}

static inline void world_add_variable(struct world *world, const char *name, void *start,
                                      size_t size, uint32_t type)
{
    world->variables[world->n_variables++] =
        (struct value_variable){.name = name, .start = start, .size = size, .type = type};
}

#define WORLD_VARIABLE(world, variable, type)                                            \
    world_add_variable((world), #variable, &(variable), sizeof(variable), (type))

/* Layout by the compiler of the test: offsets in order of the fields, bit-fields as 0. */
static inline void world_layout(struct types *types, uint32_t id, size_t size,
                                size_t alignment, const size_t *offsets)
{
    struct type *type = types_edit(types, id);
    type->layout.is_known = true;
    type->layout.size = size;
    type->layout.alignment = alignment;
    type->layout.offsets = must_alloc(type->n_fields * sizeof(uint64_t));
    for (size_t i = 0; i < type->n_fields; i++)
        type->layout.offsets[i] = offsets[i];
}

#define WORLD_LAYOUT(types, id, T, ...)                                                  \
    world_layout((types), (id), sizeof(T), _Alignof(T), (const size_t[]){__VA_ARGS__})

#endif
