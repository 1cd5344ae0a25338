/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The optimised tier of a process that runs cells: a unit that holds several functions of
 * the session compiled together, so that they call each other directly and are inlined
 * into each other. Its roots take the place of the bodies that their definitions came
 * with. Only calls inside the unit are direct: an address that is taken of a function is
 * its trampoline, as everywhere.
 *
 * What was compiled in are the unit's members. When one of them is bound again, the slot
 * of every root that may hold it goes back to the definition's own body in the same
 * moment, so no call reaches an old helper. */
#ifndef ACHAR_CODE_SWAP_H
#define ACHAR_CODE_SWAP_H

#include "pickler/code/names.h"

#define SWAP_MEMBERS_MAX 4096 /* of one unit */

struct swap_member {
    const char *name;
    uint32_t version; /* the definition that was compiled in */
    bool is_root;     /* its trampoline is to jump into the unit */
    const uint32_t
        *needs; /* of a root: positions of the members that its code may hold */
    size_t n_needs;
};

struct swapped {
    uint32_t serial; /* the caller's number for it */
    const struct unit *unit;
    struct swapped_root {
        struct name *name;
        char *body;
        struct name **needs; /* owned */
        size_t n_needs;
    } *roots;
    size_t n_roots;
};

/* Loads the object (made from text that defines every member under its public name) and
 * swaps its roots in. -ESTALE: a member has another version by now; -EEXIST: a unit of
 * this serial number is in use; -EINVAL: it has constructors, or lacks a root. The unit
 * is borrowed. */
int swap_in(struct names *names, uint32_t serial, const void *object, size_t size,
            const struct swap_member *members, size_t n, struct unit **ret,
            struct error *err) MUST_USE;

/* Every root that may hold the function is out of use from now on. */
void swap_take_back(struct names *names, const struct name *member);
void swap_take_back_all(struct names *names);
/* Calls of this function reach an optimised body. */
bool swap_is_optimised(const struct name *name);
void swap_clear(struct names *names);

#endif
