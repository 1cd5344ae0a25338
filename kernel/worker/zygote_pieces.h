/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where the pieces of a payload (pickler/payload/recipe.h) are, as a pool tells its
 * zygote. */
#ifndef ACHAR_WORKER_ZYGOTE_PIECES_H
#define ACHAR_WORKER_ZYGOTE_PIECES_H

#include "kernel/peer/channel.h"
#include "pickler/payload/recipe.h"

struct zygote_pieces {
    struct recipe_place *places; /* descriptors are owned, by all pieces that have them */
    size_t n;
};

/* A ZYGOTE_PIECES; takes its descriptor. */
int zygote_pieces_take(struct zygote_pieces *pieces, const struct frame *frame) MUST_USE;
void zygote_pieces_clear(struct zygote_pieces *pieces);

#endif
