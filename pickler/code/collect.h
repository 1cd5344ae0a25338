/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Code that redefinitions have left behind is freed when nothing can lead to it: no name,
 * and no word of memory that the caller shows (conservatively: what looks like an address
 * in it keeps it). Between cells only, while no thread runs cell code. */
#ifndef ACHAR_CODE_COLLECT_H
#define ACHAR_CODE_COLLECT_H

#include "pickler/code/names.h"

#define COLLECT_EVERY 512 /* units loaded since the last time */

struct collection;

/* NULL: it is not time yet, or thread-local variables could hold addresses unseen. */
struct collection *collect_start(struct names *names) MUST_USE;
/* Every byte may start an address. */
void collect_scan(struct collection *collection, const void *start, size_t size);
void collect_address(struct collection *collection, const void *address);
/* Frees what nothing led to, unless the caller could not show all memory; releases the
 * collection. The number of units that are gone. */
size_t collect_finish(struct collection *collection, bool is_complete);

#endif
