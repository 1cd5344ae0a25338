/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The executor `local`: a pool on this machine, a child of this process, behind a
 * socketpair. One that dies is replaced. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/peer/cpus.h"
#include "kernel/peer/process.h"
#include "magics/executors/executor.h"
#include "pickler/base/clock.h"

#define LOCAL_WORKERS_MAX 512
#define LOCAL_WORDS_MAX 12 /* and their end */
#define LOCAL_SECONDS_MAX 31536000
#define LOCAL_MEMORY_MIN (1u << 20)
#define LOCAL_MEMORY_MAX 0x1p50
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

/* What the pool is told: its words, as it takes them. */
struct pool_options {
    unsigned workers;
    char timeout[24], memory[24];
    const char *pin;
};

/* "1.5" seconds, as milliseconds. */
static int read_timeout(const char *text, struct pool_options *ret, struct error *err)
{
    char *end;
    double seconds = text ? strtod(text, &end) : 1;
    if (text &&
        (end == text || *end || !(seconds >= 0.001) || seconds > LOCAL_SECONDS_MAX))
        return error_set(err, -EINVAL,
                         "'--timeout=%s' is no time in seconds from 0.001 to %d", text,
                         LOCAL_SECONDS_MAX);
    if (text)
        snprintf(ret->timeout, sizeof(ret->timeout), "%lu",
                 (unsigned long)(seconds * 1000 + 0.999));
    return 0;
}

/* "2G", "512M", "64k" or bytes. */
static int read_memory(const char *text, struct pool_options *ret, struct error *err)
{
    static const char units[] = "kMGT";
    char *end;
    double bytes = text ? strtod(text, &end) : 0;
    const char *unit = text && end > text && *end ? strchr(units, *end) : NULL;
    for (int i = 0; unit && i <= unit - units; i++)
        bytes *= 1024;
    bool is_read = text && end > text && !end[unit != NULL];
    if (text && (!is_read || !(bytes >= LOCAL_MEMORY_MIN) || bytes > LOCAL_MEMORY_MAX))
        return error_set(err, -EINVAL,
                         "'--memory=%s' is no amount of memory such as 512M or 2G, at "
                         "least 1M",
                         text);
    if (text)
        snprintf(ret->memory, sizeof(ret->memory), "%.0f", bytes);
    return 0;
}

/* "0-3,6"; without a value all processors that this process may use. */
static int read_pin(const char *text, struct pool_options *ret, struct error *err)
{
    cpu_set_t cpus;
    ret->pin = text && !*text ? CPUS_ALL : text;
    if (ret->pin && !cpus_read(ret->pin, &cpus))
        return error_set(err, -EINVAL,
                         "'--pin=%s' is no list of processors of this machine such as "
                         "0-3,6",
                         text);
    return 0;
}

static int read_options(const struct executor_option *options, size_t n_options,
                        struct pool_options *ret, struct error *err)
{
    int r = executor_number(options, n_options, "workers", LOCAL_WORKERS_MAX,
                            &ret->workers, err);
    if (r == 0)
        r = read_timeout(executor_option(options, n_options, "timeout"), ret, err);
    if (r == 0)
        r = read_memory(executor_option(options, n_options, "memory"), ret, err);
    if (r == 0)
        r = read_pin(executor_option(options, n_options, "pin"), ret, err);
    return r;
}

static int check(const struct executor_option *options, size_t n_options,
                 struct error *err)
{
    struct pool_options read = {0};
    if (executor_option(options, n_options, "prologue"))
        return error_set(err, -EINVAL,
                         "--prologue is for pools that start elsewhere (ssh, slurm); one "
                         "of 'local' has the kernel's environment, to which --env of a "
                         "call adds");
    return read_options(options, n_options, &read, err);
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

static void add_word(const char **argv, size_t *n, const char *name, const char *value)
{
    if (!value)
        return;
    argv[(*n)++] = name;
    argv[(*n)++] = value;
}

static int next(void *executor, struct executor_link *ret, struct error *err)
{
    struct local *local = executor;
    if (local->has_link)
        return 0;
    if (local->n_deaths >= LOCAL_DEATHS_MAX)
        return error_set(err, -EPIPE, "its pool has ended %d times soon after its start",
                         LOCAL_DEATHS_MAX);
    struct pool_options told = {0};
    const char *argv[LOCAL_WORDS_MAX] = {"achar-pool", "--near"};
    size_t n = 2;
    int r = read_options(local->options, local->n_options, &told, err);
    if (r < 0)
        return r;
    add_word(argv, &n, "--workers",
             executor_option(local->options, local->n_options, "workers"));
    add_word(argv, &n, "--timeout-ms", *told.timeout ? told.timeout : NULL);
    add_word(argv, &n, "--memory-bytes", *told.memory ? told.memory : NULL);
    add_word(argv, &n, "--pin", told.pin);
    CLEANUP(freep) struct process *pool = must_alloc(sizeof(*pool));
    r = process_start_near(argv, 1, pool, err);
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

static const char *const options[] = {"workers", "pin",      "memory",
                                      "timeout", "prologue", NULL};

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
