/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The executor `local`: a pool on this machine, a child of this process, behind a
 * socketpair. */
#include <errno.h>
#include <string.h>

#include "kernel/peer/process.h"
#include "magics/executors/executor.h"

#define LOCAL_WORKERS_MAX 512
#define LOCAL_END_MS 3000 /* a pool that was told to end is killed after this */

static int read_workers(const struct executor_option *options, size_t n_options,
                        const char **ret, struct error *err)
{
    for (size_t i = 0; i < n_options; i++) {
        if (strcmp(options[i].name, "workers") != 0)
            continue;
        char *end;
        errno = 0;
        unsigned long n = strtoul(options[i].value, &end, 10);
        if (errno || *end || end == options[i].value || !n || n > LOCAL_WORKERS_MAX)
            return error_set(err, -EINVAL, "'--workers=%s' is not a number from 1 to %d",
                             options[i].value, LOCAL_WORKERS_MAX);
        *ret = options[i].value;
    }
    return 0;
}

static int check(const struct executor_option *options, size_t n_options,
                 struct error *err)
{
    const char *workers;
    return read_workers(options, n_options, &workers, err);
}

static int start(const struct executor_option *options, size_t n_options,
                 struct executor_start *ret, struct error *err)
{
    const char *workers = NULL;
    int r = read_workers(options, n_options, &workers, err);
    if (r < 0)
        return r;
    const char *argv[] = {"achar-pool", workers ? "--workers" : NULL, workers, NULL};
    CLEANUP(freep) struct process *pool = must_alloc(sizeof(*pool));
    r = process_start(argv, false, -1, 1, pool, err);
    if (r < 0)
        return r;
    ret->channel = TAKE(pool->channel);
    ret->death_fd = pool->pidfd;
    ret->state = TAKE(pool);
    return 0;
}

static void end(void *state)
{
    struct process *pool = state;
    process_leave(pool, LOCAL_END_MS);
    free(pool);
}

static const char *const options[] = {"workers", NULL};

const struct executor_type executor_local = {
    .name = "local",
    .summary = "a pool of worker processes on this machine",
    .options = options,
    .check = check,
    .start = start,
    .end = end,
};
