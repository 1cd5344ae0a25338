/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a payload with much in it goes to a pool: the payload without the contents of its
 * values and files, and for each of these a stream of pieces. Small ones stand in the
 * recipe, large ones are known by the hash of their bytes and are sent only where they
 * are not yet: an array that has not changed travels once, however often the code around
 * it is edited. The pool knows pieces and hashes; what they mean only who loads it does.
 *
 *     recipe = "ACHR" u 0 | b payload | u nonce | stream of the values | n stream (files)
 *     stream = n piece
 *     piece  = u 0 | b bytes            in the recipe
 *            | u size | b hash          elsewhere */
#ifndef ACHAR_PAYLOAD_RECIPE_H
#define ACHAR_PAYLOAD_RECIPE_H

#include <string.h>

#include "pickler/payload/payload.h"

#define RECIPE_PIECE_MAX ((size_t)16 << 20)
#define RECIPE_PIECES_MAX 65536
#define RECIPE_BYTES_MAX ((uint64_t)16 << 30) /* of all pieces */

struct recipe_piece {
    uint64_t size;
    const uint8_t *hash; /* borrowed, PAYLOAD_HASH_SIZE; NULL: ... */
    const void *data;    /* ... these bytes; borrowed */
};

struct recipe_stream {
    struct recipe_piece *pieces;
    size_t n, capacity;
    uint64_t size;
    size_t first; /* of its pieces with a hash, counted over the whole recipe */
};

struct recipe {
    const void *payload; /* as payload_pack() makes it; borrowed */
    size_t payload_size;
    uint64_t nonce; /* tells payloads apart that are otherwise the same */
    struct recipe_stream values;
    struct recipe_stream *files; /* in the order of the payload's surroundings */
    size_t n_files;
    size_t n_hashed; /* pieces with a hash, in order: values, then files */
};

#define RECIPE_MAGIC "ACHR"
#define RECIPE_MAGIC_SIZE 4

/* Or a payload as it is. */
static inline bool recipe_is(const void *data, size_t size)
{
    return size >= RECIPE_MAGIC_SIZE &&
           memcmp(data, RECIPE_MAGIC, RECIPE_MAGIC_SIZE) == 0;
}
/* Borrows from `data`. Total and bounded, as payload_unpack(). */
int recipe_read(const void *data, size_t size, struct recipe *ret,
                struct error *err) MUST_USE;
void recipe_write(const struct recipe *recipe, struct buffer *out);
void recipe_clear(struct recipe *recipe);

void recipe_add(struct recipe_stream *stream, struct recipe_piece piece);

/* Calls `use` with every piece that has a hash, in their order. */
struct recipe_user {
    void *context;
    /* `offset` in its stream */
    void (*use)(void *context, const struct recipe_piece *piece, uint64_t offset,
                bool is_file);
};
void recipe_visit(const struct recipe *recipe, const struct recipe_user *user);

/* Where a piece is: `size` bytes at `offset` of a file. */
struct recipe_place {
    int fd; /* borrowed; -1: not here */
    uint64_t offset;
};

/* The payload, its values filled in and its files knowing their pieces; both borrow from
 * `recipe` and the file descriptors as long as they are used. Places are those of the
 * pieces with a hash, in order; without any (NULL) what is not here is zero: enough to
 * know the types of values. -EIO: a piece is not where it should be. */
int recipe_open(const struct recipe *recipe, const struct recipe_place *places,
                struct payload **ret, struct error *err) MUST_USE;
/* The same of a recipe's bytes, or of those of a payload as it is. */
int recipe_open_any(const void *data, size_t size, const struct recipe_place *places,
                    size_t n_places, struct payload **ret, struct error *err) MUST_USE;

#endif
