/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/value/block.h"

void blocks_init(struct blocks *blocks)
{
    *blocks = (struct blocks){0};
}

void blocks_clear(struct blocks *blocks)
{
    for (size_t i = 0; i < blocks->n_slabs; i++)
        free(blocks->slabs[i]);
    free(blocks->slabs);
    free(blocks->at);
    free(blocks->extras);
    map_clear(&blocks->pages);
    map_clear(&blocks->others);
    *blocks = (struct blocks){0};
}

struct block *blocks_add(struct blocks *blocks, const struct block *block)
{
    GROW(blocks->at, blocks->n, blocks->capacity);
    blocks->at[blocks->n] = *block;
    return &blocks->at[blocks->n++];
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

uint32_t *blocks_page(struct blocks *blocks, uint64_t key)
{
    bool is_new;
    uint64_t *page = map_at(&blocks->pages, key, &is_new);
    if (is_new) {
        *page = blocks->n_pages++;
        if (*page / SLAB_PAGES == blocks->n_slabs) {
            GROW(blocks->slabs, blocks->n_slabs, blocks->slabs_capacity);
            blocks->slabs[blocks->n_slabs++] =
                must_alloc(SLAB_PAGES * PAGE_SLOTS * sizeof(uint32_t));
        }
    }
    blocks->last_key = key;
    return blocks->slabs[*page / SLAB_PAGES] + *page % SLAB_PAGES * PAGE_SLOTS;
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
