/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values that are tables by nature, as HTML: arrays of structs, a column a member, and
 * matrices of numbers; also behind a pointer to the first of several in a block. Runs
 * where display_value() does, and is as careful. */
#ifndef ACHAR_DISPLAY_TABLE_H
#define ACHAR_DISPLAY_TABLE_H

#include "kernel/display/value.h"

#define TABLE_ROWS_HEAD 50 /* shown of more than head and tail together */
#define TABLE_ROWS_TAIL 10
#define TABLE_COLUMNS_HEAD 20
#define TABLE_COLUMNS_TAIL 4
#define TABLE_CELL_MAX 120 /* bytes of text in one cell */

/* Adds the table; false when the object is none, and nothing was added. */
bool display_table(const struct value_world *world, const struct types *types,
                   uint32_t type, const void *address, struct buffer *out);

#endif
