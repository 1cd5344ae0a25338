/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/executors/places.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "pickler/base/clock.h"

#define BOOTING_MAX 8  /* sshd drops what is above ten logins at once */
#define FAILURES_MAX 3 /* in a row, of one place */
#define YOUNG_MS 10000 /* a pool that ends sooner has failed */
#define PAUSE_MS 1000  /* after a failure; doubled each time */
#define END_MS 500     /* from the end of a launcher's input to SIGTERM */
#define TERM_MS 2000   /* from there to SIGKILL */

void places_init(struct places *places)
{
    places->news_fd = epoll_create1(EPOLL_CLOEXEC);
}

void places_add(struct places *places, const char *name, size_t size)
{
    places->all = must_realloc(places->all, places->n + 1, sizeof(*places->all));
    places->all[places->n++] =
        (struct place){.name = must_strndup(name, size), .launch = LAUNCH_NONE};
}

/* Nobody waits for a launcher that ends: others must be served meanwhile. */
static void leave(struct places *places, struct place *place)
{
    struct launch *launch = &place->launch;
    if (!launch_has_ended(launch)) {
        GROW(places->leaving, places->n_leaving, places->leaving_capacity);
        places->leaving[places->n_leaving++] =
            (struct leaving){launch->pid, launch->pidfd, clock_ms() + END_MS, SIGTERM};
        launch->pid = 0;
        launch->pidfd = -1;
    }
    launch_end(launch, 0);
}

static void tick_leaving(struct places *places)
{
    for (size_t i = 0; i < places->n_leaving; i++) {
        struct leaving *at = &places->leaving[i];
        if (waitpid(at->pid, NULL, WNOHANG) != 0) {
            closep(&at->pidfd);
            *at = places->leaving[--places->n_leaving];
            i--;
        } else if (clock_ms() >= at->due) {
            kill(-at->pid, at->signal); /* it leads its session */
            kill(at->pid, at->signal);
            at->signal = SIGKILL;
            at->due += TERM_MS;
        }
    }
}

static void end_boot(struct places *places, struct place *place)
{
    if (place->boot)
        places->end_boot(places->context, place);
    place->boot = NULL;
}

void places_clear(struct places *places)
{
    for (size_t i = 0; i < places->n; i++) {
        struct place *place = &places->all[i];
        end_boot(places, place);
        leave(places, place);
        free(place->name);
        free(place->why);
    }
    for (tick_leaving(places); places->n_leaving; tick_leaving(places))
        poll(&(struct pollfd){.fd = places->leaving->pidfd, .events = POLLIN}, 1, 50);
    free(places->leaving);
    free(places->all);
    closep(&places->news_fd);
}

static void watch(const struct places *places, int fd, unsigned events)
{
    struct epoll_event event = {.events = events};
    if (fd >= 0 && epoll_ctl(places->news_fd, EPOLL_CTL_ADD, fd, &event) < 0 &&
        errno == EEXIST)
        epoll_ctl(places->news_fd, EPOLL_CTL_MOD, fd, &event);
}

void places_want_write(struct places *places, struct place *place, bool is_wanted)
{
    watch(places, place->launch.fd, EPOLLIN | (is_wanted ? EPOLLOUT : 0u));
}

static void make_mark(char ret[PLACE_MARK_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t random[(PLACE_MARK_SIZE - 1) / 2];
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        abort(); /* it cannot fail for so few bytes */
    for (size_t i = 0; i < sizeof(random); i++) {
        ret[2 * i] = digits[random[i] >> 4];
        ret[2 * i + 1] = digits[random[i] & 15];
    }
    ret[PLACE_MARK_SIZE - 1] = '\0';
}

static void words_free(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

/* Ends the launcher; the place is tried again, or not any more. */
static void failed(struct places *places, struct place *place, char *why)
{
    end_boot(places, place);
    leave(places, place);
    free(place->why);
    place->why = why;
    place->n_failures++;
    place->state = place->n_failures >= FAILURES_MAX ? PLACE_FAILED : PLACE_IDLE;
    place->due = clock_ms() + (PAUSE_MS << (place->n_failures - 1));
}

static void start(struct places *places, struct place *place)
{
    struct error err = {0};
    make_mark(place->mark);
    char **words = places->words(places->context, place);
    int r = launch_start((const char *const *)words, &place->launch, &err);
    words_free(words);
    place->started = clock_ms();
    place->state = PLACE_BOOTING;
    if (r < 0) {
        place->n_failures = FAILURES_MAX; /* it is not there; nothing will change that */
        failed(places, place, must_strdup(err.text));
        return;
    }
    watch(places, place->launch.err, EPOLLIN);
    if (places->boot) {
        watch(places, place->launch.fd, EPOLLIN);
        watch(places, place->launch.pidfd, EPOLLIN);
    }
}

static void describe_status(struct place *place, struct buffer *ret)
{
    int status = place->launch.status;
    if (!launch_has_ended(&place->launch))
        return;
    status = place->launch.status;
    if (WIFSIGNALED(status))
        buffer_format(ret, "%s was killed by SIG%s", ret->size ? "; it" : "it",
                      sigabbrev_np(WTERMSIG(status)) ?: "?");
    else if (!ret->size)
        buffer_format(ret, "it ended with status %d and said nothing",
                      WEXITSTATUS(status));
}

static void explain(struct place *place, struct buffer *ret)
{
    launch_listen(&place->launch);
    size_t size = place->launch.words.size;
    const char *text = buffer_string(&place->launch.words);
    while (size && strchr("\r\n ", text[size - 1]))
        size--;
    buffer_add(ret, text, size);
    describe_status(place, ret);
}

/* True when it has become a link. */
static bool go_on(struct places *places, struct place *place)
{
    struct error err = {0};
    bool has_ended = launch_has_ended(&place->launch);
    int r = places->boot ? places->boot(places->context, place, &err) : 1;
    if (r == 0 && clock_ms() - place->started > PLACE_BOOT_MS)
        r = error_set(&err, -ETIMEDOUT, "nothing came of it for %d s",
                      PLACE_BOOT_MS / 1000);
    if (r == 0 && has_ended)
        r = error_set(&err, -EPIPE, "it ended");
    if (r == 0)
        return false;
    if (r > 0)
        return true;
    struct buffer why = {0};
    if (r != -EPIPE)
        buffer_add_string(&why, err.text);
    struct buffer words = {0};
    explain(place, &words);
    if (words.size)
        buffer_format(&why, "%s%s", why.size ? ": " : "", buffer_string(&words));
    buffer_clear(&words);
    if (r == -EACCES || r == -ENOENT || r == -EPROTO)
        place->n_failures = FAILURES_MAX; /* somebody must do something about it */
    failed(places, place, buffer_take(&why));
    return false;
}

static void make_link(struct places *places, struct place *place,
                      struct executor_link *ret)
{
    int fd = place->launch.fd;
    if (places->boot) {
        epoll_ctl(places->news_fd, EPOLL_CTL_DEL, fd, NULL);
        epoll_ctl(places->news_fd, EPOLL_CTL_DEL, place->launch.pidfd, NULL);
    }
    end_boot(places, place);
    place->launch.fd = -1;
    place->state = PLACE_UP;
    *ret = (struct executor_link){.channel = channel_new(fd, fd),
                                  .host = must_strdup(place->name),
                                  .state = place,
                                  .death_fd = place->launch.pidfd};
    channel_expect(ret->channel, place->mark);
}

static int give_up(const struct places *places, struct error *err)
{
    struct buffer text = {0};
    for (size_t i = 0; i < places->n; i++) {
        if (places->all[i].state != PLACE_FAILED)
            return buffer_clear(&text), 0;
        buffer_format(&text, "%s%s: %s", i ? "; " : "", places->all[i].name,
                      places->all[i].why);
    }
    CLEANUP(freep) char *why = buffer_take(&text);
    return error_set(err, -EPIPE, "%s", why);
}

int places_next(void *executor, struct executor_link *ret, struct error *err)
{
    struct places *places = executor;
    size_t n_booting = 0;
    int64_t now = clock_ms();
    tick_leaving(places);
    for (size_t i = 0; i < places->n; i++) {
        struct place *place = &places->all[i];
        n_booting += place->state == PLACE_BOOTING;
        launch_listen(&place->launch);
    }
    for (size_t i = 0; i < places->n; i++) {
        struct place *place = &places->all[i];
        if (place->state == PLACE_IDLE && place->due <= now && n_booting < BOOTING_MAX) {
            start(places, place);
            n_booting++;
        }
        if (place->state != PLACE_BOOTING || !go_on(places, place))
            continue;
        make_link(places, place, ret);
        return 1;
    }
    return give_up(places, err);
}

int places_fd(const void *executor)
{
    const struct places *places = executor;
    return places->news_fd;
}

void places_status(const void *executor, struct buffer *ret)
{
    const struct places *places = executor;
    for (size_t i = 0; i < places->n; i++) {
        const struct place *place = &places->all[i];
        const char *why = place->state == PLACE_BOOTING ? "connecting" : place->why;
        if (place->state == PLACE_UP || (place->state == PLACE_IDLE && !why))
            continue;
        buffer_format(ret, "%s%s: %s", ret->size ? "; " : "", place->name, why);
        if (ret->size > ERROR_TEXT_MAX)
            return;
    }
}

void places_why(void *executor, void *place, struct buffer *ret)
{
    (void)executor;
    explain(place, ret);
}

void places_end(void *executor, void *ended)
{
    struct places *places = executor;
    struct place *place = ended;
    if (clock_ms() - place->started >= YOUNG_MS)
        place->n_failures = 0;
    struct buffer why = {0};
    explain(place, &why);
    failed(places, place, buffer_take(&why));
}

void places_free(void *executor)
{
    places_clear(executor);
    free(executor);
}

int places_check_workers(const struct executor_option *options, size_t n_options,
                         struct error *err)
{
    unsigned n;
    return executor_number(options, n_options, "workers", PLACE_WORKERS_MAX, &n, err);
}

char *places_arguments(const struct place *place, const struct executor_option *options,
                       size_t n_options)
{
    const char *workers = executor_option(options, n_options, "workers");
    return must_format("--stdio %s%s%s", place->mark, workers ? " --workers " : "",
                       workers ? workers : "");
}
