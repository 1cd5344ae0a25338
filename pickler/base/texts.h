/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Texts of cells, oldest first, each with where it stood and what it refers to. As many
 * are kept as there is room for: the oldest are forgotten first. */
#ifndef ACHAR_BASE_TEXTS_H
#define ACHAR_BASE_TEXTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell_text {
    uint32_t cell, line;
    char *text;
    uint32_t *refs; /* numbers that mean something to the owner; NULL: none */
    size_t n_refs;
};

struct texts {
    struct cell_text *at;
    size_t n, capacity;
    size_t size;            /* bytes of all */
    size_t size_max, n_max; /* set by the owner once */
};

void texts_clear(struct texts *texts); /* the limits stay */
/* Takes text and refs. False, and nothing is kept, when it is larger than all may be. */
bool texts_add(struct texts *texts, struct cell_text text);
/* Removes those that `is_over` is true of. */
void texts_remove(struct texts *texts,
                  bool (*is_over)(const void *context, const struct cell_text *text),
                  const void *context);
/* The newest of the cell, borrowed; `line` 0: whatever its line; NULL: none. */
const struct cell_text *texts_find(const struct texts *texts, uint32_t cell,
                                   uint32_t line);

#endif
