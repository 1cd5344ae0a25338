/* SPDX-License-Identifier: BSD-3-Clause
 *
 * C text from definitions, with every macro at the version that a definition was written
 * under: before a definition's text, each macro it reaches is brought to that version by
 * #undef and #define, and nothing else is touched. Shared by minimal units of the session
 * and by payload units. */
#ifndef ACHAR_GRAPH_EMIT_H
#define ACHAR_GRAPH_EMIT_H

#include "pickler/graph/graph.h"

struct emitter;

/* `find` yields a definition by id (graph_get() or a payload's array); out is borrowed.
 */
struct emitter *emitter_new(const struct definition *(*find)(void *context, uint32_t id),
                            void *context, struct buffer *out) MUST_USE;
/* No #line from now on: the text is for people. */
void emitter_hide_places(struct emitter *emitter);
void emitter_free(struct emitter *emitter);
DEFINE_FREEP(struct emitter, emitter_free)

/* The declaration (types: the source; includes, pragmas: the line; macros: nothing until
 * they are needed), behind #line so that diagnostics point to In[cell]. */
void emitter_declare(struct emitter *emitter, const struct definition *definition);
/* The full text of a variable or function, behind #line. */
void emitter_define(struct emitter *emitter, const struct definition *definition);
/* Brings the macros that `ids` reach to those versions (before a cell's own text). */
void emitter_macros(struct emitter *emitter, const uint32_t *ids, size_t n);

#endif
