/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/executors/pool_client_inside.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "pickler/base/clock.h"

#define HELLO_MS 20000    /* a pool that is silent for longer has not started */
#define PAYLOAD_MS 180000 /* to compile and load a payload */
#define KEPT_OUTPUT_MAX ((size_t)64 << 20) /* bytes, of events that wait to be taken */
#define UNSENT_MAX (64u << 20)             /* beyond it pool_client_submit() waits */

/* Beyond the limit output is dropped, which is said once; results are as many as there
 * are open tasks. */
static void keep(struct pool_client *client, const struct pool_event *given)
{
    static const char dropped[] = "\n[output was dropped: too much came at once]\n";
    struct pool_event copy = *given, *event = &copy;
    if (event->kind != POOL_EVENT_RESULT) {
        if (client->kept_output > KEPT_OUTPUT_MAX)
            return;
        client->kept_output += event->size;
        if (client->kept_output > KEPT_OUTPUT_MAX && event->kind == POOL_EVENT_OUTPUT) {
            event->data = dropped;
            event->size = sizeof(dropped) - 1;
        }
    }
    struct kept_event *kept = must_alloc(sizeof(*kept));
    kept->event = *event;
    kept->data = must_realloc(NULL, event->size, 1);
    if (event->size)
        memcpy(kept->data, event->data, event->size);
    kept->event.data = kept->data;
    *client->kept_end = kept;
    client->kept_end = &kept->next;
}

bool pool_client_is_quick(const struct pool_client *client)
{
    return client->open.start < client->open.n &&
           channel_is_direct(line_channel(client->line));
}

bool pool_client_is_here(struct pool_client *client)
{
    return line_look(client->line);
}

bool pool_client_sleep(struct pool_client *client)
{
    return line_sleep(client->line);
}

enum { READY_WAKE = 1, READY_OTHER = 2 };

static bool is_here(void *context)
{
    return pool_client_is_here(context);
}

/* What of it there is within the time; 0: nothing. */
static int wait_ready(struct pool_client *client, int wake_fd, int timeout_ms)
{
    struct pollfd fds[POOL_CLIENT_FDS + 1];
    if (timeout_ms && pool_client_is_quick(client) &&
        patience_wait(&client->patience, is_here, client) && wake_fd < 0)
        return READY_OTHER;
    size_t n = pool_client_poll(client, fds, &timeout_ms);
    fds[n] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
    if (timeout_ms && pool_client_sleep(client))
        timeout_ms = 0;
    int64_t before = clock_us();
    if (poll(fds, n + 1, timeout_ms) < 0)
        return 0;
    patience_slept(&client->patience, clock_us() - before);
    int ready = fds[n].revents ? READY_WAKE : 0;
    for (size_t i = 0; i < n; i++)
        ready |= fds[i].revents ? READY_OTHER : 0;
    return ready | (line_has_frame(client->line) ? READY_OTHER : 0);
}

/* Only these concern who serves a single link. */
static bool is_plain(const struct pool_event *event)
{
    return event->kind == POOL_EVENT_OUTPUT || event->kind == POOL_EVENT_DISPLAY ||
           event->kind == POOL_EVENT_RESULT;
}

int pool_client_wait(struct pool_client *client, int wake_fd, int timeout_ms,
                     struct pool_event *ret, struct error *err)
{
    uint64_t end = (uint64_t)clock_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
    for (;;) {
        bool is_here = client->kept || client->is_dead || line_has_frame(client->line);
        uint64_t now = timeout_ms > 0 ? (uint64_t)clock_ms() : 0;
        int left = timeout_ms <= 0 ? timeout_ms : now < end ? (int)(end - now) : 0;
        int ready = 0;
        /* A pool that never falls silent must not drown an interrupt. */
        if (!is_here || wake_fd >= 0)
            ready = wait_ready(client, wake_fd, is_here ? 0 : left);
        *ret = (struct pool_event){.kind = POOL_EVENT_WAKE};
        if (ready & READY_WAKE)
            return 0;
        int r = pool_client_next(client, ret, err);
        if (r < 0 || is_plain(ret))
            return r;
        outcome_clear(&ret->outcome);
        *ret = (struct pool_event){0};
        if (!is_here && !ready &&
            (!left || (timeout_ms > 0 && (uint64_t)clock_ms() >= end)))
            return 0;
    }
}

/* Until an event of this kind (and id, unless 0) has come; others are kept. */
static int wait_for(struct pool_client *client, int kind, uint32_t id, int timeout_ms,
                    struct pool_event *ret, struct error *err)
{
    uint64_t end = (uint64_t)clock_ms() + (uint64_t)timeout_ms;
    for (;;) {
        bool is_over = pool_client_has_ended(client);
        int r = client->is_dead ? -EPIPE : pool_client_look(client, ret);
        if (r > 0 && (int)ret->kind == kind && (!id || ret->id == id))
            return 0;
        if (r > 0 && is_plain(ret))
            keep(client, ret);
        else if (r > 0)
            outcome_clear(&ret->outcome);
        if (r < 0)
            return pool_client_lost(client, err);
        if (r > 0 || line_has_frame(client->line))
            continue;
        if (is_over) {
            pool_client_lose(client, NULL);
            continue;
        }
        struct error why = {0};
        uint64_t now = (uint64_t)clock_ms();
        if (now >= end)
            return error_set(err, -ETIMEDOUT, "the pool of executor '%s' does not answer",
                             client->type->name);
        wait_ready(client, -1, (int)(end - now));
        if (line_tick(client->line, &why) < 0)
            pool_client_lose(client, &why);
    }
}

int pool_client_new(const struct executor_type *type,
                    const struct executor_option *options, size_t n_options,
                    struct pool_client **ret, struct error *err)
{
    struct executor_link link = {0};
    struct pool_event event;
    void *executor;
    int r = executor_check(type, options, n_options, err);
    if (r == 0)
        r = type->open(options, n_options, &executor, err);
    if (r < 0)
        return r;
    uint64_t end = (uint64_t)clock_ms() + HELLO_MS;
    while ((r = type->next(executor, &link, err)) == 0 && (uint64_t)clock_ms() < end) {
        struct pollfd fd = {.fd = type->fd ? type->fd(executor) : -1, .events = POLLIN};
        poll(&fd, 1, 100);
    }
    if (r <= 0) {
        type->close(executor);
        return error_set(err, r ? r : -ETIMEDOUT, "executor '%s' gives no pool",
                         type->name);
    }
    CLEANUP(pool_client_freep)
    struct pool_client *client =
        pool_client_adopt(type, executor, &link, options, n_options);
    client->owns_executor = true;
    r = wait_for(client, POOL_EVENT_HELLO, 0, HELLO_MS, &event, NULL);
    if (r < 0) {
        CLEANUP(freep) char *why = pool_client_why(client);
        return error_set(err, r, "the pool of executor '%s' did not start: %s",
                         type->name, why);
    }
    *ret = TAKE(client);
    return 0;
}

int pool_client_payload(struct pool_client *client, const uint8_t hash[32],
                        const void *payload, size_t size, struct outcome *ret_outcome,
                        struct error *err)
{
    size_t i;
    uint32_t id;
    struct pool_event event;
    if (!pool_client_is_alive(client))
        return pool_client_lost(client, err);
    if (pool_client_knows(client, hash, &i)) {
        *ret_outcome = (struct outcome){0};
        return 0;
    }
    CLEANUP(blob_unrefp) struct blob *blob = blob_new(payload, size);
    int r = pool_client_post_payload(client, hash, blob, &id, err);
    if (r == 0)
        r = wait_for(client, POOL_EVENT_PAYLOAD, id, PAYLOAD_MS, &event, err);
    if (r == 0)
        *ret_outcome = event.outcome;
    return r;
}

/* Lets the pool take what it was given; while we wait we read ahead, so that two sides
 * that send at once cannot lock up. */
static void make_room(struct pool_client *client)
{
    struct pool_event event;
    while (!client->is_dead && !client->is_broken &&
           line_unsent(client->line) > UNSENT_MAX) {
        int r = pool_client_look(client, &event);
        if (r > 0 && is_plain(&event))
            keep(client, &event);
        else if (r > 0)
            outcome_clear(&event.outcome);
        else if (r == 0)
            wait_ready(client, -1, -1);
        if (r == 0 && !line_has_frame(client->line) && line_tick(client->line, NULL) < 0)
            client->is_broken = true;
    }
}

int pool_client_submit(struct pool_client *client, const uint8_t hash[32],
                       const void *argument, size_t size, uint32_t *ret_id,
                       struct error *err)
{
    if (client->open.start < client->open.n && line_has_frame(client->line))
        line_cork(client->line); /* pool_client_wait() sends it, with others */
    int r = pool_client_post_task(client, hash, argument, size, ret_id, err);
    if (r == 0)
        make_room(client);
    return r;
}
