/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The bitmaps of the tracking allocator, for heap.c and for who looks through all memory
 * and must leave them out. */
#ifndef ACHAR_WORKER_HEAP_PIECE_H
#define ACHAR_WORKER_HEAP_PIECE_H

#include <stddef.h>
#include <stdint.h>

#define GRAIN_BITS 4 /* 16 bytes */
#define PIECE_BITS 32
#define PIECES ((size_t)1 << (47 - PIECE_BITS))
#define WORDS ((size_t)1 << (PIECE_BITS - GRAIN_BITS - 6))
#define GROUP_WORDS 64 /* one bit of `used` stands for so many words */

struct piece {
    uint64_t live[WORDS];
    uint64_t freed[WORDS];
    uint64_t used[WORDS / GROUP_WORDS / 64]; /* groups in which a block ever started */
};

/* Of 4 GiB of address space each; NULL: nothing was allocated there. */
extern struct piece *heap_pieces[PIECES];
extern uint64_t heap_pieces_mapped[PIECES / 64]; /* a bit for each that there is */

#endif
