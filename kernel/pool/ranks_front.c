/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/pool/ranks_inside.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 1000 /* of a launcher's command line */

static void refuse_ask(struct ranks *ranks, uint32_t id)
{
    static const struct outcome outcome = {
        .kind = OUTCOME_DIED,
        .name = (char *)"RanksRestarted",
        .message = (char *)"the ranks were started again meanwhile"};
    CLEANUP(buffer_clear) struct buffer packed = {0}, body = {0};
    outcome_pack(&outcome, &packed);
    pack_u64(&body, RANKS_ALL);
    pack_bytes(&body, packed.data, packed.size);
    ranks_say(ranks, RANKS_ANSWER, id, &body);
}

static bool take_ask(struct ranks *ranks, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t number = (size_t)unpack_max(&in, RANKS_ALL), size;
    uint16_t kind = (uint16_t)unpack_max(&in, UINT16_MAX);
    const void *body = unpack_bytes(&in, &size);
    struct world *world = &ranks->world;
    if (!unpack_done(&in) || !frame->id || ranks->request.id)
        return false;
    if (world->state != WORLD_UP || frame->generation != world->generation ||
        (number != RANKS_ALL && number >= world->n)) {
        refuse_ask(ranks, frame->id);
        return true;
    }
    ranks->request = (struct request){.id = frame->id, .kind = kind};
    for (size_t i = 0; i < world->n; i++) {
        struct rank *rank = &world->ranks[i];
        if (number != RANKS_ALL && number != i)
            continue;
        rank_forget_request(rank);
        rank->is_asked = true;
        ranks->request.n_open++;
        rank_tell(rank, kind, world->generation, frame->id, body, size);
    }
    ranks_look(ranks, pool_now()); /* from now on */
    return true;
}

static bool take_start(struct ranks *ranks, const struct frame *frame)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t n = (size_t)unpack_max(&in, RANKS_MAX);
    unsigned lease_ms = (unsigned)unpack_max(&in, LINE_MS_MAX);
    CLEANUP(freep) char *interface = unpack_string(&in);
    CLEANUP(freep) char *library = unpack_string(&in);
    size_t n_words = unpack_count(&in);
    if (in.failed || !n || !library || !n_words || n_words > WORDS_MAX || !frame->id ||
        ranks->world.state != WORLD_NONE)
        return false;
    char **words = must_alloc((n_words + 1) * sizeof(*words));
    for (size_t i = 0; i < n_words; i++) {
        words[i] = unpack_string(&in);
        in.failed |= !words[i];
    }
    for (size_t i = 0; i < ranks->n_words; i++)
        free(ranks->words[i]);
    free(ranks->words);
    free(ranks->library);
    free(ranks->interface);
    ranks->interface = TAKE(interface);
    ranks->lease_ms = lease_ms ? lease_ms : RANKS_LEASE_MS;
    ranks->words = words;
    ranks->n_words = n_words;
    ranks->library = TAKE(library);
    ranks->n = n;
    if (!unpack_done(&in))
        return false;
    ranks->start_id = frame->id;
    ranks_start_world(ranks);
    return true;
}

static void take_stop(struct ranks *ranks, const struct frame *frame)
{
    if (frame->id != ranks->request.id || !frame->id)
        return;
    ranks->request.was_stopped = true;
    if (!ranks->request.step)
        ranks_step(ranks, pool_now());
}

void ranks_read_front(struct ranks *ranks)
{
    struct frame frame;
    for (;;) {
        int r = channel_receive(ranks->front, 0, &frame, NULL);
        ranks->is_over |= r < 0;
        if (r <= 0)
            return;
        bool is_good = true;
        for (size_t i = 0; i < frame.n_fds; i++)
            close(frame.fds[i]);
        if (frame.kind == RANKS_START)
            is_good = take_start(ranks, &frame);
        else if (frame.kind == RANKS_ASK)
            is_good = take_ask(ranks, &frame);
        else if (frame.kind == RANKS_STOP)
            take_stop(ranks, &frame);
        else
            is_good = false;
        if (is_good)
            continue;
        CLEANUP(buffer_clear) struct buffer body = {0};
        pack_string(&body, "a pool of ranks cannot take this now");
        ranks_say(ranks, FRAME_BAD, frame.id, &body);
    }
}
