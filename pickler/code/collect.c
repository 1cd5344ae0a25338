/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Things are marked that can be reached: units by number, then memory that was left, then
 * trampolines. */
#include "pickler/code/collect.h"

#include <string.h>

#include "pickler/code/machine.h"
#include "pickler/code/trampoline.h"

struct range {
    const char *start;
    size_t size;
    size_t thing;
};

struct collection {
    struct names *names;
    struct range *ranges; /* of units and left memory, sorted by start */
    size_t n_ranges;
    size_t first_left, first_trampoline, n_things;
    bool *is_reached; /* by thing */
    size_t *todo;     /* reached ones that have not been looked through */
    size_t n_todo;
};

static bool has_thread_locals(const struct names *names)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->all[i]->kind == NAME_THREAD)
            return true;
    for (size_t i = 0; i < names->n_units; i++)
        if (names->by_code[i]->image->has_threads)
            return true;
    return false;
}

static void reach(struct collection *collection, size_t thing)
{
    if (collection->is_reached[thing])
        return;
    collection->is_reached[thing] = true;
    collection->todo[collection->n_todo++] = thing;
}

/* One past the end counts too, and may be the start of the next. */
static void reach_range(struct collection *collection, const char *at)
{
    size_t low = 0, high = collection->n_ranges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (collection->ranges[middle].start <= at)
            low = middle + 1;
        else
            high = middle;
    }
    for (size_t i = low; i > 0 && i + 2 > low; i--) {
        const struct range *range = &collection->ranges[i - 1];
        if ((size_t)(at - range->start) <= range->size)
            reach(collection, range->thing);
    }
}

void collect_address(struct collection *collection, const void *address)
{
    if (!arena_has(collection->names->arena, address))
        return;
    size_t i = trampoline_number(collection->names, address);
    if (i != SIZE_MAX)
        reach(collection, collection->first_trampoline + i);
    else
        reach_range(collection, address);
}

void collect_scan(struct collection *collection, const void *start, size_t size)
{
    const char *at = start;
    uintptr_t arena = (uintptr_t)collection->names->arena->start, address;
    uintptr_t guard = machine_pointer_guard();
    size_t arena_size = collection->names->arena->size;
    for (size_t i = 0; size >= sizeof(address) && i <= size - sizeof(address); i++) {
        memcpy(&address, at + i, sizeof(address));
        if (address - arena < arena_size)
            collect_address(collection, (const void *)address);
        address = machine_revealed(address, guard);
        if (address - arena < arena_size)
            collect_address(collection, (const void *)address);
    }
}

static void look_through(struct collection *collection, size_t thing)
{
    const struct names *names = collection->names;
    if (thing >= collection->first_trampoline) {
        collect_address(collection,
                        trampoline_target(names, thing - collection->first_trampoline));
    } else if (thing >= collection->first_left) {
        const struct left_memory *left = &names->left[thing - collection->first_left];
        if (left->part == ARENA_DATA)
            collect_scan(collection, left->start, left->size);
    } else {
        const struct image *image = names->by_code[thing]->image;
        collect_scan(collection, image->parts[ARENA_DATA], image->part_sizes[ARENA_DATA]);
        for (size_t i = 0; i < image->n_outside; i++)
            collect_address(collection, image->outside[i]);
    }
}

/* What names mean, and what optimised units that are in use have brought. */
static void reach_names(struct collection *collection)
{
    const struct names *names = collection->names;
    for (size_t i = 0; i < names->n; i++) {
        const struct name *name = names->all[i];
        collect_address(collection, name->trampoline);
        collect_address(collection, name->body);
        collect_address(collection, name->bound);
        if (name->kind == NAME_VARIABLE)
            collect_address(collection, name->storage);
    }
    for (size_t i = 0; i < names->n_variables; i++)
        collect_scan(collection, names->variables[i]->storage, names->variables[i]->size);
}

static int compare_ranges(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static void add_range(struct collection *collection, const char *start, size_t size,
                      size_t thing)
{
    if (start)
        collection->ranges[collection->n_ranges++] = (struct range){start, size, thing};
}

static void add_ranges(struct collection *collection)
{
    const struct names *names = collection->names;
    for (size_t i = 0; i < names->n_units; i++)
        for (int part = 0; part < ARENA_PART_COUNT; part++)
            add_range(collection, names->by_code[i]->image->parts[part],
                      names->by_code[i]->image->part_sizes[part], i);
    for (size_t i = 0; i < names->n_left; i++)
        add_range(collection, names->left[i].start, names->left[i].size,
                  collection->first_left + i);
    if (collection->n_ranges)
        qsort(collection->ranges, collection->n_ranges, sizeof(*collection->ranges),
              compare_ranges);
}

struct collection *collect_start(struct names *names)
{
    if (names->n_units + names->n_left < names->collect_at || has_thread_locals(names))
        return NULL;
    struct collection *collection = must_alloc(sizeof(*collection));
    collection->names = names;
    collection->first_left = names->n_units;
    collection->first_trampoline = collection->first_left + names->n_left;
    collection->n_things = collection->first_trampoline + trampolines_count(names);
    size_t n = collection->n_things + 1;
    collection->is_reached = must_alloc(n * sizeof(bool));
    collection->todo = must_alloc(n * sizeof(*collection->todo));
    size_t n_ranges = names->n_units * ARENA_PART_COUNT + names->n_left;
    collection->ranges = must_alloc((n_ranges + 1) * sizeof(*collection->ranges));
    add_ranges(collection);
    reach_names(collection);
    return collection;
}

static void unit_free(struct unit *unit)
{
    image_free(unit->image);
    lines_clear(&unit->lines);
    free(unit->sites);
    free(unit);
}

static size_t free_units(struct collection *collection)
{
    struct names *names = collection->names;
    size_t n = 0, n_data = 0, n_units = names->n_units;
    for (size_t i = 0; i < n_units; i++)
        names->by_code[i]->is_gone = !collection->is_reached[i];
    for (size_t i = 0; i < n_units; i++)
        if (!names->by_data[i]->is_gone)
            names->by_data[n_data++] = names->by_data[i];
    for (size_t i = 0; i < n_units; i++) {
        if (names->by_code[i]->is_gone)
            unit_free(names->by_code[i]);
        else
            names->by_code[n++] = names->by_code[i];
    }
    names->n_units = n;
    return n_units - n;
}

static void free_left(const struct collection *collection)
{
    struct names *names = collection->names;
    size_t n = 0;
    for (size_t i = 0; i < names->n_left; i++) {
        struct left_memory *left = &names->left[i];
        if (collection->is_reached[collection->first_left + i])
            names->left[n++] = *left;
        else
            arena_give(names->arena, left->part, left->start, left->size);
    }
    names->n_left = n;
}

static void free_trampolines(const struct collection *collection)
{
    struct names *names = collection->names;
    for (size_t i = trampolines_count(names); i-- > 0;)
        if (!collection->is_reached[collection->first_trampoline + i] &&
            trampoline_target(names, i))
            trampoline_give(names, i);
}

size_t collect_finish(struct collection *collection, bool is_complete)
{
    struct names *names = collection->names;
    size_t n = 0;
    while (is_complete && collection->n_todo)
        look_through(collection, collection->todo[--collection->n_todo]);
    if (is_complete) {
        n = free_units(collection);
        free_left(collection);
        free_trampolines(collection);
    }
    names->collect_at = names->n_units + names->n_left + COLLECT_EVERY;
    free(collection->is_reached);
    free(collection->todo);
    free(collection->ranges);
    free(collection);
    return n;
}
