/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The state of one dump. Blocks are numbered when a pointer first leads to them and are
 * written in that order, so the table of blocks is the queue and no depth is too deep.
 *
 * Where the allocation site does not tell a block's type, the pointers to it do, and all
 * of them must be known first: then the graph is walked once more beforehand
 * (`is_collecting`) and its blocks get their types in rounds. */
#ifndef ACHAR_VALUE_DUMP_H
#define ACHAR_VALUE_DUMP_H

#include "pickler/value/block.h"
#include "pickler/value/format.h"
#include "pickler/value/scalar.h"

/* A pointer of type `type *` leads to the start of a block of unknown type. */
struct vote {
    uint32_t type;
    uint32_t next; /* of the same block, plus one */
};

struct dump {
    const struct value_world *world;
    const struct value_root *roots;
    size_t n_roots;
    struct value_dump *ret;
    struct programs programs;
    struct blocks blocks;

    bool may_share;  /* value_dump_shared() */
    uint64_t shared; /* bytes that are not in `out` */
    struct buffer out;
    uint8_t *at, *limit; /* where the next byte goes in `out`, and its end */
    uint64_t *root_bytes;

    uint32_t current; /* the block that is being written */
    uint64_t steps;   /* since should_stop() was asked */
    bool is_stopped;

    struct map type_ids; /* type id: id in the bytes */
    uint32_t *used;      /* type ids in the order of those ids, from 1 */
    size_t n_used, used_capacity;

    uint32_t *loose; /* roots that are part of a block, or in no block */
    size_t n_loose, loose_capacity;
    struct map partial; /* starts of the blocks they are part of */

    /* Types of blocks whose allocation site does not tell. */
    bool needs_types; /* met one while writing: collect, then write again */
    bool is_collecting;
    struct map
        decisions; /* start of the block: type id * 2 + 1, or index of a reason * 2 */
    char **reasons;
    size_t n_reasons, reasons_capacity;
    struct vote *votes;
    size_t n_votes, votes_capacity;
    uint32_t *ready; /* blocks that have got their first vote */
    size_t n_ready, ready_capacity;
};

/* A place that a pointer leads to. */
struct target {
    uint32_t id;
    bool is_new;
    uint64_t offset;
};

/* The pointer in `op` of the current block, at `offset` of it. False: it cannot travel,
 * and that is noted. */
bool dump_resolve(struct dump *dump, const char *pointer, const struct op *op,
                  uint64_t offset, struct target *ret);

/* Notes why the object at `offset` of the block cannot travel; takes reason and hint. */
void dump_block(struct dump *dump, uint32_t id, uint64_t offset, char *reason,
                char *hint);

/* Makes block `id` one of elements of `type`, for the heap and variables. NULL, or why
 * that cannot be (owned). */
char *dump_set_type(struct dump *dump, uint32_t id, uint32_t type, uint64_t size);

/* Roots as the first blocks. */
int dump_add_roots(struct dump *dump, struct error *err);

void dump_vote(struct dump *dump, uint32_t id, uint32_t type, uint64_t offset);
/* Gives types to all blocks that are ready, and adds them to *ret for being read; false
 * when there are none. */
bool dump_decide_ready(struct dump *dump, uint32_t **ret, size_t *ret_n);
/* When nothing more is reached: what every block of unknown type is, or why not. */
void dump_decide_rest(struct dump *dump);

#define SHARE_MIN ((uint64_t)1 << 20)
/* The bytes there are the next ones; false: they must be copied. */
bool dump_share(struct dump *dump, const void *from, uint64_t size);

/* Room for `size` more bytes at dump->at. */
void dump_grow(struct dump *dump, size_t size);

static inline void dump_ensure(struct dump *dump, size_t size)
{
    if ((size_t)(dump->limit - dump->at) < size)
        dump_grow(dump, size);
}

static inline void dump_put(struct dump *dump, uint64_t value)
{
    dump_ensure(dump, VARINT_MAX);
    dump->at = put_varint(dump->at, value);
}

/* Writes the pointer at `at`, which is at `offset` of the current block. */
void dump_pointer(struct dump *dump, const struct op *op, const char *at,
                  uint64_t offset);
/* Writes elements that stand at `from`, which is at `offset` of the current block. */
void dump_elements(struct dump *dump, const struct program *program, uint64_t count,
                   const char *from, uint64_t offset);

/* The index behind the content. */
void dump_write_index(struct dump *dump);

#endif
