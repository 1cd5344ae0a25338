/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loop of `achar-pool --ranks`. */
#include "kernel/pool/ranks.h"

#include <errno.h>
#include <stdio.h>

#include "kernel/pool/ranks_inside.h"

#define TICK_MS 20 /* while launchers start or end */
#define FDS_A_RANK 4
#define FRONT_FDS 3 /* front, and two listeners */

static short events_of(const struct channel *channel)
{
    return channel_unsent(channel) ? POLLIN | POLLOUT : POLLIN;
}

static struct pollfd *reserve(struct ranks *ranks, size_t n)
{
    if (n > ranks->fds_capacity) {
        ranks->fds = must_realloc(ranks->fds, n, sizeof(*ranks->fds));
        ranks->fds_capacity = n;
    }
    return ranks->fds;
}

static void watch_rank(struct rank *rank, bool is_front_slow, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = -1};
    fds[1] = fds[2] = fds[3] = fds[0];
    if (rank->parent) {
        struct pollfd pair[2];
        if (rank->is_far)
            line_hold(rank->parent, is_front_slow);
        line_poll(rank->parent, pair); /* one: it is a socket */
        fds[0] = pair[0];
    }
    if (rank->worker)
        fds[1] = (struct pollfd){channel_fd(rank->worker), events_of(rank->worker), 0};
    for (int i = 0; i < 2; i++)
        if (!is_front_slow)
            fds[2 + i] = (struct pollfd){rank->output[i].fd, POLLIN, 0};
}

/* Front, listeners; launcher; ranks; launchers that end; strangers. */
static size_t gather(struct ranks *ranks)
{
    struct world *world = &ranks->world;
    size_t n_most = FRONT_FDS + LAUNCHER_FDS + FDS_A_RANK * world->n +
                    LAUNCHER_FDS * ranks->n_ending + ranks->n_strangers;
    struct pollfd *at = reserve(ranks, n_most);
    bool is_front_slow = channel_unsent(ranks->front) > POOL_UNSENT_BYTES;
    *at++ = (struct pollfd){channel_fd(ranks->front), events_of(ranks->front), 0};
    *at++ = (struct pollfd){ranks->listener, POLLIN, 0};
    *at++ =
        (struct pollfd){ranks->callback ? callback_fd(ranks->callback) : -1, POLLIN, 0};
    launcher_watch(&world->launcher, at);
    at += LAUNCHER_FDS;
    for (size_t i = 0; i < world->n; i++, at += FDS_A_RANK)
        watch_rank(&world->ranks[i], is_front_slow, at);
    for (size_t i = 0; i < ranks->n_ending; i++, at += LAUNCHER_FDS)
        launcher_watch(&ranks->ending[i], at);
    for (size_t i = 0; i < ranks->n_strangers; i++)
        *at++ = (struct pollfd){channel_fd(ranks->strangers[i].channel), POLLIN, 0};
    return n_most;
}

static int timeout(const struct ranks *ranks)
{
    uint64_t now = pool_now(), due = ranks->request.step_at;
    if (ranks->request.look_at && (!due || ranks->request.look_at < due))
        due = ranks->request.look_at;
    bool is_closing = false;
    int left = !due ? -1 : due <= now ? 0 : (int)((due - now) / 1000) + 1;
    for (size_t i = 0; i < ranks->world.n; i++) {
        const struct rank *rank = &ranks->world.ranks[i];
        int beat = rank->parent ? line_due(rank->parent) : -1;
        is_closing |= rank->closed_at != 0;
        if (beat >= 0 && (left < 0 || beat < left))
            left = beat;
    }
    bool ticks = ranks->world.state == WORLD_STARTING || ranks->n_ending || is_closing;
    return ticks && (left < 0 || left > TICK_MS) ? TICK_MS : left;
}

static void handle_rank(struct ranks *ranks, size_t number, const struct pollfd *fds)
{
    struct rank *rank = &ranks->world.ranks[number];
    for (int stream = 0; stream < 2; stream++)
        if (fds[2 + stream].revents) {
            output_read(&rank->output[stream]);
            ranks_send_output(ranks, number, stream);
        }
    if (fds[1].revents && rank->worker) {
        if (fds[1].revents & POLLOUT && channel_flush(rank->worker, NULL) < 0)
            rank_note_closed(rank);
        ranks_read_worker(ranks, number);
    }
    if (fds[0].revents && rank->parent) {
        if (fds[0].revents & POLLOUT && line_flush(rank->parent, NULL) < 0)
            rank_note_closed(rank);
        ranks_read_parent(ranks, number);
    }
}

static void handle_strangers(struct ranks *ranks, const struct pollfd *fds)
{
    size_t n = 0, n_before = ranks->n_strangers;
    for (size_t i = 0; i < n_before; i++)
        if (!fds[i].revents || ranks_read_stranger(ranks, &ranks->strangers[i]))
            ranks->strangers[n++] = ranks->strangers[i];
    ranks->n_strangers = n;
}

static void look_after_rank(struct rank *rank, const struct world *world, uint64_t now)
{
    struct error err = {0};
    if (rank->closed_at && now >= rank->closed_at + RANK_LAST_WORDS_US)
        rank_lose(rank, -1);
    if (!rank->parent || rank->is_lost || line_tick(rank->parent, &err) == 0)
        return;
    struct line_terms terms = rank_terms(world->lease_ms, rank->is_far);
    if (err.code != -ETIMEDOUT)
        rank_note_closed(rank);
    else if (world->state == WORLD_UP)
        rank_lose_silent(rank, world->lease_ms);
    else
        line_agree(rank->parent, &terms); /* once more: hosts are busy at a start */
}

/* Losses that were noticed in this round, and steps that are due. */
static void look_after_world(struct ranks *ranks)
{
    struct world *world = &ranks->world;
    uint64_t now = pool_now();
    bool is_broken = false;
    ranks_look(ranks, now);
    for (size_t i = 0; i < world->n; i++) {
        struct rank *rank = &world->ranks[i];
        look_after_rank(rank, world, now);
        is_broken |= rank->is_lost;
    }
    bool was_left =
        world->state == WORLD_STARTING && launcher_has_ended(&world->launcher);
    if (is_broken || was_left) {
        if (is_broken && ranks->request.id)
            ranks->request.has_failed = true;
        ranks_end_world(ranks);
    } else if (ranks->request.step_at && now >= ranks->request.step_at) {
        ranks_step(ranks, now);
    }
}

static void handle(struct ranks *ranks, const struct pollfd *fds)
{
    size_t n_ranks = ranks->world.n, n_ending = ranks->n_ending;
    if (fds[0].revents & POLLOUT && channel_flush(ranks->front, NULL) < 0)
        ranks->is_over = true;
    launcher_read(&ranks->world.launcher, fds + FRONT_FDS);
    ranks_take_keys(ranks);
    const struct pollfd *at = fds + FRONT_FDS + LAUNCHER_FDS;
    for (size_t i = 0; i < n_ranks; i++, at += FDS_A_RANK)
        handle_rank(ranks, i, at);
    for (size_t i = 0; i < n_ending; i++, at += LAUNCHER_FDS)
        launcher_read(&ranks->ending[i], at);
    handle_strangers(ranks, at);
    if (fds[1].revents)
        ranks_accept(ranks);
    if (fds[2].revents)
        ranks_accept_far(ranks);
    look_after_world(ranks);
    if (fds[0].revents & (POLLIN | POLLHUP | POLLERR))
        ranks_read_front(ranks);
}

static void tidy(struct ranks *ranks)
{
    size_t n = 0;
    uint64_t now = pool_now();
    for (size_t i = 0; i < ranks->n_ending; i++)
        if (!launcher_is_over(&ranks->ending[i], now))
            ranks->ending[n++] = ranks->ending[i];
    ranks->n_ending = n;
}

static void say_hello(struct ranks *ranks)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, PROTOCOL_VERSION);
    pack_u64(&body, (uint64_t)getpid());
    pack_string(&body, "ranks");
    ranks_say(ranks, FRAME_HELLO, 0, &body);
}

static void clear(struct ranks *ranks)
{
    ranks_clear_world(ranks);
    for (size_t i = 0; i < ranks->n_strangers; i++)
        channel_free(ranks->strangers[i].channel);
    callback_free(ranks->callback);
    uint64_t end = pool_now() + LAUNCHER_END_US / 2;
    for (; ranks->n_ending && pool_now() < end; tidy(ranks))
        poll(NULL, 0, TICK_MS);
    for (size_t i = 0; i < ranks->n_ending; i++)
        launcher_kill(&ranks->ending[i]);
    for (size_t i = 0; i < ranks->n_words; i++)
        free(ranks->words[i]);
    free(ranks->words);
    free(ranks->library);
    free(ranks->interface);
    free(ranks->fds);
    closep(&ranks->listener);
}

int ranks_serve(struct channel *front)
{
    CLEANUP(freep) struct ranks *ranks = must_alloc(sizeof(*ranks));
    struct error err = {0};
    ranks->front = front;
    ranks->world.launcher.fds[0] = ranks->world.launcher.fds[1] = -1;
    if (ranks_listen(ranks, &err) < 0) {
        fprintf(stderr, "achar-pool: %s\n", err.text);
        return 1;
    }
    folder_sweep();
    say_hello(ranks);
    while (!ranks->is_over) {
        if (channel_flush(front, NULL) < 0)
            break;
        size_t n = gather(ranks);
        if (poll(ranks->fds, n, timeout(ranks)) < 0)
            continue;
        handle(ranks, ranks->fds);
        tidy(ranks);
    }
    clear(ranks);
    return 0;
}
