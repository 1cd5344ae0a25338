/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a value looks: as a function mime_TYPE of the session says, as text, and as a table
 * where it is one. */
#ifndef ACHAR_WORKER_REPRESENT_H
#define ACHAR_WORKER_REPRESENT_H

#include "kernel/worker/engine.h"

/* True for achar_display *, whose value is what it has shown already. */
bool represent_is_handle(const struct types *types, uint32_t type);

/* void mime_TYPE(const TYPE *value, achar_bundle *out) */
typedef void (*represent_function)(void *value, void *bundle);

/* The session's function for a record or enumeration, or for what a pointer to one leads
 * to: one whose name begins with mime_ and that takes a pointer to this type; NULL: none.
 * A function that has the name but another type is told on stderr. *ret_value is what it
 * is called with. */
represent_function represent_find(const struct engine *engine, uint32_t type,
                                  const void *value, void **ret_value);
/* Calls it as a cell's code is called. */
void represent_run(represent_function function, void *value, struct bundle *bundle,
                   struct outcome *ret);
/* Adds text/plain, and text/html for a table, unless a function has given them. `world`
 * is the engine's, or one like it. */
void represent_rest(const struct value_world *world, uint32_t type, const void *value,
                    bool is_ours, struct bundle *bundle);

#endif
