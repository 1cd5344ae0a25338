/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/value/chunks.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((uintptr_t)2 << 20)
#define FIRST_ROOM 16 /* elements */
#define SMALL_SHARE                                                                      \
    4 /* the first chunk grows to 1 / SMALL_SHARE of a chunk, then is one */

/* Not by malloc(): it may be the one whose blocks are being walked. */
static char *map_chunk(size_t size)
{
    char *memory = mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return must_realloc(NULL, SIZE_MAX, 1); /* ends the process as others do */
    uintptr_t start = ((uintptr_t)memory + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    size_t before = start - (uintptr_t)memory, after = HUGE_PAGE - before;
    if (before)
        munmap(memory, before);
    if (after)
        munmap((char *)start + size, after);
    madvise((char *)start, size, MADV_HUGEPAGE); /* only a wish */
    return (char *)start;
}

static void grow_first(struct chunks *chunks, size_t size, size_t per_chunk)
{
    size_t room = chunks->room ? 2 * chunks->room : FIRST_ROOM;
    if (room <= per_chunk / SMALL_SHARE) {
        chunks->at[0] = must_realloc(chunks->at[0], room, size);
        chunks->room = room;
        return;
    }
    char *big = map_chunk(per_chunk * size);
    memcpy(big, chunks->at[0], chunks->room * size);
    free(chunks->at[0]);
    chunks->at[0] = big;
    chunks->room = per_chunk;
    chunks->is_first_big = true;
}

void chunks_reserve(struct chunks *chunks, size_t index, size_t size, size_t per_chunk)
{
    if (index < chunks->room)
        return;
    if (!chunks->n) {
        GROW(chunks->at, chunks->n, chunks->capacity);
        chunks->at[chunks->n++] = NULL;
    }
    if (!chunks->is_first_big) {
        grow_first(chunks, size, per_chunk);
        return;
    }
    GROW(chunks->at, chunks->n, chunks->capacity);
    chunks->at[chunks->n++] = map_chunk(per_chunk * size);
    chunks->room += per_chunk;
}

void chunks_clear(struct chunks *chunks, size_t size, size_t per_chunk)
{
    for (size_t i = 0; i < chunks->n; i++) {
        if (i || chunks->is_first_big)
            munmap(chunks->at[i], per_chunk * size);
        else
            free(chunks->at[i]);
    }
    free(chunks->at);
    *chunks = (struct chunks){0};
}
