/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/tidy.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "kernel/worker/heap.h"
#include "kernel/worker/replace.h"
#include "pickler/code/collect.h"

bool tidy_has_threads(void)
{
    DIR *folder = opendir("/proc/self/task");
    int n = 0;
    while (folder && readdir(folder))
        n++;
    if (folder)
        closedir(folder);
    return n != 3; /* "." and "..", or it cannot be told */
}

#ifdef ACHAR_ASAN

void tidy(struct engine *engine)
{
    (void)engine; /* its blocks cannot be listed */
}

bool tidy_keep_types(const struct engine *engine, bool *is_kept)
{
    (void)engine;
    (void)is_kept;
    return false;
}

#else

#include "kernel/worker/heap_guard.h"
#include "kernel/worker/heap_piece.h"

#define LOOKED_THROUGH_MAX ((uint64_t)64 << 20) /* bytes; looking costs 1 ns a byte */
#define BLOCKS_MAX 1000000                      /* of the heap */
#define HOLES_MAX 64
#define COPY_SIZE 65536

struct hole { /* memory that is not looked through as such */
    uintptr_t start, end;
};

struct look {
    struct engine *engine;
    struct collection *collection;
    uint64_t bytes;
    struct hole holes[HOLES_MAX];
    size_t n_holes;
    bool is_incomplete;
};

extern const char __executable_start[], etext[], __data_start[],
    _end[]; /* the linker's */

static void scan(struct look *look, const void *start, size_t size)
{
    look->bytes += size;
    look->is_incomplete |= look->bytes > LOOKED_THROUGH_MAX;
    if (!look->is_incomplete)
        collect_scan(look->collection, start, size);
}

/* Memory that a mapping may lack (a file that became shorter): reading it faults, a copy
 * does not. Parts overlap by an address. */
static void scan_copy(struct look *look, uintptr_t start, uintptr_t end)
{
    char buffer[COPY_SIZE];
    for (uintptr_t at = start; at < end && !look->is_incomplete;) {
        size_t size = end - at < sizeof(buffer) ? end - at : sizeof(buffer);
        struct iovec to = {buffer, size}, from = {(void *)at, size};
        ssize_t n = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
        if (n != (ssize_t)size) {
            look->is_incomplete = true;
            return;
        }
        scan(look, buffer, size);
        at += at + size < end ? size - sizeof(void *) + 1 : size;
    }
}

/* The worker's own blocks know where all code is; those of cells and libraries count. */
static void look_at_heap(struct look *look)
{
    const char *at = (const char *)((UINT64_C(1) << 47) - 1);
    while ((at = heap_block_before(at)) && !look->is_incomplete) {
        const struct heap_header *header = heap_header_of(at);
        const char *site = header->site;
        bool is_own =
            !header->type && (!site || (site >= __executable_start && site < etext));
        if (is_own)
            continue;
        collect_address(look->collection, site); /* it tells the block's type */
        scan(look, at, header->size);
    }
}

static void add_hole(struct look *look, const void *start, size_t size)
{
    if (look->n_holes == HOLES_MAX)
        look->is_incomplete = true;
    else
        look->holes[look->n_holes++] =
            (struct hole){(uintptr_t)start, (uintptr_t)start + size};
}

static void find_holes(struct look *look)
{
    add_hole(look, look->engine->arena.start, look->engine->arena.size);
    add_hole(look, __data_start, (size_t)(_end - __data_start));
    for (size_t i = 0; i < PIECES; i++)
        if (heap_pieces[i])
            add_hole(look, heap_pieces[i], sizeof(struct piece));
}

static void look_at_range(struct look *look, uintptr_t start, uintptr_t end)
{
    for (size_t i = 0; i < look->n_holes; i++) {
        const struct hole *hole = &look->holes[i];
        if (hole->end <= start || hole->start >= end)
            continue;
        if (hole->start > start)
            look_at_range(look, start, hole->start);
        start = hole->end < end ? hole->end : end;
    }
    if (start < end)
        scan_copy(look, start, end);
}

/* Everything that can be written, but for the heap and the worker's tables: data of
 * libraries, stacks, thread-local storage, mappings of the cells' own. */
static void look_at_maps(struct look *look)
{
    char line[512], mode[5];
    uintptr_t start, end;
    FILE *maps = fopen("/proc/self/maps", "r");
    look->is_incomplete |= !maps;
    find_holes(look);
    while (maps && !look->is_incomplete && fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &start, &end, mode) != 3 ||
            strncmp(mode, "rw", 2) != 0 || strstr(line, "[heap]"))
            continue;
        look_at_range(look, start, end);
    }
    if (maps)
        fclose(maps);
}

static void look_at_types(struct look *look)
{
    const struct types *types = &look->engine->types;
    for (uint32_t i = 0; i < types->n; i++) {
        const struct type_layout *layout = &types_get(types, i)->layout;
        collect_address(look->collection, (const void *)layout->get_bits);
        collect_address(look->collection, (const void *)layout->set_bits);
    }
}

bool tidy_keep_types(const struct engine *engine, bool *is_kept)
{
    const char *at = (const char *)((UINT64_C(1) << 47) - 1);
    size_t n = 0;
    while ((at = heap_block_before(at)) && n++ < BLOCKS_MAX) {
        uint32_t type = heap_header_of(at)->type;
        if (type < engine->types.n)
            is_kept[type] = true;
    }
    return n < BLOCKS_MAX && !tidy_has_threads();
}

/* What only the system knows, and what is kept in a table of ours. */
static void look_at_handlers(struct look *look)
{
    size_t n;
    void (*const *handlers)(void) = replace_exit_handlers(&n);
    for (size_t i = 0; i < n; i++)
        collect_address(look->collection, (const void *)handlers[i]);
    for (int i = 1; i < NSIG; i++) {
        struct sigaction action;
        if (sigaction(i, NULL, &action) == 0)
            collect_address(look->collection, (const void *)action.sa_handler);
    }
}

void tidy(struct engine *engine)
{
    struct look look = {.engine = engine};
    look.collection = collect_start(&engine->names);
    if (!look.collection)
        return;
    look.is_incomplete = tidy_has_threads();
    look_at_types(&look);
    look_at_handlers(&look);
    if (!look.is_incomplete)
        look_at_heap(&look);
    if (!look.is_incomplete)
        look_at_maps(&look);
    collect_finish(look.collection, !look.is_incomplete);
}

#endif
