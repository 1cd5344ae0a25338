/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where ranks are while a request takes long. From time to time each is asked; when all
 * that still run wait inside MPI, where they did before, nothing goes on: a rank that has
 * left by exit() without MPI_Finalize ends the request then, as it would end a program of
 * its own; otherwise a person is told what the ranks wait for, once, and decides. */
#include <string.h>

#include "kernel/pool/ranks_inside.h"

#define LOOK_US 1000000 /* from one look to the next */
#define STILL_LEFT 2    /* looks without change until a rank that has left is to blame */
#define STILL_TOLD 5    /* and until a note */

bool rank_is_in_mpi(const struct rank *rank)
{
    return rank->where.n_frames && !strncmp(rank->where.frames[0].function, "MPI_", 4);
}

char *rank_describe_place(const struct outcome *where)
{
    const char *called = where->n_frames ? where->frames[0].function : "(cell)";
    const struct outcome_frame *place = NULL;
    for (size_t i = 0; i < where->n_frames && !place; i++)
        if (where->frames[i].cell)
            place = &where->frames[i];
    CLEANUP(freep)
    char *line = place ? must_format("In[%u]:%u", place->cell, place->line)
                       : must_strdup("an unknown line");
    return strchr("(?", *called) ? must_strdup(line)
                                 : must_format("%s at %s", called, line);
}

void ranks_take_where(struct ranks *ranks, size_t number, const struct frame *frame)
{
    struct rank *rank = &ranks->world.ranks[number];
    struct unpack in = unpack_init(frame->data, frame->size);
    struct outcome where = {0};
    if (frame->id != ranks->request.id || !rank->is_asked ||
        outcome_unpack(&in, &where, NULL) < 0)
        return;
    if (where.kind == OUTCOME_EXIT) {
        rank->has_finalized = true;
        outcome_clear(&where);
        return;
    }
    CLEANUP(freep) char *before = rank_describe_place(&rank->where);
    CLEANUP(freep) char *now = rank_describe_place(&where);
    bool is_still = rank->where.status == where.status && strcmp(before, now) == 0;
    rank->n_still = is_still ? rank->n_still + 1 : 0;
    rank->is_heard = true;
    outcome_clear(&rank->where);
    rank->where = where;
}

void ranks_ask_where(struct ranks *ranks)
{
    for (size_t i = 0; i < ranks->world.n; i++)
        ranks->world.ranks[i].is_heard = false;
    ranks_signal_open(ranks, WORKER_WHERE_SIGNAL);
}

/* Looks without change of the rank that changed last; 0: some rank does not wait. */
static unsigned count_still(const struct ranks *ranks)
{
    unsigned n_still = STILL_TOLD;
    for (size_t i = 0; i < ranks->world.n; i++) {
        const struct rank *rank = &ranks->world.ranks[i];
        if (!rank->is_asked)
            continue;
        if (!rank->is_heard || !rank_is_in_mpi(rank))
            return 0;
        if (rank->n_still < n_still)
            n_still = rank->n_still;
    }
    return n_still;
}

/* The first that has left; SIZE_MAX: none has. */
static size_t find_left(const struct ranks *ranks)
{
    for (size_t i = 0; i < ranks->world.n; i++)
        if (ranks->world.ranks[i].left && !ranks->world.ranks[i].has_finalized)
            return i;
    return SIZE_MAX;
}

static void say_to_person(struct ranks *ranks, size_t number, const char *text)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    ranks_send_rest(ranks, number);
    pack_u64(&body, number);
    pack_u64(&body, 2);
    pack_bytes(&body, text, strlen(text));
    ranks_say(ranks, RANKS_OUTPUT, ranks->request.id, &body);
}

static void tell(struct ranks *ranks)
{
    for (size_t i = 0; i < ranks->world.n; i++) {
        const struct rank *rank = &ranks->world.ranks[i];
        CLEANUP(freep) char *place = rank_describe_place(&rank->where);
        CLEANUP(freep)
        char *text = rank->is_asked
                         ? must_format("note: waits in %s, and nothing goes on\n", place)
                         : must_strdup("note: is done with this cell\n");
        say_to_person(ranks, i, text);
    }
}

/* The ranks that wait for one that has left fail, and the world with them. */
static void blame(struct ranks *ranks, size_t left)
{
    const struct rank *gone = &ranks->world.ranks[left];
    for (size_t i = 0; i < ranks->world.n; i++) {
        struct rank *rank = &ranks->world.ranks[i];
        if (!rank->is_asked)
            continue;
        CLEANUP(freep)
        char *message = must_format("rank %zu has left by exit(0) at %s, without "
                                    "MPI_Finalize(), while this one waits in %s",
                                    left, gone->left, rank->where.frames[0].function);
        rank_lose_waiting(rank, "RankLeft", message);
    }
    ranks->request.has_failed = true;
}

void ranks_look(struct ranks *ranks, uint64_t now)
{
    struct request *request = &ranks->request;
    if (!request->id || request->step || ranks->world.state != WORLD_UP)
        return;
    if (!request->look_at)
        request->look_at = now + LOOK_US;
    if (now < request->look_at)
        return;
    request->look_at = now + LOOK_US;
    unsigned n_still = count_still(ranks);
    size_t left = find_left(ranks);
    if (left != SIZE_MAX && n_still >= STILL_LEFT) {
        blame(ranks, left);
        return;
    }
    if (n_still >= STILL_TOLD && !request->was_told) {
        request->was_told = true;
        tell(ranks);
    }
    ranks_ask_where(ranks);
}
