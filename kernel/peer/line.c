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

#define FRAME_COST 16              /* of a header */
#define KEEP_CAPACITY (128u << 20) /* of the memory of bodies: new memory is slow ... */
#define KEEP_MS 1000               /* ... kept for so long */
#define AHEAD LINE_PIECE           /* data in the channel's own buffer */

/* A frame of data on its way. */
struct body {
    uint16_t kind;
    uint32_t id;
    bool is_begun;
    size_t offset, size;     /* bytes before `offset` have gone as parts */
    const char *head, *tail; /* first `head_size` bytes, then the others */
    size_t head_size;
};

struct waiting {
    struct waiting *next;
    struct body body;
    struct blob *blob; /* of the tail; NULL: there is none */
    char head[];
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
    int64_t emptied;     /* ms; when `parts` was last used */
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
    blob_unref(first->blob);
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
    case POOL_PRESTART:
    case POOL_CANCEL:
    case POOL_BYE:
    case POOL_HAVE:
    case POOL_FORGOT:
    case RANKS_STOP:
    case LINE_BEAT:
    case LINE_CREDIT:
    case LINE_TOTAL:
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

/* What the peer can make room for at once. */
static int announce(struct line *line, size_t size, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, size);
    return say(line, LINE_TOTAL, 0, body.data, body.size, err);
}

/* As say(), the next `size` bytes of a body. */
static int say_some(struct line *line, const struct body *body, size_t size,
                    struct error *err)
{
    struct frame_parts frame = {.kind = body->kind, .id = body->id};
    size_t at = body->offset, left = body->size - at;
    size_t n_head = at < body->head_size ? body->head_size - at : 0;
    n_head = n_head < size ? n_head : size;
    if (size < left)
        frame.kind = LINE_PART;
    if (size < left && !body->is_begun && announce(line, body->size, err) < 0)
        return -EPIPE;
    if (n_head == size)
        return say(line, frame.kind, body->id, body->head + at, size, err);
    line->said = clock_ms();
    frame.n_parts = 2;
    frame.parts[0] = (struct iovec){(char *)body->head + at, n_head};
    frame.parts[1] = (struct iovec){(char *)body->tail + (at + n_head - body->head_size),
                                    size - n_head};
    return channel_post_parts(line->channel, &frame, err);
}

/* What the channel keeps, control frames stand behind. */
static bool has_room(const struct line *line, size_t size)
{
    size_t unsent = channel_unsent(line->channel);
    return !unsent || unsent + size <= AHEAD;
}

/* Sends what there is credit and room for: 0 when all of it went, -EAGAIN when not. */
static int push(struct line *line, struct body *body, struct error *err)
{
    for (;;) {
        size_t left = body->size - body->offset,
               n = left < LINE_PIECE ? left : LINE_PIECE;
        if (line->credit < (int64_t)(n + FRAME_COST) || !has_room(line, n))
            return -EAGAIN;
        int r = say_some(line, body, n, err);
        if (r < 0)
            return r;
        line->credit -= (int64_t)(n + FRAME_COST);
        body->offset += n;
        body->is_begun = true;
        if (n == left)
            return 0;
    }
}

/* With a copy of what is left of the head, and all of the blob. */
static void keep(struct line *line, const struct body *body, struct blob *blob)
{
    size_t gone = body->offset < body->head_size ? body->offset : body->head_size;
    size_t head_size = body->head_size - gone;
    struct waiting *waiting = must_realloc(NULL, sizeof(*waiting) + head_size, 1);
    *waiting = (struct waiting){.body = *body, .blob = blob ? blob_ref(blob) : NULL};
    waiting->body.head = waiting->head;
    waiting->body.head_size = head_size;
    waiting->body.offset -= gone;
    waiting->body.size -= gone;
    if (head_size)
        memcpy(waiting->head, body->head + gone, head_size);
    *line->last = waiting;
    line->last = &waiting->next;
    line->n_waiting += waiting->body.size - waiting->body.offset;
}

static int send_body(struct line *line, struct body *body, struct blob *blob,
                     struct error *err)
{
    int r = line->first ? -EAGAIN : push(line, body, err);
    if (r != -EAGAIN)
        return r;
    keep(line, body, blob);
    return 0;
}

int line_send(struct line *line, uint16_t kind, uint32_t id, const void *data,
              size_t size, struct error *err)
{
    if (!line->terms.window || line_is_control(kind))
        return say(line, kind, id, data, size, err);
    struct body body = {
        .kind = kind, .id = id, .size = size, .head = data, .head_size = size};
    return send_body(line, &body, NULL, err);
}

int line_send_blob(struct line *line, uint16_t kind, uint32_t id,
                   const struct buffer *head, struct blob *blob, struct error *err)
{
    struct body body = {.kind = kind,
                        .id = id,
                        .size = head->size + blob->size,
                        .head = head->data,
                        .head_size = head->size,
                        .tail = blob->data};
    return line->terms.window ? send_body(line, &body, blob, err)
                              : say_some(line, &body, body.size, err);
}

int line_send_file(struct line *line, uint16_t kind, uint32_t id,
                   const struct buffer *body, int fd)
{
    struct frame_parts frame = {.kind = kind,
                                .id = id,
                                .parts = {{body->data, body->size}},
                                .n_parts = 1,
                                .fds = &fd,
                                .n_fds = 1};
    if (line->terms.window || !channel_is_near(line->channel))
        return -EOPNOTSUPP;
    line->said = clock_ms();
    return channel_post_parts(line->channel, &frame, NULL);
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
        size_t before = first->body.offset;
        r = push(line, &first->body, err);
        line->n_waiting -= first->body.offset - before;
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

/* Room for a body that begins; where there is none, it grows with what comes. */
static int take_total(struct line *line, const struct frame *frame, struct error *err)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    uint64_t size = unpack_max(&in, FRAME_SIZE_MAX);
    if (!unpack_done(&in) || line->parts.size)
        return error_set(err, -EBADMSG, "a message that is announced does not follow");
    if (size < line->parts.capacity)
        return 0;
    buffer_clear(&line->parts);
    line->parts.data = malloc(size + 1);
    if (!line->parts.data)
        return 0;
    line->parts.capacity = size + 1;
    memory_prefer_huge(line->parts.data, size + 1);
    return 0;
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
    if (frame->kind == LINE_TOTAL)
        return take_total(line, frame, err);
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
        line->parts.size = 0;
        line->is_lent = false;
        line->emptied = clock_ms();
        if (line->parts.capacity > KEEP_CAPACITY)
            buffer_clear(&line->parts);
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

bool line_look(struct line *line)
{
    return channel_look(line->channel);
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
    if (line->parts.capacity && !line->parts.size && now - line->emptied > KEEP_MS)
        buffer_clear(&line->parts);
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
