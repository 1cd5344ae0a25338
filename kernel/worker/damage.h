/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Damage of the heap as faults of cells: blocks that are freed twice, written behind
 * their end or after they were freed, with the line that allocated them. */
#ifndef ACHAR_WORKER_DAMAGE_H
#define ACHAR_WORKER_DAMAGE_H

#include "pickler/code/names.h"

/* What free() and realloc() find is the fault of the cell that runs. */
void damage_watch(const struct names *names);

/* From now on, so is what is found when a call has come back. */
void damage_check(void);

struct damage_text {
    char name[32], message[256];
};

/* Damage that may be why code of libraries faults; false: none was found. For signal
 * handlers; it may fault itself. */
bool damage_find(struct damage_text *ret);

#endif
