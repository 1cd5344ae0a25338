/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Completion of a header's name behind #include. */
#ifndef ACHAR_UNIT_COMPLETE_HEADER_H
#define ACHAR_UNIT_COMPLETE_HEADER_H

#include <stdbool.h>
#include <stddef.h>

struct analysis;

/* Whether the cursor stands in a header's name; *ret_start is then the offset of its last
 * part, behind any slash. */
bool header_name_at(const char *source, size_t cursor, size_t *ret_start);

/* Calls `add` for every header and folder that could go on from `start`. */
void header_names_each(const struct analysis *analysis, const char *source, size_t start,
                       void (*add)(void *context, const char *name), void *context);

#endif
