/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/damage.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>

#include "kernel/worker/guard.h"
#include "kernel/worker/heap.h"
#include "kernel/worker/heap_guard.h"

#define FINDINGS_MAX 64 /* of one cell that are repaired; the first is reported */

/* What the heap asks and reports; it has no context to hand back. */
static const struct names *heap_names;

static bool is_cell_code(const void *return_address)
{
    return heap_names && arena_has_code(heap_names->arena, return_address);
}

/* " from In[3]:4", where the block was allocated; "" when it is not known. */
static void describe_site(const struct heap_block *block, char *text, size_t size)
{
    const char *site = block->site;
    const struct unit *unit = site ? names_unit(heap_names, site - 1) : NULL;
    const struct line_entry *line = unit ? lines_find(&unit->lines, site - 1) : NULL;
    *text = '\0';
    if (line && line->cell)
        snprintf(text, size, " from In[%u]:%u", line->cell, line->line);
}

static void describe_bad_free(const struct heap_finding *found, struct damage_text *ret)
{
    const struct heap_block *block = &found->block;
    bool is_twice = block->start && block->is_freed && block->start == found->address;
    snprintf(ret->name, sizeof(ret->name), is_twice ? "DoubleFree" : "BadFree");
    if (!block->start && (uintptr_t)found->address == HEAP_PATTERN_WORD)
        snprintf(ret->message, sizeof(ret->message),
                 "free of a pointer that was read from freed memory");
    else if (!block->start)
        snprintf(ret->message, sizeof(ret->message),
                 "free of address %p, which is not an allocated block", found->address);
    else if (is_twice)
        snprintf(ret->message, sizeof(ret->message),
                 "the block of %zu bytes at %p was freed before", block->size,
                 found->address);
    else
        snprintf(ret->message, sizeof(ret->message),
                 "free of address %p, %zu bytes into a %sblock of %zu bytes",
                 found->address, (size_t)((const char *)found->address - block->start),
                 block->is_freed ? "freed " : "", block->size);
}

static void describe(const struct heap_finding *found, struct damage_text *ret)
{
    const struct heap_block *block = &found->block;
    ptrdiff_t index = (const char *)found->address - block->start;
    char site[64] = "";
    if (found->damage != HEAP_UNDERRUN)
        describe_site(block, site, sizeof(site));
    switch (found->damage) {
    case HEAP_BAD_FREE:
        describe_bad_free(found, ret);
        return;
    case HEAP_OVERRUN:
        snprintf(ret->name, sizeof(ret->name), "HeapOverrun");
        snprintf(ret->message, sizeof(ret->message),
                 "a write at index %td, behind a block of %zu bytes%s, was found", index,
                 block->size, site);
        return;
    case HEAP_UNDERRUN:
        snprintf(ret->name, sizeof(ret->name), "HeapUnderrun");
        snprintf(ret->message, sizeof(ret->message),
                 "a write in front of the block at %p was found", block->start);
        return;
    case HEAP_USE_AFTER_FREE:
        snprintf(ret->name, sizeof(ret->name), "UseAfterFree");
        snprintf(ret->message, sizeof(ret->message),
                 "a write at index %td of a block of %zu bytes%s, which is freed, was "
                 "found",
                 index, block->size, site);
    }
}

static void heap_damaged(const struct heap_finding *found)
{
    struct damage_text text;
    if (!found->is_contained)
        guard_give_up();
    describe(found, &text);
    guard_fault(SIGABRT, text.name, "%s", text.message);
}

/* A long write behind a block damages those that follow it, too. */
static bool is_cause(const struct heap_finding *one, const struct heap_finding *other)
{
    if (one->damage != HEAP_OVERRUN)
        return false;
    return other->damage != HEAP_OVERRUN || one->block.start < other->block.start;
}

/* Of all that is damaged, the block where it began. */
static bool find_damage(struct heap_finding *ret)
{
    struct heap_finding more;
    if (!heap_check(ret))
        return false;
    bool is_contained = ret->is_contained;
    for (int i = 0; i < FINDINGS_MAX && heap_check(&more); i++) {
        is_contained &= more.is_contained;
        if (is_cause(&more, ret))
            *ret = more;
    }
    ret->is_contained = is_contained;
    return true;
}

bool damage_find(struct damage_text *ret)
{
    struct heap_finding found;
    if (!find_damage(&found) || found.is_contained)
        return false;
    describe(&found, ret);
    return true;
}

static void check_heap(void)
{
    struct heap_finding found;
    if (guard_has_one_thread() && find_damage(&found))
        heap_damaged(&found);
}

void damage_check(void)
{
    guard_check(check_heap);
}

void damage_watch(const struct names *names)
{
    heap_names = names;
    heap_watch(is_cell_code, heap_damaged);
}
