/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a session can go back to. Its state has a number, the moment, which every change
 * raises. At rest the worker is asked for a checkpoint of the moment. The first request
 * of a cell that may change the state opens a level: what the front must take back of its
 * own (definitions, types, units, flags, libraries) and which checkpoint belongs to it. A
 * cell that faults goes back to its own level; %undo goes back to those of earlier cells.
 */
#ifndef ACHAR_SESSION_PAST_H
#define ACHAR_SESSION_PAST_H

#include "kernel/session/session.h"

#define PAST_LEVELS_MAX SESSION_UNDO_MAX /* within the budget */

struct level {
    uint32_t cell;
    uint64_t moment; /* of the state before it */
    bool has_checkpoint, is_changed;
    bool has_acted; /* it did more than show something */
    char *obstacle; /* why it has none */
    struct graph_mark mark;
    size_t n_types, n_flags, n_libraries;
};

struct past {
    struct level *at; /* oldest first */
    size_t n, capacity;
    bool is_open;    /* the last one belongs to the cell that runs now */
    uint32_t cell;   /* the one that runs now */
    uint64_t moment; /* of the state now */
    uint64_t budget;
    bool is_off;
    char **said; /* obstacles that the person has been told of */
    size_t n_said, said_capacity;
};

void past_init(struct past *past);
void past_clear(struct past *past);

/* Before a request that may change the state. */
void past_open(struct session *session, const struct session_events *events);
/* The request has changed it. */
void past_change(struct session *session);
/* The request may have changed what is known of it (types), but only shows it: nothing
 * that a person would take back. */
void past_learn(struct session *session);
/* The cell is over. */
void past_close(struct session *session);
/* Has a checkpoint made of the state as it is, if there is none; does not wait. */
void past_keep(struct session *session);

/* There is nothing to go back to any more. */
void past_forget(struct session *session);

/* Back to before the level `i`, the worker being alive or not. *ret_changed as
 * checkpoints_take_over(). -ESRCH: it has no checkpoint, and nothing has changed. */
int past_go_back(struct session *session, size_t i, char **ret_changed,
                 struct error *err) MUST_USE;
/* Why a level that is opened now has no checkpoint; owned. */
char *past_obstacle(const struct session *session);
/* Ends what the budget does not allow. */
void past_trim(struct session *session);

/* The worker has died of a request: goes back to before the cell, and says so in the
 * outcome. False when that cannot be; the worker is stopped then. */
bool past_roll_back(struct session *session, struct outcome *outcome);
/* The worker has died between requests: its checkpoint goes on. */
bool past_revive(struct session *session, const struct session_events *events);

#endif
