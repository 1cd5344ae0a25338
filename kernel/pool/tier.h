/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Payloads whose tasks take long are compiled again, by cc, while their tasks run: their
 * zygotes get the better code, in the state that they are in, and job workers in the
 * middle of a task take it at their next call (kernel/worker/improve.h). One at a time,
 * and no task waits for it. For files of the pool. */
#ifndef ACHAR_POOL_TIER_H
#define ACHAR_POOL_TIER_H

#include "kernel/pool/pool.h"

/* Time of tasks together: then it is looked whether the code has been compiled before,
 * and then it is compiled. */
#define TIER_LOOK_US 5000
#define TIER_COMPILE_US 60000
#define TIER_STEP_US 1000 /* so often it is looked at the time, at most */

void tier_loaded(struct pool *pool, struct family *family, bool is_improvable);
/* Its processes are about to end. */
void tier_asleep(struct pool *pool, struct family *family);
/* A task begins; ends, or is not the first of its job worker any more. */
void tier_started(struct pool *pool, const struct family *family);
void tier_ended(struct pool *pool, struct family *family, const struct worker *worker);
/* Once a round: what is due; and when (us) that will be. */
void tier_time(struct pool *pool);
/* What the compiling helper of one that is awake has said, and what its zygote has. */
void tier_read_compiler(struct pool *pool, struct family *family);
void tier_improved(struct pool *pool, struct family *family, const struct frame *frame);

#endif
