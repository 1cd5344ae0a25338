/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The last words of a process that runs cells: a signal handler sends what it dies of,
 * from memory set aside, on the channel that its parent reads. */
#ifndef ACHAR_WORKER_DYING_H
#define ACHAR_WORKER_DYING_H

#include "kernel/worker/guard.h"

/* The frame it would be now. `tail` (static) is what follows the outcome in its payload.
 */
void dying_set(int fd, uint16_t kind, uint32_t generation, uint32_t id, const char *tail,
               size_t tail_size);

void dying_set_id(uint32_t id); /* of it, from now on */

/* A frame of another kind about a cell that goes on; also for signal handlers. */
void dying_tell(uint16_t kind, const struct guard_report *report);

/* For guard_init(). */
void dying_report(const struct guard_report *report);

#endif
