/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A fork copies one entry of a page table for each page of memory, and the end of the
 * copy takes it back. Data of cells that is large and rests needs one for 2 MB instead:
 * while the worker has nothing to do, the system is asked to move such memory into huge
 * pages. Memory that is not all in use stays as it is, so that none is added. */
#ifndef ACHAR_WORKER_HUGE_PAGES_H
#define ACHAR_WORKER_HUGE_PAGES_H

#include <stdint.h>

/* A checkpoint was made of that much memory: what is not written to until the next look
 * rests. */
void huge_pages_begin(uint64_t bytes);

/* How long to wait for a request before the next step, in ms; -1: for ever. */
int huge_pages_rest(void);

/* Moves 2 MB at most, which takes some tenths of a millisecond. */
void huge_pages_step(void);

#endif
