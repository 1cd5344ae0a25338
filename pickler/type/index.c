/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/type/index.h"

#include <string.h>

#include "pickler/base/map.h"

void types_index_free(struct types_index *index)
{
    if (!index)
        return;
    free(index->buckets);
    free(index->ends);
    free(index->next);
    free(index->hashes);
    free(index->flat);
    free(index);
}

void types_index_forget(struct types_index *index, size_t n)
{
    if (!index)
        return;
    if (n < index->n) /* the chains are made anew at the next lookup */
        index->n = 0;
    index->n_flat = 0;
}

static uint64_t hash_of(enum type_kind kind, const char *spelling)
{
    uint64_t hash = 0xcbf29ce484222325u ^ (uint64_t)kind;
    for (const char *c = spelling; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
    return map_hash(hash);
}

static void rebuild(struct types_index *index, size_t n_types)
{
    size_t n_buckets = 64;
    while (n_buckets < 2 * n_types)
        n_buckets *= 2;
    free(index->buckets);
    free(index->ends);
    index->ends = must_alloc(n_buckets * sizeof(*index->ends));
    index->buckets = must_alloc(n_buckets * sizeof(*index->buckets));
    index->n_buckets = n_buckets;
    index->n = 0;
}

/* Chains are in order of id: entries are put at their end. */
static void link_entry(struct types_index *index, uint32_t id)
{
    size_t bucket = index->hashes[id] & (index->n_buckets - 1);
    if (index->buckets[bucket])
        index->next[index->ends[bucket]] = id;
    else
        index->buckets[bucket] = id;
    index->ends[bucket] = id;
    index->next[id] = 0;
}

static void update(const struct types *types)
{
    struct types_index *index = types->index;
    if (index->n == types->n)
        return;
    if (index->n == 0 || types->n > index->n_buckets)
        rebuild(index, types->n);
    if (types->n > index->capacity) {
        index->capacity = types->capacity;
        index->next = must_realloc(index->next, index->capacity, sizeof(*index->next));
        index->hashes =
            must_realloc(index->hashes, index->capacity, sizeof(*index->hashes));
    }
    for (; index->n < types->n; index->n++) {
        const struct type *type = types->at[index->n];
        index->hashes[index->n] = hash_of(type->kind, type->spelling);
        bool is_empty = type->kind == TYPE_VOID && !*type->spelling;
        if (index->n && !is_empty)
            link_entry(index, (uint32_t)index->n);
    }
}

uint32_t types_index_next(const struct types *types, enum type_kind kind,
                          const char *spelling, uint32_t after)
{
    struct types_index *index = types->index;
    if (!index)
        return 0;
    update(types);
    uint64_t hash = hash_of(kind, spelling);
    uint32_t id =
        after ? index->next[after] : index->buckets[hash & (index->n_buckets - 1)];
    for (; id; id = index->next[id])
        if (index->hashes[id] == hash && types->at[id]->kind == kind &&
            strcmp(types->at[id]->spelling, spelling) == 0)
            return id;
    return 0;
}
