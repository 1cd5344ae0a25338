/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The loop. A round: wait, read the front, the tasks, their output, the zygotes; start
 * what waits; send output that is due; free what is gone. Nothing is freed in the middle
 * of a round: it is marked, and the marks are honoured. */
#include "kernel/pool/pool.h"

#include <errno.h>
#include <gnu/libc-version.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/utsname.h>

#include "kernel/peer/protocol.h"
#include "kernel/pool/tier.h"
#include "pickler/base/clock.h"

enum source_kind {
    SOURCE_FRONT,
    SOURCE_ZYGOTE,
    SOURCE_COMPILER,
    SOURCE_TASK,
    SOURCE_OUTPUT
};

struct source {
    enum source_kind kind;
    struct family *family;
    struct worker *worker;
    int stream;
};

/* What poll() waits for; built anew each round. */
struct waiting {
    struct pollfd *fds;
    struct source *sources;
    size_t n, capacity;
};

uint64_t pool_now(void)
{
    return (uint64_t)clock_us();
}

void pool_say(struct pool *pool, uint16_t kind, uint32_t id, const struct buffer *body)
{
    if (line_send(pool->front, kind, id, body->data, body->size, NULL) == -EPIPE)
        pool->is_over = true;
}

static void wait_for(struct waiting *waiting, int fd, short events, struct source source)
{
    if (waiting->n == waiting->capacity) {
        waiting->capacity = waiting->capacity ? 2 * waiting->capacity : 32;
        waiting->fds =
            must_realloc(waiting->fds, waiting->capacity, sizeof(*waiting->fds));
        waiting->sources =
            must_realloc(waiting->sources, waiting->capacity, sizeof(*waiting->sources));
    }
    waiting->fds[waiting->n] = (struct pollfd){.fd = fd, .events = events};
    waiting->sources[waiting->n++] = source;
}

static void gather_worker(struct waiting *waiting, struct family *family,
                          struct worker *worker)
{
    struct source source = {.kind = SOURCE_TASK, .family = family, .worker = worker};
    if (!worker->is_closed)
        wait_for(waiting, channel_fd(worker->channel), channel_events(worker->channel),
                 source);
    source.kind = SOURCE_OUTPUT;
    for (source.stream = 0; source.stream < 2; source.stream++)
        if (worker->output[source.stream].fd >= 0)
            wait_for(waiting, worker->output[source.stream].fd, POLLIN, source);
}

/* Where credit does not hold the front back, it is not read. */
static bool may_read(const struct pool *pool)
{
    return pool->is_counted || pool->waiting_bytes <= POOL_WAITING_BYTES;
}

static void gather_front(struct pool *pool, struct waiting *waiting)
{
    struct pollfd fds[2];
    bool is_full = pool->waiting_bytes > POOL_WAITING_BYTES;
    size_t n = line_poll(pool->front, fds);
    line_hold(pool->front, is_full);
    if (!may_read(pool))
        fds[0].events &= ~POLLIN;
    for (size_t i = 0; i < n; i++)
        wait_for(waiting, fds[i].fd, fds[i].events,
                 (struct source){.kind = SOURCE_FRONT});
}

static void gather(struct pool *pool, struct waiting *waiting)
{
    bool is_front_slow = line_unsent(pool->front) > POOL_UNSENT_BYTES;
    waiting->n = 0;
    gather_front(pool, waiting);
    for (size_t i = 0; i < pool->n_families; i++) {
        struct family *family = pool->families[i];
        if (family->zygote.channel)
            wait_for(waiting, channel_fd(family->zygote.channel),
                     channel_events(family->zygote.channel),
                     (struct source){.kind = SOURCE_ZYGOTE, .family = family});
        if (family->compiler.channel)
            wait_for(waiting, channel_fd(family->compiler.channel),
                     channel_events(family->compiler.channel),
                     (struct source){.kind = SOURCE_COMPILER, .family = family});
        for (struct worker *worker = family->workers; worker; worker = worker->next)
            if (worker->task && !is_front_slow)
                gather_worker(waiting, family, worker);
    }
}

static void handle_front(struct pool *pool, short events)
{
    if (events & POLLOUT && line_flush(pool->front, NULL) < 0)
        pool->is_over = true;
    if (events & (POLLIN | POLLHUP | POLLERR))
        front_read(pool);
    if (events & POLLHUP)
        pool->is_over = true;
}

static void handle(struct pool *pool, const struct source *source, short events)
{
    switch (source->kind) {
    case SOURCE_FRONT:
        handle_front(pool, events);
        break;
    case SOURCE_ZYGOTE:
        if (source->family->zygote.channel)
            zygotes_read(pool, source->family);
        break;
    case SOURCE_COMPILER:
        if (source->family->compiler.channel)
            zygotes_read_compiler(pool, source->family);
        break;
    case SOURCE_TASK:
        if (!source->worker->is_gone)
            tasks_read(pool, source->family, source->worker);
        break;
    case SOURCE_OUTPUT:
        if (!source->worker->is_gone)
            output_read(&source->worker->output[source->stream]);
        break;
    }
}

static int timeout(const struct pool *pool)
{
    if (line_has_frame(pool->front) && pool->waiting_bytes <= POOL_WAITING_BYTES)
        return 0;
    int line_ms = line_due(pool->front);
    uint64_t due = tasks_due(pool), limit = limits_due(pool), now = pool_now();
    uint64_t prestart = zygotes_due(pool);
    due = limit < due ? limit : due;
    due = prestart < due ? prestart : due;
    due = pool->trim_at < due ? pool->trim_at : due;
    due = pool->tier_at < due ? pool->tier_at : due;
    if (pool->is_gathering && due > now + POOL_GATHER_US)
        due = now + POOL_GATHER_US;
    if (due == UINT64_MAX)
        return line_ms;
    int ms = due <= now ? 0 : (int)((due - now) / 1000) + 1;
    return line_ms >= 0 && line_ms < ms ? line_ms : ms;
}

static void tidy(struct pool *pool)
{
    size_t n = 0;
    bool is_loading = false;
    for (size_t i = 0; i < pool->n_families; i++) {
        struct family *family = pool->families[i];
        family_free_workers(family, true);
        is_loading |= family->state == FAMILY_LOADING;
        if (family->is_removed)
            family_free(family);
        else
            pool->families[n++] = family;
    }
    pool->n_families = n;
    if (!is_loading) /* not while somebody waits for the processor */
        zygotes_prestart(pool);
}

static bool is_anything_here(void *context)
{
    const struct pool *pool = context;
    return (may_read(pool) && line_look(pool->front)) || tasks_have_results(pool);
}

/* Waits; `waiting` tells what for, and is empty when shared memory had something and the
 * descriptors were looked at just before. */
static bool wait(struct pool *pool, struct waiting *waiting)
{
    tasks_choose_batches(pool);
    bool is_here = pool->is_gathering
                       ? is_anything_here(pool)
                       : patience_wait(&pool->patience, is_anything_here, pool);
    uint64_t before = pool_now();
    waiting->n = 0;
    if (is_here && before < pool->polled_at + POOL_POLL_US)
        return true;
    gather(pool, waiting);
    bool may_wait = !is_here && (!line_sleep(pool->front) || !may_read(pool));
    may_wait = may_wait && tasks_sleep(pool);
    int n_ready = poll(waiting->fds, waiting->n, may_wait ? timeout(pool) : 0);
    tasks_awake(pool);
    pool->polled_at = pool_now();
    if (may_wait && !pool->is_gathering &&
        is_anything_here(pool)) /* what it would have seen */
        patience_slept(&pool->patience, (int64_t)(pool->polled_at - before));
    return n_ready >= 0;
}

static void go_round(struct pool *pool, struct waiting *waiting)
{
    if (!wait(pool, waiting))
        return;
    pool->now = pool_now();
    line_cork(pool->front); /* what a round says is one write */
    if (line_has_frame(pool->front))
        front_read(pool);
    for (size_t i = 0; i < waiting->n && !pool->is_over; i++)
        if (waiting->fds[i].revents)
            handle(pool, &waiting->sources[i], waiting->fds[i].revents);
    tasks_drain_all(pool);
    tasks_dispatch(pool);
    tasks_trim(pool);
    tier_time(pool);
    limits_time(pool, pool->now);
    tasks_time(pool, pool->now);
    struct error err = {0};
    if (line_uncork(pool->front, &err) < 0 || line_tick(pool->front, &err) < 0)
        front_lost(pool, &err);
    tidy(pool);
}

static void say_hello(struct pool *pool)
{
    struct buffer body = {0};
    struct utsname system;
    uname(&system);
    pack_u64(&body, PROTOCOL_VERSION);
    pack_u64(&body, (uint64_t)getpid());
    pack_string(&body, "pool");
    pack_u64(&body, pool->n_workers);
    pack_string(&body, system.machine);
    CLEANUP(freep) char *libc = must_format("glibc %s", gnu_get_libc_version());
    pack_string(&body, libc);
    pool_say(pool, FRAME_HELLO, 0, &body);
    buffer_clear(&body);
}

bool pool_serve(struct line *front, unsigned n_workers, const struct limits *limits)
{
    struct pool pool = {.front = front,
                        .trim_at = UINT64_MAX,
                        .tier_at = UINT64_MAX,
                        .n_workers = n_workers,
                        .limits = *limits,
                        .blank = {.pidfd = -1, .out = -1, .err = -1}};
    struct waiting waiting = {0};
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    say_hello(&pool);
    pool.is_over = line_flush(front, NULL) < 0;
    zygotes_prestart(&pool);
    while (!pool.is_over)
        go_round(&pool, &waiting);
    for (size_t i = 0; i < pool.n_families; i++)
        family_free(pool.families[i]);
    pool.n_families = 0;
    pieces_clear(&pool.pieces);
    process_end(&pool.blank);
    zygotes_sweep(&pool);
    free(pool.families);
    free(waiting.fds);
    free(waiting.sources);
    return pool.has_bye;
}
