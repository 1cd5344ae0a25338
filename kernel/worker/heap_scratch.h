/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory for what the worker's own code allocates while it reads a task and writes its
 * answer, in job workers whose memory is put back after each task (renewal.h). It is no
 * part of what is put back, and all of it is free again then: so the answer of a task
 * costs neither records of blocks nor written pages of the heap. Code of cells gets
 * nothing from here. In builds with AddressSanitizer there is none. */
#ifndef ACHAR_WORKER_HEAP_SCRATCH_H
#define ACHAR_WORKER_HEAP_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>

#define HEAP_SCRATCH_SIZE ((size_t)64 << 10) /* what does not fit is in the heap */

struct heap_scratch {
    volatile bool is_used, is_closed;
    size_t n; /* bytes that are given out */
    _Alignas(16) char bytes[HEAP_SCRATCH_SIZE];
};

/* Once a process. Nothing is taken from there yet. */
void heap_scratch_init(struct heap_scratch *scratch);
/* From now on, or not; what was before. */
bool heap_scratch_use(bool is_used);
/* Nothing of it is needed any more, and it is not used. */
void heap_scratch_clear(void);
/* Nothing more is taken from there: there may be threads. */
void heap_scratch_close(void);

/* ---- for the allocator ---- */

void *heap_scratch_allocate(size_t size); /* NULL: it is not used, or has no room */
bool heap_scratch_has(const void *block);
size_t heap_scratch_size(const void *block);
/* In place; false: it has to be copied. */
bool heap_scratch_resize(void *block, size_t size);
void heap_scratch_free(void *block);

#endif
