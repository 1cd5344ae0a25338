/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Optimised units on their way into the session: between requests, and while a cell runs
 * (at SIGURG), so that its next call reaches them. */
#ifndef ACHAR_WORKER_SWAPPING_H
#define ACHAR_WORKER_SWAPPING_H

#include "kernel/peer/channel.h"
#include "kernel/worker/engine.h"

/* Once a process; both must stay. What the second points to may change between requests.
 */
void swapping_init(struct engine *engine, struct channel **channel);

/* Takes a WORKER_SWAP frame and says what became of it. */
int swapping_take(const struct frame *frame, struct error *err) MUST_USE;

/* The same of a unit that is in memory, while nothing runs. -ESTALE: something in it has
 * been defined again since. */
int swapping_load(const void *data, size_t size, const void *object, size_t object_size,
                  struct error *err) MUST_USE;

#endif
