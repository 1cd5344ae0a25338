/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The executor `local`: a pool on this machine, a child of this process, behind a
 * socketpair. One that dies is replaced. */
#include <errno.h>
#include <string.h>

#include "kernel/peer/process.h"
#include "magics/executors/executor.h"
#include "pickler/base/clock.h"

#define LOCAL_WORKERS_MAX 512
#define LOCAL_END_MS 3000   /* a pool that was told to end is killed after this */
#define LOCAL_DEATHS_MAX 3  /* pools that ended within this ... */
#define LOCAL_YOUNG_MS 5000 /* ... of their start, one after the other */

struct local {
    const struct executor_option *options;
    size_t n_options;
    bool has_link;
    unsigned n_deaths;
    int64_t started; /* ms */
};

static int check(const struct executor_option *options, size_t n_options,
                 struct error *err)
{
    unsigned n;
    return executor_number(options, n_options, "workers", LOCAL_WORKERS_MAX, &n, err);
}

static int open_local(const struct executor_option *options, size_t n_options, void **ret,
                      struct error *err)
{
    (void)err;
    struct local *local = must_alloc(sizeof(*local));
    *local = (struct local){.options = options, .n_options = n_options};
    *ret = local;
    return 0;
}

static int next(void *executor, struct executor_link *ret, struct error *err)
{
    struct local *local = executor;
    if (local->has_link)
        return 0;
    if (local->n_deaths >= LOCAL_DEATHS_MAX)
        return error_set(err, -EPIPE, "its pool has ended %d times soon after its start",
                         LOCAL_DEATHS_MAX);
    const char *workers = executor_option(local->options, local->n_options, "workers");
    const char *argv[] = {"achar-pool", workers ? "--workers" : NULL, workers, NULL};
    CLEANUP(freep) struct process *pool = must_alloc(sizeof(*pool));
    int r = process_start(argv, false, -1, 1, pool, err);
    if (r < 0)
        return r;
    local->has_link = true;
    local->started = clock_ms();
    *ret = (struct executor_link){.channel = TAKE(pool->channel),
                                  .host = must_strdup("localhost"),
                                  .death_fd = pool->pidfd};
    ret->state = TAKE(pool);
    return 1;
}

static void end(void *executor, void *state)
{
    struct local *local = executor;
    struct process *pool = state;
    process_leave(pool, LOCAL_END_MS);
    free(pool);
    local->has_link = false;
    local->n_deaths =
        clock_ms() - local->started < LOCAL_YOUNG_MS ? local->n_deaths + 1 : 0;
}

static const char *const options[] = {"workers", NULL};

const struct executor_type executor_local = {
    .name = "local",
    .summary = "a pool of worker processes on this machine",
    .options = options,
    .is_near = true,
    .lease_ms = 10000,
    .check = check,
    .open = open_local,
    .next = next,
    .end = end,
    .close = free,
};
