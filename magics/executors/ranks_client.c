/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/executors/ranks_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "kernel/peer/process.h"
#include "pickler/base/clock.h"

#define START_MS 300000 /* an engine may let its jobs wait */
#define HELLO_MS 20000
#define END_MS 3000
#define LINGER_US 30

struct ranks_client {
    struct process pool;
    struct buffer start; /* body of RANKS_START */
    size_t n;
    uint32_t last_id, world;
    bool is_up, is_starting, is_broken;
    char *why; /* it could not start; owned */
    struct place {
        char *host;
        pid_t pid;
    } *places; /* of n ranks while they are up */
};

void ranks_command_clear(struct ranks_command *command)
{
    for (size_t i = 0; i < command->n_words; i++)
        free(command->words[i]);
    free(command->words);
    free(command->interface);
    *command = (struct ranks_command){0};
}

void rank_answers_clear(struct rank_answers *answers)
{
    for (size_t i = 0; i < answers->n; i++) {
        outcome_clear(&answers->at[i].outcome);
        buffer_clear(&answers->at[i].rest);
    }
    free(answers->at);
    *answers = (struct rank_answers){0};
}

static int lost(struct ranks_client *client, struct error *err)
{
    client->is_broken = true;
    client->is_up = client->is_starting = false;
    return error_set(err, -EPIPE, "the pool of ranks has ended");
}

/* ---- worlds ---- */

static void clear_places(struct ranks_client *client)
{
    for (size_t i = 0; i < client->n; i++) {
        free(client->places[i].host);
        client->places[i] = (struct place){0};
    }
}

static int start(struct ranks_client *client, struct error *err)
{
    free(TAKE(client->why));
    client->is_starting = true;
    int r = channel_send(client->pool.channel, RANKS_START, 0, ++client->last_id,
                         client->start.data, client->start.size, err);
    return r < 0 ? lost(client, err) : 0;
}

static void take_state(struct ranks_client *client, const struct frame *frame)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    struct unpack in = unpack_init(frame->data, frame->size);
    bool is_read = outcome_unpack(&in, &outcome, NULL) == 0;
    clear_places(client);
    client->is_up = is_read && outcome.kind == OUTCOME_OK;
    client->is_starting = is_read && outcome.kind == OUTCOME_DIED;
    client->world = frame->generation;
    size_t n = unpack_count(&in);
    for (size_t i = 0; client->is_up && i < n && i < client->n; i++) {
        client->places[i].host = unpack_string(&in);
        client->places[i].pid = (pid_t)unpack_max(&in, INT32_MAX);
    }
    if (client->is_up || client->is_starting)
        return;
    free(client->why);
    client->why = TAKE(outcome.message);
}

/* ---- waiting ---- */

/* 1: a frame; 0: something else happened, or the time is over; negative: the end. */
static int wait_frame(struct ranks_client *client, const struct ranks_events *events,
                      int timeout_ms, struct frame *ret, bool *ret_stopped,
                      struct error *err)
{
    int r = channel_receive(client->pool.channel, 0, ret, NULL);
    int due = events && events->due ? events->due(events->context) : -1;
    if (r == 0) {
        struct pollfd fds[] = {{.fd = channel_fd(client->pool.channel), .events = POLLIN},
                               {.fd = events ? events->wake_fd : -1, .events = POLLIN}};
        poll(fds, 2, due >= 0 && (timeout_ms < 0 || due < timeout_ms) ? due : timeout_ms);
        if (fds[1].revents && events->is_stopped(events->context))
            *ret_stopped = true;
        if (fds[0].revents)
            r = channel_receive(client->pool.channel, 0, ret, NULL);
    }
    if (due >= 0) {
        events->tick(events->context);
        *ret_stopped |= events->is_late(events->context);
    }
    if (r < 0)
        return lost(client, err);
    for (size_t i = 0; r > 0 && i < ret->n_fds; i++)
        close(ret->fds[i]);
    return r;
}

/* What is not an answer. */
static void heed(struct ranks_client *client, const struct frame *frame,
                 const struct ranks_events *events)
{
    if (frame->kind == RANKS_START) {
        take_state(client, frame);
        return;
    }
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t rank = (size_t)unpack_max(&in, RANKS_MAX), size;
    int stream = (int)unpack_max(&in, 2);
    const void *data = unpack_bytes(&in, &size);
    if (frame->kind != RANKS_OUTPUT || !unpack_done(&in) || rank >= client->n || !events)
        return;
    if (stream && events->output)
        events->output(events->context, rank, stream, data, size);
    else if (!stream && events->display)
        events->display(events->context, rank, data, size);
}

int ranks_client_begin(struct ranks_client *client, struct error *err)
{
    return client->is_up || client->is_starting ? 0 : start(client, err);
}

int ranks_client_look(struct ranks_client *client, struct error *err)
{
    struct frame frame;
    int r;
    while ((r = channel_receive(client->pool.channel, 0, &frame, NULL)) > 0)
        heed(client, &frame, NULL);
    return r < 0 ? lost(client, err) : 0;
}

int ranks_client_ready(struct ranks_client *client, const struct ranks_events *events,
                       uint32_t *ret_world, struct error *err)
{
    int64_t end = clock_ms() + START_MS;
    bool is_stopped = false;
    struct frame frame;
    int r = ranks_client_look(client, err);
    if (r == 0)
        r = ranks_client_begin(client, err);
    if (r < 0)
        return r;
    while (!client->is_up) {
        int64_t left = end - clock_ms();
        if (left <= 0)
            return error_set(err, -ETIMEDOUT, "the ranks did not come up in %d s",
                             START_MS / 1000);
        r = wait_frame(client, events, (int)left, &frame, &is_stopped, err);
        if (r < 0)
            return r;
        if (is_stopped)
            return error_set(err, -EINTR, "interrupted while the ranks were started");
        if (r > 0)
            heed(client, &frame, NULL);
        if (!client->is_up && !client->is_starting)
            return error_set(err, -EIO, "%s",
                             client->why ? client->why : "the launcher does not start");
    }
    *ret_world = client->world;
    return 0;
}

/* ---- requests ---- */

static bool is_failure(const struct outcome *outcome)
{
    return outcome->kind != OUTCOME_OK &&
           !(outcome->kind == OUTCOME_EXIT && !outcome->status);
}

/* `frame` is a RANKS_ANSWER. */
static int take_answer(const struct frame *frame, size_t asked, struct rank_answers *ret,
                       bool *has_answered, struct error *err)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t rank = (size_t)unpack_max(&in, RANKS_ALL), size;
    const void *body = unpack_bytes(&in, &size);
    if (!unpack_done(&in))
        return error_set(err, -EBADMSG, "an answer of a rank cannot be read");
    struct unpack rest = unpack_init(body, size);
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    int r = outcome_unpack(&rest, &outcome, err);
    if (r < 0)
        return r;
    if (rank == RANKS_ALL) /* nobody was asked */
        return error_set(err, -ESTALE, "%s", outcome.message);
    size_t i = asked == RANKS_ALL ? rank : 0;
    if (i >= ret->n || has_answered[i])
        return error_set(err, -EPROTO, "rank %zu has answered more than once", rank);
    has_answered[i] = true;
    ret->at[i].rank = rank;
    if (ret->first == SIZE_MAX && is_failure(&outcome))
        ret->first = i;
    ret->at[i].outcome = outcome;
    outcome = (struct outcome){0};
    buffer_add(&ret->at[i].rest, rest.at, (size_t)(rest.end - rest.at));
    return 1;
}

static int wait_answers(struct ranks_client *client, uint32_t id, size_t asked,
                        const struct ranks_events *events, struct rank_answers *answers,
                        struct error *err)
{
    CLEANUP(freep) bool *has_answered = must_alloc((answers->n + 1) * sizeof(bool));
    for (size_t n_open = answers->n; n_open;) {
        struct frame frame;
        bool is_stopped = false;
        int r = wait_frame(client, events, -1, &frame, &is_stopped, err);
        if (r < 0)
            return r;
        if (is_stopped && channel_send(client->pool.channel, RANKS_STOP, client->world,
                                       id, NULL, 0, err) < 0)
            return lost(client, err);
        if (r == 0)
            continue;
        if (frame.kind == FRAME_BAD && frame.id == id)
            return error_set(err, -EPROTO, "the pool of ranks refused a request");
        if (frame.kind != RANKS_ANSWER) {
            heed(client, &frame, events);
            continue;
        }
        if (frame.id != id)
            continue;
        r = take_answer(&frame, asked, answers, has_answered, err);
        if (r < 0)
            return r;
        n_open--;
    }
    return 0;
}

int ranks_client_ask(struct ranks_client *client, size_t rank, uint16_t kind,
                     const struct buffer *body, const struct ranks_events *events,
                     struct rank_answers *ret, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    uint32_t id = ++client->last_id;
    buffer_reserve(&question, body->size + 32);
    pack_u64(&question, rank);
    pack_u64(&question, kind);
    pack_bytes(&question, body->data, body->size);
    *ret =
        (struct rank_answers){.n = rank == RANKS_ALL ? client->n : 1, .first = SIZE_MAX};
    ret->at = must_alloc(ret->n * sizeof(*ret->at));
    int r = channel_send(client->pool.channel, RANKS_ASK, client->world, id,
                         question.data, question.size, err);
    if (r < 0)
        return r == -EPIPE ? lost(client, err) : r;
    /* The pool and the ranks have work meanwhile. */
    channel_linger(client->pool.channel, LINGER_US, (unsigned)client->n + 1);
    return wait_answers(client, id, rank, events, ret, err);
}

/* ---- its life ---- */

int ranks_client_new(const struct ranks_command *command, const char *library,
                     struct ranks_client **ret, struct error *err)
{
    static const char *const argv[] = {"achar-pool", "--ranks", NULL};
    CLEANUP(ranks_client_freep) struct ranks_client *client = must_alloc(sizeof(*client));
    client->pool = (struct process){.pidfd = -1, .out = -1, .err = -1};
    client->places = must_alloc((command->n + 1) * sizeof(*client->places));
    client->n = command->n;
    int r = process_start(argv, false, -1, 1, &client->pool, err);
    if (r < 0)
        return r;
    struct frame hello;
    r = channel_receive(client->pool.channel, HELLO_MS, &hello, err);
    if (r <= 0 || hello.kind != FRAME_HELLO)
        return r < 0 ? r : error_set(err, -EPROTO, "the pool of ranks did not start");
    pack_u64(&client->start, command->n);
    pack_u64(&client->start, command->lease_ms);
    pack_string(&client->start, command->interface);
    pack_string(&client->start, library);
    pack_u64(&client->start, command->n_words);
    for (size_t i = 0; i < command->n_words; i++)
        pack_string(&client->start, command->words[i]);
    r = start(client, err);
    if (r < 0)
        return r;
    *ret = TAKE(client);
    return 0;
}

void ranks_client_free(struct ranks_client *client)
{
    if (!client)
        return;
    process_leave(&client->pool, END_MS);
    clear_places(client);
    free(client->places);
    free(client->why);
    buffer_clear(&client->start);
    free(client);
}

bool ranks_client_is_alive(const struct ranks_client *client)
{
    return !client->is_broken;
}

size_t ranks_client_n(const struct ranks_client *client)
{
    return client->n;
}

pid_t ranks_client_pid(const struct ranks_client *client, size_t rank)
{
    return client->is_up && rank < client->n ? client->places[rank].pid : 0;
}
