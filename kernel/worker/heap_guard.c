/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/heap_guard.h"

#define CHUNK_FLAGS 7                 /* low bits of the C library's size of a chunk */
#define CHUNK_SLACK ((size_t)1 << 30) /* it rounds up, at most to a huge page */
#define CULPRITS_MAX 64 /* damaged blocks in a row behind the one that ran over */

static struct heap_block block_at(const void *block, bool is_freed)
{
    const struct heap_header *header = heap_header_of(block);
    return (struct heap_block){(char *)block, header->size, header->site, header->type,
                               is_freed};
}

static size_t first_difference(const char *bytes)
{
    size_t i = 0;
    while (i < HEAP_GUARD_SIZE && bytes[i] == (char)heap_guard_bytes[i])
        i++;
    return i;
}

static bool find_overrun(char *block, struct heap_finding *ret)
{
    if (heap_is_guarded(block))
        return false;
    struct heap_block about = block_at(block, false);
    char *guard = block + about.size;
    bool is_contained =
        guard[HEAP_GUARD_SIZE - 1] == (char)heap_guard_bytes[HEAP_GUARD_SIZE - 1];
    *ret = (struct heap_finding){HEAP_OVERRUN, guard + first_difference(guard), about,
                                 is_contained};
    heap_seal(block);
    return true;
}

/* Whether the C library's own record of a block, the size of its chunk right in front of
 * it (glibc, malloc.c), can be true. It believes it when the block is freed. */
static bool is_known_to_library(const char *block)
{
    const struct heap_header *header = heap_header_of(block);
    size_t needed = header->offset + header->size + HEAP_GUARD_SIZE, chunk;
    memcpy(&chunk, block - header->offset - sizeof(chunk), sizeof(chunk));
    size_t usable = (chunk & ~(size_t)CHUNK_FLAGS) - sizeof(chunk);
    return chunk > CHUNK_FLAGS && usable >= needed && usable - needed < CHUNK_SLACK;
}

static bool find_library_damage(char *block, struct heap_finding *ret)
{
    if (is_known_to_library(block))
        return false;
    const struct heap_header *header = heap_header_of(block);
    *ret = (struct heap_finding){HEAP_UNDERRUN, block - header->offset - 1,
                                 block_at(block, false), false};
    return true;
}

/* A header that cannot be believed: the block before it may have run over. */
static void find_culprit(char *block, struct heap_finding *ret)
{
    char *before = heap_block_before(block);
    for (int i = 0; before && !heap_is_sealed(before) && i < CULPRITS_MAX; i++)
        before = heap_block_before(before);
    *ret = (struct heap_finding){HEAP_UNDERRUN, block - 1, block_at(block, false), false};
    if (before && heap_is_sealed(before) && find_overrun(before, ret))
        ret->is_contained = false;
}

bool heap_find_damage(char *block, struct heap_finding *ret)
{
    if (heap_is_sealed(block))
        return find_overrun(block, ret) || find_library_damage(block, ret);
    find_culprit(block, ret);
    return true;
}

bool heap_find_late_write(char *block, struct heap_finding *ret)
{
    if (!heap_is_sealed(block)) {
        find_culprit(block, ret);
        return true;
    }
    size_t at = heap_pattern_damage(block);
    if (at == SIZE_MAX)
        return find_library_damage(block, ret);
    *ret = (struct heap_finding){HEAP_USE_AFTER_FREE, block + at, block_at(block, true),
                                 true};
    memset(block, HEAP_PATTERN_BYTE, heap_pattern_size(block));
    return true;
}
