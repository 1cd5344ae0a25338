/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The inside of a pool of ranks, for the files of it: ranks.c (the loop), ranks_front.c
 * (what the front asks), ranks_world.c (worlds and requests begin and end), ranks_read.c
 * (what ranks say). Nothing is freed in the middle of a round but by ranks_end_world()
 * and ranks_fail_start(), after which nothing of the world is looked at any more. */
#ifndef ACHAR_POOL_RANKS_INSIDE_H
#define ACHAR_POOL_RANKS_INSIDE_H

#include "kernel/peer/callback.h"
#include "kernel/pool/pool.h"
#include "kernel/pool/world.h"

#define RANKS_ENDING_MAX 8       /* launchers that have been asked to end */
#define RANKS_STRANGERS_MAX 1024 /* connections that have not said hello */

struct request {
    uint32_t id; /* 0: none is open */
    uint16_t kind;
    size_t n_open;    /* ranks that owe an answer */
    bool has_failed;  /* some rank has, and the others are made to end */
    bool was_stopped; /* by the person */
    uint64_t step_at; /* us; when the next step towards the end is due; 0: none */
    unsigned step;    /* how many were done */
    uint64_t look_at; /* us; when ranks are asked where they are; 0: not yet known */
    bool was_told;    /* that they all wait */
};

struct stranger {
    struct channel *channel;
    bool is_far; /* came over TLS */
};

struct ranks {
    struct channel *front;
    int listener;
    char name[64];             /* of the socket */
    struct callback *callback; /* for ranks on other hosts; NULL: none are expected */
    size_t n_keys;             /* that this world's launcher has told of */
    char *interface;
    unsigned lease_ms;
    char *library;
    char **words;
    size_t n_words, n;
    struct world world;
    uint32_t start_id; /* the front's RANKS_START that is not answered; 0: none */
    struct request request;
    struct launcher ending[RANKS_ENDING_MAX];
    size_t n_ending;
    struct stranger strangers[RANKS_STRANGERS_MAX];
    size_t n_strangers;
    struct pollfd *fds; /* built anew each round */
    size_t fds_capacity;
    bool is_over;
};

void ranks_say(struct ranks *ranks, uint16_t kind, uint32_t id,
               const struct buffer *body);

/* ranks_front.c */
void ranks_read_front(struct ranks *ranks);

/* ranks_world.c */
void ranks_start_world(struct ranks *ranks);
/* The world cannot come up: the front is told why, and asks again when it wants to. */
void ranks_fail_start(struct ranks *ranks);
/* Every rank that owes an answer has one now, and the next world is on its way. */
void ranks_end_world(struct ranks *ranks);
void ranks_clear_world(struct ranks *ranks);
void ranks_say_state(struct ranks *ranks, uint32_t id, enum outcome_kind kind,
                     const char *name, const char *message);
void ranks_send_output(struct ranks *ranks, size_t number, int stream);
void ranks_send_rest(struct ranks *ranks, size_t number);
void ranks_send_answer(struct ranks *ranks, size_t number, const void *data, size_t size);
/* The next step towards the end of a request: SIGINT, what cells cannot block, the end.
 */
void ranks_step(struct ranks *ranks, uint64_t now);
/* A rank has failed: the others are made to end after a while. */
void ranks_fail_request(struct ranks *ranks);
void ranks_close_request(struct ranks *ranks);

void ranks_signal_open(struct ranks *ranks, int number);

/* ranks_where.c */
void ranks_ask_where(struct ranks *ranks);
void ranks_take_where(struct ranks *ranks, size_t number, const struct frame *frame);
/* While a request runs: looks after ranks that wait for nothing, when it is time. */
void ranks_look(struct ranks *ranks, uint64_t now);

/* ranks_read.c */
int ranks_listen(struct ranks *ranks, struct error *err) MUST_USE;
void ranks_accept(struct ranks *ranks);
void ranks_accept_far(struct ranks *ranks);
/* What the launcher has told of ranks' keys. */
void ranks_take_keys(struct ranks *ranks);
/* False when it is a stranger no more. */
bool ranks_read_stranger(struct ranks *ranks, const struct stranger *stranger);
void ranks_read_worker(struct ranks *ranks, size_t number);
void ranks_read_parent(struct ranks *ranks, size_t number);

#endif
