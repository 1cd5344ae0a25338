/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The blocks of a value graph, numbered from 0, roots first. The same table serves dump
 * and load; dump also finds a block's number by its address. */
#ifndef ACHAR_VALUE_BLOCK_H
#define ACHAR_VALUE_BLOCK_H

#include "pickler/base/map.h"
#include "pickler/value/chunks.h"
#include "pickler/value/program.h"

enum block_kind {
    BLOCK_HEAP,     /* string literals and constant data too: they travel by value */
    BLOCK_VARIABLE, /* by name, with its value; roots too */
    BLOCK_FUNCTION, /* a cell function, by name */
    BLOCK_LIBRARY,  /* a function or object of a library, by name */
    BLOCK_STREAM,   /* stdin, stdout, stderr */
    BLOCK_KIND_COUNT
};

#define BLOCK_NONE UINT32_MAX
#define BLOCKS_MAX (UINT32_MAX - 1)

struct block {
    char *start;             /* where pointers to it point */
    uint64_t count;          /* elements */
    struct program *program; /* NULL: by name only, or not decided yet */
    uint64_t origin_offset;  /* of the pointer that was met first, in ... */
    uint32_t origin;         /* ... this block, BLOCK_NONE for a root */
    uint32_t extra;          /* index of what few blocks need, plus one; 0: nothing */
};

/* What few blocks need. */
struct block_extra {
    enum block_kind kind;
    const char *name; /* variables, functions; borrowed or owned by the table's owner */
    uint64_t tail;    /* elements of a flexible array member */
    uint64_t size;    /* of the heap block whose type is not known */
    char *staging;    /* load: where a variable's bytes wait */
    uint32_t votes;   /* dump: first vote plus one */
    bool is_queued;   /* dump: its type is about to be decided */
};

#define BLOCKS_PER_CHUNK ((size_t)1 << 18)

#define PAGE_BITS 12   /* block starts are looked up a page of memory at a time ... */
#define PAGE_SLOTS 256 /* ... in steps of 16 bytes */
#define PAGES_PER_CHUNK ((size_t)1 << 11)

struct block_page {
    uint32_t
        slots[PAGE_SLOTS]; /* block number plus one, by (address >> 4) % PAGE_SLOTS */
};

struct blocks {
    struct chunks at; /* struct block */
    size_t n;
    struct block_extra *extras;
    size_t n_extras, extras_capacity;
    struct map page_numbers; /* address >> PAGE_BITS: page number */
    struct chunks pages;     /* struct block_page */
    size_t n_pages;
    struct map others; /* starts that are not aligned to 16 bytes */
    uint64_t last_key; /* the page that was asked for last, and where it is */
    struct block_page *last_page;
};

void blocks_clear(struct blocks *blocks);

static inline struct block *block_at(const struct blocks *blocks, size_t id)
{
    struct block *chunk = (struct block *)(void *)blocks->at.at[id / BLOCKS_PER_CHUNK];
    return &chunk[id % BLOCKS_PER_CHUNK];
}

static inline struct block_extra *block_extra(const struct blocks *blocks,
                                              const struct block *block)
{
    return block->extra ? &blocks->extras[block->extra - 1] : NULL;
}

static inline enum block_kind block_kind(const struct blocks *blocks,
                                         const struct block *block)
{
    return block->extra ? blocks->extras[block->extra - 1].kind : BLOCK_HEAP;
}

static inline uint64_t block_tail(const struct blocks *blocks, const struct block *block)
{
    return block->extra ? blocks->extras[block->extra - 1].tail : 0;
}

/* Appends a block; pointers to others are no longer valid. */
struct block *blocks_add(struct blocks *blocks, const struct block *block);
/* Gives the block an extra (or yields the one it has); others are no longer valid. */
struct block_extra *blocks_extend(struct blocks *blocks, struct block *block);

/* The page is made when it is missing. */
struct block_page *blocks_page(struct blocks *blocks, uint64_t key);

/* The place of the number plus one of the block that starts here; 0: none. Valid until
 * the next call. */
static inline uint32_t *blocks_slot(struct blocks *blocks, const char *start)
{
    uint64_t address = (uintptr_t)start;
    if (address & 15)
        return (uint32_t *)map_at(&blocks->others, address, NULL);
    if (address >> PAGE_BITS != blocks->last_key || !blocks->last_page)
        blocks->last_page = blocks_page(blocks, address >> PAGE_BITS);
    return &blocks->last_page->slots[(address >> 4) % PAGE_SLOTS];
}

/* Bytes of the whole block. */
uint64_t block_size(const struct blocks *blocks, const struct block *block);

/* A step to a place inside a block: elements, then members and elements in turn. */
#define PATH_MAX_STEPS 64

struct value_path {
    uint64_t steps[PATH_MAX_STEPS];
    size_t n;
    uint64_t rest; /* bytes into what the steps lead to */
};

/* False when the offset is too deep inside for PATH_MAX_STEPS. */
bool path_find(const struct types *types, const struct blocks *blocks,
               const struct block *block, uint64_t offset, struct value_path *ret);
/* The way back; false when the path does not exist in the block. */
bool path_offset(const struct types *types, const struct blocks *blocks,
                 const struct block *block, const struct value_path *path, uint64_t *ret);

/* C text for the place: "head->next->name[3]"; owned. */
char *path_text(const struct types *types, const struct blocks *blocks, uint32_t id,
                uint64_t offset);

#endif
