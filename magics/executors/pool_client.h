/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The front's side of one link to a pool, whatever carries it: payloads are sent once per
 * hash, tasks flow, output streams while they run, and every task ends exactly once. Many
 * links make a crew (crew.h), which is what magics use. */
#ifndef ACHAR_EXECUTORS_POOL_CLIENT_H
#define ACHAR_EXECUTORS_POOL_CLIENT_H

#include "kernel/peer/blob.h"
#include "kernel/peer/outcome.h"
#include "magics/executors/executor.h"
#include "magics/executors/parcel.h"

#define POOL_LOST "PoolLost" /* name of the outcome of tasks that were open then */

struct pool_client;
struct pollfd;

struct pool_event {
    enum {
        POOL_EVENT_NONE,
        POOL_EVENT_OUTPUT,
        POOL_EVENT_DISPLAY,
        POOL_EVENT_RESULT,
        POOL_EVENT_WAKE,
        /* from pool_client_next() only */
        POOL_EVENT_HELLO,   /* the pool is there: pool_client_workers() */
        POOL_EVENT_PAYLOAD, /* the answer to pool_client_post_payload() */
        POOL_EVENT_PIECES,  /* what the payload posted with this id needs, before the
                               answer: {n b hash} */
        POOL_EVENT_FORGOT   /* data: the hash of a payload that it no longer has */
    } kind;
    uint32_t id;
    void *tag;        /* of pool_client_tag(); of a crew's event: its owner */
    const char *host; /* of a crew's event: where it comes from; borrowed likewise */
    int stream;       /* 1 or 2 */
    const char *data; /* output, a packed bundle, or the result's values; borrowed until
                         the next call */
    size_t size;
    struct outcome outcome; /* of a result or payload; cleared by the caller */
};

/* Opens an executor of its own, waits for its first link and the pool's hello: where one
 * pool is enough. */
int pool_client_new(const struct executor_type *type,
                    const struct executor_option *options, size_t n_options,
                    struct pool_client **ret, struct error *err) MUST_USE;
void pool_client_free(struct pool_client *client); /* ends the pool */
DEFINE_FREEP(struct pool_client, pool_client_free)

unsigned pool_client_workers(const struct pool_client *client); /* 0 before its hello */
bool pool_client_is_alive(const struct pool_client *client);

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

/* Waits for the next event, `wake_fd` becoming readable (-1: none), or the time. A pool
 * that is gone ends every open task with OUTCOME_DIED, one event each, then -EPIPE. */
int pool_client_wait(struct pool_client *client, int wake_fd, int timeout_ms,
                     struct pool_event *ret, struct error *err) MUST_USE;

/* ---- for who serves several links: nothing below waits ---- */

/* Takes the link. What `options` say of all links (--lease) is read; the rest is the
 * executor's. */
struct pool_client *pool_client_adopt(const struct executor_type *type, void *executor,
                                      const struct executor_link *link,
                                      const struct executor_option *options,
                                      size_t n_options) MUST_USE;
const char *pool_client_host(const struct pool_client *client);

/* What to wait for; *ret_timeout_ms is lowered to when pool_client_next() is due. */
#define POOL_CLIENT_FDS 3
/* Answers that take no longer than a wake-up may come: patience.h. */
bool pool_client_is_quick(const struct pool_client *client);
bool pool_client_is_here(struct pool_client *client); /* something to be read */
/* Before poll(2): true when there is something that it may not show. */
bool pool_client_sleep(struct pool_client *client);
size_t pool_client_poll(const struct pool_client *client, struct pollfd *ret,
                        int *ret_timeout_ms);
/* As pool_client_wait() without waiting: an event of kind NONE when none is here. */
int pool_client_next(struct pool_client *client, struct pool_event *ret,
                     struct error *err) MUST_USE;
/* Sends the payload: a POOL_EVENT_PAYLOAD with this id follows. */
int pool_client_post_payload(struct pool_client *client, const uint8_t hash[32],
                             struct blob *payload, uint32_t *ret_id,
                             struct error *err) MUST_USE;
/* Sends the pieces that a POOL_EVENT_PIECES has asked for; *ret_size: their bytes. */
int pool_client_post_pieces(struct pool_client *client, const struct parcel *parcel,
                            const void *asked, size_t size, uint64_t *ret_size,
                            struct error *err) MUST_USE;
/* As pool_client_submit(). */
int pool_client_post_task(struct pool_client *client, const uint8_t hash[32],
                          const void *argument, size_t size, uint32_t *ret_id,
                          struct error *err) MUST_USE;
/* The same of an argument above POOL_CLIENT_LARGE, which is then not copied. */
#define POOL_CLIENT_LARGE (64u << 10)
int pool_client_post_large(struct pool_client *client, const uint8_t hash[32],
                           struct blob *argument, uint32_t *ret_id,
                           struct error *err) MUST_USE;
/* Frames are gathered in between: a burst is one write. */
void pool_client_cork(struct pool_client *client);
void pool_client_uncork(struct pool_client *client);
/* pool_client_next() has something to do, whatever poll() says. */
bool pool_client_is_due(const struct pool_client *client);
/* Keeps the pool from believing us dead, where pool_client_next() is not called. */
void pool_client_beat(struct pool_client *client);
/* `tag` comes with the events of an open task. */
void pool_client_tag(struct pool_client *client, uint32_t id, void *tag);
/* Bytes that were given to it and have not left. */
size_t pool_client_unsent(const struct pool_client *client);
/* Why it is no longer alive, for a person; owned. */
char *pool_client_why(const struct pool_client *client);
/* The name and message of a task that has ended with it; both owned. */
char *pool_client_loss(const struct pool_client *client, char **ret_name) MUST_USE;

#endif
