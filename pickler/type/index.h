/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a table of types remembers about itself: its entries by kind and spelling, and
 * which are flat. A cache: it is brought up to date by the lookups. */
#ifndef ACHAR_TYPE_INDEX_H
#define ACHAR_TYPE_INDEX_H

#include "pickler/type/type.h"

enum type_flatness { FLAT_UNKNOWN, FLAT_BUSY, FLAT_YES, FLAT_NO };

struct types_index {
    uint32_t *buckets; /* first id of a chain, 0 ends it: void is in none */
    uint32_t *ends;    /* last id of each chain */
    size_t n_buckets;
    uint32_t *next;   /* by id, chains in order of id */
    uint64_t *hashes; /* by id */
    size_t n;         /* entries that are in the chains */
    size_t capacity;
    uint8_t *flat; /* enum type_flatness by id */
    size_t n_flat;
};

/* Appends an entry as types_empty() leaves them. */
void types_add_empty(struct types *types);

void types_index_free(struct types_index *index);
/* Entries have changed, or (`n` below what it knows) are gone. */
void types_index_forget(struct types_index *index, size_t n);
/* Brings the chains up to date and yields the first id after `after` with this kind and
 * spelling, 0 for none. */
uint32_t types_index_next(const struct types *types, enum type_kind kind,
                          const char *spelling, uint32_t after);

#endif
