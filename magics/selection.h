/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Definitions of the session chosen by kind and name, for the magics that list them and
 * take them away. */
#ifndef ACHAR_MAGICS_SELECTION_H
#define ACHAR_MAGICS_SELECTION_H

#include "magics/context.h"

struct selection {
    const struct definition **at; /* borrowed from the graph, in order of id */
    size_t n, capacity;
};

void selection_clear(struct selection *selection);

/* Words are kinds ("function", "functions"), names ("f", "struct s") and patterns of
 * names ("test_*"): what is of one of the kinds and of one of the names. No words: all.
 * A word that is none of these goes into the result. Static locals, includes and pragmas
 * are left out. */
bool selection_make(const struct magic_context *context, const char *const *words,
                    size_t n, struct selection *ret, struct result *result);

/* Names only, at least one must fit each word. */
bool selection_names(const struct magic_context *context, const char *const *words,
                     size_t n, struct selection *ret, struct result *result);

/* Current definitions that use this one, in order of id; of types, macros and headers
 * those that were compiled with this version. */
void selection_users(const struct graph *graph, const struct definition *definition,
                     struct selection *ret);

#endif
