/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Whoever waits does the work, under the lock, so that an answer costs no switch between
 * threads. The keeper stays away while somebody calls, and for GRACE_MS after that. */
#include "magics/executors/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "magics/executors/crew_inside.h"
#include "pickler/base/clock.h"

#define GRACE_MS 20
#define QUICK_LINKS_MAX 4 /* to look at all of them takes no time */
#define ROUND_MS 500      /* at least so often everything is looked at */

struct polling {
    struct pollfd *fds;
    size_t n;
    int timeout_ms;
};

void crew_keep(struct crew *crew, struct pool_event *event)
{
    struct crew_event *kept = must_alloc(sizeof(*kept));
    kept->event = *event;
    kept->event.data = NULL; /* the event's own is borrowed, also when it is empty */
    kept->event.host = must_strdup(event->host);
    if (event->size) {
        char *data = must_realloc(NULL, event->size, 1);
        memcpy(data, event->data, event->size);
        kept->event.data = data;
    }
    if (!crew->kept) {
        eventfd_write(crew->news_fd, 1);
        crew->kept_last = &crew->kept;
    }
    *crew->kept_last = kept;
    crew->kept_last = &kept->next;
    crew->kept_bytes += event->size + sizeof(*kept);
}

static void free_event(struct crew_event *event)
{
    if (!event)
        return;
    free((char *)event->event.data);
    free((char *)event->event.host);
    free(event);
}

/* The first kept event of the owner, lent until the next call. */
static bool unkeep(struct crew *crew, const void *owner, struct pool_event *ret)
{
    struct crew_event **at = &crew->kept;
    while (*at && owner && (*at)->event.tag != owner)
        at = &(*at)->next;
    struct crew_event *found = *at;
    if (!found)
        return false;
    *at = found->next;
    if (!found->next)
        crew->kept_last = at;
    crew->kept_bytes -= found->event.size + sizeof(*found);
    if (!crew->kept)
        eventfd_read(crew->news_fd, &(eventfd_t){0});
    *ret = found->event;
    crew->lent = found;
    return true;
}

/* What to wait for; the executor's descriptor first. */
static void gather(struct crew *crew, struct polling *polling)
{
    size_t n_links = 0;
    for (struct crew_link *link = crew->links; link; link = link->next)
        n_links++;
    polling->fds =
        must_realloc(polling->fds, n_links * POOL_CLIENT_FDS + 2, sizeof(*polling->fds));
    polling->n = 0;
    polling->timeout_ms = ROUND_MS;
    int fd = crew->type->fd && !crew->is_closed ? crew->type->fd(crew->executor) : -1;
    polling->fds[polling->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    bool is_full = crew->kept_bytes > CREW_KEPT_BYTES;
    for (struct crew_link *link = crew->links; link; link = link->next) {
        int due = ROUND_MS;
        struct pollfd *fds = polling->fds + polling->n;
        size_t n = pool_client_poll(link->client, fds, &due);
        for (size_t i = 0; is_full && i < n; i++)
            fds[i].fd = -1;
        if (!is_full)
            link->is_ready |= pool_client_sleep(link->client);
        if (!is_full && (link->is_ready || due < polling->timeout_ms))
            polling->timeout_ms = link->is_ready ? 0 : due;
        polling->n += n;
    }
    if (crew->ask_again)
        polling->timeout_ms = 0;
}

/* Hands what poll() said to the links; in the same order as gather(). */
static void scatter(struct crew *crew, const struct polling *polling)
{
    size_t at = 1;
    crew->ask_again |= polling->fds[0].revents != 0;
    for (struct crew_link *link = crew->links; link; link = link->next) {
        int due = 0;
        struct pollfd fds[POOL_CLIENT_FDS];
        for (size_t n = pool_client_poll(link->client, fds, &due); n; n--, at++)
            link->is_ready |= at < polling->n && polling->fds[at].revents;
    }
}

/* Room that has not come yet is not kept waiting for when nobody wants it any more,
 * unless it was asked for ahead of need. */
static void withdraw(struct crew *crew)
{
    bool was_wanted = crew->was_wanted;
    crew->was_wanted = crew_is_wanted(crew);
    if (!was_wanted ||
        executor_prestarts(crew->options, crew->n_options, &(unsigned){0}) ||
        crew->was_wanted || crew->is_closed || crew->links || !crew->type->withdraw ||
        !crew->type->withdraw(crew->executor))
        return;
    crew->is_closed = true;
    crew->why = (struct error){0};
    error_set(&crew->why, -EPIPE, "nothing waited for a pool any more");
}

/* Tasks that nobody will ever take end here. */
static void give_up(struct crew *crew)
{
    struct outcome outcome = {
        .kind = OUTCOME_DIED, .name = (char *)"NoPool", .message = crew->why.text};
    withdraw(crew);
    if (!crew->is_closed || crew->links)
        return;
    for (struct crew_payload *payload = crew->payloads; payload; payload = payload->next)
        crew_tasks_fail(crew, payload, &outcome);
}

/* One round without waiting; true: *ret is an event of the owner. */
static bool go_round(struct crew *crew, const void *owner, bool is_wanted,
                     struct pool_event *ret)
{
    crew_links_ask(crew);
    if (crew_links_read(crew, owner, is_wanted, ret))
        return true;
    crew_links_ask(crew); /* in the place of those that were lost */
    give_up(crew);
    crew_tasks_dispatch(crew, false);
    return is_wanted && unkeep(crew, owner, ret);
}

/* ---- the keeper ---- */

static void *keep_company(void *context)
{
    struct crew *crew = context;
    CLEANUP(freep) struct pollfd *fds = NULL;
    struct pool_event none;
    struct polling polling = {0};
    pthread_mutex_lock(&crew->lock);
    while (!crew->is_ending) {
        int64_t away = crew->attended - clock_ms();
        polling.n = 0;
        if (away <= 0) {
            go_round(crew, NULL, false, &none);
            gather(crew, &polling);
        }
        polling.fds = must_realloc(polling.fds, polling.n + 1, sizeof(*polling.fds));
        polling.fds[polling.n] = (struct pollfd){.fd = crew->poke_fd, .events = POLLIN};
        crew->is_polled = away <= 0;
        pthread_mutex_unlock(&crew->lock);
        poll(polling.fds, polling.n + 1, away > 0 ? (int)away : polling.timeout_ms);
        pthread_mutex_lock(&crew->lock);
        crew->is_polled = false;
        if (polling.fds[polling.n].revents)
            eventfd_read(crew->poke_fd, &(eventfd_t){0});
        /* The links may have changed since; then too many are looked at, no harm. */
        if (away <= 0 && crew->attended <= clock_ms())
            scatter(crew, &polling);
    }
    pthread_mutex_unlock(&crew->lock);
    fds = polling.fds;
    return NULL;
}

/* What an event points to is its link's, and the keeper may read that link as soon as the
 * caller has been away for long, be it in the middle of using the event. */
static void lend(struct crew *crew, struct pool_event *event)
{
    struct crew_event *lent = must_alloc(sizeof(*lent));
    char *data = event->size ? must_realloc(NULL, event->size, 1) : NULL;
    if (data)
        memcpy(data, event->data, event->size);
    lent->event.host = event->host = must_strdup(event->host);
    lent->event.data = event->data = data;
    crew->lent = lent;
}

static void enter(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->attended = INT64_MAX; /* nobody else can read it before leave() */
    free_event(TAKE(crew->lent));
}

static void leave(struct crew *crew)
{
    crew->attended = clock_ms() + GRACE_MS;
    pthread_mutex_unlock(&crew->lock);
}

static int start_keeper(struct crew *crew, struct error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&crew->keeper, NULL, keep_company, crew);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    crew->has_keeper = r == 0;
    return r ? error_errno(err, -r, "cannot start a thread") : 0;
}

/* ---- for its user ---- */

static void copy_options(struct crew *crew, const struct executor_option *options,
                         size_t n)
{
    crew->options = must_alloc((n + 1) * sizeof(*crew->options));
    for (size_t i = 0; i < n; i++)
        crew->options[i] = (struct executor_option){must_strdup(options[i].name),
                                                    must_strdup(options[i].value)};
    crew->n_options = n;
}

int crew_new(const struct executor_type *type, const struct executor_option *options,
             size_t n_options, struct crew **ret, struct error *err)
{
    int r = executor_check(type, options, n_options, err);
    if (r < 0)
        return r;
    CLEANUP(crew_freep) struct crew *crew = must_alloc(sizeof(*crew));
    pthread_mutex_init(&crew->lock, NULL);
    crew->poke_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    crew->news_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    crew->kept_last = &crew->kept;
    crew->ask_again = true;
    copy_options(crew, options, n_options);
    if (crew->poke_fd < 0 || crew->news_fd < 0)
        return error_errno(err, -errno, "cannot watch executor '%s'", type->name);
    r = type->open(crew->options, n_options, &crew->executor, err);
    if (r < 0)
        return r;
    crew->type = type;
    crew_links_ask(crew);
    if (crew->is_closed && !crew->links)
        return error_set(err, crew->why.code, "%s", crew->why.text);
    r = start_keeper(crew, err);
    if (r < 0)
        return r;
    *ret = TAKE(crew);
    return 0;
}

void crew_free(struct crew *crew)
{
    if (!crew)
        return;
    if (crew->has_keeper) {
        pthread_mutex_lock(&crew->lock);
        crew->is_ending = true;
        pthread_mutex_unlock(&crew->lock);
        eventfd_write(crew->poke_fd, 1);
        pthread_join(crew->keeper, NULL);
    }
    while (crew->links)
        crew_link_free(crew, crew->links);
    if (crew->type)
        crew->type->close(crew->executor);
    crew_tasks_clear(crew);
    crew_payloads_clear(crew);
    for (struct crew_event *event; (event = crew->kept);) {
        crew->kept = event->next;
        outcome_clear(&event->event.outcome);
        free_event(event);
    }
    free_event(crew->lent);
    for (size_t i = 0; i < crew->n_options; i++) {
        free((char *)crew->options[i].name);
        free((char *)crew->options[i].value);
    }
    free(crew->options);
    closep(&crew->poke_fd);
    closep(&crew->news_fd);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}

int crew_fd(const struct crew *crew)
{
    return crew->news_fd;
}

/* As with the lock held: pools that are up, and their workers. */
static unsigned count(const struct crew *crew, unsigned *ret_workers)
{
    unsigned n = 0;
    *ret_workers = 0;
    for (struct crew_link *link = crew->links; link; link = link->next) {
        if (!link->is_up || !pool_client_is_alive(link->client))
            continue;
        n++;
        *ret_workers += pool_client_workers(link->client);
    }
    return n;
}

unsigned crew_pools(struct crew *crew)
{
    unsigned n_workers;
    enter(crew);
    unsigned n = count(crew, &n_workers);
    leave(crew);
    return n;
}

unsigned crew_workers(struct crew *crew)
{
    unsigned n_workers;
    enter(crew);
    count(crew, &n_workers);
    leave(crew);
    return n_workers;
}

bool crew_is_alive(struct crew *crew)
{
    enter(crew);
    bool is_alive = !crew->is_closed || crew->links;
    leave(crew);
    return is_alive;
}

char *crew_status(struct crew *crew)
{
    struct buffer text = {0};
    unsigned n_workers;
    enter(crew);
    unsigned n = count(crew, &n_workers);
    if (n)
        buffer_format(&text, "%u %s, %u %s", n, n == 1 ? "pool" : "pools", n_workers,
                      n_workers == 1 ? "worker" : "workers");
    else
        buffer_add_string(&text,
                          crew->is_closed && !crew->links ? "ended" : "no pool yet");
    CLEANUP(buffer_clear) struct buffer more = {0};
    if (crew->type->status)
        crew->type->status(crew->executor, &more);
    if (more.size)
        buffer_format(&text, "; %s", buffer_string(&more));
    else if (!n && crew->why.code)
        buffer_format(&text, "; %s", crew->why.text);
    leave(crew);
    return buffer_take(&text);
}

/* A link that is quick has something. */
static bool is_here(void *context)
{
    const struct crew *crew = context;
    for (const struct crew_link *link = crew->links; link; link = link->next)
        if (pool_client_is_quick(link->client) && pool_client_is_here(link->client))
            return true;
    return false;
}

static bool has_quick(const struct crew *crew)
{
    size_t n_links = 0, n_quick = 0;
    for (const struct crew_link *link = crew->links; link; link = link->next, n_links++)
        n_quick += pool_client_is_quick(link->client);
    return n_quick && n_links <= QUICK_LINKS_MAX && crew->kept_bytes <= CREW_KEPT_BYTES;
}

/* One wait for anything to happen. -EINTR: wake_fd. */
static int wait_once(struct crew *crew, struct polling *polling, int wake_fd,
                     int timeout_ms)
{
    if (timeout_ms && has_quick(crew))
        patience_wait(&crew->patience, is_here, crew);
    gather(crew, polling);
    polling->fds[polling->n] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
    if (timeout_ms >= 0 && timeout_ms < polling->timeout_ms)
        polling->timeout_ms = timeout_ms;
    int64_t before = clock_us();
    int r = poll(polling->fds, polling->n + 1, polling->timeout_ms);
    patience_slept(&crew->patience, clock_us() - before);
    if (r <= 0)
        return 0;
    if (polling->fds[polling->n].revents)
        return -EINTR;
    scatter(crew, polling);
    return 0;
}

static int left(int64_t end)
{
    int64_t now = clock_ms();
    return end < 0 ? -1 : end <= now ? 0 : (int)(end - now);
}

static int wait_for_event(struct crew *crew, const void *owner, int wake_fd,
                          int timeout_ms, struct pool_event *ret, struct error *err)
{
    CLEANUP(freep) struct pollfd *fds = NULL;
    struct polling polling = {0};
    int64_t end = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
    int r = 0;
    bool is_first = true;
    *ret = (struct pool_event){0};
    for (;;) {
        /* A pool that never falls silent must not drown an interrupt. */
        struct pollfd wake = {.fd = wake_fd, .events = POLLIN};
        if (is_first && wake_fd >= 0 && poll(&wake, 1, 0) > 0)
            r = -EINTR;
        is_first = false;
        if (r == -EINTR) {
            ret->kind = POOL_EVENT_WAKE;
            r = 0;
            break;
        }
        if (unkeep(crew, owner, ret) || go_round(crew, owner, true, ret))
            break;
        if (crew->is_closed && !crew->links) {
            r = error_set(err, -EPIPE, "%s", crew->why.text);
            break;
        }
        int time = left(end);
        r = wait_once(crew, &polling, wake_fd, time);
        if (r == 0 && time == 0 && !polling.timeout_ms) {
            bool is_here = go_round(crew, owner, true, ret);
            if (!is_here)
                *ret = (struct pool_event){0};
            break;
        }
    }
    fds = polling.fds;
    return r;
}

int crew_wait(struct crew *crew, const void *owner, int wake_fd, int timeout_ms,
              struct pool_event *ret, struct error *err)
{
    enter(crew);
    int r = wait_for_event(crew, owner, wake_fd, timeout_ms, ret, err);
    if (r == 0 && !crew->lent && (ret->size || ret->host))
        lend(crew, ret);
    leave(crew);
    return r;
}

/* 1: it is decided; 0: not yet; -EPIPE: it never will be. */
static int look_at_payload(struct crew *crew, struct crew_payload *payload,
                           struct outcome *ret, struct error *err)
{
    if (payload->n_loaded) {
        *ret = (struct outcome){0};
        return 1;
    }
    if (payload->is_refused) {
        *ret = payload->refusal;
        payload->refusal = (struct outcome){0};
        payload->is_refused = false;
        return 1;
    }
    if (crew->is_closed && !crew->links)
        return error_set(err, -EPIPE, "%s", crew->why.text);
    return 0;
}

int crew_load(struct crew *crew, const uint8_t hash[32], int wake_fd, int timeout_ms,
              struct outcome *ret_outcome, struct error *err)
{
    CLEANUP(freep) struct pollfd *fds = NULL;
    struct polling polling = {0};
    struct pool_event none;
    int64_t end = timeout_ms < 0 ? -1 : clock_ms() + timeout_ms;
    enter(crew);
    struct crew_payload *payload = crew_payloads_find(crew, hash);
    int r = payload ? 0 : error_set(err, -ENOENT, "the payload is not here");
    if (payload)
        payload->is_wanted = true;
    while (r == 0 && !(r = look_at_payload(crew, payload, ret_outcome, err))) {
        go_round(crew, NULL, false, &none);
        r = look_at_payload(crew, payload, ret_outcome, err);
        int time = left(end);
        if (r != 0 || time == 0)
            break;
        r = wait_once(crew, &polling, wake_fd, time);
        if (r == -EINTR)
            error_set(err, r, "interrupted while the payload was loaded");
    }
    if (payload)
        payload->is_wanted = false;
    withdraw(crew);
    leave(crew);
    fds = polling.fds;
    return r;
}
