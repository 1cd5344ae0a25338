/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The allocator of a process that runs cells: malloc and its family, defined in the
 * executable over the C library's own, so that every block of every library is known too.
 * Any address tells its block, with the exact size that was asked for, where it was
 * allocated and, while the place is not reused, that it was freed. Blocks start out as
 * zeros (but for the executable's own) and are followed by bytes of their own, so that
 * one-past-the-end belongs to them and writes beside them are found.
 *
 * Builds with AddressSanitizer keep its allocator (heap_asan.c): blocks are found, but
 * allocation sites are not known, so that the static type of a pointer decides. */
#ifndef ACHAR_WORKER_HEAP_H
#define ACHAR_WORKER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_block {
    char *start;
    size_t size;
    void *site;    /* return address of the call that allocated it; NULL: not known */
    uint32_t type; /* given by heap_allocate(), else 0 */
    bool is_freed; /* and the range has not been reused */
};

/* Once a process, when it starts: code in [start, end), the executable's, gets memory as
 * the C library has it. */
void heap_init(const void *start, const void *end);

/* The block that `address` is in, or ends: live ones win over freed ones. */
bool heap_find(const void *address, struct heap_block *ret);

/* Bytes of the last allocation that failed since it was forgotten, 0: none did. */
size_t heap_refusal(void);
void heap_forget_refusal(void);

/* malloc() that remembers a type; NULL when there is no memory. */
void *heap_allocate(size_t size, uint32_t type);

enum heap_damage {
    HEAP_BAD_FREE,       /* free() or realloc() of an address that is not a block */
    HEAP_OVERRUN,        /* the bytes behind it were written */
    HEAP_UNDERRUN,       /* those in front of it; its size and site may be wrong */
    HEAP_USE_AFTER_FREE, /* it was written to after it was freed */
};

struct heap_finding {
    enum heap_damage damage;
    const void *address;     /* the first bad byte, or what was to be freed */
    struct heap_block block; /* start NULL: no block is near */
    /* Only bytes that belong to nobody were written: the heap can go on. */
    bool is_contained;
};

/* What free() and realloc() find. `is_code`: whether a call came from code of cells; only
 * then an address that is not a block is reported, else the C library ends the process.
 * `report` need not return; a finding is reported once. */
void heap_watch(bool (*is_code)(const void *return_address),
                void (*report)(const struct heap_finding *finding));

/* Looks at the newest blocks and some of the others, at others the next time; all of them
 * when they are few. True when there is damage. Only while no other thread runs. */
bool heap_check(struct heap_finding *ret);

#endif
