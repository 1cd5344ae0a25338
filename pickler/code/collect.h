/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What redefinitions have left behind is freed when nothing can lead to it: units (the
 * optimised tier's, too), storage of variables that have another type now, trampolines of
 * functions that have another signature. What names mean is needed, and so is all that
 * needed code, needed data and the memory that the caller shows lead to (conservatively:
 * whatever looks like an address keeps what it leads to; also as glibc hides those in
 * atexit() lists and jmp_buf). Between cells only, while no thread runs cell code. */
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
