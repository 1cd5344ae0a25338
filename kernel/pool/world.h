/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One generation of ranks: what is known of each, from its launch to its end. Plain
 * state; ranks.c decides what happens. */
#ifndef ACHAR_POOL_WORLD_H
#define ACHAR_POOL_WORLD_H

#include "kernel/peer/line.h"
#include "kernel/peer/outcome.h"
#include "kernel/peer/protocol.h"
#include "kernel/pool/launcher.h"
#include "kernel/pool/output.h"
#include "kernel/pool/ranks.h"

#define RANK_LAST_WORDS_US 200000 /* from a closed channel to the parent's RANK_ENDED */

struct rank {
    struct line *parent;    /* of achar-pool --rank; NULL: it has not come, or is gone */
    struct channel *worker; /* of the session worker; NULL: likewise, or it is far */
    bool is_far;            /* its parent carries what the worker says and prints */
    struct output output[2];
    char *host;
    pid_t pid;
    bool is_up;           /* MPI has started in it */
    bool is_lost;         /* `end` says how */
    bool is_asked;        /* it owes an answer */
    uint64_t closed_at;   /* us; its worker has closed the channel; 0: not */
    struct outcome where; /* it was, when it was asked last */
    unsigned n_still;     /* times in a row that it was where it had been before */
    bool is_heard;        /* since it was asked last */
    bool has_finalized;   /* called MPI_Finalize in this request */
    char *left;           /* the line at which it has called exit(0) in this request */
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
    unsigned lease_ms;
    struct launcher launcher;
};

/* Of n ranks that are not there yet. */
void world_init(struct world *world, size_t n, uint32_t generation, unsigned lease_ms);
/* Everything but the launcher, which the caller takes before: closing the channels ends
 * the ranks. */
void world_clear(struct world *world);

/* A rank's parent has said hello on a channel that is taken over if it belongs here;
 * `is_far`: over TLS. */
int world_take_rank(struct world *world, const struct frame *hello,
                    struct channel *parent, bool is_far, struct error *err) MUST_USE;

/* A frame for its worker. What cannot be sent is noticed as the worker's end. */
void rank_tell(struct rank *rank, uint16_t kind, uint32_t generation, uint32_t id,
               const void *data, size_t size);

/* Its worker ended with this wait status, -1: nobody knows. */
void rank_lose(struct rank *rank, int status);
/* It was not heard of for its lease. */
void rank_lose_silent(struct rank *rank, unsigned lease_ms);
/* It waits, and will for ever. */
void rank_lose_waiting(struct rank *rank, const char *name, const char *message);
bool rank_is_in_mpi(const struct rank *rank);
/* "MPI_Recv at In[3]:2"; owned. */
char *rank_describe_place(const struct outcome *where) MUST_USE;
/* A request begins: what was known of the last one is forgotten. */
void rank_forget_request(struct rank *rank);

/* A channel of its has ended, or cannot be written: the parent says how, or is gone. */
void rank_note_closed(struct rank *rank);
/* The worker's descriptors of its output, from now on. */
void rank_set_pipes(struct rank *rank, const int fds[2]);

/* What the ranks' errors and the launcher's say of a start that failed; owned. */
char *world_describe_start(struct world *world);

/* Of what both ends of a parent's line agree on. */
static inline struct line_terms rank_terms(unsigned lease_ms, bool is_far)
{
    return (struct line_terms){.beat_ms = lease_ms / 3,
                               .lease_ms = lease_ms,
                               .window = is_far ? LINE_WINDOW : 0};
}

#endif
