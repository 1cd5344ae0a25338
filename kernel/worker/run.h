/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Plans of cells: loaded, run, and their value found. */
#ifndef ACHAR_WORKER_RUN_H
#define ACHAR_WORKER_RUN_H

#include "kernel/plan/plan.h"
#include "kernel/worker/engine.h"

/* Loads the plan's unit (compiled by libtcc when there is no object), and unless
 * RUN_LOAD_ONLY runs it. `*ret_value` is the address of the value's object, NULL when
 * there is none. Fails only when the plan's types cannot be read; all else is an outcome.
 */
int run_plan(struct engine *engine, const struct plan *plan, const void *object,
             size_t object_size, unsigned run_flags, struct outcome *ret,
             char **ret_value, struct error *err) MUST_USE;

/* What cells know as __achar_loops: a name of code, so there is one a process. */
extern unsigned long run_loops;

/* As run_plan(), for WORKER_TIME: *ret_times (owned) holds `repeats` times in
 * nanoseconds, of *loops rounds each. */
int run_timed(struct engine *engine, const struct plan *plan, const void *object,
              size_t object_size, uint64_t *loops, unsigned repeats, struct outcome *ret,
              uint64_t **ret_times, struct error *err) MUST_USE;

#endif
