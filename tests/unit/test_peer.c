/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames: whole, in pieces, both ways at once, with descriptors, malformed; packing. */
#include "kernel/peer/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "kernel/peer/outcome.h"
#include "tests/unit/check.h"

static void make_pair(struct channel **a, struct channel **b)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    *a = channel_new(fds[0], fds[0]);
    *b = channel_new(fds[1], fds[1]);
}

static void frames_arrive_whole_and_in_order(void)
{
    struct channel *a, *b;
    struct frame frame;
    struct error err = {0};
    make_pair(&a, &b);
    CHECK_OK(channel_send(a, 7, 1, 2, "abc", 3, &err), err);
    CHECK_OK(channel_send(a, 8, 3, 4, NULL, 0, &err), err);
    CHECK_INT(channel_receive(b, 1000, &frame, &err), 1);
    CHECK_INT(frame.kind, 7);
    CHECK_INT(frame.generation, 1);
    CHECK_INT(frame.id, 2);
    CHECK(frame.size == 3 && !memcmp(frame.data, "abc", 3));
    CHECK_INT(channel_receive(b, 1000, &frame, &err), 1);
    CHECK_INT(frame.kind, 8);
    CHECK_INT(frame.size, 0);
    CHECK_INT(channel_receive(b, 0, &frame, &err), 0);
    channel_free(a);
    CHECK_INT(channel_receive(b, 1000, &frame, &err), -EPIPE);
    CHECK_INT(channel_send(b, 1, 1, 1, "x", 1, NULL), -EPIPE);
    channel_free(b);
}

#define BIG (8u << 20)

static void *exchange_big(void *channel)
{
    struct frame frame;
    char *data = calloc(1, BIG);
    CHECK_INT(channel_send(channel, 1, 1, 1, data, BIG, NULL), 0);
    CHECK_INT(channel_receive(channel, 5000, &frame, NULL), 1);
    CHECK_INT(frame.size, BIG);
    free(data);
    return NULL;
}

static void two_peers_that_send_at_once_do_not_lock_up(void)
{
    struct channel *a, *b;
    pthread_t thread;
    make_pair(&a, &b);
    pthread_create(&thread, NULL, exchange_big, a);
    exchange_big(b);
    pthread_join(thread, NULL);
    channel_free(a);
    channel_free(b);
}

static void descriptors_stay_with_their_frame(void)
{
    struct channel *a, *b;
    struct frame frame;
    int fd = open("/dev/null", O_RDONLY);
    make_pair(&a, &b);
    CHECK_INT(channel_send(a, 1, 0, 0, "x", 1, NULL), 0);
    CHECK_INT(channel_send_fds(a, 2, 0, 0, "y", 1, &fd, 1, NULL), 0);
    CHECK_INT(channel_send(a, 3, 0, 0, "z", 1, NULL), 0);
    for (int kind = 1; kind <= 3; kind++) {
        CHECK_INT(channel_receive(b, 1000, &frame, NULL), 1);
        CHECK_INT(frame.kind, kind);
        CHECK_INT(frame.n_fds, kind == 2);
        if (frame.n_fds)
            CHECK(close(frame.fds[0]) == 0);
    }
    close(fd);
    channel_free(a);
    channel_free(b);
}

static void what_is_no_frame_is_refused(void)
{
    int fds[2];
    struct frame frame;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
    struct channel *channel = channel_new(fds[0], fds[0]);
    CHECK(write(fds[1], "\xff\xff\xff\xff................", 20) == 20);
    CHECK_INT(channel_receive(channel, 1000, &frame, NULL), -EBADMSG);
    channel_free(channel);
    close(fds[1]);
}

static void packing_is_total(void)
{
    struct buffer out = {0};
    pack_u64(&out, 0);
    pack_u64(&out, UINT64_MAX);
    pack_i64(&out, INT64_MIN);
    pack_f64(&out, -0.5);
    pack_string(&out, NULL);
    pack_string(&out, "");
    pack_string(&out, "text");
    struct unpack in = unpack_init(out.data, out.size);
    CHECK(unpack_u64(&in) == 0 && unpack_u64(&in) == UINT64_MAX);
    CHECK(unpack_i64(&in) == INT64_MIN);
    CHECK(unpack_f64(&in) == -0.5);
    CHECK(unpack_string(&in) == NULL);
    char *empty = unpack_string(&in), *text = unpack_string(&in);
    CHECK_STRING(empty, "");
    CHECK_STRING(text, "text");
    CHECK(unpack_done(&in));
    free(empty);
    free(text);
    struct unpack longer = unpack_init("\x80\x00", 2);
    unpack_u64(&longer);
    CHECK(longer.failed); /* zero has one encoding */
    struct unpack cut = unpack_init(out.data, 4);
    unpack_u64(&cut);
    unpack_u64(&cut);
    CHECK(cut.failed);
    buffer_clear(&out);
}

static void outcomes_survive_the_wire(void)
{
    struct outcome_frame frames[1] = {{.function = "f", .cell = 3, .line = 4}};
    struct outcome sent = {.kind = OUTCOME_FAULT,
                           .name = "SIGSEGV",
                           .status = 11,
                           .is_state_kept = true,
                           .frames = frames,
                           .n_frames = 1};
    struct outcome got;
    struct buffer out = {0};
    struct error err = {0};
    outcome_pack(&sent, &out);
    for (size_t size = 0; size < out.size; size++) {
        struct unpack cut = unpack_init(out.data, size);
        CHECK_INT(outcome_unpack(&cut, &got, NULL), -EBADMSG);
    }
    struct unpack in = unpack_init(out.data, out.size);
    CHECK_OK(outcome_unpack(&in, &got, &err), err);
    CHECK_STRING(got.name, "SIGSEGV");
    CHECK(got.message == NULL && got.is_state_kept && got.n_frames == 1);
    CHECK_INT(got.frames[0].line, 4);
    outcome_clear(&got);
    buffer_clear(&out);
}

int main(void)
{
    frames_arrive_whole_and_in_order();
    two_peers_that_send_at_once_do_not_lock_up();
    descriptors_stay_with_their_frame();
    what_is_no_frame_is_refused();
    packing_is_total();
    outcomes_survive_the_wire();
    return check_status();
}
