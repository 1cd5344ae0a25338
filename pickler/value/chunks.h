/* SPDX-License-Identifier: BSD-3-Clause
 *
 * An array that may become huge and is filled from front to end: small ones are one
 * allocation that grows, large ones are chunks that never move, each on large pages, so
 * that filling them does not fault every 4 KiB. */
#ifndef ACHAR_VALUE_CHUNKS_H
#define ACHAR_VALUE_CHUNKS_H

#include "pickler/base/memory.h"

#include <stdbool.h>

struct chunks {
    char **at;
    size_t n, capacity;
    size_t room;       /* elements that there is memory for */
    bool is_first_big; /* the first chunk has its full size */
};

/* Makes room for element `index`, where all before it have room. `per_chunk` is a power
 * of two, and per_chunk * size a multiple of 2 MiB. */
void chunks_reserve(struct chunks *chunks, size_t index, size_t size, size_t per_chunk);
void chunks_clear(struct chunks *chunks, size_t size, size_t per_chunk);

#endif
