/* SPDX-License-Identifier: BSD-3-Clause
 *
 * <achar.h> as part of every executable that reads or writes C text, so that no compiler
 * needs a path to find it, here or where a payload goes. */
#ifndef ACHAR_GRAPH_OWN_HEADER_H
#define ACHAR_GRAPH_OWN_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "pickler/base/buffer.h"

#define OWN_HEADER_NAME "achar.h"

extern const char own_header_text[];

/* True for #include <achar.h>. */
bool own_header_is(const char *line, size_t size);
/* Adds an #include line, or what stands in <achar.h> when it names that. */
void own_header_add(struct buffer *out, const char *line, size_t size);

#endif
