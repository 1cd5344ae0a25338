/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/base/map.h"

#include <assert.h>

void map_clear(struct map *map)
{
    free(map->slots);
    *map = (struct map){0};
}

static struct map_entry *probe(const struct map *map, uint64_t key)
{
    size_t i = map_hash(key) & map->mask;
    while (map->slots[i].key != key && map->slots[i].key != MAP_NO_KEY)
        i = (i + 1) & map->mask;
    return &map->slots[i];
}

static void grow(struct map *map)
{
    struct map old = *map;
    size_t n_slots = old.slots ? 2 * (old.mask + 1) : 16;
    map->slots = must_realloc(NULL, n_slots, sizeof(*map->slots));
    map->mask = n_slots - 1;
    for (size_t i = 0; i < n_slots; i++)
        map->slots[i].key = MAP_NO_KEY;
    for (size_t i = 0; old.slots && i <= old.mask; i++)
        if (old.slots[i].key != MAP_NO_KEY)
            *probe(map, old.slots[i].key) = old.slots[i];
    free(old.slots);
}

uint64_t *map_at(struct map *map, uint64_t key, bool *ret_is_new)
{
    assert(key != MAP_NO_KEY);
    if (!map->slots || 2 * (map->n + 1) > map->mask)
        grow(map);
    struct map_entry *entry = probe(map, key);
    bool is_new = entry->key == MAP_NO_KEY;
    if (is_new) {
        *entry = (struct map_entry){.key = key};
        map->n++;
    }
    if (ret_is_new)
        *ret_is_new = is_new;
    return &entry->value;
}

const uint64_t *map_find(const struct map *map, uint64_t key)
{
    if (!map->slots || key == MAP_NO_KEY)
        return NULL;
    const struct map_entry *entry = probe(map, key);
    return entry->key == key ? &entry->value : NULL;
}
