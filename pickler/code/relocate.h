/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The part of the loader that knows x86-64 relocations (System V ABI, AMD64 supplement,
 * 4.4). A reference out of the arena that does not reach goes through a slot (data) or a
 * stub (code) of the image. */
#ifndef ACHAR_CODE_RELOCATE_H
#define ACHAR_CODE_RELOCATE_H

#include "pickler/code/loader.h"

enum { LINK_SLOT = 1, LINK_STUB = 2, LINK_PAIR = 4 }; /* what a symbol needs */

struct image_link {
    struct elf elf;
    size_t *offsets; /* of sections in their part */
    size_t *commons; /* of SHN_COMMON symbols in the data part */
    uint8_t *needs;  /* LINK_SLOT, LINK_STUB and LINK_PAIR of each symbol */
    size_t n_stubs, n_slots, n_pairs;
    size_t stubs, slots; /* offsets in the code and data part */
    size_t pairs; /* of struct thread_index; the first one is the unit's own block's */
    size_t alignment;
};

/* Counts slots and stubs and refuses relocations that are not known. */
int link_scan(struct image_link *link, struct error *err) MUST_USE;

/* The address of a symbol that the object defines, NULL for others. */
char *link_symbol(const struct image *image, size_t symbol);

#endif
