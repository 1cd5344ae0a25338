/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory of code that redefinitions have left behind. */
#ifndef ACHAR_WORKER_TIDY_H
#define ACHAR_WORKER_TIDY_H

#include "kernel/worker/engine.h"

/* Frees what nothing in this process can lead to any more, when it is time to look; not
 * while threads of cells run, nor when there is too much memory to look through. Between
 * cells only. */
void tidy(struct engine *engine);
/* Marks the types that blocks of the heap say they are of; false when that cannot be
 * told: the heap is too large to look through, or has no records. */
bool tidy_keep_types(const struct engine *engine, bool *is_kept);
/* Another thread than the calling one exists, or that cannot be told. */
bool tidy_has_threads(void);

#endif
