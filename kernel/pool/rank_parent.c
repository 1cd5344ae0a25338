/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The process that a launcher starts for each rank. It runs no user code: it starts the
 * session worker, hands the worker's channel and output over to the pool, passes signals
 * on, and says how the worker ended. It dies with its launcher, and the worker with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#include "kernel/pool/ranks.h"
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

static int connect_to(const char *name, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(name);
    if (size + 1 > sizeof(address.sun_path))
        return error_set(err, -EINVAL, "the address '%s' is too long", name);
    memcpy(address.sun_path + 1, name, size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, length) == 0)
        return fd;
    int r = -errno;
    closep(&fd);
    char host[256] = "?";
    gethostname(host, sizeof(host) - 1);
    return error_errno(err, r,
                       "a rank on host '%s' cannot reach the kernel: ranks on other "
                       "hosts than the launcher's are not supported",
                       host);
}

static int say_hello(struct channel *channel, const struct process *worker,
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
    return channel_send_fds(channel, RANK_HELLO, 0, 0, hello.data, hello.size, fds, 3,
                            err);
}

static void pass_signal(const struct frame *frame, const struct process *worker)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    int number = (int)unpack_max(&in, SIGRTMAX);
    uint32_t id = (uint32_t)unpack_u64(&in);
    if (frame->kind != RANKS_STOP || !unpack_done(&in))
        return;
    sigqueue(worker->pid, number, (union sigval){.sival_int = (int)id});
    kill(worker->pid, SIGCONT);
}

static void say_ended(struct channel *channel, int status)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, (uint64_t)(unsigned)status);
    if (channel_send(channel, RANK_ENDED, 0, 0, body.data, body.size, NULL) == 0)
        shutdown(channel_fd(channel), SHUT_WR);
}

/* Until the worker ends, or the pool wants it to. */
static void watch(struct channel *channel, struct process *worker)
{
    for (;;) {
        struct pollfd fds[] = {{.fd = channel_fd(channel), .events = POLLIN},
                               {.fd = worker->pidfd, .events = POLLIN}};
        int status;
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents) /* before its pid is free */
            kill(-worker->pid, SIGKILL);
        if (process_has_ended(worker, &status)) {
            say_ended(channel, status);
            return;
        }
        struct frame frame;
        int r = fds[0].revents ? channel_receive(channel, 0, &frame, NULL) : 0;
        if (r < 0)
            return;
        if (r > 0)
            pass_signal(&frame, worker);
    }
}

static int run(const char *library, struct error *err)
{
    const char *address = getenv(RANKS_ADDRESS);
    const char *token = address ? strchr(address, ' ') : NULL;
    if (!token)
        return error_set(err, -EINVAL,
                         "achar-pool --rank is started by achar, with its environment "
                         "(pass '%s' on to the ranks)",
                         RANKS_ADDRESS);
    CLEANUP(freep) char *name = must_strndup(address, (size_t)(token - address));
    CLEANUP(freep) char *secret = must_strdup(token + 1);
    unsetenv(RANKS_ADDRESS);
    int fd = connect_to(name, err);
    if (fd < 0)
        return fd;
    CLEANUP(channel_freep) struct channel *channel = channel_new(fd, fd);
    struct process worker;
    const char *argv[] = {"achar-worker", "--rank", library, NULL};
    int r = process_start(argv, true, -1, 1, &worker, err);
    if (r < 0)
        return r;
    r = say_hello(channel, &worker, secret, err);
    channel_free(TAKE(worker.channel)); /* the pool has them now */
    closep(&worker.out);
    closep(&worker.err);
    worker.out = worker.err = -1;
    if (r == 0)
        watch(channel, &worker);
    if (worker.pid > 0) /* what cells have started goes too */
        kill(-worker.pid, SIGKILL);
    process_end(&worker);
    return r;
}

int rank_parent_run(const char *library)
{
    struct error err = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (run(library, &err) == 0)
        return 0;
    fprintf(stderr, "%s\n", err.text);
    return 1;
}
