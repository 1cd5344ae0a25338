/* SPDX-License-Identifier: BSD-3-Clause
 *
 * achar-pool: the pool of one host, on PROCESS_CHANNEL_FD; behind somebody else's
 * launcher on its standard input and output, or a connection that it makes from there;
 * with --compile, the helper that runs cc for it; with --ranks, a pool of the ranks of an
 * MPI program, and with --rank the parent of one. Ends with its channel. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "kernel/peer/cpus.h"
#include "kernel/peer/memory_channel.h"
#include "kernel/peer/process.h"
#include "kernel/peer/protocol.h"
#include "kernel/pool/compile.h"
#include "kernel/pool/dial.h"
#include "kernel/pool/left.h"
#include "kernel/pool/pool.h"
#include "kernel/pool/ranks.h"

static unsigned count_processors(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < POOL_WORKERS_MAX ? (unsigned)n : POOL_WORKERS_MAX;
}

#define FDS_WANTED 4096
#define FDS_A_WORKER 4 /* task channel, out, err, pidfd */
#define FDS_OTHER 256  /* zygotes, and job workers that wait */

/* So many as there are descriptors for; the limit is raised as far as need be. */
static unsigned fit_workers(unsigned n_workers)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return n_workers;
    if (limit.rlim_cur < FDS_WANTED) {
        limit.rlim_cur = limit.rlim_max < FDS_WANTED ? limit.rlim_max : FDS_WANTED;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur < FDS_OTHER + FDS_A_WORKER)
        return 1;
    rlim_t most = (limit.rlim_cur - FDS_OTHER) / FDS_A_WORKER;
    return n_workers < most ? n_workers : (unsigned)most;
}

#define FIRST_MS 20000 /* until the terms come, which the front sends at once */

struct options {
    unsigned n_workers; /* 0: as many as there are processors */
    struct limits limits;
    bool is_compiler, has_ranks;
    const char *mark; /* frames begin behind it on the standard output; NULL: no stdio */
    bool dials;
    uint64_t first_ms; /* so long a front behind a launcher may say nothing at all */
    bool is_near;      /* frames go through shared memory, PROCESS_MEMORY_FD */
    const char *left;  /* shell command for when the front is gone; NULL: none */
    unsigned left_ms;  /* after this at the latest */
};

static int usage(void)
{
    fprintf(stderr,
            "achar-pool is started by achar: [--workers 1..%d] [--timeout-ms N] "
            "[--memory-bytes N] [--pin LIST] [--near | --stdio MARK [--dial] "
            "[--first-ms N] [--left COMMAND] [--left-ms N]] | "
            "--compile | --ranks, frames on descriptor %d or behind MARK\n",
            POOL_WORKERS_MAX, PROCESS_CHANNEL_FD);
    return 2;
}

static bool read_number(const char *text, uint64_t max, uint64_t *ret)
{
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno || *end || end == text || !n || n > max)
        return false;
    *ret = n;
    return true;
}

/* An option that takes a value. */
static bool read_value(const char *name, const char *value, struct options *ret)
{
    uint64_t n = 0;
    bool is_good = false;
    if (strcmp(name, "--stdio") == 0) {
        ret->mark = value;
        is_good = *value;
    } else if (strcmp(name, "--left") == 0) {
        ret->left = value;
        is_good = true;
    } else if (strcmp(name, "--left-ms") == 0) {
        is_good = read_number(value, INT32_MAX, &n);
        ret->left_ms = (unsigned)n;
    } else if (strcmp(name, "--workers") == 0) {
        is_good = read_number(value, POOL_WORKERS_MAX, &n);
        ret->n_workers = (unsigned)n;
    } else if (strcmp(name, "--timeout-ms") == 0) {
        is_good = read_number(value, UINT64_MAX / 2000, &n);
        ret->limits.timeout_us = n * 1000;
    } else if (strcmp(name, "--memory-bytes") == 0) {
        is_good = read_number(value, UINT64_MAX / 2, &ret->limits.memory);
        setenv(ZYGOTE_MEMORY, value, 1);
    } else if (strcmp(name, "--first-ms") == 0) {
        is_good = read_number(value, LINE_MS_MAX, &ret->first_ms);
    } else if (strcmp(name, "--pin") == 0) {
        is_good = ret->limits.is_pinned = cpus_read(value, &ret->limits.cpus);
    }
    return is_good;
}

static bool read_options(int argc, char **argv, struct options *ret)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--compile") == 0 && argc == 2)
            ret->is_compiler = true;
        else if (strcmp(argv[i], "--ranks") == 0 && argc == 2)
            ret->has_ranks = true;
        else if (strcmp(argv[i], "--dial") == 0)
            ret->dials = true;
        else if (strcmp(argv[i], "--near") == 0)
            ret->is_near = true;
        else if (i + 1 == argc || !read_value(argv[i], argv[i + 1], ret))
            return false;
        else
            i++;
    }
    if (!ret->n_workers)
        ret->n_workers = ret->limits.is_pinned ? (unsigned)CPU_COUNT(&ret->limits.cpus)
                                               : count_processors();
    return (!ret->dials || ret->mark) && (!ret->is_near || !ret->mark);
}

/* Standard input and output become the channel, and nobody else's: what a library prints
 * goes where errors go. */
static struct channel *open_stdio(const char *mark, struct error *err)
{
    int in = fcntl(0, F_DUPFD_CLOEXEC, 10), out = fcntl(1, F_DUPFD_CLOEXEC, 10);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (in < 0 || out < 0 || null < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0) {
        error_errno(err, -errno, "cannot use standard input and output");
        return NULL;
    }
    close(null);
    CLEANUP(channel_freep) struct channel *channel = channel_new(in, out);
    return channel_send_mark(channel, mark, err) < 0 ? NULL : TAKE(channel);
}

static struct channel *open_channel(const struct options *options, struct error *err)
{
    if (options->mark)
        return open_stdio(options->mark, err);
    if (!options->is_near)
        return channel_new(PROCESS_CHANNEL_FD, PROCESS_CHANNEL_FD);
    struct channel *channel =
        memory_channel_new(PROCESS_CHANNEL_FD, PROCESS_MEMORY_FD, false);
    if (!channel)
        error_set(err, -EINVAL, "descriptor %d is no memory to share", PROCESS_MEMORY_FD);
    return channel;
}

/* True: the front has said goodbye. */
static bool talk(struct channel *channel, const struct options *options)
{
    CLEANUP(line_freep) struct line *front = line_new(channel);
    if (options->mark) /* a launcher may hold both ends open for a front that is gone */
        line_agree(front, &(struct line_terms){.lease_ms = (unsigned)options->first_ms});
    return pool_serve(front, fit_workers(options->n_workers), &options->limits);
}

static int serve(const struct options *options, struct error *err)
{
    if (options->is_compiler || options->has_ranks) {
        CLEANUP(channel_freep)
        struct channel *channel = channel_new(PROCESS_CHANNEL_FD, PROCESS_CHANNEL_FD);
        return options->has_ranks ? ranks_serve(channel) : compile_serve(channel);
    }
    CLEANUP(channel_freep) struct channel *near = open_channel(options, err);
    CLEANUP(channel_freep) struct channel *far = NULL;
    CLEANUP(closep)
    int input = options->left && near ? fcntl(channel_fd(near), F_DUPFD_CLOEXEC, 3) : -1;
    if (!near)
        return -1;
    int r = options->dials ? dial(near, &far, err) : 0;
    /* The standard input stays open behind a connection: a launcher may take its end for
     * ours. */
    bool has_bye = r == 0 && talk(far ? TAKE(far) : TAKE(near), options);
    if (!has_bye && input >= 0)
        left_run(options->left, input, options->left_ms);
    return r;
}

int main(int argc, char **argv)
{
    struct options options = {.first_ms = FIRST_MS};
    struct error err = {0};
    if (argc == 4 && strcmp(argv[1], "--rank") == 0)
        return rank_parent_run(argv[2], argv[3]);
    if (!read_options(argc, argv, &options))
        return usage();
    if (!options.mark && fcntl(PROCESS_CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0)
        return usage();
    signal(SIGPIPE, SIG_IGN);
    int status = serve(&options, &err);
    if (status < 0)
        fprintf(stderr, "achar-pool: %s\n", err.text);
    return status < 0 ? 1 : status;
}
