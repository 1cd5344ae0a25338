/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The cells that have run to their end without an error, in order, for programs made of
 * them. */
#ifndef ACHAR_MAGICS_RECORD_H
#define ACHAR_MAGICS_RECORD_H

#include <stddef.h>
#include <stdint.h>

#define RECORD_MAX (32u << 20) /* bytes; the oldest cells are forgotten first */

struct recorded_cell {
    uint32_t cell;
    char *text; /* as typed */
};

struct record {
    struct recorded_cell *at;
    size_t n, capacity, size;
};

void record_clear(struct record *record);
void record_add(struct record *record, uint32_t cell, const char *text);
/* The text of a cell, borrowed; NULL when there is none. */
const char *record_find(const struct record *record, uint32_t cell);

#endif
