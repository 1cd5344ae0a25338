/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/kicks.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "kernel/peer/process.h"
#include "kernel/peer/protocol.h"
#include "pickler/base/clock.h"
#include "pickler/base/memory.h"

static void start(struct kicks *kicks, const pid_t *pids, size_t n)
{
    kicks_clear(kicks);
    kicks->pids = must_alloc((n + 1) * sizeof(*pids));
    memcpy(kicks->pids, pids, n * sizeof(*pids));
    kicks->n = n;
    kicks->wait_ms = KICKS_FIRST_MS;
}

int kicks_improve(struct kicks *kicks, const struct zygote_work *work,
                  struct channel *channel, const struct frame *frame, const pid_t *pids,
                  size_t n)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t size;
    const void *object = unpack_bytes(&in, &size);
    struct error err = {0};
    if (!unpack_done(&in) || !work->improve)
        return -EBADMSG;
    struct outcome outcome = {0};
    if (work->improve(work->context, object, size, &err) < 0)
        outcome = (struct outcome){.kind = OUTCOME_REFUSED, .message = err.text};
    else
        start(kicks, pids, n);
    struct buffer body = {0};
    outcome_pack(&outcome, &body);
    int r =
        channel_send(channel, ZYGOTE_IMPROVE, 0, frame->id, body.data, body.size, NULL);
    buffer_clear(&body);
    return r;
}

void kicks_forget(struct kicks *kicks, pid_t pid)
{
    for (size_t i = 0; i < kicks->n; i++)
        if (kicks->pids[i] == pid)
            kicks->pids[i] = kicks->pids[--kicks->n];
}

int kicks_time(struct kicks *kicks)
{
    if (!kicks->n)
        return -1;
    int64_t left = kicks->at - clock_ms();
    if (left > 0)
        return (int)left;
    for (size_t i = 0; i < kicks->n; i++)
        if (process_is_computing(kicks->pids[i]))
            kill(kicks->pids[i], SIGURG);
    int wait_ms = kicks->wait_ms;
    kicks->at = clock_ms() + wait_ms;
    kicks->wait_ms = 2 * wait_ms < KICKS_LAST_MS ? 2 * wait_ms : KICKS_LAST_MS;
    return wait_ms;
}

void kicks_clear(struct kicks *kicks)
{
    free(kicks->pids);
    *kicks = (struct kicks){0};
}
