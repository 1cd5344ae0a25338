/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The units that a session is made of: what a new worker is given to be up to date. */
#ifndef ACHAR_SESSION_KEPT_H
#define ACHAR_SESSION_KEPT_H

#include "kernel/plan/plan.h"
#include "pickler/graph/graph.h"

struct kept_unit {
    struct plan *plan;
    struct buffer object; /* empty: libtcc compiles the plan's text */
    uint64_t moment;      /* of the session when it had come */
    uint64_t serial;      /* grows, and is never given again */
};

struct kept_units {
    struct kept_unit *at;
    size_t n, capacity;
    size_t prune_at; /* number of units at which the dead ones are looked for */
    uint64_t n_added;
    uint64_t n_drops; /* how often units were taken back */
};

void kept_clear(struct kept_units *kept);
/* Takes both; a unit that defines nothing is dropped at once. */
void kept_add(struct kept_units *kept, struct plan *plan, struct buffer *object,
              uint64_t moment, const struct graph *graph, const struct types *types);
void kept_drop_after(struct kept_units *kept, uint64_t moment); /* what came after it */

#endif
