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

static void show(struct ranks *ranks, size_t number, struct frame *frame)
{
    CLEANUP(buffer_clear) struct buffer bundle = {0}, body = {0};
    ranks_send_rest(ranks, number);
    if (display_bytes(frame, &bundle, NULL) == 0) {
        pack_u64(&body, number);
        pack_u64(&body, 0);
        pack_bytes(&body, bundle.data, bundle.size);
        ranks_say(ranks, RANKS_OUTPUT, ranks->request.id, &body);
    }
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
        show(ranks, number, frame);
    } else if (frame->kind == WORKER_PIPES && frame->n_fds == 2) {
        ranks_send_rest(ranks, number);
        rank_set_pipes(rank, frame->fds);
    } else if (frame->kind == WORKER_DYING) {
        struct unpack in = unpack_init(frame->data, frame->size);
        outcome_clear(&rank->dying);
        if (outcome_unpack(&in, &rank->dying, NULL) < 0)
            rank->dying = (struct outcome){0};
        drop_fds(frame);
    } else if (frame->kind == FRAME_HELLO) {
        drop_fds(frame);
        take_hello(ranks, rank);
    } else if (rank->is_asked && frame->id == ranks->request.id) {
        bool is_bad =
            frame->kind != ranks->request.kind || !is_success(frame->data, frame->size);
        drop_fds(frame);
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

void ranks_read_parent(struct rank *rank)
{
    struct frame frame;
    int status = -1;
    int r = channel_receive(rank->parent, 0, &frame, NULL);
    if (r == 0)
        return;
    if (r > 0) {
        struct unpack in = unpack_init(frame.data, frame.size);
        drop_fds(&frame);
        if (frame.kind == RANK_ENDED)
            status = (int)unpack_max(&in, INT32_MAX);
    }
    channel_free(TAKE(rank->parent));
    rank->closed_at = 0;
    /* What it said last may be in its channel still. */
    while (rank->worker && channel_receive(rank->worker, 0, &frame, NULL) > 0) {
        struct unpack in = unpack_init(frame.data, frame.size);
        drop_fds(&frame);
        if (frame.kind == WORKER_DYING && rank->dying.kind == OUTCOME_OK &&
            outcome_unpack(&in, &rank->dying, NULL) < 0)
            rank->dying = (struct outcome){0};
    }
    rank_lose(rank, status);
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
    ranks->strangers[ranks->n_strangers++] = channel_new(fd, fd);
}

/* False when it is one no more. */
bool ranks_read_stranger(struct ranks *ranks, struct channel *channel)
{
    struct frame frame;
    struct error err = {0};
    int r = channel_receive(channel, 0, &frame, NULL);
    if (r == 0)
        return true;
    if (r > 0 && ranks->world.state == WORLD_STARTING &&
        world_take_rank(&ranks->world, &frame, channel, &err) == 0)
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
