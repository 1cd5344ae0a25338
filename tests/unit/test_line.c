/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Lines: bodies in pieces, control frames ahead of data, credit, leases; and channels
 * over pipes, behind noise, and over a transport. */
#include "kernel/peer/line.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/peer/protocol.h"
#include "tests/unit/check.h"

#define BIG (40u << 20)
#define WINDOW (16 * (size_t)LINE_PIECE)

static const struct line_terms counted = {.window = WINDOW};

static void make_lines(struct line **a, struct line **b, const struct line_terms *terms)
{
    int ends[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    *a = line_new(channel_new(ends[0], ends[0]));
    *b = line_new(channel_new(ends[1], ends[1]));
    line_agree(*a, terms);
    line_agree(*b, terms);
}

/* Lets both sides do what they can; 1: `to` has a frame. */
static int pass_on(struct line *from, struct line *to, struct frame *frame)
{
    struct frame none;
    for (int i = 0; i < 100000; i++) {
        CHECK_INT(line_flush(from, NULL), 0);
        int r = line_receive(to, frame, NULL);
        if (r != 0)
            return r;
        r = line_receive(from, &none, NULL); /* credit */
        CHECK_INT(r, 0);
        if (!line_unsent(from))
            return line_receive(to, frame, NULL);
    }
    return -ETIMEDOUT;
}

static void a_large_body_arrives_whole(void)
{
    struct line *a, *b;
    struct frame frame;
    CLEANUP(freep) char *data = malloc(BIG);
    for (size_t i = 0; i < BIG; i++)
        data[i] = (char)(i * 2654435761u >> 13);
    make_lines(&a, &b, &counted);
    CHECK_INT(line_send(a, POOL_PAYLOAD, 7, data, BIG, NULL), 0);
    CHECK_INT(line_send(a, POOL_TASK, 8, "x", 1, NULL), 0);
    CHECK(line_unsent(a) > BIG - 2 * WINDOW);
    CHECK_INT(pass_on(a, b, &frame), 1);
    CHECK_INT(frame.kind, POOL_PAYLOAD);
    CHECK_INT(frame.id, 7);
    CHECK(frame.size == BIG && memcmp(frame.data, data, BIG) == 0);
    CHECK_INT(pass_on(a, b, &frame), 1);
    CHECK_INT(frame.kind, POOL_TASK);
    CHECK(frame.size == 1 && *frame.data == 'x');
    line_free(a);
    line_free(b);
}

static void control_overtakes_data(void)
{
    struct line *a, *b;
    struct frame frame;
    CLEANUP(freep) char *data = calloc(1, BIG);
    make_lines(&a, &b, &counted);
    CHECK_INT(line_send(a, POOL_TASK, 1, data, BIG, NULL), 0);
    CHECK_INT(line_send(a, POOL_CANCEL, 2, NULL, 0, NULL), 0);
    CHECK_INT(pass_on(a, b, &frame), 1);
    CHECK_INT(frame.kind, POOL_CANCEL);
    CHECK_INT(frame.id, 2);
    CHECK(line_unsent(a) > BIG / 2); /* most of the data is still here */
    CHECK_INT(pass_on(a, b, &frame), 1);
    CHECK_INT(frame.kind, POOL_TASK);
    CHECK_INT(frame.size, BIG);
    line_free(a);
    line_free(b);
}

/* A peer that gives no credit is sent a window and no more, however much is taken from
 * the wire. */
static void without_credit_no_more_than_the_window_is_sent(void)
{
    int ends[2];
    char bytes[65536];
    size_t taken = 0;
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    struct line *a = line_new(channel_new(ends[0], ends[0]));
    CLEANUP(freep) char *data = calloc(1, BIG);
    line_agree(a, &counted);
    CHECK_INT(line_send(a, POOL_TASK, 1, data, BIG, NULL), 0);
    for (int i = 0; i < 10000; i++) {
        CHECK_INT(line_flush(a, NULL), 0);
        ssize_t n = read(ends[1], bytes, sizeof(bytes));
        if (n <= 0)
            break;
        taken += (size_t)n;
    }
    CHECK(taken <= WINDOW && taken > WINDOW / 2);
    line_free(a);
    close(ends[1]);
}

static void who_holds_gets_no_more_than_the_window(void)
{
    struct line *a, *b;
    struct frame frame;
    size_t taken = 0;
    make_lines(&a, &b, &counted);
    line_hold(b, true);
    CLEANUP(freep) char *data = calloc(1, LINE_PIECE);
    for (int i = 0; i < 200; i++)
        CHECK_INT(line_send(a, POOL_TASK, 1, data, LINE_PIECE / 2, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        CHECK_INT(line_flush(a, NULL), 0);
        if (line_receive(b, &frame, NULL) == 1)
            taken += frame.size;
        CHECK_INT(line_receive(a, &frame, NULL), 0);
    }
    CHECK(taken <= WINDOW && taken > WINDOW / 2);
    line_hold(b, false);
    for (int i = 0; i < 1000; i++) {
        CHECK_INT(line_flush(a, NULL), 0);
        if (line_receive(b, &frame, NULL) == 1)
            taken += frame.size;
        CHECK_INT(line_receive(a, &frame, NULL), 0);
    }
    CHECK_INT(taken, 200 * (LINE_PIECE / 2));
    line_free(a);
    line_free(b);
}

static void credit_that_was_not_due_is_refused(void)
{
    struct line *a, *b;
    struct frame frame;
    struct error err = {0};
    CLEANUP(buffer_clear) struct buffer body = {0};
    make_lines(&a, &b, &counted);
    buffer_add(&body, "\xff\xff\x03", 3);
    CHECK_INT(line_send(a, LINE_CREDIT, 0, body.data, body.size, NULL), 0);
    CHECK_INT(line_receive(b, &frame, &err), -EBADMSG);
    line_free(a);
    line_free(b);
}

static void a_frame_above_the_limit_is_refused(void)
{
    int ends[2];
    struct frame frame;
    static char data[4 * LINE_PIECE];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct line *a = line_new(channel_new(ends[0], ends[0]));
    struct line *b = line_new(channel_new(ends[1], ends[1]));
    line_agree(b, &counted);
    CHECK_INT(line_send(a, POOL_TASK, 1, data, sizeof(data), NULL), 0);
    int r = 0;
    for (int i = 0; i < 100 && r == 0; i++)
        r = line_receive(b, &frame, NULL);
    CHECK_INT(r, -EBADMSG);
    line_free(a);
    line_free(b);
}

static void a_silent_peer_is_dead_after_its_lease(void)
{
    struct line *a, *b;
    struct frame frame;
    struct error err = {0};
    struct line_terms terms = {.beat_ms = 20, .lease_ms = 300};
    make_lines(&a, &b, &terms);
    CHECK(line_due(a) >= 0 && line_due(a) <= 20);
    /* While the other one beats, it lives. */
    for (int i = 0; i < 40; i++) {
        poll(NULL, 0, 10);
        CHECK_INT(line_tick(b, NULL), 0);
        CHECK_INT(line_receive(a, &frame, NULL), 0);
        CHECK_INT(line_tick(a, NULL), 0);
    }
    /* What has come while we slept counts. */
    CHECK_INT(line_tick(b, NULL), 0);
    poll(NULL, 0, 30);
    CHECK_INT(line_tick(b, NULL), 0);
    poll(NULL, 0, 400);
    CHECK_INT(line_tick(a, NULL), 0);
    CHECK_INT(line_receive(a, &frame, NULL), 0);
    int r = 0;
    for (int i = 0; i < 1000 && r == 0; i++) {
        poll(NULL, 0, 10);
        r = line_tick(a, &err);
    }
    CHECK_INT(r, -ETIMEDOUT);
    CHECK_STRING(err.text, "nothing was heard of it for 300 ms");
    line_free(a);
    line_free(b);
}

static void frames_begin_behind_the_mark(void)
{
    int to[2], from[2];
    struct frame frame;
    CHECK_INT(pipe(to), 0);
    CHECK_INT(pipe(from), 0);
    struct channel *a = channel_new(from[0], to[1]), *b = channel_new(to[0], from[1]);
    channel_expect(b, "0123456789abcdef");
    CHECK_INT(channel_fd(a), from[0]);
    CHECK_INT(channel_write_fd(a), to[1]);
    CHECK_INT(write(to[1], "Welcome\n0123456789", 18), 18);
    CHECK_INT(channel_receive(b, 0, &frame, NULL), 0);
    CHECK_INT(channel_send_mark(a, "0123456789abcdef", NULL), 0);
    CHECK_INT(channel_send(a, 5, 0, 1, "abc", 3, NULL), 0);
    CHECK_INT(channel_receive(b, 1000, &frame, NULL), 1);
    CHECK_INT(frame.kind, 5);
    CHECK(frame.size == 3);
    CHECK_STRING(channel_noise(b), "Welcome\n0123456789");
    channel_free(a);
    CHECK_INT(channel_receive(b, 1000, &frame, NULL), -EPIPE);
    channel_free(b);
}

static void noise_without_end_is_an_end(void)
{
    int ends[2];
    struct frame frame;
    static char noise[65536];
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    struct channel *b = channel_new(ends[1], ends[1]);
    channel_expect(b, "mark");
    int r = 0;
    for (int i = 0; i < 100 && r == 0; i++) {
        CHECK(write(ends[0], noise, sizeof(noise)) != 0);
        r = channel_receive(b, 0, &frame, NULL);
    }
    CHECK_INT(r, -EPIPE);
    channel_free(b);
    close(ends[0]);
}

/* A transport that reads ahead, turns bits, and cuts every write. */
struct turned {
    int fd;
    char ahead[4096];
    size_t n, at;
};

static ssize_t turned_read(void *state, void *to, size_t size)
{
    struct turned *turned = state;
    if (turned->at == turned->n) {
        ssize_t n = read(turned->fd, turned->ahead, sizeof(turned->ahead));
        if (n <= 0)
            return n;
        turned->n = (size_t)n;
        turned->at = 0;
    }
    size_t left = turned->n - turned->at, n = size < left ? size : left;
    n = n > 7 ? 7 : n;
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = (char)~turned->ahead[turned->at++];
    return (ssize_t)n;
}

static ssize_t turned_write(void *state, const struct iovec *parts, int n_parts)
{
    struct turned *turned = state;
    char bytes[1000];
    CHECK(n_parts > 0);
    size_t n = parts->iov_len < sizeof(bytes) ? parts->iov_len : sizeof(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)~((const char *)parts->iov_base)[i];
    return write(turned->fd, bytes, n);
}

static bool turned_has_more(const void *state)
{
    const struct turned *turned = state;
    return turned->at < turned->n;
}

static const struct transport turned_transport = {.read = turned_read,
                                                  .write = turned_write,
                                                  .has_more = turned_has_more,
                                                  .free = free};

static void frames_go_over_a_transport(void)
{
    int ends[2];
    struct frame frame;
    static char data[100000];
    struct turned *near = calloc(1, sizeof(*near)), *far = calloc(1, sizeof(*far));
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    near->fd = ends[0];
    far->fd = ends[1];
    struct channel *a = channel_new_over(&turned_transport, near, ends[0], ends[0]);
    struct channel *b = channel_new_over(&turned_transport, far, ends[1], ends[1]);
    memset(data, 'x', sizeof(data));
    CHECK_INT(channel_post(a, 1, 0, 1, data, sizeof(data), NULL), 0);
    CHECK_INT(channel_post(a, 2, 0, 2, "abc", 3, NULL), 0);
    int r = 0;
    for (int i = 0; i < 1000 && r == 0; i++) {
        CHECK_INT(channel_flush(a, NULL), 0);
        r = channel_receive(b, 1, &frame, NULL);
    }
    CHECK_INT(r, 1);
    CHECK_INT(frame.size, sizeof(data));
    CHECK(memcmp(frame.data, data, sizeof(data)) == 0);
    CHECK_INT(channel_flush(a, NULL), 0);
    CHECK_INT(channel_receive(b, 1000, &frame, NULL), 1);
    CHECK_INT(frame.kind, 2);
    channel_free(a);
    CHECK_INT(channel_receive(b, 1000, &frame, NULL), -EPIPE);
    channel_free(b);
}

int main(void)
{
    a_large_body_arrives_whole();
    control_overtakes_data();
    without_credit_no_more_than_the_window_is_sent();
    who_holds_gets_no_more_than_the_window();
    credit_that_was_not_due_is_refused();
    a_frame_above_the_limit_is_refused();
    a_silent_peer_is_dead_after_its_lease();
    frames_begin_behind_the_mark();
    noise_without_end_is_an_end();
    frames_go_over_a_transport();
    return check_status();
}
