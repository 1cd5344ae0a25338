/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pieces of payloads (pickler/payload/recipe.h), by the hash of their bytes: what one
 * payload has brought another one need not bring again. Values are in memory, files on
 * disk, each in one file without a name that ends with the process; of a front on this
 * machine, in the file that it has put them in.
 *
 * A payload's pieces stay while the payload does, then until there is need of room. */
#ifndef ACHAR_POOL_PIECES_H
#define ACHAR_POOL_PIECES_H

#include "pickler/payload/recipe.h"

#define PIECES_UNUSED_BYTES ((uint64_t)1 << 30) /* that no payload has any more */
#define PIECES_FILES_MAX 32                     /* of the front's; more are copied */
#define PIECES_BUCKETS 4096

struct piece_file {
    int fd;
    uint64_t end; /* of our own: what is free begins here */
    unsigned n_pieces;
};

struct piece {
    struct piece *next; /* in its bucket */
    uint8_t hash[PAYLOAD_HASH_SIZE];
    uint64_t size;
    struct piece_file *file;
    uint64_t offset;
    bool is_here, is_asked; /* is_asked: the front has been asked for it */
    unsigned n_users;
    uint64_t used; /* grows with every use: the least is the oldest */
};

struct pieces {
    struct piece *buckets[PIECES_BUCKETS];
    struct piece_file *memory, *disk; /* NULL: not needed so far */
    unsigned n_foreign;
    uint64_t clock, unused_bytes;
};

void pieces_clear(struct pieces *pieces);

/* The payload's pieces with a hash, in order; each has a user more. Those that are not
 * here have got their place. */
int pieces_take(struct pieces *pieces, const struct recipe *recipe, struct piece ***ret,
                struct error *err) MUST_USE;
void pieces_release(struct pieces *pieces, struct piece **taken, size_t n);

struct piece *pieces_find(struct pieces *pieces, const void *hash); /* NULL: unknown */
/* Its bytes have come. -ENOSPC and the like: there is no room. */
int pieces_fill(struct pieces *pieces, struct piece *piece, const void *data, size_t size,
                struct error *err) MUST_USE;
/* They are in a file of the front's, which is borrowed. */
struct piece_file *pieces_foreign(struct pieces *pieces, int fd);
int pieces_fill_from(struct pieces *pieces, struct piece *piece, struct piece_file *file,
                     uint64_t offset, struct error *err) MUST_USE;
void pieces_foreign_done(struct pieces *pieces, struct piece_file *file);

/* For who may read what is in it, and no more; owned. -errno. */
int piece_file_open(const struct piece_file *file) MUST_USE;

#endif
