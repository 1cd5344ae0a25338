/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/ranks_inside.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "kernel/peer/display.h"

static bool is_success(const char *data, size_t size)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    struct unpack in = unpack_init(data, size);
    return outcome_unpack(&in, &outcome, NULL) == 0 &&
           (outcome.kind == OUTCOME_OK ||
            (outcome.kind == OUTCOME_EXIT && !outcome.status));
}

/* ---- ranks ---- */

static void show(struct ranks *ranks, size_t number, const void *bundle, size_t size)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    ranks_send_rest(ranks, number);
    pack_u64(&body, number);
    pack_u64(&body, 0);
    pack_bytes(&body, bundle, size);
    ranks_say(ranks, RANKS_OUTPUT, ranks->request.id, &body);
}

static void take_display(struct ranks *ranks, size_t number, struct frame *frame)
{
    CLEANUP(buffer_clear) struct buffer bundle = {0};
    if (ranks->world.ranks[number].is_far)
        show(ranks, number, frame->data, frame->size);
    else if (display_bytes(frame, &bundle, NULL) == 0)
        show(ranks, number, bundle.data, bundle.size);
    display_done(frame);
}

static void take_hello(struct ranks *ranks, struct rank *rank)
{
    struct world *world = &ranks->world;
    if (rank->is_up)
        return;
    rank->is_up = true;
    if (++world->n_up < world->n)
        return;
    for (size_t i = 0; i < world->n; i++) /* chatter of libraries that start */
        for (int stream = 0; stream < 2; stream++) {
            output_read_rest(&world->ranks[i].output[stream]);
            world->ranks[i].output[stream].unsent.size = 0;
        }
    world->state = WORLD_UP;
    ranks_say_state(ranks, ranks->start_id, OUTCOME_OK, NULL, NULL);
    ranks->start_id = 0;
}

/* By a call of exit(), which is a success as such. */
static void note_exit(struct rank *rank, const struct frame *frame)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    struct unpack in = unpack_init(frame->data, frame->size);
    if (outcome_unpack(&in, &outcome, NULL) < 0 || outcome.kind != OUTCOME_EXIT ||
        !outcome.n_frames)
        return;
    free(outcome.frames[0].function); /* exit */
    outcome.frames[0].function = must_strdup("(cell)");
    rank->left = rank_describe_place(&outcome);
}

static void drop_fds(struct frame *frame)
{
    for (size_t i = 0; i < frame->n_fds; i++)
        close(frame->fds[i]);
    frame->n_fds = 0;
}

static void take_frame(struct ranks *ranks, size_t number, struct frame *frame)
{
    struct rank *rank = &ranks->world.ranks[number];
    if (frame->kind == WORKER_DISPLAY && ranks->world.state == WORLD_UP) {
        take_display(ranks, number, frame);
    } else if (frame->kind == WORKER_PIPES && frame->n_fds == 2) {
        ranks_send_rest(ranks, number);
        rank_set_pipes(rank, frame->fds);
    } else if (frame->kind == WORKER_DYING) {
        struct unpack in = unpack_init(frame->data, frame->size);
        outcome_clear(&rank->dying);
        if (outcome_unpack(&in, &rank->dying, NULL) < 0)
            rank->dying = (struct outcome){0};
        drop_fds(frame);
    } else if (frame->kind == WORKER_WHERE) {
        drop_fds(frame);
        ranks_take_where(ranks, number, frame);
    } else if (frame->kind == FRAME_HELLO) {
        drop_fds(frame);
        take_hello(ranks, rank);
    } else if (rank->is_asked && frame->id == ranks->request.id) {
        bool is_bad =
            frame->kind != ranks->request.kind || !is_success(frame->data, frame->size);
        drop_fds(frame);
        if (frame->kind == WORKER_RUN)
            note_exit(rank, frame);
        ranks_send_answer(ranks, number, frame->data, frame->size);
        if (is_bad)
            ranks_fail_request(ranks);
        ranks_close_request(ranks);
    } else {
        drop_fds(frame);
    }
}

void ranks_read_worker(struct ranks *ranks, size_t number)
{
    struct rank *rank = &ranks->world.ranks[number];
    struct frame frame;
    int r;
    while ((r = channel_receive(rank->worker, 0, &frame, NULL)) > 0)
        take_frame(ranks, number, &frame);
    if (r == 0)
        return;
    channel_free(TAKE(rank->worker));
    rank->closed_at = pool_now();
}

/* Its worker is gone, and what it said last may be in its channel still. */
static void end_rank(struct rank *rank, int status)
{
    struct frame frame;
    line_free(TAKE(rank->parent));
    rank->closed_at = 0;
    while (rank->worker && channel_receive(rank->worker, 0, &frame, NULL) > 0) {
        struct unpack in = unpack_init(frame.data, frame.size);
        drop_fds(&frame);
        if (frame.kind == WORKER_DYING && rank->dying.kind == OUTCOME_OK &&
            outcome_unpack(&in, &rank->dying, NULL) < 0)
            rank->dying = (struct outcome){0};
    }
    rank_lose(rank, status);
}

/* What a far rank's worker has said. */
static void take_said(struct ranks *ranks, size_t number, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    struct frame said = {.kind = (uint16_t)unpack_max(&in, UINT16_MAX)};
    said.generation = (uint32_t)unpack_max(&in, UINT32_MAX);
    said.id = (uint32_t)unpack_max(&in, UINT32_MAX);
    said.data = unpack_bytes(&in, &said.size);
    if (unpack_done(&in))
        take_frame(ranks, number, &said);
}

static void take_printed(struct ranks *ranks, size_t number, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    uint64_t stream = unpack_max(&in, 2);
    size_t size;
    const void *text = unpack_bytes(&in, &size);
    if (!unpack_done(&in) || !stream)
        return;
    buffer_add(&ranks->world.ranks[number].output[stream - 1].unsent, text, size);
    ranks_send_output(ranks, number, (int)stream - 1);
}

void ranks_read_parent(struct ranks *ranks, size_t number)
{
    struct rank *rank = &ranks->world.ranks[number];
    struct frame frame;
    int r;
    while ((r = line_receive(rank->parent, &frame, NULL)) > 0) {
        struct unpack in = unpack_init(frame.data, frame.size);
        drop_fds(&frame);
        if (frame.kind == RANK_ENDED) {
            end_rank(rank, (int)unpack_max(&in, INT32_MAX));
            return;
        }
        if (frame.kind == RANK_SAID && rank->is_far)
            take_said(ranks, number, &frame);
        else if (frame.kind == RANK_PRINTED && rank->is_far)
            take_printed(ranks, number, &frame);
    }
    if (r < 0)
        end_rank(rank, -1);
}

/* ---- strangers ---- */

void ranks_accept(struct ranks *ranks)
{
    int fd = accept4(ranks->listener, NULL, NULL, SOCK_CLOEXEC);
    struct ucred peer;
    socklen_t size = sizeof(peer);
    if (fd < 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
        peer.uid != geteuid() || ranks->n_strangers == RANKS_STRANGERS_MAX) {
        close(fd);
        return;
    }
    ranks->strangers[ranks->n_strangers++] =
        (struct stranger){.channel = channel_new(fd, fd)};
}

void ranks_accept_far(struct ranks *ranks)
{
    struct channel *channel;
    while (ranks->n_strangers < RANKS_STRANGERS_MAX &&
           (channel = callback_accept(ranks->callback)))
        ranks->strangers[ranks->n_strangers++] =
            (struct stranger){.channel = channel, .is_far = true};
}

void ranks_take_keys(struct ranks *ranks)
{
    for (char *text; (text = launcher_next_marked(&ranks->world.launcher));) {
        uint8_t hash[TLS_HASH_SIZE];
        if (ranks->callback && ranks->world.state == WORLD_STARTING &&
            ranks->n_keys < RANKS_MAX && tls_hash_read(text, hash) == 0) {
            callback_pin(ranks->callback, hash);
            ranks->n_keys++;
        }
        free(text);
    }
}

/* False when it is one no more. */
bool ranks_read_stranger(struct ranks *ranks, const struct stranger *stranger)
{
    struct channel *channel = stranger->channel;
    struct frame frame;
    struct error err = {0};
    int r = channel_receive(channel, 0, &frame, NULL);
    if (r == 0)
        return true;
    if (r > 0 && ranks->world.state == WORLD_STARTING &&
        world_take_rank(&ranks->world, &frame, channel, stranger->is_far, &err) == 0)
        return false;
    if (r > 0)
        drop_fds(&frame);
    if (err.code == -EPROTO) {
        buffer_format(&ranks->world.launcher.text, "%s\n", err.text);
        ranks_fail_start(ranks);
    }
    channel_free(channel);
    return false;
}

int ranks_listen(struct ranks *ranks, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    uint64_t random = 0;
    if (getrandom(&random, sizeof(random), 0) < 0)
        return error_errno(err, -errno, "cannot name a socket");
    snprintf(ranks->name, sizeof(ranks->name), "achar-ranks-%d-%016llx", (int)getpid(),
             (unsigned long long)random);
    size_t size = strlen(ranks->name);
    memcpy(address.sun_path + 1, ranks->name, size);
    ranks->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (ranks->listener < 0 ||
        bind(ranks->listener, (struct sockaddr *)&address,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + size)) < 0 ||
        listen(ranks->listener, RANKS_MAX) < 0)
        return error_errno(err, -errno, "cannot listen for ranks");
    return 0;
}
