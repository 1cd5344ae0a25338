/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The front's side of a pool, whatever executor carries it: payloads are sent once per
 * hash, tasks flow, output streams while they run, and every task ends exactly once. */
#ifndef ACHAR_EXECUTORS_POOL_CLIENT_H
#define ACHAR_EXECUTORS_POOL_CLIENT_H

#include "kernel/peer/outcome.h"
#include "magics/executors/executor.h"

struct pool_client;

/* Starts the pool and waits for its hello. */
int pool_client_new(const struct executor_type *type,
                    const struct executor_option *options, size_t n_options,
                    struct pool_client **ret, struct error *err) MUST_USE;
void pool_client_free(struct pool_client *client); /* ends the pool */
DEFINE_FREEP(struct pool_client, pool_client_free)

unsigned pool_client_workers(const struct pool_client *client);
bool pool_client_is_alive(const struct pool_client *client);

/* `wake_fd` becoming readable ends pool_client_payload() with -EINTR; -1: none. */
void pool_client_watch(struct pool_client *client, int wake_fd);

/* Makes sure that the pool has the payload; *ret_outcome says why it refused it. */
int pool_client_payload(struct pool_client *client, const uint8_t hash[32],
                        const void *payload, size_t size, struct outcome *ret_outcome,
                        struct error *err) MUST_USE;

/* Queues one task; returns its id > 0. */
int pool_client_submit(struct pool_client *client, const uint8_t hash[32],
                       const void *argument, size_t size, uint32_t *ret_id,
                       struct error *err) MUST_USE;
int pool_client_cancel(struct pool_client *client, uint32_t id,
                       struct error *err) MUST_USE;

struct pool_event {
    enum {
        POOL_EVENT_NONE,
        POOL_EVENT_OUTPUT,
        POOL_EVENT_DISPLAY,
        POOL_EVENT_RESULT,
        POOL_EVENT_WAKE
    } kind;
    uint32_t id;
    int stream;       /* 1 or 2 */
    const char *data; /* output, a packed bundle, or the result's values; borrowed until
                         the next call */
    size_t size;
    struct outcome outcome; /* of a result; cleared by the caller */
};

/* Readable when pool_client_wait() may have an event; for who looks after several pools.
 */
int pool_client_fd(const struct pool_client *client);

/* Waits for the next event, `wake_fd` becoming readable (-1: none), or the time. A pool
 * that is gone ends every open task with OUTCOME_DIED, one event each, then -EPIPE. */
int pool_client_wait(struct pool_client *client, int wake_fd, int timeout_ms,
                     struct pool_event *ret, struct error *err) MUST_USE;

#endif
