/* SPDX-License-Identifier: BSD-3-Clause
 *
 * achar-pool: the pool of one host, on PROCESS_CHANNEL_FD; with --compile, the helper
 * that runs cc for it. Ends with its channel. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "kernel/peer/process.h"
#include "kernel/pool/compile.h"
#include "kernel/pool/pool.h"

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

static int usage(void)
{
    fprintf(stderr,
            "achar-pool is started by achar: [--workers 1..%d] | --compile, frames on "
            "descriptor %d\n",
            POOL_WORKERS_MAX, PROCESS_CHANNEL_FD);
    return 2;
}

int main(int argc, char **argv)
{
    unsigned long n_workers = count_processors();
    bool is_compiler = argc == 2 && strcmp(argv[1], "--compile") == 0;
    if (argc == 3 && strcmp(argv[1], "--workers") == 0) {
        char *end;
        errno = 0;
        n_workers = strtoul(argv[2], &end, 10);
        if (errno || *end || end == argv[2] || !n_workers || n_workers > POOL_WORKERS_MAX)
            return usage();
    } else if (argc != 1 && !is_compiler) {
        return usage();
    }
    if (fcntl(PROCESS_CHANNEL_FD, F_SETFD, FD_CLOEXEC) < 0)
        return usage();
    signal(SIGPIPE, SIG_IGN);
    struct channel *channel = channel_new(PROCESS_CHANNEL_FD, PROCESS_CHANNEL_FD);
    if (is_compiler) {
        int status = compile_serve(channel);
        channel_free(channel);
        return status;
    }
    CLEANUP(line_freep) struct line *front = line_new(channel);
    return pool_serve(front, fit_workers((unsigned)n_workers));
}
