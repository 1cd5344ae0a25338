/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The names of a header index, each once, by number, with what declares them. */
#ifndef ACHAR_UNIT_HEADER_NAMES_H
#define ACHAR_UNIT_HEADER_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/memory.h"

#define NO_NAME UINT32_MAX

/* The part a word plays in a declaration. */
enum header_word {
    HEADER_NAME,
    HEADER_TAG,       /* struct, union, enum */
    HEADER_ATTRIBUTE, /* __attribute__, asm: parentheses may follow */
    HEADER_TYPEOF,    /* parentheses follow */
    HEADER_QUALIFIER, /* goes with a base type, not being one */
    HEADER_TYPEDEF,
    HEADER_KEYWORD, /* int, unsigned, sizeof, ... */
};

struct chunk_list {
    uint32_t *chunks;
    size_t n, capacity;
};

struct header_name {
    char *text; /* owned */
    uint32_t size, hash;
    uint32_t macro; /* index + 1 of the live macro, 0: none */
    enum header_word word;
    bool is_type;
    struct chunk_list ordinary, tags; /* the chunks that declare it, in order */
    uint32_t seen; /* chunk or macro + 1 whose mentions it is in already (ordinary) */
    uint32_t seen_tag;
};

struct header_names {
    struct header_name *names;
    size_t n, capacity;
    uint32_t *slots; /* number + 1; open addressing, a power of two */
    size_t n_slots;
};

void header_names_clear(struct header_names *names);
uint32_t header_names_add(struct header_names *names, const char *text, size_t size);
uint32_t header_names_find(const struct header_names *names, const char *text,
                           size_t size);
void chunk_list_add(struct chunk_list *list, uint32_t chunk); /* no duplicates in a row */

#endif
