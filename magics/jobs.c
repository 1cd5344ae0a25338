/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The list, and the one place where crews are listened to. */
#include "magics/jobs.h"

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "magics/job.h"
#include "magics/quantity.h"
#include "pickler/base/clock.h"
#include "pickler/base/nameless.h"

#define EVENTS_AT_ONCE 1000 /* of a crew, before others have their turn */
#define SHOW_EVERY_MS 500   /* how often the displays of jobs are updated */
#define LOOK_EVERY_MS 1000  /* at a job that something else carries */

struct jobs {
    struct job **at;
    size_t n, capacity;
    struct crew **crews; /* that are listened to; borrowed */
    size_t n_crews, crews_capacity;
    uint32_t last_number, last_serial;
    int epoll_fd, timer_fd;
    int wake_fd; /* an epoll descriptor of the first, and the interrupt */
    int file_fd; /* of bytes that memory has no room for; -1: none yet */
    int64_t file_end;
    uint64_t memory, disk; /* bytes kept */
    uint64_t memory_max, disk_max;
    char mark[32];
};

static uint64_t limit(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    double size = text ? quantity_size(text) : -1;
    return size >= 0 && size < 1e18 ? (uint64_t)size : otherwise;
}

struct jobs *jobs_new(void)
{
    struct jobs *jobs = must_alloc(sizeof(*jobs));
    jobs->memory_max = limit("ACHAR_JOBS_MEMORY", JOBS_MEMORY_MAX);
    jobs->disk_max = limit("ACHAR_JOBS_DISK", JOBS_DISK_MAX);
    jobs->file_fd = -1;
    jobs->wake_fd = epoll_create1(EPOLL_CLOEXEC);
    jobs->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    jobs->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (jobs->epoll_fd < 0 || jobs->timer_fd < 0 || jobs->wake_fd < 0)
        abort();
    struct epoll_event event = {.events = EPOLLIN};
    if (epoll_ctl(jobs->epoll_fd, EPOLL_CTL_ADD, jobs->timer_fd, &event) < 0 ||
        epoll_ctl(jobs->wake_fd, EPOLL_CTL_ADD, jobs->epoll_fd, &event) < 0)
        abort();
    snprintf(jobs->mark, sizeof(jobs->mark), "%llx", (unsigned long long)clock_us());
    return jobs;
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    for (size_t i = 0; i < jobs->n; i++)
        job_free(jobs->at[i]);
    free(jobs->at);
    free(jobs->crews);
    closep(&jobs->wake_fd);
    closep(&jobs->epoll_fd);
    closep(&jobs->timer_fd);
    closep(&jobs->file_fd);
    free(jobs);
}

const char *jobs_mark(const struct jobs *jobs)
{
    return jobs->mark;
}

int jobs_fd(const struct jobs *jobs)
{
    return jobs->epoll_fd;
}

struct job *jobs_at(const struct jobs *jobs, size_t i)
{
    return i < jobs->n ? jobs->at[i] : NULL;
}

const char *job_name(const struct job *job)
{
    return job->name ? job->name : "";
}

/* ---- bytes ---- */

void jobs_bytes(const struct jobs *jobs, uint64_t *ret_memory, uint64_t *ret_disk)
{
    *ret_memory = jobs->memory;
    *ret_disk = jobs->disk;
}

void jobs_count_bytes(struct jobs *jobs, int64_t memory, int64_t disk)
{
    jobs->memory += (uint64_t)memory;
    jobs->disk += (uint64_t)disk;
    if (jobs->disk || jobs->file_fd < 0 || !jobs->file_end)
        return;
    jobs->file_end = ftruncate(jobs->file_fd, 0); /* nothing in it is needed any more */
}

bool jobs_have_memory(const struct jobs *jobs, size_t size)
{
    return jobs->memory + size <= jobs->memory_max;
}

bool jobs_are_full(const struct jobs *jobs)
{
    return jobs->disk && jobs->disk >= jobs->disk_max;
}

int jobs_file(struct jobs *jobs)
{
    if (jobs->file_fd < 0)
        jobs->file_fd = nameless_file();
    return jobs->file_fd;
}

int64_t jobs_file_end(struct jobs *jobs, size_t size)
{
    int64_t end = jobs->file_end;
    jobs->file_end += (int64_t)size;
    return end;
}

/* ---- the list ---- */

void jobs_remove(struct jobs *jobs, struct job *job)
{
    size_t i = 0;
    while (i < jobs->n && jobs->at[i] != job)
        i++;
    if (i == jobs->n)
        return;
    memmove(jobs->at + i, jobs->at + i + 1, (--jobs->n - i) * sizeof(*jobs->at));
    job_free(job);
}

/* Those that nobody needs any more, oldest first. */
static void forget_old(struct jobs *jobs)
{
    size_t n_old = 0;
    for (size_t i = 0; i < jobs->n; i++)
        n_old += job_is_over(jobs->at[i]) && jobs->at[i]->is_taken;
    for (size_t i = 0; i < jobs->n && n_old > JOBS_KEPT_MAX; i++)
        if (job_is_over(jobs->at[i]) && jobs->at[i]->is_taken) {
            jobs_remove(jobs, jobs->at[i--]);
            n_old--;
        }
}

void jobs_add(struct jobs *jobs, struct job *job)
{
    forget_old(jobs);
    GROW(jobs->at, jobs->n, jobs->capacity);
    jobs->at[jobs->n++] = job;
    job->jobs = jobs;
    job->serial = ++jobs->last_serial;
    if (job->name)
        job->number = ++jobs->last_number;
}

struct job *jobs_find(struct jobs *jobs, const char *word, struct result *result)
{
    const char *names[64];
    size_t n = 0;
    char *end;
    unsigned long number = strtoul(word, &end, 10);
    for (size_t i = jobs->n; i-- > 0;) {
        struct job *job = jobs->at[i];
        if (!job->number)
            continue;
        if (!strcmp(job_name(job), word) || (!*end && job->number == number))
            return job;
        if (n < 64)
            names[n++] = job_name(job);
    }
    const char *near = nearest_name(word, names, n);
    result_error(result, "UsageError", "there is no job '%s'%s%s%s; %%jobs lists them",
                 word, near ? "; did you mean '" : "", near ? near : "",
                 near ? "'?" : "");
    return NULL;
}

void job_set_state(struct job *job, enum job_state state, const char *detail)
{
    if (!job_is_over(job) && state >= JOB_DONE)
        job->ended = job_now();
    job->state = state;
    free(job->detail);
    job->detail = must_strdup(detail);
}

/* ---- crews ---- */

size_t jobs_n_sent(const struct jobs *jobs, const struct crew *crew)
{
    size_t n = 0;
    for (size_t i = 0; i < jobs->n; i++)
        n += jobs->at[i]->crew == crew ? jobs->at[i]->n_sent : 0;
    return n;
}

void jobs_watch(struct jobs *jobs, struct crew *crew)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = crew};
    for (size_t i = 0; i < jobs->n_crews; i++)
        if (jobs->crews[i] == crew)
            return;
    GROW(jobs->crews, jobs->n_crews, jobs->crews_capacity);
    jobs->crews[jobs->n_crews++] = crew;
    (void)epoll_ctl(jobs->epoll_fd, EPOLL_CTL_ADD, crew_fd(crew), &event);
}

static void lose_crew(struct jobs *jobs, struct crew *crew, const char *why)
{
    for (size_t i = 0; i < jobs->n; i++)
        if (jobs->at[i]->crew == crew)
            job_lose(jobs->at[i], why);
    for (size_t i = 0; i < jobs->n_crews; i++)
        if (jobs->crews[i] == crew) {
            (void)epoll_ctl(jobs->epoll_fd, EPOLL_CTL_DEL, crew_fd(crew), NULL);
            jobs->crews[i--] = jobs->crews[--jobs->n_crews];
        }
}

void jobs_leave_crew(struct jobs *jobs, struct crew *crew)
{
    lose_crew(jobs, crew, "its executor was ended");
}

static void hand_out(struct jobs *jobs, const struct crew *crew, struct pool_event *event)
{
    for (size_t i = 0; i < jobs->n; i++)
        if (jobs->at[i]->crew == crew && job_take_event(jobs->at[i], event))
            return;
    if (event->kind == POOL_EVENT_RESULT)
        outcome_clear(&event->outcome);
}

static void read_crew(struct jobs *jobs, struct crew *crew)
{
    for (int i = 0; i < EVENTS_AT_ONCE; i++) {
        struct pool_event event = {0};
        struct error err = {0};
        if (crew_wait(crew, NULL, -1, 0, &event, &err) < 0) {
            lose_crew(jobs, crew, err.text);
            return;
        }
        if (event.kind == POOL_EVENT_NONE)
            return;
        hand_out(jobs, crew, &event);
    }
}

/* In the crew's own wait its links are read at once, by this thread. */
void jobs_wait(struct jobs *jobs, struct crew *crew, int interrupt_fd, int timeout_ms)
{
    struct epoll_event interest = {.events = EPOLLIN};
    struct pool_event event = {0};
    struct error err = {0};
    (void)epoll_ctl(jobs->wake_fd, EPOLL_CTL_ADD, interrupt_fd, &interest);
    if (!crew)
        poll(&(struct pollfd){.fd = jobs->wake_fd, .events = POLLIN}, 1, timeout_ms);
    else if (crew_wait(crew, NULL, jobs->wake_fd, timeout_ms, &event, &err) < 0)
        lose_crew(jobs, crew, err.text);
    else if (event.kind != POOL_EVENT_NONE && event.kind != POOL_EVENT_WAKE)
        hand_out(jobs, crew, &event);
    jobs_pump(jobs);
}

/* ---- time ---- */

static void set_timer(struct jobs *jobs)
{
    int64_t due = INT64_MAX, now = clock_ms();
    for (size_t i = 0; i < jobs->n; i++) {
        const struct job *job = jobs->at[i];
        int64_t at = job_due(job);
        if (!job_is_over(job) && job->is_shown && now + SHOW_EVERY_MS < at)
            at = now + SHOW_EVERY_MS;
        due = at < due ? at : due;
    }
    struct itimerspec when = {0};
    int64_t left = due == INT64_MAX ? 0 : due > now ? due - now : 1;
    when.it_value.tv_sec = left / 1000;
    when.it_value.tv_nsec = left % 1000 * 1000000;
    timerfd_settime(jobs->timer_fd, 0, &when, NULL);
}

static void look_at_carried(struct job *job, int64_t now)
{
    struct error err = {0};
    if (!job->carrier || job_is_over(job) ||
        (job->looked && now - job->looked < LOOK_EVERY_MS))
        return;
    job->looked = now;
    if (job->carrier->look(job, job->carried, &err) < 0)
        job_set_state(job, job->state, err.text);
}

static void go_on(struct job *job, int64_t now)
{
    struct result result = {0};
    struct error err = {0};
    job_check_time(job, now);
    if (job_send(job, NULL, &result, &err) < 0 || result.kind != RESULT_OK)
        job_lose(job, result.message ? result.message : err.text);
    result_clear(&result);
    look_at_carried(job, now);
    if (job->is_shown && job->number)
        job_show(job, &job->events, job_is_over(job));
}

void jobs_look(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->n; i++)
        jobs->at[i]->looked = 0;
    jobs_pump(jobs);
}

void jobs_pump(struct jobs *jobs)
{
    uint64_t expired;
    (void)!read(jobs->timer_fd, &expired, sizeof(expired));
    for (size_t i = jobs->n_crews; i-- > 0;)
        if (i < jobs->n_crews)
            read_crew(jobs, jobs->crews[i]);
    int64_t now = clock_ms();
    for (size_t i = 0; i < jobs->n; i++)
        go_on(jobs->at[i], now);
    set_timer(jobs);
}
