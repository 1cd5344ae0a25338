/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A hash table from numbers to numbers: ids, addresses, pairs of ids. {0} is empty. */
#ifndef ACHAR_BASE_MAP_H
#define ACHAR_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pickler/base/memory.h"

#define MAP_NO_KEY UINT64_MAX /* cannot be a key */

struct map_entry {
    uint64_t key, value;
};

struct map {
    struct map_entry *slots; /* owned; MAP_NO_KEY marks a free one */
    size_t n, mask;          /* entries; slots - 1 */
};

void map_clear(struct map *map);
/* The place of the key's value, to be read or set; made (as 0) when it is missing, which
 * *ret_is_new tells. Valid until the next call that adds. */
uint64_t *map_at(struct map *map, uint64_t key, bool *ret_is_new);
/* NULL when the key is missing. */
const uint64_t *map_find(const struct map *map, uint64_t key);

static inline uint64_t map_hash(uint64_t key)
{
    key *= 0x9e3779b97f4a7c15u;
    return key ^ key >> 32;
}

#endif
