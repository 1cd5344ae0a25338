/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The part of the loader that binds references, with machine.h, which knows the machine's
 * relocations. A reference out of the arena that does not reach goes through a slot
 * (data) or a stub (code) of the image. */
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
    size_t pairs;        /* the first one is the unit's own block's */
    size_t alignment;
};

/* What code asks for a thread-local variable's address with. */
struct link_pair {
    struct thread_index index; /* as __tls_get_addr() is given it */
    const void *descriptor[2]; /* where code calls through one: the function, its data */
};

/* What a machine's relocations are resolved with; lists are by symbol. */
struct binder {
    struct image *image;
    struct image_link *link;
    char **addresses; /* of every symbol, to be called */
    char **shown;     /* and to be stored and compared; NULL: as called */
    char **slots;     /* given so far, NULL: none yet */
    char **stubs;
    struct link_pair **pairs;
    size_t n_slots, n_stubs, n_pairs;
    struct error *err;
};

/* The address of a symbol where it is taken; of a place that holds it; of what reaches it
 * as the target of a call (calls out of the arena go through a stub in any case, since
 * backtraces name library functions by it). For the last two link_scan() must have been
 * told by machine_need(). */
char *binder_shown(const struct binder *binder, size_t symbol);
char *binder_slot(struct binder *binder, size_t symbol);
char *binder_called(struct binder *binder, size_t symbol);
/* What __tls_get_addr() is given for a symbol; for none (0): for the unit's own block. */
struct link_pair *binder_pair(struct binder *binder, size_t symbol);
/* Where the slots begin: the place of _GLOBAL_OFFSET_TABLE_. */
char *binder_table(const struct binder *binder);
/* -ERANGE, with its text. */
int binder_too_far(const struct binder *binder, size_t symbol);

/* Counts slots and stubs and refuses relocations that are not known. */
int link_scan(struct image_link *link, struct error *err) MUST_USE;

/* The address of a symbol that the object defines, NULL for others. */
char *link_symbol(const struct image *image, size_t symbol);

#endif
