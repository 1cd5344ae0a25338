/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One generation of ranks: what is known of each, from its launch to its end. Plain
 * state; ranks.c decides what happens. */
#ifndef ACHAR_POOL_WORLD_H
#define ACHAR_POOL_WORLD_H

#include "kernel/peer/outcome.h"
#include "kernel/peer/protocol.h"
#include "kernel/pool/launcher.h"
#include "kernel/pool/output.h"
#include "kernel/pool/ranks.h"

#define RANK_LAST_WORDS_US 200000 /* from a closed channel to the parent's RANK_ENDED */

struct rank {
    struct channel *parent; /* of achar-pool --rank; NULL: it has not come, or is gone */
    struct channel *worker; /* of the session worker; NULL: likewise */
    struct output output[2];
    char *host;
    pid_t pid;
    bool is_up;           /* MPI has started in it */
    bool is_lost;         /* `end` says how */
    bool is_asked;        /* it owes an answer */
    uint64_t closed_at;   /* us; its worker has closed the channel; 0: not */
    struct outcome dying; /* what it said before its end, OUTCOME_OK: nothing */
    struct outcome end;   /* OUTCOME_DIED */
};

enum world_state {
    WORLD_NONE,
    WORLD_STARTING, /* launched; not every rank is up */
    WORLD_UP,
};

struct world {
    enum world_state state;
    uint32_t generation;
    char token[RANKS_TOKEN_SIZE + 1];
    struct rank *ranks;
    size_t n, n_up;
    struct launcher launcher;
};

/* Of n ranks that are not there yet. */
void world_init(struct world *world, size_t n, uint32_t generation);
/* Everything but the launcher, which the caller takes before: closing the channels ends
 * the ranks. */
void world_clear(struct world *world);

/* A rank's parent has said hello on a channel that is taken over if it belongs here. */
int world_take_rank(struct world *world, const struct frame *hello,
                    struct channel *parent, struct error *err) MUST_USE;

/* Its worker ended with this wait status, -1: nobody knows. */
void rank_lose(struct rank *rank, int status);
/* The worker's descriptors of its output, from now on. */
void rank_set_pipes(struct rank *rank, const int fds[2]);

/* What the ranks' errors and the launcher's say of a start that failed; owned. */
char *world_describe_start(struct world *world);

#endif
