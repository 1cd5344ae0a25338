/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Blocks lie all over the memory, and what is read of each (its header, its guard bytes)
 * is seldom in the processor's cache: it is asked for some words of the bitmap ahead. */
#include "kernel/worker/heap_audit.h"

#include "kernel/worker/heap_piece.h"

#define HEADERS_AHEAD 6 /* words */
#define GUARDS_AHEAD 3

/* Global, as the blocks are: where the next look goes on. */
static struct {
    size_t piece, group;
} audit;

static char *block_in(size_t piece, size_t word, uint64_t bits)
{
    size_t grain = word * 64 + (size_t)__builtin_ctzll(bits);
    return (char *)(piece << PIECE_BITS | grain << GRAIN_BITS);
}

static void fetch_headers(size_t piece, size_t word, uint64_t bits)
{
    for (; bits; bits &= bits - 1)
        __builtin_prefetch(heap_header_of(block_in(piece, word, bits)));
}

/* A size that is damaged leads anywhere: a prefetch does not fault. */
static void fetch_guards(size_t piece, size_t word, uint64_t bits)
{
    for (; bits; bits &= bits - 1) {
        const char *block = block_in(piece, word, bits);
        uintptr_t end = (uintptr_t)block + heap_header_of(block)->size;
        __builtin_prefetch((const void *)end);
    }
}

/* Blocks that start in a group of words; adds their number. */
static bool check_group(size_t piece, size_t group, size_t *n_visits,
                        struct heap_finding *ret)
{
    const uint64_t *words = heap_pieces[piece]->live;
    size_t first = group * GROUP_WORDS, end = first + GROUP_WORDS;
    for (size_t i = first; i < end; i++) {
        if (i + HEADERS_AHEAD < end)
            fetch_headers(piece, i + HEADERS_AHEAD, words[i + HEADERS_AHEAD]);
        if (i + GUARDS_AHEAD < end)
            fetch_guards(piece, i + GUARDS_AHEAD, words[i + GUARDS_AHEAD]);
        for (uint64_t bits = words[i]; bits; bits &= bits - 1) {
            ++*n_visits;
            if (heap_find_damage(block_in(piece, i, bits), ret))
                return true;
        }
    }
    return false;
}

static bool next_group_of(const struct piece *piece)
{
    for (; audit.group < WORDS / GROUP_WORDS; audit.group++) {
        uint64_t left = piece->used[audit.group / 64] >> audit.group % 64;
        if (left) {
            audit.group += (size_t)__builtin_ctzll(left);
            return true;
        }
        audit.group |= 63;
    }
    return false;
}

/* The next group in which a block ever started, from where the last look ended. */
static bool next_group(void)
{
    while (audit.piece < PIECES) {
        uint64_t left = heap_pieces_mapped[audit.piece / 64] >> audit.piece % 64;
        if (left & 1 && next_group_of(heap_pieces[audit.piece]))
            return true;
        left &= ~(uint64_t)1;
        audit.piece =
            left ? audit.piece + (size_t)__builtin_ctzll(left) : (audit.piece | 63) + 1;
        audit.group = 0;
    }
    audit.piece = audit.group = 0;
    return false;
}

bool heap_audit(struct heap_finding *ret)
{
    size_t n_visits = 0;
    bool is_from_start = !audit.piece && !audit.group;
    while (n_visits++ < AUDIT_VISITS_MAX) {
        if (!next_group()) {
            if (is_from_start)
                return false;
            is_from_start = true;
            continue;
        }
        size_t piece = audit.piece, group = audit.group++;
        if (check_group(piece, group, &n_visits, ret))
            return true;
    }
    return false;
}
