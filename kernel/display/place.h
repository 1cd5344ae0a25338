/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where in a variable an address is, as one would write it: [3], .from.x. */
#ifndef ACHAR_DISPLAY_PLACE_H
#define ACHAR_DISPLAY_PLACE_H

#include "pickler/base/buffer.h"
#include "pickler/type/type.h"

/* A type's name without const and volatile in front. */
const char *plain_spelling(const char *spelling);
/* The same type but for these. */
bool is_same_plain(const struct types *types, uint32_t a, uint32_t b);

/* Adds the way from an object of type `type` to the object of type `target` that starts
 * `offset` bytes into it ("" for the object itself); a target of void is the outermost
 * object that starts there. One past the end of an array counts as its element. False:
 * there is no such object, and nothing was added. */
bool place_add(struct buffer *out, const struct types *types, uint32_t type,
               uint32_t target, uint64_t offset);

#endif
