/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Blocks one behind the other, each after its size. Only the last one is given back when
 * it is freed, or grows where it is. Code of cells may have written to all of it: no
 * number that stands there is believed. */
#include "kernel/worker/heap_scratch.h"

#ifndef ACHAR_ASAN

#include <stdint.h>

#define ALIGNMENT ((size_t)16)

struct block {
    _Alignas(16) size_t size;
};

static struct heap_scratch *scratch;

void heap_scratch_init(struct heap_scratch *memory)
{
    scratch = memory;
}

bool heap_scratch_use(bool is_used)
{
    bool was_used = scratch && scratch->is_used;
    if (scratch)
        scratch->is_used = is_used && !scratch->is_closed;
    return was_used;
}

void heap_scratch_clear(void)
{
    if (!scratch)
        return;
    scratch->is_used = false;
    scratch->n = 0;
}

void heap_scratch_close(void)
{
    if (scratch)
        scratch->is_closed = true, scratch->is_used = false;
}

/* Also a block of nothing has an address of its own. */
static size_t rounded(size_t size)
{
    size += !size;
    return (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

bool heap_scratch_has(const void *block)
{
    return scratch && (uintptr_t)block - (uintptr_t)scratch->bytes < HEAP_SCRATCH_SIZE;
}

static struct block *header_of(const void *block)
{
    return (struct block *)((uintptr_t)block - sizeof(struct block));
}

void *heap_scratch_allocate(size_t size)
{
    if (!scratch || !scratch->is_used || size > HEAP_SCRATCH_SIZE)
        return NULL;
    size_t at = scratch->n, need = sizeof(struct block) + rounded(size);
    if (at > HEAP_SCRATCH_SIZE || at % ALIGNMENT || need > HEAP_SCRATCH_SIZE - at)
        return NULL;
    struct block *block = (struct block *)(void *)(scratch->bytes + at);
    block->size = size;
    scratch->n = at + need;
    return block + 1;
}

size_t heap_scratch_size(const void *block)
{
    size_t left = HEAP_SCRATCH_SIZE - (size_t)((const char *)block - scratch->bytes);
    size_t size = header_of(block)->size;
    return size < left ? size : left;
}

static bool is_last(const void *block)
{
    size_t at = (size_t)((const char *)block - scratch->bytes);
    return at + rounded(heap_scratch_size(block)) == scratch->n;
}

bool heap_scratch_resize(void *block, size_t size)
{
    size_t at = (size_t)((char *)block - scratch->bytes);
    if (size <= heap_scratch_size(block))
        return true;
    if (!is_last(block) || size > HEAP_SCRATCH_SIZE ||
        rounded(size) > HEAP_SCRATCH_SIZE - at)
        return false;
    header_of(block)->size = size;
    scratch->n = at + rounded(size);
    return true;
}

void heap_scratch_free(void *block)
{
    if (is_last(block))
        scratch->n = (size_t)((char *)block - scratch->bytes) - sizeof(struct block);
}

#else

void heap_scratch_init(struct heap_scratch *memory)
{
    (void)memory;
}

bool heap_scratch_use(bool is_used)
{
    (void)is_used;
    return false;
}

void heap_scratch_clear(void)
{
}

void heap_scratch_close(void)
{
}

#endif
