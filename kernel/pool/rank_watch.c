/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Of a far rank everything passes through here, in the order in which the worker does it:
 * before a frame goes what was printed before it. */
#include "kernel/pool/rank_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernel/peer/display.h"
#include "kernel/peer/protocol.h"
#include "kernel/pool/output.h"
#include "kernel/pool/pool.h"
#include "pickler/base/clock.h"
#include "pickler/base/pack.h"

#define LAST_WORDS_MS 5000 /* until the pool has taken all */

enum { FD_LINE, FD_WORKER_ENDED, FD_WORKER, FD_OUT, FD_ERR, N_FDS };

struct watch {
    struct line *line;
    struct process *worker;
    bool is_far;
    struct output output[2]; /* of a far rank */
    bool is_over;
};

/* ---- from the pool ---- */

#ifdef SYS_poll
enum { CALL_POLL = SYS_poll, CALL_EPOLL = SYS_epoll_wait };
#else /* younger kinds of machines have one system call for each */
enum { CALL_POLL = SYS_ppoll, CALL_EPOLL = SYS_epoll_pwait };
#endif

/* A process that waits in a system call would be woken by a signal; what waits inside MPI
 * polls. */
static bool is_polling(pid_t pid)
{
    char text[64] = "";
    CLEANUP(freep) char *path = must_format("/proc/%d/syscall", (int)pid);
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
        return false;
    char *end;
    long number = strtol(text, &end, 10);
    return end == text || number == SYS_sched_yield || number == CALL_EPOLL ||
           number == CALL_POLL;
}

static void pass_signal(const struct watch *watch, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    int number = (int)unpack_max(&in, SIGRTMAX);
    uint32_t id = (uint32_t)unpack_u64(&in);
    if (!unpack_done(&in) ||
        (number == WORKER_WHERE_SIGNAL && !is_polling(watch->worker->pid)))
        return;
    sigqueue(watch->worker->pid, number, (union sigval){.sival_int = (int)id});
    kill(watch->worker->pid, SIGCONT);
}

static void tell_worker(const struct watch *watch, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    uint16_t kind = (uint16_t)unpack_max(&in, UINT16_MAX);
    uint32_t generation = (uint32_t)unpack_max(&in, UINT32_MAX);
    uint32_t id = (uint32_t)unpack_max(&in, UINT32_MAX);
    size_t size;
    const void *body = unpack_bytes(&in, &size);
    if (!unpack_done(&in) || !watch->worker->channel)
        return;
    if (channel_post(watch->worker->channel, kind, generation, id, body, size, NULL) < 0)
        kill(-watch->worker->pid, SIGKILL); /* it has closed its end */
}

static void heed_pool(struct watch *watch)
{
    struct frame frame;
    int r;
    while ((r = line_receive(watch->line, &frame, NULL)) > 0) {
        for (size_t i = 0; i < frame.n_fds; i++)
            close(frame.fds[i]);
        if (frame.kind == RANKS_STOP)
            pass_signal(watch, &frame);
        else if (frame.kind == RANK_TELL && watch->is_far)
            tell_worker(watch, &frame);
    }
    watch->is_over |= r < 0;
}

/* ---- to the pool ---- */

static void say(struct watch *watch, uint16_t kind, uint32_t id,
                const struct buffer *body)
{
    watch->is_over |=
        line_send(watch->line, kind, id, body->data, body->size, NULL) == -EPIPE;
}

static void send_output(struct watch *watch, int stream)
{
    struct buffer *text = &watch->output[stream].unsent;
    CLEANUP(buffer_clear) struct buffer body = {0};
    if (!text->size)
        return;
    pack_u64(&body, (uint64_t)stream + 1);
    pack_bytes(&body, text->data, text->size);
    text->size = 0;
    say(watch, RANK_PRINTED, 0, &body);
}

static void send_rest(struct watch *watch)
{
    for (int i = 0; i < 2; i++) {
        output_read_rest(&watch->output[i]);
        send_output(watch, i);
    }
}

static void set_pipes(struct watch *watch, struct frame *frame)
{
    for (int i = 0; i < 2; i++) {
        closep(&watch->output[i].fd);
        watch->output[i].fd = frame->fds[i];
        process_set_pipe(frame->fds[i]);
    }
    frame->n_fds = 0;
}

static void pass_frame(struct watch *watch, struct frame *frame)
{
    CLEANUP(buffer_clear) struct buffer body = {0}, bundle = {0};
    bool is_display = frame->kind == WORKER_DISPLAY;
    send_rest(watch);
    if (frame->kind == WORKER_PIPES && frame->n_fds == 2) {
        set_pipes(watch, frame);
        return;
    }
    bool is_good = !is_display || display_bytes(frame, &bundle, NULL) == 0;
    buffer_reserve(&body, bundle.size + frame->size + 32);
    pack_u64(&body, frame->kind);
    pack_u64(&body, frame->generation);
    pack_u64(&body, frame->id);
    pack_bytes(&body, is_display ? bundle.data : frame->data,
               is_display ? bundle.size : frame->size);
    display_done(frame); /* whatever descriptors there are */
    if (is_good)
        say(watch, RANK_SAID, frame->id, &body);
}

static void heed_worker(struct watch *watch)
{
    struct frame frame;
    int r = 0;
    while (watch->worker->channel &&
           (r = channel_receive(watch->worker->channel, 0, &frame, NULL)) > 0)
        pass_frame(watch, &frame);
    if (r == 0)
        return;
    channel_free(TAKE(watch->worker->channel));
    kill(-watch->worker->pid, SIGKILL); /* it ends, or should */
}

static void finish(struct watch *watch, int status)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    int64_t end = clock_ms() + LAST_WORDS_MS, left;
    heed_worker(watch);
    send_rest(watch);
    pack_u64(&body, (uint64_t)(unsigned)status);
    say(watch, RANK_ENDED, 0, &body);
    while (!watch->is_over && line_unsent(watch->line) && (left = end - clock_ms()) > 0) {
        struct pollfd fds[2];
        poll(fds, line_poll(watch->line, fds), (int)left);
        watch->is_over |= line_flush(watch->line, NULL) < 0;
        heed_pool(watch); /* credit */
    }
    shutdown(channel_fd(line_channel(watch->line)), SHUT_WR);
}

/* ---- waiting ---- */

static void gather(const struct watch *watch, struct pollfd fds[N_FDS])
{
    struct channel *worker = watch->is_far ? watch->worker->channel : NULL;
    bool is_slow = line_unsent(watch->line) > POOL_UNSENT_BYTES;
    struct pollfd line[2];
    line_poll(watch->line, line); /* one: it is a socket */
    fds[FD_LINE] = line[0];
    fds[FD_WORKER_ENDED] = (struct pollfd){.fd = watch->worker->pidfd, .events = POLLIN};
    fds[FD_WORKER] = fds[FD_OUT] = fds[FD_ERR] = (struct pollfd){.fd = -1};
    if (worker)
        fds[FD_WORKER] =
            (struct pollfd){.fd = channel_fd(worker),
                            .events = (short)((is_slow ? 0 : POLLIN) |
                                              (channel_unsent(worker) ? POLLOUT : 0))};
    for (int i = 0; i < 2 && !is_slow; i++)
        fds[FD_OUT + i] = (struct pollfd){.fd = watch->output[i].fd, .events = POLLIN};
}

static void heed(struct watch *watch, const struct pollfd fds[N_FDS])
{
    for (int i = 0; i < 2; i++)
        if (fds[FD_OUT + i].revents) {
            output_read(&watch->output[i]);
            send_output(watch, i);
        }
    if (fds[FD_WORKER].revents & POLLOUT &&
        channel_flush(watch->worker->channel, NULL) < 0)
        kill(-watch->worker->pid, SIGKILL);
    if (fds[FD_WORKER].revents & (POLLIN | POLLHUP | POLLERR))
        heed_worker(watch);
    if (fds[FD_LINE].revents & POLLOUT)
        watch->is_over |= line_flush(watch->line, NULL) < 0;
    if (fds[FD_LINE].revents)
        heed_pool(watch);
}

void rank_watch(struct line *line, struct process *worker, bool is_far)
{
    struct watch watch = {.line = line,
                          .worker = worker,
                          .is_far = is_far,
                          .output = {{.fd = worker->out}, {.fd = worker->err}}};
    worker->out = worker->err = -1;
    while (!watch.is_over) {
        struct pollfd fds[N_FDS];
        int status;
        gather(&watch, fds);
        if (poll(fds, N_FDS, line_due(line)) < 0)
            continue;
        if (fds[FD_WORKER_ENDED].revents) /* before its pid is free */
            kill(-worker->pid, SIGKILL);
        if (process_has_ended(worker, &status)) {
            finish(&watch, status);
            break;
        }
        heed(&watch, fds);
        watch.is_over |= line_tick(line, NULL) < 0;
    }
    output_clear(&watch.output[0]);
    output_clear(&watch.output[1]);
}
