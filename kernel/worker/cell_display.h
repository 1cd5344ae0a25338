/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The functions that <achar.h> declares for cells (pickler/achar.h). */
#ifndef ACHAR_WORKER_CELL_DISPLAY_H
#define ACHAR_WORKER_CELL_DISPLAY_H

#include "kernel/worker/engine.h"

/* Whose types and values display() shows; borrowed. */
void cell_display_init(const struct engine *engine);

/* The function of this name, NULL: there is none. */
void *cell_display_find(const char *name);

#endif
