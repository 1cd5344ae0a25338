/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Variables whose types a unit changes: what they held goes into their new storage. */
#ifndef ACHAR_WORKER_CARRY_H
#define ACHAR_WORKER_CARRY_H

#include "kernel/plan/plan.h"
#include "kernel/worker/engine.h"
#include "pickler/value/migrate.h"

struct carry {
    struct value_move *moves;
    size_t n, types_from;
};

/* Before the unit is loaded: where its variables are. */
void carry_start(struct carry *carry, const struct engine *engine,
                 const struct plan *plan);
/* When it is loaded, with layouts: brings the values over and says on stderr, unless it
 * is to be quiet, what did not come along. */
void carry_finish(struct carry *carry, struct engine *engine, bool is_quiet);
void carry_clear(struct carry *carry);

#endif
