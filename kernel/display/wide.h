/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Characters and strings of wchar_t, char16_t and char32_t as C literals. */
#ifndef ACHAR_DISPLAY_WIDE_H
#define ACHAR_DISPLAY_WIDE_H

#include "pickler/base/buffer.h"
#include "pickler/type/type.h"

struct wide {
    const char *prefix; /* "L", "u", "U" */
    size_t size;        /* bytes of a unit, 2 or 4 */
};

/* False when the type is none of these; they are known by their names, since each is some
 * other integer type too. */
bool wide_of(const struct types *types, uint32_t type, struct wide *ret);

/* L'x' of the unit at `text`. */
void wide_add_char(struct buffer *out, const struct wide *wide, const void *text);
/* L"..." of `n` units; any alignment. */
void wide_add_string(struct buffer *out, const struct wide *wide, const void *text,
                     size_t n);
/* How many of `n` units stand before the first 0. */
size_t wide_length(const struct wide *wide, const void *text, size_t n);

#endif
