/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Cells that only look: nothing has to be kept to take them back. */
#ifndef ACHAR_SESSION_LOOK_H
#define ACHAR_SESSION_LOOK_H

#include "kernel/plan/plan.h"
#include "pickler/graph/graph.h"

/* True when all that the plan does is to show a value that is made of the session's
 * variables by operators that change nothing. False when in doubt. */
bool look_is_all(const struct plan *plan, const struct graph *graph,
                 const struct types *types);

#endif
