/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/session/checkpoints.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "kernel/peer/protocol.h"
#include "pickler/base/pack.h"

#define CHANGED_MAX 64 /* files of one answer */

static void reap(struct checkpoints *checkpoints, int options)
{
    size_t n = 0;
    for (size_t i = 0; i < checkpoints->n_ending; i++) {
        pid_t pid = checkpoints->ending[i], r;
        do
            r = waitpid(pid, NULL, options);
        while (r < 0 && errno == EINTR);
        if (r == 0)
            checkpoints->ending[n++] = pid;
    }
    checkpoints->n_ending = n;
}

void checkpoints_reap(struct checkpoints *checkpoints)
{
    reap(checkpoints, WNOHANG);
}

/* It is not waited for: giving back its memory takes its time. */
static void end(struct checkpoints *checkpoints, struct checkpoint *checkpoint)
{
    struct process *process = &checkpoint->process;
    kill(process->pid, SIGKILL);
    GROW(checkpoints->ending, checkpoints->n_ending, checkpoints->ending_capacity);
    checkpoints->ending[checkpoints->n_ending++] = process->pid;
    process->pid = 0;
    process_end(process);
}

static void end_from(struct checkpoints *checkpoints, size_t i)
{
    while (checkpoints->n > i)
        end(checkpoints, &checkpoints->at[--checkpoints->n]);
}

void checkpoints_clear(struct checkpoints *checkpoints)
{
    end_from(checkpoints, 0);
    reap(checkpoints, 0);
    free(checkpoints->at);
    free(checkpoints->ending);
    free(checkpoints->obstacle);
    *checkpoints = (struct checkpoints){0};
}

void checkpoints_drop(struct checkpoints *checkpoints, uint64_t moment)
{
    size_t n = 0;
    for (size_t i = 0; i < checkpoints->n; i++) {
        if (checkpoints->at[i].moment == moment)
            end(checkpoints, &checkpoints->at[i]);
        else
            checkpoints->at[n++] = checkpoints->at[i];
    }
    checkpoints->n = n;
}

void checkpoints_drop_before(struct checkpoints *checkpoints, uint64_t moment)
{
    size_t n = 0;
    while (n < checkpoints->n && checkpoints->at[n].moment < moment)
        end(checkpoints, &checkpoints->at[n++]);
    checkpoints->n -= n;
    if (n)
        memmove(checkpoints->at, checkpoints->at + n,
                checkpoints->n * sizeof(*checkpoints->at));
}

void checkpoints_ask(struct checkpoints *checkpoints, struct process *worker, uint32_t id,
                     uint64_t moment, uint64_t budget)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    pack_u64(&question, budget);
    if (channel_send(worker->channel, WORKER_CHECKPOINT, worker->generation, id,
                     question.data, question.size, NULL) < 0)
        return; /* the next request finds that it has ended */
    checkpoints->asked_id = id;
    checkpoints->group = worker->pid;
    checkpoints->asked_moment = moment;
}

static void close_all(const struct frame *frame)
{
    for (size_t i = 0; i < frame->n_fds; i++)
        close(frame->fds[i]);
}

static void give_up(struct checkpoints *checkpoints, const char *obstacle)
{
    free(checkpoints->obstacle);
    checkpoints->obstacle = must_strdup(obstacle);
}

void checkpoints_answer(struct checkpoints *checkpoints, const struct process *worker,
                        const struct frame *frame)
{
    checkpoints->asked_id = 0;
    if (!frame) {
        give_up(checkpoints, "does not answer");
        return;
    }
    struct unpack in = unpack_init(frame->data, frame->size);
    pid_t pid = (pid_t)unpack_max(&in, INT32_MAX);
    uint64_t bytes = unpack_u64(&in);
    CLEANUP(freep) char *obstacle = unpack_string(&in);
    if (!unpack_done(&in) || !pid || frame->n_fds != 2) {
        close_all(frame);
        give_up(checkpoints, obstacle ? obstacle : "gave an unreadable answer");
        return;
    }
    free(TAKE(checkpoints->obstacle));
    checkpoints->bytes = bytes;
    GROW(checkpoints->at, checkpoints->n, checkpoints->capacity);
    checkpoints->at[checkpoints->n++] = (struct checkpoint){
        .process = {.pid = pid,
                    .pidfd = frame->fds[1],
                    .channel = channel_new(frame->fds[0], frame->fds[0]),
                    .out = -1,
                    .err = -1,
                    .generation = worker->generation},
        .moment = checkpoints->asked_moment};
}

static size_t find(const struct checkpoints *checkpoints, uint64_t moment)
{
    for (size_t i = checkpoints->n; i-- > 0;)
        if (checkpoints->at[i].moment == moment)
            return i;
    return SIZE_MAX;
}

bool checkpoints_has(struct checkpoints *checkpoints, uint64_t moment)
{
    size_t i = find(checkpoints, moment);
    if (i == SIZE_MAX)
        return false;
    struct pollfd ended = {.fd = checkpoints->at[i].process.pidfd, .events = POLLIN};
    return poll(&ended, 1, 0) == 0;
}

/* Before that it may still be in the worker's process group, which is killed. */
static int await_ready(struct process *process, struct error *err)
{
    struct frame hello;
    int r = channel_receive(process->channel, CHECKPOINT_TIMEOUT_MS, &hello, err);
    return r > 0 && hello.kind == FRAME_HELLO
               ? 0
               : error_set(err, -ESRCH, "the checkpoint does not answer");
}

static int tell(struct process *process, uint32_t generation, char **ret_changed,
                struct error *err)
{
    CLEANUP(buffer_clear) struct buffer changed = {0};
    struct frame answer;
    CLEANUP(buffer_clear) struct buffer request = {0};
    struct stat pipe = {0};
    process->generation = generation;
    (void)fstat(process->out, &pipe);
    pack_u64(&request, pipe.st_ino);
    int r = channel_send(process->channel, WORKER_TAKE_OVER, generation, 0, request.data,
                         request.size, err);
    if (r < 0)
        return r;
    r = channel_receive(process->channel, CHECKPOINT_TIMEOUT_MS, &answer, err);
    if (r <= 0)
        return r < 0 ? r : error_set(err, -ETIMEDOUT, "a checkpoint does not answer");
    struct unpack in = unpack_init(answer.data, answer.size);
    uint64_t pid = unpack_u64(&in);
    size_t n = (size_t)unpack_max(&in, CHANGED_MAX);
    for (size_t i = 0; i < n && !in.failed; i++) {
        CLEANUP(freep) char *path = unpack_string(&in);
        buffer_format(&changed, "%s%s", i ? ", " : "", path ? path : "?");
    }
    close_all(&answer);
    if (!unpack_done(&in) || answer.kind != WORKER_TAKE_OVER ||
        pid != (uint64_t)process->pid)
        return error_set(err, -EBADMSG, "a checkpoint's answer cannot be read");
    *ret_changed = n ? buffer_take(&changed) : NULL;
    return 0;
}

int checkpoints_take_over(struct checkpoints *checkpoints, struct process *worker,
                          uint64_t moment, uint32_t generation, char **ret_changed,
                          struct error *err)
{
    if (!checkpoints_has(checkpoints, moment))
        return error_set(err, -ESRCH, "there is no checkpoint");
    size_t i = find(checkpoints, moment);
    struct process process = checkpoints->at[i].process;
    int r = await_ready(&process, err);
    if (r < 0)
        return r;
    process.out = worker->out;
    process.err = worker->err;
    worker->out = worker->err = -1;
    if (checkpoints->group > 0)
        kill(-checkpoints->group, SIGKILL); /* what the cell has forked, too */
    checkpoints->group = 0;
    process_end(worker);
    end_from(checkpoints, i + 1);
    checkpoints->n--;
    checkpoints->asked_id = 0;
    r = tell(&process, generation, ret_changed, err);
    if (r < 0)
        process_end(&process);
    else
        *worker = process;
    return r;
}
