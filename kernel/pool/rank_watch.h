/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the parent of a rank does while the rank lives. */
#ifndef ACHAR_POOL_RANK_WATCH_H
#define ACHAR_POOL_RANK_WATCH_H

#include "kernel/peer/line.h"
#include "kernel/peer/process.h"

/* Until the worker ends, and the pool has been told how, or the pool wants it to, or is
 * gone. `is_far`: carries what goes between worker and pool, which have no common socket.
 */
void rank_watch(struct line *line, struct process *worker, bool is_far);

#endif
