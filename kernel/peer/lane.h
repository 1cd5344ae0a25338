/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Memory that a pool and one job worker share, for small tasks and their results: several
 * tasks can be sent ahead, and neither side makes a system call while the other is awake.
 * Beside it there is a socket, for what is large and to wake up a side that sleeps.
 *
 * The job worker runs code of users, which may write anywhere: the pool checks all that
 * it reads, and what it depends on is kept in memory of its own. The worker keeps nothing
 * of its own: its memory is put back between tasks (renewal.h). */
#ifndef ACHAR_PEER_LANE_H
#define ACHAR_PEER_LANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pickler/base/memory.h"

#define LANE_RECORD_MAX                                                                  \
    (64u << 10) /* bytes of a task or a result; larger: the socket                       \
                 */
#define LANE_RING_SIZE                                                                   \
    (256u << 10) /* a power of two; memory that is unused costs none                     \
                  */
#define LANE_INBOX_SIZE 64
#define LANE_LEDGER_SIZE (4u << 20) /* as above: unused, it costs none */

struct lane_shared;

/* ---- the pool's side ---- */

struct lane; /* one user at a time */

/* Maps it and closes `fd`; NULL: it cannot be mapped. */
struct lane *lane_open(int fd) MUST_USE;
void lane_free(struct lane *lane);

/* False: there is no room. *ret_place is where the task stands until it is over. */
bool lane_send(struct lane *lane, uint32_t id, const void *data, size_t size,
               uint32_t *ret_place) MUST_USE;
/* Takes a task back; false when the worker has begun it. */
bool lane_revoke(struct lane *lane, uint32_t place) MUST_USE;
bool lane_has_begun(const struct lane *lane, uint32_t place);
/* What stands before `place` is over and may be overwritten. */
void lane_release(struct lane *lane, uint32_t place);
uint32_t lane_end(const struct lane *lane); /* the place behind all tasks */

/* The next result; false: none is there, or what is there is no result. Valid until the
 * next call. */
bool lane_receive(struct lane *lane, uint32_t *ret_id, const void **ret_data,
                  size_t *ret_size);
/* What was received last is received again. */
void lane_put_back(struct lane *lane);
/* So many of them, or all that will come of what was sent. */
bool lane_has_results(const struct lane *lane, uint32_t n);
/* It looks for tasks: what is sent now is begun without delay. */
bool lane_is_watched(const struct lane *lane);
/* Before the pool waits for so many: true when they are there already, as above. The
 * others' are told when the worker has nothing left to do, but not while it does
 * something that takes long: of more than one the pool looks after a while. */
bool lane_sleep(struct lane *lane, uint32_t n);
void lane_awake(struct lane *lane);
bool lane_must_wake(struct lane *lane); /* after sending: the worker sleeps */

/* ---- the job worker's side ---- */

/* NULL on failure, errno set. *ret_fd is the pool's; the caller closes it. */
struct lane_shared *lane_new(int *ret_fd) MUST_USE;
void lane_unmap(struct lane_shared *shared);
size_t lane_size(void); /* of what lane_new() maps */

/* The next task, begun; false: none. Valid until lane_finish(). */
bool lane_take(struct lane_shared *shared, uint32_t *ret_id, const void **ret_data,
               size_t *ret_size);
/* False: it is too large, or there is no room. */
bool lane_answer(struct lane_shared *shared, uint32_t id, const void *data,
                 size_t size) MUST_USE;
void lane_finish(struct lane_shared *shared);
/* Waits for a task a moment, as patience.h; true: there is one. */
bool lane_worker_look(struct lane_shared *shared);
/* Before the worker waits: true when there is a task already. */
bool lane_worker_sleep(struct lane_shared *shared);
void lane_worker_awake(struct lane_shared *shared, int64_t slept_us);
/* After an answer and lane_finish(), and before it waits. */
bool lane_must_wake_pool(struct lane_shared *shared);
/* LANE_LEDGER_SIZE bytes for what the worker has done; zero-filled at first. */
void *lane_ledger(struct lane_shared *shared);
/* Of a worker that has ended: maps it again; NULL: it cannot be mapped. */
struct lane_shared *lane_map(int fd) MUST_USE;
char *lane_inbox(struct lane_shared *shared); /* LANE_INBOX_SIZE bytes for the worker */

#endif
