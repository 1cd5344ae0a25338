/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The state of one load: the bytes still to be read and the blocks met so far. Values of
 * variables wait in `staging` until everything has been read; the heap is built in place,
 * since nothing refers to it before. */
#ifndef ACHAR_VALUE_LOAD_H
#define ACHAR_VALUE_LOAD_H

#include "pickler/value/block.h"
#include "pickler/value/format.h"

#define LOAD_DIRECT_MIN (UINT64_C(1) << 20) /* bytes of a variable */
#define LOAD_MAX (UINT64_C(64) << 30)       /* bytes of all blocks together */

struct load {
    const struct value_world *world;
    struct value_index index;
    const uint8_t *at, *end; /* content that is still to be read */
    struct programs programs;
    struct program **by_id; /* by type id of the data; NULL: not asked for yet */
    struct blocks blocks;
    char **names; /* owned, of blocks by name */
    size_t n_names, names_capacity;
    uint32_t current; /* the block that is being read */
    uint64_t total;   /* bytes of all blocks */
    uint64_t steps;
    struct error *err;
    int result; /* first failure */
};

/* Records the first failure; yields false, as all readers below do when they fail. */
bool load_fail(struct load *load, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool load_damaged(struct load *load);

bool load_number(struct load *load, uint64_t *ret);
bool load_max(struct load *load, uint64_t max, uint64_t *ret);
const uint8_t *load_bytes(struct load *load, uint64_t size); /* NULL: cut short */

/* This process's program for a type of the data. */
struct program *load_program(struct load *load, uint32_t id);
/* Puts every root in its place. */
bool load_roots(struct load *load, const struct value_root *at);
/* A pointer at `offset` of the current block. */
bool load_pointer(struct load *load, const struct op *op, uint64_t offset, char *to);

/* Zero without making a system that hands out zero pages provide memory for them. */
void load_zero(char *memory, uint64_t size);
/* True when a new heap block of such elements is made zero before it is read: others are
 * written whole, except for runs of zeros. */
bool load_is_zeroed(const struct program *program, uint64_t count);

/* Reads elements into memory of theirs (`to`, at `offset` of the current block). When
 * `is_zero`, the memory is known to be zero already. */
bool load_elements(struct load *load, const struct program *program, uint64_t count,
                   char *to, uint64_t offset, bool is_zero);

#endif
