/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The C text of an optimised unit: functions of the session with the session functions
 * that they call, each under its public name, so that the compiler sees them as one file.
 * Everything else is declared only: variables, which live in the session, and functions
 * that must not be copied. */
#ifndef ACHAR_SESSION_TIER_TEXT_H
#define ACHAR_SESSION_TIER_TEXT_H

#include "kernel/plan/plan.h"
#include "pickler/graph/graph.h"

#define TIER_FUNCTIONS_MAX 256       /* compiled into one unit */
#define TIER_SOURCE_MAX (256u << 10) /* bytes of their sources */
#define TIER_CLOSURE_MAX (1u << 16)  /* definitions that one unit reaches */

/* The graph, and what a cell that runs right now adds to it. */
struct tier_scope {
    const struct graph *graph;
    const struct plan *plan; /* NULL: none */
    const uint32_t *refused; /* functions that must not be compiled in */
    size_t n_refused;
    const char *options; /* of what is compiled in (struct definition); NULL: none */
};

struct tier_text {
    struct buffer text;
    const struct definition **functions; /* compiled in; elements are borrowed */
    size_t n_functions, functions_capacity;
    const struct definition **called; /* only declared, of the session */
    size_t n_called, called_capacity;
};

void tier_text_clear(struct tier_text *text);

/* A definition of the scope by id, or what a function's or variable's name means in it;
 * NULL: nothing. */
const struct definition *tier_get(const struct tier_scope *scope, uint32_t id);
const struct definition *tier_current(const struct tier_scope *scope, const char *name);

/* It calls itself, or something that it leads to does: its tail calls must stay jumps, or
 * it would need a stack that it did not need before. */
bool tier_is_recursive(const struct tier_scope *scope, const struct definition *function);

/* The unit of these roots (ids of functions) and what they call, as far as the limits
 * allow; roots come first. */
void tier_text_make(const struct tier_scope *scope, const uint32_t *roots, size_t n,
                    struct tier_text *ret);

/* Which functions of the unit a call of `root` may reach: ids, owned. */
void tier_text_needs(const struct tier_scope *scope, const struct tier_text *text,
                     const struct definition *root, uint32_t **ret, size_t *ret_n);

#endif
