/* SPDX-License-Identifier: BSD-3-Clause
 *
 * achar-worker: the process that holds a session's code and state. It answers one request
 * after the other on the channel that its parent left on PROCESS_CHANNEL_FD, and ends
 * with it. With --rank it is one of the ranks of an MPI program as well. With --zygote it
 * serves a pool instead. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "kernel/peer/process.h"
#include "kernel/peer/protocol.h"
#include "kernel/worker/checkpoint.h"
#include "kernel/worker/damage.h"
#include "kernel/worker/dying.h"
#include "kernel/worker/huge_pages.h"
#include "kernel/worker/limit.h"
#include "kernel/worker/mpi.h"
#include "kernel/worker/output.h"
#include "kernel/worker/reading.h"
#include "kernel/worker/serve.h"
#include "kernel/worker/show.h"
#include "kernel/worker/swapping.h"
#include "kernel/worker/zygote.h"

#define CHANNEL_FD 200 /* or above: cells have the low descriptors to themselves */
#define DYING_SIZE (32u << 10)

/* Before code runs: what earlier cells have started keeps its pipes. */
static int renew_pipes(struct channel *channel, const struct frame *request,
                       struct error *err)
{
    int ends[2];
    bool runs = request->kind == WORKER_RUN || request->kind == WORKER_ADDRESS ||
                request->kind == WORKER_TIME;
    if (!runs || !output_renew(ends))
        return 0;
    show_lock();
    int r = channel_send_fds(channel, WORKER_PIPES, request->generation, request->id, "",
                             0, ends, 2, err);
    show_unlock();
    close(ends[0]);
    close(ends[1]);
    return r;
}

static int answer(struct engine *engine, struct channel *channel,
                  const struct frame *request, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    struct error refused = {0};
    uint16_t kind = request->kind;
    uint32_t generation = request->generation, id = request->id;
    for (size_t i = 0; i < request->n_fds; i++)
        close(request->fds[i]);
    dying_set(channel_fd(channel), WORKER_DYING, generation, id, "", 0);
    show_connect(channel_fd(channel));
    show_begin(generation, id);
    guard_begin(id);
    int r = renew_pipes(channel, request, err);
    if (r < 0)
        return r;
    if (serve_request(engine, request, &body, &refused) < 0) {
        buffer_clear(&body);
        pack_string(&body, refused.text);
        kind = FRAME_BAD;
    }
    output_restore();
    int file = engine->answer_file;
    show_lock();
    r = channel_send_fds(channel, kind, generation, id, body.data, body.size, &file,
                         file >= 0, err);
    show_unlock();
    closep(&file);
    engine->answer_file = -1;
    return r;
}

static int take_request(struct engine *engine, struct channel *channel,
                        const struct frame *request, struct error *err)
{
    changing_begin();
    int r = request->kind == WORKER_SWAP ? swapping_take(request, err)
                                         : answer(engine, channel, request, err);
    changing_end();
    return r;
}

static int greet(struct channel *channel, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer hello = {0};
    pack_u64(&hello, PROTOCOL_VERSION);
    pack_u64(&hello, (uint64_t)getpid());
    pack_string(&hello, "worker");
    return channel_send(channel, FRAME_HELLO, 0, 0, hello.data, hello.size, err);
}

/* A checkpoint that takes over goes on here, with another channel. */
static int serve(struct engine *engine, struct channel **channel, struct error *err)
{
    int r = greet(*channel, err);
    while (r >= 0) {
        struct frame request;
        r = channel_receive(*channel, huge_pages_rest(), &request, err);
        if (r == 0)
            huge_pages_step();
        else if (r > 0 && request.kind == WORKER_CHECKPOINT)
            r = checkpoint_make(channel, &request, err);
        else if (r > 0)
            r = take_request(engine, *channel, &request, err);
    }
    return r;
}

static int open_channel(struct channel **ret, struct error *err)
{
    int fd = fcntl(PROCESS_CHANNEL_FD, F_DUPFD_CLOEXEC, CHANNEL_FD);
    if (fd < 0)
        return error_errno(err, -errno, "achar-worker is started by achar, not by hand");
    close(PROCESS_CHANNEL_FD);
    dying_set(fd, WORKER_DYING, 0, 0, "", 0);
    *ret = channel_new(fd, fd);
    return 0;
}

/* `mpi` NULL: no rank. */
static int work(const char *mpi, struct error *err)
{
    static struct engine engine;
    CLEANUP(channel_freep) struct channel *channel = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int r = open_channel(&channel, err);
    output_init();
    if (r == 0)
        r = engine_init(&engine, dying_report, err);
    if (r == 0 && mpi)
        r = mpi_start(mpi, err);
    checkpoint_init();
    damage_check();
    limit_init();
    if (r == 0)
        swapping_init(&engine, &channel);
    if (r == 0)
        r = serve(&engine, &channel, err);
    return r == -EPIPE ? 0 : r; /* the front has closed its end: the session is over */
}

int main(int argc, char **argv)
{
    struct error err = {0};
    if (argc == 2 && !strcmp(argv[1], "--zygote"))
        return zygote_main();
    const char *mpi = argc == 3 && !strcmp(argv[1], "--rank") ? argv[2] : NULL;
    if (argc > 1 && !mpi) {
        fprintf(stderr, "achar-worker: unknown option '%s'\n", argv[1]);
        return 2;
    }
    if (work(mpi, &err) < 0) {
        fprintf(stderr, "achar-worker: %s\n", err.text);
        return 1;
    }
    return 0;
}
