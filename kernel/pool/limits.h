/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a task may use, and where it runs. Times are watched by the pool; memory by the
 * kernel for each process (RLIMIT_DATA, kernel/worker/limit.h), and by the pool for all
 * that a task has started together. */
#ifndef ACHAR_POOL_LIMITS_H
#define ACHAR_POOL_LIMITS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#define LIMITS_LOOK_US 20000 /* between two looks at how much memory is used */

struct limits {
    uint64_t memory;     /* bytes, 0: any */
    uint64_t timeout_us; /* of one task, 0: for ever */
    cpu_set_t cpus;      /* one for each task that runs, if is_pinned */
    bool is_pinned;
};

struct pool;
struct family;
struct worker;

/* Before a task is handed to a job worker that has none: a processor of its own. */
void limits_pin(const struct pool *pool, struct worker *worker);
/* Ends tasks that are over a limit. */
void limits_time(struct pool *pool, uint64_t now);
uint64_t limits_due(const struct pool *pool); /* us; UINT64_MAX: never */

#endif
