/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The process that a launcher starts for each rank. It runs no user code: it starts the
 * session worker, hands the worker's channel and output over to the pool, or carries them
 * where the pool is on another host, passes signals on, and says how the worker ended. It
 * dies with its launcher, and the worker with it. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel/peer/process.h"
#include "kernel/peer/protocol.h"
#include "kernel/pool/dial.h"
#include "kernel/pool/rank_watch.h"
#include "kernel/pool/ranks.h"
#include "kernel/pool/world.h"
#include "pickler/base/pack.h"

/* Of the first variable that is set: what launchers say. */
static unsigned long find_number(const char *const *names, unsigned long otherwise)
{
    for (size_t i = 0; names[i]; i++) {
        const char *text = getenv(names[i]);
        char *end;
        if (!text || !*text)
            continue;
        unsigned long number = strtoul(text, &end, 10);
        if (!*end)
            return number;
    }
    return otherwise;
}

/* -1: nobody listens there. */
static int connect_to(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(name);
    if (size + 1 > sizeof(address.sun_path))
        return -1;
    memcpy(address.sun_path + 1, name, size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, length) == 0)
        return fd;
    closep(&fd);
    return -1;
}

struct door {
    unsigned lease_ms;
    char *name, *token;
    const char *where; /* NULL: nobody expects ranks on other hosts */
};

static void door_clear(struct door *door)
{
    free(door->name);
    free(door->token);
}

static int read_door(const char *text, struct door *ret, struct error *err)
{
    char *at;
    unsigned long lease_ms = strtoul(text, &at, 10);
    size_t n_name = *at == ',' ? strcspn(at + 1, ",") : 0;
    const char *token = n_name && at[1 + n_name] ? at + 2 + n_name : NULL;
    if (!token || !lease_ms || lease_ms > LINE_MS_MAX)
        return error_set(err, -EINVAL, "achar-pool --rank is started by achar");
    size_t n_token = strcspn(token, ",");
    *ret = (struct door){.lease_ms = (unsigned)lease_ms,
                         .name = must_strndup(at + 1, n_name),
                         .token = must_strndup(token, n_token),
                         .where = token[n_token] ? token + n_token + 1 : NULL};
    return 0;
}

/* By the socket of the pool's host, or over TLS from another one. */
static int reach(const struct door *door, struct channel **ret, bool *ret_is_far,
                 struct error *err)
{
    char host[256] = "?";
    struct error why = {0};
    int fd = connect_to(door->name);
    *ret_is_far = fd < 0;
    if (fd >= 0) {
        *ret = channel_new(fd, fd);
        return 0;
    }
    gethostname(host, sizeof(host) - 1);
    if (!door->where)
        return error_set(err, -EHOSTUNREACH,
                         "a rank on host '%s' cannot reach the kernel's host, as "
                         "--interface=none says: leave that out",
                         host);
    CLEANUP(freep) char *mark = must_format(RANKS_MARK " %s ", door->token);
    if (dial_at(door->where, mark, 1, ret, &why) == 0)
        return 0;
    return error_set(err, -EHOSTUNREACH,
                     "a rank on host '%s' cannot connect to the kernel's (%s): "
                     "--interface names an address that it can reach",
                     host, why.text);
}

static int say_hello(struct channel *channel, const struct process *worker, bool is_far,
                     const char *token, struct error *err)
{
    static const char *const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                        "SLURM_PROCID", NULL};
    static const char *const sizes[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE",
                                        "SLURM_NTASKS", NULL};
    CLEANUP(buffer_clear) struct buffer hello = {0};
    char host[256] = "?";
    gethostname(host, sizeof(host) - 1);
    pack_u64(&hello, PROTOCOL_VERSION);
    pack_string(&hello, token);
    pack_u64(&hello, find_number(ranks, 0));
    pack_u64(&hello, find_number(sizes, 1));
    pack_string(&hello, host);
    pack_u64(&hello, (uint64_t)worker->pid);
    int fds[] = {channel_fd(worker->channel), worker->out, worker->err};
    return channel_send_fds(channel, RANK_HELLO, 0, 0, hello.data, hello.size, fds,
                            is_far ? 0 : 3, err);
}

static int run(const char *library, const struct door *door, struct error *err)
{
    CLEANUP(channel_freep) struct channel *channel = NULL;
    const char *argv[] = {"achar-worker", "--rank", library, NULL};
    struct process worker;
    bool is_far;
    int r = reach(door, &channel, &is_far, err);
    if (r == 0)
        r = process_start(argv, true, -1, 1, &worker, err);
    if (r < 0)
        return r;
    r = say_hello(channel, &worker, is_far, door->token, err);
    if (!is_far) { /* the pool has them now */
        channel_free(TAKE(worker.channel));
        closep(&worker.out);
        closep(&worker.err);
        worker.out = worker.err = -1;
    }
    if (r == 0) {
        struct line_terms terms = rank_terms(door->lease_ms, is_far);
        CLEANUP(line_freep) struct line *line = line_new(TAKE(channel));
        if (!is_far)
            terms.lease_ms = 0; /* its socket tells when the pool is gone */
        line_agree(line, &terms);
        rank_watch(line, &worker, is_far);
    }
    if (worker.pid > 0) /* what cells have started goes too */
        kill(-worker.pid, SIGKILL);
    process_end(&worker);
    return r;
}

int rank_parent_run(const char *library, const char *text)
{
    struct error err = {0};
    CLEANUP(door_clear) struct door door = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(SIGPIPE, SIG_IGN);
    if (read_door(text, &door, &err) == 0 && run(library, &door, &err) == 0)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return 1;
}
