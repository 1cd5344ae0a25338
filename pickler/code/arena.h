/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The address space that loaded code and its data live in: one private mapping of at most
 * 2 GiB, so that any 32-bit pc-relative reference inside it reaches. A small part in
 * front may hold code (RWX: threads of cells may run while the loader writes elsewhere in
 * it), the rest is data and cannot be executed. Code and data never share a page. Memory
 * that is given back reads as zero when it is taken again. */
#ifndef ACHAR_CODE_ARENA_H
#define ACHAR_CODE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pickler/base/error.h"
#include "pickler/base/memory.h"

#define ARENA_SIZE_MAX ((size_t)1 << 31)
#define ARENA_ALIGNMENT_MAX ((size_t)65536) /* of one section or block */

enum arena_part { ARENA_CODE, ARENA_DATA, ARENA_PART_COUNT };

struct arena_hole {
    size_t start, size; /* offsets from the part's start */
};

struct arena_region {
    char *start;
    size_t size;
    size_t used;              /* everything above was never taken */
    struct arena_hole *holes; /* below `used`, sorted, never adjacent */
    size_t n_holes, holes_capacity;
};

struct arena {
    char *start;
    size_t size;
    struct arena_region parts[ARENA_PART_COUNT];
};

/* Tries smaller sizes where the machine limits address space. */
int arena_init(struct arena *arena, size_t size, struct error *err) MUST_USE;
void arena_clear(struct arena *arena);

/* Zero-filled; NULL when the part is full or the alignment is above the maximum. */
char *arena_take(struct arena *arena, enum arena_part part, size_t size,
                 size_t alignment);
void arena_give(struct arena *arena, enum arena_part part, char *start, size_t size);

static inline bool arena_has(const struct arena *arena, const void *address)
{
    return (uintptr_t)address - (uintptr_t)arena->start < arena->size;
}

static inline bool arena_has_code(const struct arena *arena, const void *address)
{
    const struct arena_region *code = &arena->parts[ARENA_CODE];
    return (uintptr_t)address - (uintptr_t)code->start < code->size;
}

#endif
