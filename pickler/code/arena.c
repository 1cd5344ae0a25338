/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "pickler/code/machine.h"

#define GRAIN ((size_t)64)
#define PAGE ((size_t)4096)
#define ARENA_SIZE_MIN ((size_t)64 << 20)

static size_t round_up(size_t size, size_t grain)
{
    return (size + grain - 1) & ~(grain - 1);
}

int arena_init(struct arena *arena, size_t size, struct error *err)
{
    memset(arena, 0, sizeof(*arena));
    if (size > ARENA_SIZE_MAX)
        size = ARENA_SIZE_MAX;
    void *start = MAP_FAILED;
    while (start == MAP_FAILED && size >= ARENA_SIZE_MIN) {
        start = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (start == MAP_FAILED)
            size /= 2;
    }
    if (start == MAP_FAILED)
        return error_errno(err, -errno, "cannot reserve address space for code");
    size_t code_size = size / 8 < machine_code_max ? size / 8 : machine_code_max;
    if (mprotect(start, code_size, PROT_READ | PROT_WRITE | PROT_EXEC)) {
        int code = -errno;
        munmap(start, size);
        return error_errno(err, code, "cannot make memory executable");
    }
    arena->start = start;
    arena->size = size;
    arena->parts[ARENA_CODE].start = arena->start;
    arena->parts[ARENA_CODE].size = code_size;
    arena->parts[ARENA_DATA].start = arena->start + code_size;
    arena->parts[ARENA_DATA].size = size - code_size;
    return 0;
}

void arena_clear(struct arena *arena)
{
    if (arena->start)
        munmap(arena->start, arena->size);
    for (int i = 0; i < ARENA_PART_COUNT; i++)
        free(arena->parts[i].holes);
    memset(arena, 0, sizeof(*arena));
}

static void add_hole(struct arena_region *region, size_t start, size_t size)
{
    size_t at = 0;
    while (at < region->n_holes && region->holes[at].start < start)
        at++;
    if (at > 0 && region->holes[at - 1].start + region->holes[at - 1].size == start) {
        at--;
        region->holes[at].size += size;
    } else {
        GROW(region->holes, region->n_holes, region->holes_capacity);
        memmove(&region->holes[at + 1], &region->holes[at],
                (region->n_holes - at) * sizeof(*region->holes));
        region->holes[at] = (struct arena_hole){start, size};
        region->n_holes++;
    }
    struct arena_hole *hole = &region->holes[at];
    if (at + 1 < region->n_holes && hole->start + hole->size == hole[1].start) {
        hole->size += hole[1].size;
        region->n_holes--;
        memmove(hole + 1, hole + 2, (region->n_holes - at - 1) * sizeof(*hole));
    }
    hole = &region->holes[region->n_holes - 1];
    if (hole->start + hole->size == region->used) {
        region->used = hole->start;
        region->n_holes--;
    }
}

/* Takes [start, start + size) out of hole `at`. */
static void cut_hole(struct arena_region *region, size_t at, size_t start, size_t size)
{
    struct arena_hole hole = region->holes[at];
    region->n_holes--;
    memmove(&region->holes[at], &region->holes[at + 1],
            (region->n_holes - at) * sizeof(hole));
    size_t end = start + size, hole_end = hole.start + hole.size;
    if (start > hole.start)
        add_hole(region, hole.start, start - hole.start);
    if (hole_end > end)
        add_hole(region, end, hole_end - end);
}

char *arena_take(struct arena *arena, enum arena_part part, size_t size, size_t alignment)
{
    struct arena_region *region = &arena->parts[part];
    if (alignment < GRAIN)
        alignment = GRAIN;
    if (alignment > ARENA_ALIGNMENT_MAX || size > region->size)
        return NULL;
    size = round_up(size ? size : 1, GRAIN);
    for (size_t i = 0; i < region->n_holes; i++) {
        struct arena_hole hole = region->holes[i];
        size_t start = round_up(hole.start, alignment);
        if (start + size > hole.start + hole.size)
            continue;
        cut_hole(region, i, start, size);
        return region->start + start;
    }
    size_t start = round_up(region->used, alignment);
    if (start > region->size || size > region->size - start)
        return NULL;
    size_t gap = region->used;
    region->used = start + size;
    if (start > gap)
        add_hole(region, gap, start - gap);
    return region->start + start;
}

static void make_zero(char *start, size_t size)
{
    uintptr_t low = round_up((uintptr_t)start, PAGE);
    uintptr_t high = ((uintptr_t)start + size) & ~(PAGE - 1);
    if (high > low && high - low >= 16 * PAGE &&
        madvise((void *)low, high - low, MADV_DONTNEED) == 0) {
        memset(start, 0, low - (uintptr_t)start);
        memset((void *)high, 0, (uintptr_t)start + size - high);
        return;
    }
    memset(start, 0, size);
}

void arena_give(struct arena *arena, enum arena_part part, char *start, size_t size)
{
    if (!start)
        return;
    size = round_up(size ? size : 1, GRAIN);
    make_zero(start, size);
    struct arena_region *region = &arena->parts[part];
    add_hole(region, (size_t)(start - region->start), size);
}
