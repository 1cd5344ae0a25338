/* SPDX-License-Identifier: BSD-3-Clause
 *
 * After a fork the first write to each page costs a page fault and a copy. A cell writes
 * mostly to the pages that the last one wrote to (the compiler's tables, the heap's, the
 * stack), so these are copied while nobody waits. */
#ifndef ACHAR_WORKER_HOT_PAGES_H
#define ACHAR_WORKER_HOT_PAGES_H

/* Once, before the other two. */
void hot_pages_init(void);
/* Before a fork: which pages have been written to since the last one. */
void hot_pages_find(void);
/* After it, in the process that goes on: copies them. */
void hot_pages_copy(void);

#endif
