/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The definition graph: everything that is defined in a session, old versions included,
 * and which version a name means now. One structure serves redefinition, minimal units,
 * pickling, %who and the analyser's restart. */
#ifndef ACHAR_GRAPH_GRAPH_H
#define ACHAR_GRAPH_GRAPH_H

#include <stddef.h>

#include "pickler/graph/definition.h"

struct graph;

struct graph *graph_new(void) MUST_USE;
void graph_clear(struct graph *graph); /* empty, as new; ids begin again */
void graph_free(struct graph *graph);
DEFINE_FREEP(struct graph, graph_free)

uint32_t graph_next_id(const struct graph *graph); /* one more than the largest id */

/* Takes the definition and makes its names mean it. A declared-only function does not
 * hide a defined one of the same name and type. An "#undef NAME" removes the name.
 * Computes the hash: SHA-256 over kind, name, tokens of the source, and the hashes
 * referred to; references to functions and variables of the same or a later id go in by
 * name. */
void graph_add(struct graph *graph, struct definition *definition);

/* What the name means now, borrowed; NULL when nothing. Tags are asked as "struct x". */
const struct definition *graph_current(const struct graph *graph, const char *name);
const struct definition *graph_get(const struct graph *graph, uint32_t id);

/* Removes a name (%undef, %reset); versions that others refer to stay reachable by id.
 * "#NAME" is the macro only, otherwise a macro goes before what it hides. */
bool graph_forget(struct graph *graph, const char *name);
/* {n s}: the names, as graph_forget() takes them, that definitions of the graph have made
 * and that mean nothing now. With the definitions they make the same graph again. */
void graph_pack_forgotten(const struct graph *graph, struct buffer *out);

/* The graph as it is now, to come back to. From the first mark on the graph notes what
 * names meant before; graph_forget_marks() says which notes are still needed: those since
 * the oldest mark that may be asked for. Who removes old versions from the graph keeps
 * those of which graph_may_return() is true. */
struct graph_mark {
    uint32_t next_id;
    uint64_t n_changes;
};
struct graph_mark graph_mark(struct graph *graph);
/* Removes what was added since, and names mean again what they meant. The ids that are
 * free now are not given again: an "#undef" of a name of our own has the last of them. */
void graph_rewind(struct graph *graph, struct graph_mark mark);
void graph_forget_marks(struct graph *graph, struct graph_mark oldest);
bool graph_may_return(const struct graph *graph, const struct definition *definition);

/* Now and then (when it is due) old versions are removed that neither a name nor a mark
 * nor one of the n `roots` leads to. True when it is due: for asking what the roots are.
 */
bool graph_is_prune_due(const struct graph *graph);
void graph_prune(struct graph *graph, const uint32_t *roots, size_t n_roots);

/* All definitions in order of id, old versions too. */
size_t graph_count(const struct graph *graph);
const struct definition *graph_at(const struct graph *graph, size_t index);
/* True when this version is what its name means now. */
bool graph_is_current(const struct graph *graph, const struct definition *definition);

/* True when the text of `user` mentions what `used` is the current version of; of types,
 * macros and headers only this very version. */
bool graph_uses(const struct graph *graph, const struct definition *user,
                const struct definition *used);

/* The closure over references from `roots`, roots included, in order of id, each once.
 * References to functions and variables are late bound: they follow the name to its
 * current version; types, macros and includes are those of definition time. *ret is owned
 * by the caller, its elements are borrowed. */
void graph_closure(const struct graph *graph, const uint32_t *roots, size_t n_roots,
                   const struct definition ***ret, size_t *ret_n);

#endif
