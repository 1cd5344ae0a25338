/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The pools of one executor, as one: payloads are kept here and sent to each pool once,
 * tasks wait here and go to the pool that has most room, a few ahead of its workers. A
 * pool may come or die at any time: what it has not been given goes to another one; of
 * what it was given nobody can know whether it had begun, so that ends, or is started
 * again if it may be. Every task ends exactly once, by one event of kind
 * POOL_EVENT_RESULT.
 *
 * One thread calls this. A thread of its own keeps the pools company while nobody does:
 * it beats, reads, and hands out tasks, so that work goes on while a cell runs or nothing
 * does; its events are kept for crew_wait(), and crew_fd() says that there are some. */
#ifndef ACHAR_EXECUTORS_CREW_H
#define ACHAR_EXECUTORS_CREW_H

#include "magics/executors/pool_client.h"

#define CREW_KEPT_BYTES (256u << 20)    /* of events; beyond it pools are not read */
#define CREW_PAYLOADS_BYTES (64u << 20) /* of payloads that nobody needs */

struct crew;

/* Checks the options and asks for room; pools follow. The options are copied. */
int crew_new(const struct executor_type *type, const struct executor_option *options,
             size_t n_options, struct crew **ret, struct error *err) MUST_USE;
void crew_free(struct crew *crew); /* ends all pools */
DEFINE_FREEP(struct crew, crew_free)

bool crew_is_alive(struct crew *crew);    /* it has pools, or some may still come */
unsigned crew_workers(struct crew *crew); /* of the pools that are up */
unsigned crew_pools(struct crew *crew);
/* For a person, in one line: "2 pools, 8 workers; pending: Resources"; owned. */
char *crew_status(struct crew *crew) MUST_USE;

/* Keeps a copy of the payload, unless it is here; it stays while tasks need it. */
void crew_payload(struct crew *crew, const uint8_t hash[32], const void *payload,
                  size_t size);
/* The same of one with pieces, which is shared with the caller; it stays until as many
 * crew_release() have followed, too. */
void crew_parcel(struct crew *crew, const struct parcel *parcel);
void crew_release(struct crew *crew, const uint8_t hash[32]);
/* Bytes of the pieces that pools have asked for since that, and 0 from then on. */
uint64_t crew_take_sent(struct crew *crew, const uint8_t hash[32]);
/* Waits until a pool has loaded the payload, or refused it. 1: *ret_outcome says which;
 * 0: the time is over (-1: none); -EINTR: `wake_fd` (-1: none) became readable; -EPIPE:
 * there is no pool and none will come. */
int crew_load(struct crew *crew, const uint8_t hash[32], int wake_fd, int timeout_ms,
              struct outcome *ret_outcome, struct error *err) MUST_USE;

struct crew_task_options {
    void *owner;      /* whose events crew_wait() asks for; compared only */
    unsigned retries; /* starts after the first, when its worker or pool dies */
};

/* Queues a task of a payload that is here; returns its id > 0. Never waits. */
int crew_submit(struct crew *crew, const uint8_t hash[32], const void *argument,
                size_t size, const struct crew_task_options *options, uint32_t *ret_id,
                struct error *err) MUST_USE;
/* Its result follows, soon; nothing when it has ended. */
void crew_cancel(struct crew *crew, uint32_t id);

/* Waits for the next event of the owner's tasks (NULL: of any), `wake_fd` becoming
 * readable (-1: none), or the time: kind NONE. With `host` and `tag` (its owner) set.
 * -EPIPE: there is no pool, none will come, and no event is left. */
int crew_wait(struct crew *crew, const void *owner, int wake_fd, int timeout_ms,
              struct pool_event *ret, struct error *err) MUST_USE;

/* Readable while events were kept that crew_wait() would give at once. */
int crew_fd(const struct crew *crew);

#endif
