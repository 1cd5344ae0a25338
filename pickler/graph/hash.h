/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The identity of a definition: SHA-256 over what it is, not over how it is laid out or
 * where it stood. */
#ifndef ACHAR_GRAPH_HASH_H
#define ACHAR_GRAPH_HASH_H

#include "pickler/graph/definition.h"

/* Sets definition->hash; the definitions it refers to must have theirs. */
void definition_hash(struct definition *definition,
                     const struct definition *(*find)(void *context, uint32_t id),
                     void *context);

#endif
