/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The text/plain rendering of a value by its C type, as a person would write it in C.
 * Runs in the process that holds the value. Any bit pattern is fine: a pointer that
 * cannot be read is shown as such, and depth, length and total size have limits. */
#ifndef ACHAR_DISPLAY_VALUE_H
#define ACHAR_DISPLAY_VALUE_H

#include "pickler/base/buffer.h"
#include "pickler/type/type.h"
#include "pickler/value/value.h"

struct display_limits {
    unsigned depth;    /* aggregates inside aggregates; deeper ones are {...} */
    unsigned pointers; /* pointers followed one behind the other */
    uint64_t elements; /* of an array before "... N more" */
    uint64_t pointed;  /* the same for the elements behind a pointer */
    size_t string;     /* bytes of a string */
    size_t width;      /* columns an aggregate may take before it is broken into lines */
    size_t bytes;      /* of the whole text */
};

/* depth 10, pointers 6, elements 100, pointed 10, string 1000, width 88, bytes 65536 */
extern const struct display_limits display_defaults;

/* Adds the text of the object of `type` at `address`. `world` (its callbacks may be NULL,
 * as may itself) tells blocks, variables and functions; `limits` NULL: the defaults.
 * -EFAULT: the object itself cannot be read; "(unreadable)" was added. */
int display_value(const struct value_world *world, const struct types *types,
                  uint32_t type, const void *address, const struct display_limits *limits,
                  struct buffer *out);

#endif
