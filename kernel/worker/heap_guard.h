/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What stands around a block of the tracking allocator, so that writes beside it are
 * found: a seal in its header, guard bytes behind it, a pattern in what is freed. Inline:
 * every malloc() and free() comes through here. */
#ifndef ACHAR_WORKER_HEAP_GUARD_H
#define ACHAR_WORKER_HEAP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernel/worker/heap.h"

#define HEAP_GUARD_SIZE 8    /* bytes behind a block */
#define HEAP_PATTERN_MAX 256 /* bytes of a freed block that are overwritten */
#define HEAP_PATTERN_BYTE 0xdd
#define HEAP_PATTERN_WORD (UINTPTR_MAX / 0xff * HEAP_PATTERN_BYTE)

struct heap_header { /* right in front of the caller's bytes */
    size_t size;
    void *site;
    uint32_t type;
    uint32_t offset; /* from the start of the C library's block to the caller's bytes */
    uint64_t seal;
};

/* No byte of it is zero: what strings write behind a block is seen. */
static const unsigned char heap_guard_bytes[HEAP_GUARD_SIZE] = {0xc3, 0xa5, 0x96, 0x5a,
                                                                0xe7, 0x3c, 0xb9, 0x69};

static inline struct heap_header *heap_header_of(const void *block)
{
    return (struct heap_header *)block - 1;
}

static inline uint64_t heap_seal_of(const struct heap_header *header)
{
    uint64_t hash = (uint64_t)(uintptr_t)header ^ 0x9e3779b97f4a7c15u;
    hash = (hash ^ header->size) * 0xff51afd7ed558ccdu;
    hash = (hash ^ (uint64_t)(uintptr_t)header->site) * 0xc4ceb9fe1a85ec53u;
    return hash ^ ((uint64_t)header->type << 32 | header->offset);
}

static inline void heap_seal(void *block)
{
    struct heap_header *header = heap_header_of(block);
    header->seal = heap_seal_of(header);
    memcpy((char *)block + header->size, heap_guard_bytes, HEAP_GUARD_SIZE);
}

/* The header can be believed. */
static inline bool heap_is_sealed(const void *block)
{
    const struct heap_header *header = heap_header_of(block);
    return header->seal == heap_seal_of(header);
}

static inline bool heap_is_guarded(const void *block)
{
    return !memcmp((const char *)block + heap_header_of(block)->size, heap_guard_bytes,
                   HEAP_GUARD_SIZE);
}

static inline size_t heap_pattern_size(const void *block)
{
    size_t size = heap_header_of(block)->size;
    return size < HEAP_PATTERN_MAX ? size : HEAP_PATTERN_MAX;
}

/* Damage around a live block; it is repaired where that is possible. */
bool heap_find_damage(char *block, struct heap_finding *ret);
/* The same of one that was freed and rests. */
bool heap_find_late_write(char *block, struct heap_finding *ret);
/* The nearest live block that starts before an address, NULL. */
char *heap_block_before(const void *address);

/* Offset of the first byte of a freed block that is not as it was left, SIZE_MAX: none.
 */
static inline size_t heap_pattern_damage(const void *block)
{
    const unsigned char *bytes = block;
    size_t size = heap_pattern_size(block);
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != HEAP_PATTERN_BYTE)
            return i;
    return SIZE_MAX;
}

#endif
