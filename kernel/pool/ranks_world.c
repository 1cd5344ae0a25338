/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/ranks_inside.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FAILED_GRACE_US 200000 /* for the others, when one rank has failed */
#define STRANGERS_ROOM 16      /* of callers that are no ranks */
#define STEP_US 300000         /* from one signal to the next, and to the end */

void ranks_say(struct ranks *ranks, uint16_t kind, uint32_t id, const struct buffer *body)
{
    if (channel_queue(ranks->front, kind, ranks->world.generation, id, body->data,
                      body->size, NULL) == -EPIPE)
        ranks->is_over = true;
}

/* ---- worlds begin and end ---- */

void ranks_say_state(struct ranks *ranks, uint32_t id, enum outcome_kind kind,
                     const char *name, const char *message)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    struct outcome outcome = {
        .kind = kind, .name = (char *)name, .message = (char *)message};
    const struct world *world = &ranks->world;
    bool is_up = kind == OUTCOME_OK;
    outcome_pack(&outcome, &body);
    pack_u64(&body, is_up ? world->n : 0);
    for (size_t i = 0; is_up && i < world->n; i++) {
        pack_string(&body, world->ranks[i].host);
        pack_u64(&body, (uint64_t)world->ranks[i].pid);
    }
    ranks_say(ranks, RANKS_START, id, &body);
}

static void drop_launcher(struct ranks *ranks)
{
    struct launcher *launcher = &ranks->world.launcher;
    if (launcher->pid <= 0)
        return;
    if (ranks->n_ending == RANKS_ENDING_MAX) {
        launcher_kill(&ranks->ending[0]);
        memmove(ranks->ending, ranks->ending + 1,
                --ranks->n_ending * sizeof(*ranks->ending));
    }
    launcher_end(launcher, pool_now());
    ranks->ending[ranks->n_ending++] = *launcher;
    *launcher = (struct launcher){.fds = {-1, -1}};
}

void ranks_clear_world(struct ranks *ranks)
{
    drop_launcher(ranks);
    world_clear(&ranks->world);
    if (ranks->callback)
        callback_unpin_all(ranks->callback);
    ranks->n_keys = 0;
    ranks->request = (struct request){0};
}

/* Where ranks on other hosts connect to; stays for all worlds. */
static int open_callback(struct ranks *ranks, struct error *err)
{
    const char *interface = ranks->interface;
    if (ranks->callback || (interface && !strcmp(interface, "none")))
        return 0;
    int r = callback_check(interface, err);
    return r < 0 ? r
                 : callback_new_for_many(interface, ranks->n + STRANGERS_ROOM,
                                         &ranks->callback, err);
}

/* The launcher is told what it starts: ourselves, and how we are reached. */
static int launch(struct ranks *ranks, struct error *err)
{
    char self[4096];
    ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[size < 0 ? 0 : size] = '\0';
    CLEANUP(buffer_clear) struct buffer door = {0};
    CLEANUP(freep) char *mark = must_format(RANKS_MARK " %s ", ranks->world.token);
    buffer_format(&door, "%u,%s,%s", ranks->lease_ms, ranks->name, ranks->world.token);
    if (ranks->callback) {
        buffer_add_string(&door, ",");
        callback_describe(ranks->callback, &door);
    }
    const char *last[] = {self, "--rank", ranks->library, buffer_string(&door)};
    return launcher_start(ranks->words, ranks->n_words, last, 4, mark,
                          &ranks->world.launcher, err);
}

void ranks_start_world(struct ranks *ranks)
{
    struct error err = {0};
    world_init(&ranks->world, ranks->n, ranks->world.generation + 1, ranks->lease_ms);
    if (open_callback(ranks, &err) == 0 && launch(ranks, &err) == 0)
        return;
    ranks_say_state(ranks, ranks->start_id, OUTCOME_REFUSED, "StartError", err.text);
    ranks->start_id = 0;
    ranks_clear_world(ranks);
}

/* The world cannot come up: the front is told why, and asks again when it wants to. */
void ranks_fail_start(struct ranks *ranks)
{
    CLEANUP(freep) char *text = world_describe_start(&ranks->world);
    ranks_say_state(ranks, ranks->start_id, OUTCOME_REFUSED, "StartError", text);
    ranks->start_id = 0;
    ranks_clear_world(ranks);
}

void ranks_send_output(struct ranks *ranks, size_t number, int stream)
{
    struct output *output = &ranks->world.ranks[number].output[stream];
    CLEANUP(buffer_clear) struct buffer body = {0};
    if (!output->unsent.size || ranks->world.state != WORLD_UP)
        return;
    pack_u64(&body, number);
    pack_u64(&body, (uint64_t)stream + 1);
    pack_bytes(&body, output->unsent.data, output->unsent.size);
    output->unsent.size = 0;
    ranks_say(ranks, RANKS_OUTPUT, ranks->request.id, &body);
}

void ranks_send_rest(struct ranks *ranks, size_t number)
{
    for (int stream = 0; stream < 2; stream++) {
        output_read_rest(&ranks->world.ranks[number].output[stream]);
        ranks_send_output(ranks, number, stream);
    }
}

void ranks_send_answer(struct ranks *ranks, size_t number, const void *data, size_t size)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    ranks_send_rest(ranks, number);
    pack_u64(&body, number);
    pack_bytes(&body, data, size);
    ranks->world.ranks[number].is_asked = false;
    ranks->request.n_open--;
    ranks_say(ranks, RANKS_ANSWER, ranks->request.id, &body);
}

static void send_outcome(struct ranks *ranks, size_t number,
                         const struct outcome *outcome)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    outcome_pack(outcome, &body);
    ranks_send_answer(ranks, number, body.data, body.size);
}

static void end_waiting(struct rank *rank, bool was_stopped)
{
    const char *called = rank_is_in_mpi(rank) ? rank->where.frames[0].function : NULL;
    CLEANUP(freep)
    char *message = was_stopped
                        ? must_format("interrupted in %s",
                                      called ? called : "a call that cannot be left")
                        : must_format("as another rank had failed, it was ended%s%s",
                                      called ? " in " : "", called ? called : "");
    rank_lose_waiting(rank, was_stopped ? "Interrupted" : "RankEnded", message);
}

/* Every rank that owes an answer has one now, and the next world is on its way. */
void ranks_end_world(struct ranks *ranks)
{
    bool was_stopped = ranks->request.was_stopped && !ranks->request.has_failed;
    if (ranks->world.state != WORLD_UP) {
        ranks_fail_start(ranks);
        return;
    }
    for (int is_turn_of_lost = 1; is_turn_of_lost >= 0; is_turn_of_lost--)
        for (size_t i = 0; i < ranks->world.n; i++) {
            struct rank *rank = &ranks->world.ranks[i];
            if (rank->is_asked && rank->is_lost == (is_turn_of_lost != 0)) {
                end_waiting(rank, was_stopped);
                send_outcome(ranks, i, &rank->end);
            }
        }
    /* Ranks that were ended while nothing ran come back when they are asked for: whoever
     * has ended them may have meant it. */
    bool is_idle = !ranks->request.id;
    ranks_say_state(ranks, 0, is_idle ? OUTCOME_REFUSED : OUTCOME_DIED, "RankEnded",
                    "the ranks were ended");
    ranks_clear_world(ranks);
    if (!is_idle)
        ranks_start_world(ranks);
}

/* ---- requests ---- */

void ranks_signal_open(struct ranks *ranks, int number)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    pack_u64(&body, (uint64_t)number);
    pack_u64(&body, ranks->request.id);
    for (size_t i = 0; i < ranks->world.n; i++) {
        struct rank *rank = &ranks->world.ranks[i];
        if (rank->is_asked && rank->parent &&
            line_send(rank->parent, RANKS_STOP, 0, body.data, body.size, NULL) < 0)
            rank_note_closed(rank);
    }
}

/* SIGINT, what cells cannot block, the end. */
void ranks_step(struct ranks *ranks, uint64_t now)
{
    static const int signals[] = {SIGINT, WORKER_INTERRUPT_SIGNAL};
    struct request *request = &ranks->request;
    if (request->step == sizeof(signals) / sizeof(*signals)) {
        ranks_end_world(ranks);
        return;
    }
    ranks_ask_where(ranks);
    ranks_signal_open(ranks, signals[request->step++]);
    request->step_at = now + STEP_US;
}

void ranks_fail_request(struct ranks *ranks)
{
    ranks->request.has_failed = true;
    if (!ranks->request.step_at)
        ranks->request.step_at = pool_now() + FAILED_GRACE_US;
}

void ranks_close_request(struct ranks *ranks)
{
    if (ranks->request.id && !ranks->request.n_open)
        ranks->request = (struct request){0};
}
