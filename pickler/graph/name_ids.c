/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/graph/name_ids.h"

#include <string.h>

#include "pickler/base/memory.h"

static size_t hash_of(const char *name, size_t size)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3u;
    return (size_t)(hash ^ hash >> 29);
}

static struct name_slot *probe(const struct name_ids *names, const char *name,
                               size_t size)
{
    size_t i = hash_of(name, size) & (names->n_slots - 1);
    for (;; i = (i + 1) & (names->n_slots - 1)) {
        struct name_slot *slot = &names->slots[i];
        if (!slot->name ||
            (strncmp(slot->name, name, size) == 0 && slot->name[size] == '\0'))
            return slot;
    }
}

void name_ids_clear(struct name_ids *names)
{
    for (size_t i = 0; i < names->n_slots; i++)
        free(names->slots[i].name);
    free(names->slots);
    *names = (struct name_ids){0};
}

static void grow(struct name_ids *names)
{
    struct name_ids old = *names;
    names->n_slots = old.n_slots ? 2 * old.n_slots : 64;
    names->slots = must_alloc(names->n_slots * sizeof(*names->slots));
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.slots[i].name)
            *probe(names, old.slots[i].name, strlen(old.slots[i].name)) = old.slots[i];
    free(old.slots);
}

uint32_t name_ids_get(const struct name_ids *names, const char *name, size_t size)
{
    return names->n_slots ? probe(names, name, size)->id : 0;
}

void name_ids_set(struct name_ids *names, const char *name, uint32_t id)
{
    if (2 * (names->n + 1) > names->n_slots)
        grow(names);
    struct name_slot *slot = probe(names, name, strlen(name));
    if (!slot->name) {
        slot->name = must_strdup(name);
        names->n++;
    }
    slot->id = id;
}
