/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The functions that <achar.h> declares for cells (pickler/achar.h). */
#ifndef ACHAR_WORKER_CELL_DISPLAY_H
#define ACHAR_WORKER_CELL_DISPLAY_H

#include <stdbool.h>

#include "pickler/type/type.h"

/* True for achar_display *. */
bool cell_display_is_handle(const struct types *types, uint32_t type);

/* The function of this name, NULL: there is none. */
void *cell_display_find(const char *name);

#endif
