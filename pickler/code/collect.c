/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/code/collect.h"

#include <string.h>

#include "pickler/code/swap.h"

struct range {
    const char *start;
    size_t size;
    uint32_t unit; /* in by_code */
};

struct collection {
    struct names *names;
    struct range *ranges; /* code and data of units that no name needs, sorted */
    size_t n_ranges;
    bool *is_candidate, *is_reached; /* by unit */
    uint32_t *todo;                  /* reached ones whose data is not scanned yet */
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

static size_t find_code(const struct names *names, const void *address)
{
    size_t low = 0, high = names->n_units;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (names->by_code[middle]->image->parts[ARENA_CODE] <= (const char *)address)
            low = middle + 1;
        else
            high = middle;
    }
    const struct image *image = low ? names->by_code[low - 1]->image : NULL;
    bool is_inside = image && image->parts[ARENA_CODE] &&
                     (size_t)((const char *)address - image->parts[ARENA_CODE]) <
                         image->part_sizes[ARENA_CODE];
    return is_inside ? low - 1 : SIZE_MAX;
}

static void need_code(struct collection *collection, const void *address)
{
    size_t unit = find_code(collection->names, address);
    if (unit != SIZE_MAX)
        collection->is_candidate[unit] = false;
}

static void need_storage(struct collection *collection, const char *storage)
{
    const struct names *names = collection->names;
    for (size_t i = 0; i < names->n_units; i++)
        if (image_section_at(names->by_code[i]->image, storage))
            collection->is_candidate[i] = false;
}

static void need_swapped(struct collection *collection)
{
    const struct names *names = collection->names;
    for (size_t i = 0; i < names->n_swapped; i++)
        need_code(collection, names->swapped[i]->unit->image->parts[ARENA_CODE]);
}

/* What trampolines jump to, also those that only stored pointers know, and what names
 * have as their storage. */
static void find_candidates(struct collection *collection)
{
    const struct names *names = collection->names;
    for (size_t i = 0; i < names->n_units; i++)
        collection->is_candidate[i] = true;
    for (size_t i = 0; i < names->n_trampolines; i++) {
        const void *body;
        memcpy(&body, names->slots + i * sizeof(body), sizeof(body));
        need_code(collection, body);
    }
    for (size_t i = 0; i < names->n; i++) {
        const struct name *name = names->all[i];
        need_code(collection, name->body);
        need_code(collection, name->bound);
        if (names->n_in_images && name->kind == NAME_VARIABLE && name->storage)
            need_storage(collection, name->storage);
    }
}

static int compare_ranges(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static void add_ranges(struct collection *collection)
{
    const struct names *names = collection->names;
    for (uint32_t i = 0; i < names->n_units; i++) {
        const struct image *image = names->by_code[i]->image;
        for (int part = 0; part < ARENA_PART_COUNT && collection->is_candidate[i]; part++)
            if (image->parts[part])
                collection->ranges[collection->n_ranges++] =
                    (struct range){image->parts[part], image->part_sizes[part], i};
    }
    if (collection->n_ranges)
        qsort(collection->ranges, collection->n_ranges, sizeof(*collection->ranges),
              compare_ranges);
}

static void reach(struct collection *collection, uint32_t unit)
{
    if (collection->is_reached[unit])
        return;
    collection->is_reached[unit] = true;
    collection->todo[collection->n_todo++] = unit;
}

/* One past the end counts too, and may be the start of the next. */
void collect_address(struct collection *collection, const void *address)
{
    const char *at = address;
    if (!arena_has(collection->names->arena, at))
        return;
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
            reach(collection, range->unit);
    }
}

void collect_scan(struct collection *collection, const void *start, size_t size)
{
    const char *at = start;
    uintptr_t arena = (uintptr_t)collection->names->arena->start, address;
    size_t arena_size = collection->names->arena->size;
    for (size_t i = 0; size >= sizeof(address) && i <= size - sizeof(address); i++) {
        memcpy(&address, at + i, sizeof(address));
        if (address - arena < arena_size)
            collect_address(collection, (const void *)address);
    }
}

static void scan_data(struct collection *collection, const struct unit *unit)
{
    const struct image *image = unit->image;
    collect_scan(collection, image->parts[ARENA_DATA], image->part_sizes[ARENA_DATA]);
}

struct collection *collect_start(struct names *names)
{
    if (names->n_units < names->collect_at || has_thread_locals(names))
        return NULL;
    struct collection *collection = must_alloc(sizeof(*collection));
    size_t n = names->n_units + 1;
    collection->names = names;
    collection->is_candidate = must_alloc(n * sizeof(bool));
    collection->is_reached = must_alloc(n * sizeof(bool));
    collection->todo = must_alloc(n * sizeof(*collection->todo));
    collection->ranges = must_alloc(n * ARENA_PART_COUNT * sizeof(*collection->ranges));
    find_candidates(collection);
    need_swapped(collection);
    add_ranges(collection);
    for (size_t i = 0; i < names->n_variables; i++)
        collect_scan(collection, names->variables[i]->storage, names->variables[i]->size);
    for (size_t i = 0; i < names->n_units; i++)
        if (!collection->is_candidate[i])
            scan_data(collection, names->by_code[i]);
    return collection;
}

static bool is_gone(const struct collection *collection, size_t unit)
{
    return collection->is_candidate[unit] && !collection->is_reached[unit];
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
        if (is_gone(collection, i))
            names->by_code[i]->is_gone = true;
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

size_t collect_finish(struct collection *collection, bool is_complete)
{
    struct names *names = collection->names;
    size_t n = 0;
    while (collection->n_todo) {
        uint32_t unit = collection->todo[--collection->n_todo];
        scan_data(collection, names->by_code[unit]);
    }
    if (is_complete)
        n = free_units(collection);
    names->collect_at = names->n_units + COLLECT_EVERY;
    free(collection->is_candidate);
    free(collection->is_reached);
    free(collection->todo);
    free(collection->ranges);
    free(collection);
    return n;
}
