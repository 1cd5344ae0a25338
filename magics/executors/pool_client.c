/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Events that arrive while an answer is waited for are kept and handed out later, in
 * order. Every open task ends exactly once: by its result, or by the pool's end. */
#include "magics/executors/pool_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "kernel/peer/protocol.h"
#include "pickler/base/clock.h"

#define HASH_SIZE 32
#define HELLO_MS 20000    /* a pool that is silent for longer has not started */
#define PAYLOAD_MS 180000 /* to compile and load a payload */

/* Ids are handed out in order: what is open is a window over them. */
struct open_tasks {
    uint32_t first; /* id of is_open[start] */
    bool *is_open;
    size_t start, n, capacity; /* [start, n) is in use */
};

struct kept_event {
    struct kept_event *next;
    struct pool_event event; /* data points to `data` */
    char *data;
};

struct pool_client {
    const struct executor_type *type;
    struct executor_start start;
    unsigned n_workers;
    int news_fd;    /* an epoll descriptor of the channel and the pool's death */
    int wake_fd;    /* of pool_client_watch(), -1: none */
    bool is_dead;   /* nothing more will come */
    bool is_broken; /* nothing more can be sent; results may still come */
    uint32_t last_id;
    struct open_tasks open;
    uint8_t (*known)[HASH_SIZE]; /* payloads that the pool has */
    size_t n_known, known_capacity;
    struct kept_event *kept, **kept_end;
    char *lent; /* data of the event handed out last */
};

static void open_add(struct open_tasks *open, uint32_t id)
{
    if (open->start == open->n) {
        open->start = open->n = 0;
        open->first = id;
    }
    if (open->start > open->n / 2 && open->start > 64) {
        open->n -= open->start;
        memmove(open->is_open, open->is_open + open->start, open->n * sizeof(bool));
        open->start = 0;
    }
    /* Ids between were used by requests that are no tasks. */
    while (open->first + (open->n - open->start) <= id) {
        GROW(open->is_open, open->n, open->capacity);
        open->is_open[open->n++] = false;
    }
    open->is_open[open->n - 1] = true;
}

/* False when the task is not open. */
static bool open_remove(struct open_tasks *open, uint32_t id)
{
    if (id < open->first || id - open->first >= open->n - open->start ||
        !open->is_open[open->start + (id - open->first)])
        return false;
    open->is_open[open->start + (id - open->first)] = false;
    while (open->start < open->n && !open->is_open[open->start]) {
        open->start++;
        open->first++;
    }
    return true;
}

static bool find_known(const struct pool_client *client, const uint8_t *hash, size_t *ret)
{
    for (*ret = 0; *ret < client->n_known; ++*ret)
        if (memcmp(client->known[*ret], hash, HASH_SIZE) == 0)
            return true;
    return false;
}

static void forget(struct pool_client *client, const uint8_t *hash)
{
    size_t i;
    if (find_known(client, hash, &i))
        memcpy(client->known[i], client->known[--client->n_known], HASH_SIZE);
}

static int check_options(const struct executor_type *type,
                         const struct executor_option *options, size_t n_options,
                         struct error *err)
{
    for (size_t i = 0; i < n_options; i++) {
        bool is_known = false;
        struct buffer names = {0};
        for (const char *const *name = type->options; *name; name++) {
            is_known |= strcmp(*name, options[i].name) == 0;
            buffer_format(&names, "%s--%s", names.size ? ", " : "", *name);
        }
        CLEANUP(freep) char *text = buffer_take(&names);
        if (!is_known)
            return error_set(err, -EINVAL,
                             "executor '%s' has no option '--%s'; it has %s", type->name,
                             options[i].name, *text ? text : "none");
    }
    return 0;
}

static int read_hello(struct pool_client *client, struct error *err)
{
    struct frame frame;
    struct error ignored = {0};
    int r = channel_receive(client->start.channel, HELLO_MS, &frame, &ignored);
    if (r <= 0)
        return error_set(err, r ? r : -ETIMEDOUT,
                         "the pool of executor '%s' did not start", client->type->name);
    struct unpack in = unpack_init(frame.data, frame.size);
    uint64_t version = unpack_u64(&in);
    unpack_u64(&in); /* pid */
    CLEANUP(freep) char *about = unpack_string(&in);
    uint64_t n_workers = unpack_max(&in, 1u << 20);
    if (frame.kind != FRAME_HELLO || in.failed || !n_workers)
        return error_set(err, -EBADMSG, "the pool of executor '%s' does not say hello",
                         client->type->name);
    if (version != PROTOCOL_VERSION)
        return error_set(
            err, -EPROTO, "the pool of executor '%s' speaks version %llu, not %d",
            client->type->name, (unsigned long long)version, PROTOCOL_VERSION);
    client->n_workers = (unsigned)n_workers;
    return 0;
}

static int watch_news(struct pool_client *client, struct error *err)
{
    int fds[] = {channel_fd(client->start.channel), client->start.death_fd};
    client->news_fd = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; i < 2 && client->news_fd >= 0; i++) {
        struct epoll_event event = {.events = EPOLLIN};
        if (fds[i] >= 0 && epoll_ctl(client->news_fd, EPOLL_CTL_ADD, fds[i], &event) < 0)
            closep(&client->news_fd), client->news_fd = -1;
    }
    return client->news_fd < 0 ? error_errno(err, -errno, "cannot watch the pool") : 0;
}

int pool_client_fd(const struct pool_client *client)
{
    return client->news_fd;
}

int pool_client_new(const struct executor_type *type,
                    const struct executor_option *options, size_t n_options,
                    struct pool_client **ret, struct error *err)
{
    int r = check_options(type, options, n_options, err);
    if (r < 0)
        return r;
    CLEANUP(pool_client_freep) struct pool_client *client = must_alloc(sizeof(*client));
    client->start.death_fd = client->wake_fd = client->news_fd = -1;
    client->kept_end = &client->kept;
    r = type->start(options, n_options, &client->start, err);
    if (r < 0)
        return r;
    client->type = type;
    r = read_hello(client, err);
    if (r == 0)
        r = watch_news(client, err);
    if (r < 0)
        return r;
    *ret = TAKE(client);
    return 0;
}

static struct kept_event *unkeep(struct pool_client *client)
{
    struct kept_event *kept = client->kept;
    if (!kept)
        return NULL;
    client->kept = kept->next;
    if (!client->kept)
        client->kept_end = &client->kept;
    return kept;
}

void pool_client_free(struct pool_client *client)
{
    if (!client)
        return;
    /* Not channel_send(): a pool that does not read must not hold us up. */
    if (client->start.channel &&
        channel_post(client->start.channel, POOL_BYE, 0, 0, NULL, 0, NULL) < 0)
        client->is_broken = true;
    closep(&client->news_fd);
    channel_free(client->start.channel);
    if (client->type)
        client->type->end(client->start.state);
    for (struct kept_event *kept; (kept = unkeep(client));) {
        outcome_clear(&kept->event.outcome);
        free(kept->data);
        free(kept);
    }
    free(client->lent);
    free(client->open.is_open);
    free(client->known);
    free(client);
}

unsigned pool_client_workers(const struct pool_client *client)
{
    return client->n_workers;
}

bool pool_client_is_alive(const struct pool_client *client)
{
    return !client->is_dead && !client->is_broken;
}

void pool_client_watch(struct pool_client *client, int wake_fd)
{
    client->wake_fd = wake_fd;
}

static int lost(const struct pool_client *client, struct error *err)
{
    return error_set(err, -EPIPE, "the pool of executor '%s' is gone",
                     client->type->name);
}

/* Any frame but an answer, as an event; false when it is none (or of no open task). */
static bool read_event(struct pool_client *client, const struct frame *frame,
                       struct pool_event *ret)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    struct error ignored = {0};
    *ret = (struct pool_event){.id = frame->id};
    if (frame->kind == POOL_OUTPUT) {
        ret->kind = POOL_EVENT_OUTPUT;
        ret->stream = (int)unpack_max(&in, 2);
        ret->data = unpack_bytes(&in, &ret->size);
        return unpack_done(&in);
    }
    if (frame->kind == POOL_DISPLAY) {
        ret->kind = POOL_EVENT_DISPLAY;
        ret->data = frame->data;
        ret->size = frame->size;
        return true;
    }
    if ((frame->kind != POOL_RESULT && frame->kind != FRAME_BAD) ||
        !open_remove(&client->open, frame->id))
        return false;
    ret->kind = POOL_EVENT_RESULT;
    if (frame->kind == POOL_RESULT && outcome_unpack(&in, &ret->outcome, &ignored) == 0) {
        ret->data = unpack_bytes(&in, &ret->size);
        if (unpack_done(&in))
            return true;
        outcome_clear(&ret->outcome);
    }
    ret->data = NULL;
    ret->size = 0;
    ret->outcome =
        (struct outcome){.kind = OUTCOME_DIED,
                         .name = must_strdup("BadResult"),
                         .message = must_strdup("the pool's answer cannot be read")};
    return true;
}

static void keep(struct pool_client *client, const struct pool_event *event)
{
    struct kept_event *kept = must_alloc(sizeof(*kept));
    kept->event = *event;
    kept->data = must_realloc(NULL, event->size, 1);
    if (event->size)
        memcpy(kept->data, event->data, event->size);
    kept->event.data = kept->data;
    *client->kept_end = kept;
    client->kept_end = &kept->next;
}

static void drop_fds(struct frame *frame)
{
    for (size_t i = 0; i < frame->n_fds; i++)
        close(frame->fds[i]);
    frame->n_fds = 0;
}

enum { READY_FRAME = 1, READY_WAKE = 2, READY_DEATH = 4 };

/* What of it there is within the time; 0: nothing. */
static int wait_ready(const struct pool_client *client, int wake_fd, int timeout_ms)
{
    struct pollfd fds[3] = {{.fd = channel_fd(client->start.channel), .events = POLLIN},
                            {.fd = wake_fd, .events = POLLIN},
                            {.fd = client->start.death_fd, .events = POLLIN}};
    uint64_t end = timeout_ms > 0 ? (uint64_t)clock_ms() + (uint64_t)timeout_ms : 0;
    while (poll(fds, 3, timeout_ms) < 0) {
        if (errno != EINTR)
            return 0;
        uint64_t now = timeout_ms > 0 ? (uint64_t)clock_ms() : 0;
        timeout_ms = timeout_ms <= 0 ? timeout_ms : now < end ? (int)(end - now) : 0;
    }
    return (fds[0].revents ? READY_FRAME : 0) | (fds[1].revents ? READY_WAKE : 0) |
           (fds[2].revents ? READY_DEATH : 0);
}

/* Until there is something to read; negative: nothing will be read. */
static int wait_more(struct pool_client *client, uint64_t end, struct error *err)
{
    uint64_t now = (uint64_t)clock_ms();
    int ready = now >= end ? 0 : wait_ready(client, client->wake_fd, (int)(end - now));
    if (ready & READY_WAKE)
        return error_set(err, -EINTR, "interrupted while the payload was loaded");
    if (ready & READY_FRAME)
        return 0;
    client->is_dead = ready & READY_DEATH;
    if (client->is_dead)
        return lost(client, err);
    return now < end
               ? 0
               : error_set(err, -ETIMEDOUT, "the pool of executor '%s' does not answer",
                           client->type->name);
}

/* The answer to request `id`; what else comes is kept. */
static int wait_answer(struct pool_client *client, uint32_t id, struct frame *ret,
                       struct error *err)
{
    uint64_t end = (uint64_t)clock_ms() + PAYLOAD_MS;
    for (;;) {
        struct error ignored = {0};
        int r = channel_receive(client->start.channel, 0, ret, &ignored);
        if (r == 0) {
            r = wait_more(client, end, err);
            if (r < 0)
                return r;
            continue;
        }
        client->is_dead = r < 0;
        if (r < 0)
            return lost(client, err);
        drop_fds(ret);
        struct pool_event event;
        struct unpack in = unpack_init(ret->data, ret->size);
        size_t size;
        if (ret->kind == POOL_FORGOT) {
            const uint8_t *hash = unpack_bytes(&in, &size);
            if (size == HASH_SIZE)
                forget(client, hash);
        } else if (ret->id == id &&
                   (ret->kind == POOL_PAYLOAD || ret->kind == FRAME_BAD)) {
            return 0;
        } else if (read_event(client, ret, &event)) {
            keep(client, &event);
        }
    }
}

int pool_client_payload(struct pool_client *client, const uint8_t hash[32],
                        const void *payload, size_t size, struct outcome *ret_outcome,
                        struct error *err)
{
    size_t i;
    struct outcome outcome = {0};
    if (!pool_client_is_alive(client))
        return lost(client, err);
    if (find_known(client, hash, &i)) {
        *ret_outcome = outcome;
        return 0;
    }
    struct buffer body = {0};
    pack_bytes(&body, hash, HASH_SIZE);
    pack_bytes(&body, payload, size);
    uint32_t id = ++client->last_id;
    int r = channel_send(client->start.channel, POOL_PAYLOAD, 0, id, body.data, body.size,
                         err);
    buffer_clear(&body);
    client->is_broken |= r == -EPIPE;
    struct frame frame;
    if (r == 0)
        r = wait_answer(client, id, &frame, err);
    if (r < 0)
        return r;
    struct unpack in = unpack_init(frame.data, frame.size);
    if (frame.kind == FRAME_BAD)
        return error_set(err, -EBADMSG, "the pool cannot read the payload");
    r = outcome_unpack(&in, &outcome, err);
    if (r < 0)
        return r;
    if (outcome.kind == OUTCOME_OK) {
        GROW(client->known, client->n_known, client->known_capacity);
        memcpy(client->known[client->n_known++], hash, HASH_SIZE);
    }
    *ret_outcome = outcome;
    return 0;
}

int pool_client_submit(struct pool_client *client, const uint8_t hash[32],
                       const void *argument, size_t size, uint32_t *ret_id,
                       struct error *err)
{
    if (!pool_client_is_alive(client))
        return lost(client, err);
    struct buffer body = {0};
    buffer_reserve(&body, size + HASH_SIZE + 16);
    pack_bytes(&body, hash, HASH_SIZE);
    pack_bytes(&body, argument, size);
    uint32_t id = ++client->last_id;
    int r =
        channel_send(client->start.channel, POOL_TASK, 0, id, body.data, body.size, err);
    buffer_clear(&body);
    client->is_broken |= r == -EPIPE;
    if (r < 0)
        return r;
    open_add(&client->open, id);
    *ret_id = id;
    return 0;
}

int pool_client_cancel(struct pool_client *client, uint32_t id, struct error *err)
{
    if (client->is_dead)
        return 0; /* its end is an event already */
    int r = channel_send(client->start.channel, POOL_CANCEL, 0, id, NULL, 0, err);
    client->is_broken |= r == -EPIPE;
    return r == -EPIPE ? 0 : r;
}

/* The next open task of a dead pool, as an event; -EPIPE when none is left. */
static int end_open_task(struct pool_client *client, struct pool_event *ret,
                         struct error *err)
{
    struct open_tasks *open = &client->open;
    if (open->start == open->n)
        return lost(client, err);
    *ret = (struct pool_event){.kind = POOL_EVENT_RESULT, .id = open->first};
    ret->outcome.kind = OUTCOME_DIED;
    ret->outcome.name = must_strdup("PoolLost");
    ret->outcome.message = must_format(
        "the pool of executor '%s' ended while the task was open", client->type->name);
    open_remove(open, open->first);
    return 0;
}

/* 1: an event; 0: no frame is here; -EPIPE: the pool is gone. */
static int look(struct pool_client *client, struct pool_event *ret)
{
    struct frame frame;
    do {
        struct error ignored = {0};
        int r = channel_receive(client->start.channel, 0, &frame, &ignored);
        client->is_dead = r < 0;
        if (r <= 0)
            return r;
        drop_fds(&frame);
        if (read_event(client, &frame, ret))
            return 1;
    } while (channel_has_frame(client->start.channel));
    return 0;
}

int pool_client_wait(struct pool_client *client, int wake_fd, int timeout_ms,
                     struct pool_event *ret, struct error *err)
{
    free(TAKE(client->lent));
    for (;;) {
        if (client->is_dead && !client->kept)
            return end_open_task(client, ret, err);
        bool is_here = client->kept || channel_has_frame(client->start.channel);
        /* A pool that never falls silent must not drown an interrupt. */
        int ready = is_here && wake_fd < 0
                        ? 0
                        : wait_ready(client, wake_fd, is_here ? 0 : timeout_ms);
        if (ready & READY_WAKE) {
            *ret = (struct pool_event){.kind = POOL_EVENT_WAKE};
            return 0;
        }
        CLEANUP(freep) struct kept_event *kept = unkeep(client);
        if (kept) {
            *ret = kept->event;
            client->lent = kept->data;
            return 0;
        }
        if (is_here || ready & READY_FRAME) {
            if (look(client, ret) > 0)
                return 0;
        } else if (ready & READY_DEATH) {
            client->is_dead = true;
        } else {
            *ret = (struct pool_event){.kind = POOL_EVENT_NONE};
            return 0;
        }
    }
}
