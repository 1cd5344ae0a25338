/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A payload as it goes to pools: its bytes, or a recipe (pickler/payload/recipe.h) and
 * the pieces that a pool may ask for. Nothing is copied: pieces are parts of what was
 * captured, which stays as long as one of them does. */
#ifndef ACHAR_EXECUTORS_PARCEL_H
#define ACHAR_EXECUTORS_PARCEL_H

#include "kernel/peer/blob.h"
#include "pickler/payload/recipe.h"

#define PARCEL_VALUE_MIN ((size_t)256 << 10) /* smaller values stand in the recipe */
#define PARCEL_FILE_MIN ((size_t)16 << 10)   /* smaller files likewise */

struct parcel_piece {
    uint8_t hash[PAYLOAD_HASH_SIZE];
    struct blob *blob; /* owned */
};

struct parcel {
    uint8_t hash[PAYLOAD_HASH_SIZE];
    struct blob *bytes; /* owned */
    struct parcel_piece *pieces;
    size_t n_pieces, capacity;
    uint64_t size; /* of bytes and pieces */
};

void parcel_clear(struct parcel *parcel);

/* `values` and `files` are whose memory the payload's values and files are in, or NULL.
 * `nonce` is that of the recipe. */
int parcel_make(const struct payload *payload, struct blob *values, struct blob *files,
                uint64_t nonce, struct parcel *ret, struct error *err) MUST_USE;
/* Of bytes that are one already. */
struct parcel parcel_of(const uint8_t hash[PAYLOAD_HASH_SIZE], const void *data,
                        size_t size);
struct parcel parcel_copy(const struct parcel *parcel); /* shares what is in it */

/* The piece of this hash, looked for from *at on, which is moved; NULL: none. Pools ask
 * in order. */
struct blob *parcel_find(const struct parcel *parcel, const void *hash, size_t *at);

#endif
