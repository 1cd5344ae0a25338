/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Checkpoints: copies of this process that wait to take over. A checkpoint is made by a
 * fork (memory is shared until it is written), at the front's request, between two other
 * requests, so that nothing runs meanwhile. It has a channel of its own, whose other end
 * goes to the front: what a process that is killed leaves unfinished on its channel is
 * nobody's concern, and the front alone decides which checkpoint goes on. A checkpoint is
 * the child of the front, not of the process that it is a copy of: cells may wait for all
 * their children. It ends with its channel and with the front. */
#ifndef ACHAR_WORKER_CHECKPOINT_H
#define ACHAR_WORKER_CHECKPOINT_H

#include "kernel/peer/channel.h"

/* Once, when all descriptors of the worker's own are open and no cell has run. */
void checkpoint_init(void);

/* Answers WORKER_CHECKPOINT. Returns a second time, in the checkpoint, when the front has
 * asked it to take over: *channel is its own then, and the answer to that is sent.
 * Negative: the front is gone. */
int checkpoint_make(struct channel **channel, const struct frame *request,
                    struct error *err) MUST_USE;

#endif
