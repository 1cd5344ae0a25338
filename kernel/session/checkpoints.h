/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The front's end of the checkpoints: copies of the session worker that wait to take over
 * (kernel/worker/checkpoint.h). Each belongs to a moment: the number that the session
 * gives to its state, so that the state of a moment is back when its checkpoint has taken
 * over. */
#ifndef ACHAR_SESSION_CHECKPOINTS_H
#define ACHAR_SESSION_CHECKPOINTS_H

#include "kernel/peer/process.h"

#define CHECKPOINT_TIMEOUT_MS 10000 /* for a copy of a large process, or its answer */

struct checkpoint {
    struct process process; /* out and err are the worker's: -1 here */
    uint64_t moment;
};

struct checkpoints {
    struct checkpoint *at; /* oldest first */
    size_t n, capacity;
    pid_t *ending; /* told to end, not reaped yet */
    size_t n_ending, ending_capacity;
    uint32_t asked_id; /* of a request that has no answer yet; 0: none */
    uint64_t asked_moment;
    pid_t group;    /* of the worker that was asked */
    char *obstacle; /* why the last one that was asked for was not made; NULL: it was */
    uint64_t bytes; /* of the worker's own memory then */
};

void checkpoints_clear(struct checkpoints *checkpoints); /* none of them is left */

/* Asks the worker for a checkpoint of its state, and does not wait for it. */
void checkpoints_ask(struct checkpoints *checkpoints, struct process *worker, uint32_t id,
                     uint64_t moment, uint64_t budget);
/* Takes the worker's answer to that; NULL: there will be none. */
void checkpoints_answer(struct checkpoints *checkpoints, const struct process *worker,
                        const struct frame *frame);

/* True when there is one of this moment that still lives. */
bool checkpoints_has(struct checkpoints *checkpoints, uint64_t moment);

/* Ends the worker and its process group, and has the moment's checkpoint be the worker,
 * under this generation; later checkpoints end. *ret_changed (owned, may be NULL) names
 * the files that were open and have been written to since. -ESRCH, with everything as it
 * was: there is none; any other failure: neither the worker nor this checkpoint is left.
 */
int checkpoints_take_over(struct checkpoints *checkpoints, struct process *worker,
                          uint64_t moment, uint32_t generation, char **ret_changed,
                          struct error *err) MUST_USE;

/* Clears up after those that have ended. */
void checkpoints_reap(struct checkpoints *checkpoints);

/* Ends the one of a moment, if there is one. */
void checkpoints_drop(struct checkpoints *checkpoints, uint64_t moment);
/* Ends those before a moment. */
void checkpoints_drop_before(struct checkpoints *checkpoints, uint64_t moment);

#endif
