/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values follow their types: when records are defined anew, what lives as the old ones
 * becomes the new ones, field by field by name. Variables have been given new storage;
 * blocks of the heap move too, and every pointer that can be found follows: those of
 * known type, and in unions and memory of unknown type what looks like one. */
#ifndef ACHAR_VALUE_MIGRATE_H
#define ACHAR_VALUE_MIGRATE_H

#include "pickler/value/value.h"

/* A variable whose storage has changed. */
struct value_move {
    const char *name; /* borrowed */
    char *from, *to;  /* `to` holds what the variable starts with */
    uint64_t from_size, to_size;
    uint32_t from_type, to_type;
    bool is_carried; /* else it keeps what it starts with, and pointers follow only */
};

struct migration {
    const struct value_world *world;
    size_t types_from; /* entries from here on are new */
    const struct value_move *moves;
    size_t n_moves;
    const struct value_root *others; /* all other variables */
    size_t n_others;
    bool keeps_blocks; /* old blocks stay allocated: threads may be using them */
};

/* What could not
 * be carried, or is new and zero, goes as text into `note`, empty when there is nothing
 * to say. Nothing has changed when it fails: -ENOMEM, -EINTR. */
int value_migrate(const struct migration *migration, struct buffer *note,
                  struct error *err) MUST_USE;

/* True when types from `types_from` on replace earlier ones. */
bool value_types_changed(const struct types *types, size_t types_from);

#endif
