/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The allocator's view in builds with AddressSanitizer: its own allocator stays in place,
 * so that it sees every block. Types given by heap_allocate() are kept in a table of
 * fixed size, in which a newer block may take the place of an older one; allocation sites
 * are not known. */
#include "kernel/worker/heap.h"

#ifdef ACHAR_ASAN

#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

/* Cells may leak, and a worker ends with its session. $ASAN_OPTIONS comes after this. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

#define TYPED_MAX ((size_t)1 << 16)

static struct {
    void *start;
    uint32_t type;
} typed[TYPED_MAX]; /* by a hash of the start */

static size_t place_of(const void *start)
{
    return ((uintptr_t)start >> 4) % TYPED_MAX;
}

bool heap_find(const void *address, struct heap_block *ret)
{
    char name[1] = "";
    void *start = NULL;
    size_t size = 0;
    const char *kind =
        __asan_locate_address((void *)address, name, sizeof(name), &start, &size);
    if (strcmp(kind, "heap") || (size_t)((const char *)address - (char *)start) > size)
        return false;
    *ret = (struct heap_block){
        .start = start, .size = size, .is_freed = __asan_address_is_poisoned(start)};
    if (typed[place_of(start)].start == start && !ret->is_freed)
        ret->type = typed[place_of(start)].type;
    return true;
}

void *heap_allocate(size_t size, uint32_t type)
{
    void *block = calloc(1, size ? size : 1);
    typed[place_of(block)].start = block;
    typed[place_of(block)].type = type;
    return block;
}

size_t heap_refusal(void)
{
    return 0;
}

void heap_forget_refusal(void)
{
}

void heap_init(const void *start, const void *end)
{
    (void)start;
    (void)end;
}

void heap_watch(bool (*is_code)(const void *return_address),
                void (*report)(const struct heap_finding *finding))
{
    (void)is_code;
    (void)report;
}

bool heap_check(struct heap_finding *ret)
{
    (void)ret;
    return false; /* AddressSanitizer has seen it */
}

#endif
