/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/value/block.h"

#include <string.h>

void blocks_clear(struct blocks *blocks)
{
    chunks_clear(&blocks->at, sizeof(struct block), BLOCKS_PER_CHUNK);
    chunks_clear(&blocks->pages, sizeof(struct block_page), PAGES_PER_CHUNK);
    free(blocks->extras);
    map_clear(&blocks->page_numbers);
    map_clear(&blocks->others);
    *blocks = (struct blocks){0};
}

struct block *blocks_add(struct blocks *blocks, const struct block *block)
{
    if (blocks->n == blocks->at.room)
        chunks_reserve(&blocks->at, blocks->n, sizeof(struct block), BLOCKS_PER_CHUNK);
    struct block *added = block_at(blocks, blocks->n++);
    *added = *block;
    return added;
}

struct block_extra *blocks_extend(struct blocks *blocks, struct block *block)
{
    if (!block->extra) {
        GROW(blocks->extras, blocks->n_extras, blocks->extras_capacity);
        blocks->extras[blocks->n_extras++] = (struct block_extra){0};
        block->extra = (uint32_t)blocks->n_extras;
    }
    return &blocks->extras[block->extra - 1];
}

struct block_page *blocks_page(struct blocks *blocks, uint64_t key)
{
    bool is_new;
    uint64_t *number = map_at(&blocks->page_numbers, key, &is_new);
    if (is_new) {
        *number = blocks->n_pages++;
        chunks_reserve(&blocks->pages, *number, sizeof(struct block_page),
                       PAGES_PER_CHUNK);
    }
    struct block_page *chunk =
        (struct block_page *)(void *)blocks->pages.at[*number / PAGES_PER_CHUNK];
    struct block_page *page = &chunk[*number % PAGES_PER_CHUNK];
    if (is_new)
        *page = (struct block_page){0};
    blocks->last_key = key;
    return page;
}

uint64_t block_size(const struct blocks *blocks, const struct block *block)
{
    uint64_t size = 0;
    if (!block->program)
        return block->extra ? blocks->extras[block->extra - 1].size : 0;
    return program_size(block->program, block->count, block_tail(blocks, block), &size)
               ? size
               : 0;
}
