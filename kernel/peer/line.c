/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Data waits here, in order, until there is credit and the channel has room; the channel
 * itself is given little ahead, so that a control frame stands behind little. */
#include "kernel/peer/line.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "pickler/base/clock.h"
#include "pickler/base/pack.h"

#define FRAME_COST 16          /* of a header */
#define AHEAD (4 * LINE_PIECE) /* data in the channel's own buffer */

struct waiting {
    struct waiting *next;
    uint16_t kind;
    uint32_t id;
    size_t offset, size; /* bytes before `offset` have gone as parts */
    char data[];
};

struct line {
    struct channel *channel;
    struct line_terms terms;
    int64_t credit; /* bytes of data that may still be sent */
    size_t debt;    /* bytes that were received and not credited */
    bool is_held, is_corked;
    struct waiting *first, **last;
    size_t n_waiting;    /* bytes */
    struct buffer parts; /* of a body that is coming */
    bool is_lent;        /* `parts` was handed out */
    int64_t heard, said; /* ms */
};

struct line *line_new(struct channel *channel)
{
    struct line *line = must_alloc(sizeof(*line));
    line->channel = channel;
    line->last = &line->first;
    line->heard = line->said = clock_ms();
    return line;
}

static void drop_first(struct line *line)
{
    struct waiting *first = line->first;
    line->first = first->next;
    if (!line->first)
        line->last = &line->first;
    free(first);
}

void line_free(struct line *line)
{
    if (!line)
        return;
    while (line->first)
        drop_first(line);
    channel_free(line->channel);
    buffer_clear(&line->parts);
    free(line);
}

struct channel *line_channel(struct line *line)
{
    return line->channel;
}

void line_agree(struct line *line, const struct line_terms *terms)
{
    line->terms = *terms;
    line->credit = (int64_t)terms->window;
    line->heard = clock_ms();
    if (terms->window) /* a peer that cuts its bodies has no reason to send more */
        channel_limit(line->channel, 2 * LINE_PIECE);
}

bool line_is_control(uint16_t kind)
{
    switch (kind) {
    case FRAME_HELLO:
    case FRAME_BAD:
    case POOL_TERMS:
    case POOL_CANCEL:
    case POOL_BYE:
    case POOL_HAVE:
    case POOL_FORGOT:
    case RANKS_STOP:
    case LINE_BEAT:
    case LINE_CREDIT:
        return true;
    default:
        return false;
    }
}

static int say(struct line *line, uint16_t kind, uint32_t id, const void *data,
               size_t size, struct error *err)
{
    line->said = clock_ms();
    return line->is_corked ? channel_queue(line->channel, kind, 0, id, data, size, err)
                           : channel_post(line->channel, kind, 0, id, data, size, err);
}

/* Sends what there is credit and room for: 0 when all of it went, -EAGAIN when not. */
static int push(struct line *line, uint16_t kind, uint32_t id, const char *data,
                size_t size, size_t *offset, struct error *err)
{
    for (;;) {
        size_t left = size - *offset, n = left < LINE_PIECE ? left : LINE_PIECE;
        bool is_last = n == left;
        if (line->credit < (int64_t)(n + FRAME_COST) ||
            channel_unsent(line->channel) > AHEAD)
            return -EAGAIN;
        int r =
            say(line, is_last ? kind : LINE_PART, id, n ? data + *offset : NULL, n, err);
        if (r < 0)
            return r;
        line->credit -= (int64_t)(n + FRAME_COST);
        *offset += n;
        if (is_last)
            return 0;
    }
}

static void keep(struct line *line, uint16_t kind, uint32_t id, const char *data,
                 size_t size)
{
    struct waiting *waiting = must_alloc(sizeof(*waiting) + size);
    *waiting = (struct waiting){.kind = kind, .id = id, .size = size};
    if (size)
        memcpy(waiting->data, data, size);
    *line->last = waiting;
    line->last = &waiting->next;
    line->n_waiting += size;
}

int line_send(struct line *line, uint16_t kind, uint32_t id, const void *data,
              size_t size, struct error *err)
{
    size_t offset = 0;
    if (!line->terms.window || line_is_control(kind))
        return say(line, kind, id, data, size, err);
    int r = line->first ? -EAGAIN : push(line, kind, id, data, size, &offset, err);
    if (r != -EAGAIN)
        return r;
    keep(line, kind, id, offset ? (const char *)data + offset : data, size - offset);
    return 0;
}

size_t line_unsent(const struct line *line)
{
    return channel_unsent(line->channel) + line->n_waiting;
}

int line_flush(struct line *line, struct error *err)
{
    int r = channel_flush(line->channel, err);
    while (r == 0 && line->first) {
        struct waiting *first = line->first;
        size_t before = first->offset;
        r = push(line, first->kind, first->id, first->data, first->size, &first->offset,
                 err);
        line->n_waiting -= first->offset - before;
        if (r == 0)
            drop_first(line);
    }
    return r == -EAGAIN ? 0 : r;
}

void line_cork(struct line *line)
{
    line->is_corked = true;
}

int line_uncork(struct line *line, struct error *err)
{
    line->is_corked = false;
    return line_flush(line, err);
}

/* In few frames, yet early enough that the peer need not stop. */
static int give_credit(struct line *line, struct error *err)
{
    if (line->is_held || line->debt < line->terms.window / 4 || !line->debt)
        return 0;
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, line->debt);
    line->debt = 0;
    return say(line, LINE_CREDIT, 0, body.data, body.size, err);
}

void line_hold(struct line *line, bool is_held)
{
    line->is_held = is_held;
    if (line->terms.window && give_credit(line, NULL) < 0)
        return; /* that the peer is gone shows when it is read */
}

static int take_credit(struct line *line, const struct frame *frame, struct error *err)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    uint64_t n = unpack_max(&in, LINE_WINDOW_MAX);
    if (!unpack_done(&in) || line->credit + (int64_t)n > (int64_t)line->terms.window)
        return error_set(err, -EBADMSG, "the peer credits what it was not sent");
    line->credit += (int64_t)n;
    return line_flush(line, err);
}

static int take_part(struct line *line, const struct frame *frame, struct error *err)
{
    if (line->parts.size + frame->size > FRAME_SIZE_MAX)
        return error_set(err, -EBADMSG, "a message is above the limit of %u bytes",
                         FRAME_SIZE_MAX);
    if (line->parts.size + frame->size > line->parts.capacity) /* grow by doubling */
        buffer_reserve(&line->parts, line->parts.size + 4 * frame->size);
    buffer_add(&line->parts, frame->data, frame->size);
    return 0;
}

/* 1: it is for the caller; 0: it was ours. */
static int take(struct line *line, struct frame *frame, struct error *err)
{
    if (frame->kind == LINE_BEAT)
        return 0;
    if (frame->kind == LINE_CREDIT)
        return take_credit(line, frame, err);
    if (!line->terms.window || line_is_control(frame->kind))
        return 1;
    line->debt += frame->size + FRAME_COST;
    int r = give_credit(line, err);
    if (r == 0 && (frame->kind == LINE_PART || line->parts.size))
        r = take_part(line, frame, err);
    if (r < 0 || frame->kind == LINE_PART)
        return r;
    if (line->parts.size) {
        frame->data = line->parts.data;
        frame->size = line->parts.size;
        line->is_lent = true;
    }
    return 1;
}

int line_receive(struct line *line, struct frame *ret, struct error *err)
{
    if (line->is_lent) {
        buffer_clear(&line->parts);
        line->is_lent = false;
    }
    for (;;) {
        int r = channel_receive(line->channel, 0, ret, err);
        if (r <= 0)
            return r;
        if (line->terms.lease_ms)
            line->heard = clock_ms();
        r = take(line, ret, err);
        if (r == 0) /* descriptors have no business here */
            for (size_t i = 0; i < ret->n_fds; i++)
                close(ret->fds[i]);
        if (r != 0)
            return r;
    }
}

bool line_has_frame(const struct line *line)
{
    return channel_has_frame(line->channel);
}

bool line_sleep(struct line *line)
{
    return channel_sleep(line->channel);
}

size_t line_poll(const struct line *line, struct pollfd ret[2])
{
    short events = channel_events(line->channel);
    int in = channel_fd(line->channel), out = channel_write_fd(line->channel);
    ret[0] = (struct pollfd){.fd = in, .events = events};
    if (in == out || !(events & POLLOUT))
        return 1;
    ret[0].events = POLLIN;
    ret[1] = (struct pollfd){.fd = out, .events = POLLOUT};
    return 2;
}

int line_due(const struct line *line)
{
    int64_t due = INT64_MAX, now = clock_ms();
    if (line->terms.beat_ms)
        due = line->said + line->terms.beat_ms;
    if (line->terms.lease_ms && line->heard + line->terms.lease_ms < due)
        due = line->heard + line->terms.lease_ms;
    if (due == INT64_MAX)
        return -1;
    return due <= now ? 0 : (int)(due - now);
}

int line_tick(struct line *line, struct error *err)
{
    int64_t now = clock_ms();
    struct pollfd in = {.fd = channel_fd(line->channel), .events = POLLIN};
    int r = 0;
    /* Behind bytes that have not left a beat says nothing more. */
    if (line->terms.beat_ms && now - line->said >= line->terms.beat_ms) {
        line->said = now;
        if (!channel_unsent(line->channel))
            r = say(line, LINE_BEAT, 0, NULL, 0, err);
    }
    if (r < 0 || !line->terms.lease_ms || now - line->heard < line->terms.lease_ms)
        return r;
    /* We may be the ones who slept: what has come meanwhile counts. */
    if (channel_has_frame(line->channel) || poll(&in, 1, 0) != 0) {
        line->heard = now;
        return 0;
    }
    return error_set(err, -ETIMEDOUT, "nothing was heard of it for %u ms",
                     line->terms.lease_ms);
}
