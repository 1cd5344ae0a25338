/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A value's text on its way: where it goes, its limits, and what the parts of the
 * renderer (aggregates in value.c, pointers in pointer.c) ask of each other. */
#ifndef ACHAR_DISPLAY_PRINTER_H
#define ACHAR_DISPLAY_PRINTER_H

#include "kernel/display/value.h"

#define PRINTER_SEEN_MAX 1000 /* objects that are remembered */

struct printer {
    const struct value_world *world;
    const struct types *types;
    const struct display_limits *limits;
    struct buffer *out;
    size_t start;    /* of this value's text */
    bool is_flat;    /* inside an attempt on one line ... */
    size_t flat_end; /* ... that must not reach beyond this */
    bool has_overflown;
    bool is_full; /* limits.bytes is reached: nothing more is added */
    struct seen { /* what pointers have led to so far, owned */
        const char *address;
        uint32_t type;
    } *seen;
    size_t n_seen, seen_capacity;
};

/* Where a value stands inside others. */
struct spot {
    unsigned depth, pointers; /* aggregates around it, pointers followed to it */
    unsigned indent;
};

bool printer_stopped(const struct printer *p); /* nothing more will be added */
void printer_add(struct printer *p, const char *text);
void printer_check_size(struct printer *p); /* after text was added to p->out directly */
void printer_cut(struct printer *p, size_t mark); /* back to an earlier size */
void printer_new_line(struct printer *p, unsigned indent);
size_t printer_column(const struct printer *p);

/* False when there is no such block, or no way to ask. */
bool printer_find_block(const struct printer *p, const void *address,
                        struct value_block *ret);
/* Elements of `type` from `address` to the end of its heap block, 1 outside of blocks and
 * inside objects of other types. */
uint64_t printer_count_elements(const struct printer *p, uint32_t type,
                                const char *address);
/* True when `size` bytes there can be read without a fault, and are not freed. */
bool printer_can_read(const struct printer *p, const char *address, uint64_t size);

/* Any value. */
void printer_show(struct printer *p, uint32_t type, const char *address,
                  struct spot spot);
/* Member number `i` of the record at `address`. */
void printer_show_member(struct printer *p, const struct type *record, size_t i,
                         const char *address, struct spot spot);
/* `count` elements as one braced list, at most `limit` of them shown. */
void printer_show_elements(struct printer *p, uint32_t element, const char *address,
                           uint64_t count, uint64_t limit, struct spot spot);
/* The pointer that is at `place`, and what is behind it. */
void printer_show_pointer(struct printer *p, uint32_t type, const char *place,
                          struct spot spot);

#endif
