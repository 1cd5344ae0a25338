/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The tasks of a job: how its elements are cut into them, how they are sent, and how the
 * job ends. */
#include "magics/job.h"

#include <inttypes.h>
#include <string.h>

#include "kernel/peer/lane.h"
#include "pickler/base/clock.h"

#define SENT_AHEAD 2        /* tasks, for each worker, at least ... */
#define SENT_AHEAD_MAX 100  /* ... and at most, where they are quick and small */
#define AHEAD_MS 5          /* of work */
#define AHEAD_BYTES 16e6    /* of arguments */
#define ROOM_MS 200         /* how often tasks that must begin at once look for room */
#define TASKS_PER_WORKER 16 /* as many as give an even load */

double job_now(void)
{
    return (double)clock_us() / 1e3;
}

struct job *job_new(enum job_kind kind, const char *what)
{
    struct job *job = must_alloc(sizeof(*job));
    job->kind = kind;
    job->state = JOB_RUNNING;
    job->what = must_strdup(what);
    job->count = 1;
    job->submitted = job_now();
    return job;
}

void job_task_clear(struct job_task *task)
{
    free(task->crash);
    buffer_clear(&task->line[0]);
    buffer_clear(&task->line[1]);
}

static void drop_tasks(struct job *job)
{
    for (size_t i = 0; i < job->n_tasks; i++)
        job_task_clear(&job->tasks[i]);
    free(TAKE(job->tasks));
    job->n_tasks = job->tasks_capacity = job->n_sent = 0;
}

static void free_targets(struct job *job)
{
    for (size_t i = 0; i < job->n_targets; i++) {
        free(job->targets[i].text);
        free(job->targets[i].pointer);
        free(job->targets[i].spelling);
    }
    free(job->targets);
}

static void drop_parcel(struct job *job)
{
    if (!job->crew || !job->has_parcel)
        return;
    job->sent_bytes += crew_take_sent(job->crew, job->packed.hash);
    crew_release(job->crew, job->packed.hash);
    job->has_parcel = false;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    if (job->carrier)
        job->carrier->free(job->carried);
    drop_tasks(job);
    drop_parcel(job);
    job_drop_parts(job);
    job_drop_inputs(job);
    free_targets(job);
    for (size_t i = 0; i < job->n_failures; i++)
        outcome_clear(&job->failures[i].outcome);
    for (size_t i = 0; i < job->n_strays; i++)
        free(job->strays[i]);
    free(job->strays);
    job_log_clear(&job->log);
    job_options_clear(&job->options);
    buffer_clear(&job->packed.bytes);
    bundle_clear(&job->value_more);
    session_events_drop(&job->events);
    free(job->value_text);
    free(job->name);
    free(job->what);
    free(job->executor);
    free(job->detail);
    free(job);
}

/* Takes it. */
void job_add_task(struct job *job, struct job_task task)
{
    GROW(job->tasks, job->n_tasks, job->tasks_capacity);
    job->tasks[job->n_tasks++] = task;
}

/* So many that their results fit into a worker's ledger; 0: any number. */
static uint64_t max_for_ledger(const struct job *job)
{
    uint64_t size = 0;
    for (size_t i = 0; i < job->n_targets; i++)
        size += job->targets[i].place.element_size;
    return size ? LANE_LEDGER_SIZE / 2 / size : 0;
}

/* The first tasks are small, so that slow elements come home, and are counted, early.
 * One that has a time to end in is for one element, unless chunks were asked for. */
struct job_cutter job_cutter(const struct job *job)
{
    uint64_t n_workers = job->crew ? crew_workers(job->crew) : 0;
    n_workers += !n_workers; /* pools may still be to come */
    uint64_t n_tasks = n_workers * TASKS_PER_WORKER;
    uint64_t max = (job->count + n_tasks - 1) / n_tasks, size = 1;
    uint64_t fit = job_has_many(job) ? max_for_ledger(job) : 0;
    if (fit && fit < max)
        max = fit;
    if (job->options.timeout_ms > 0)
        max = 1;
    if (job->options.chunk)
        size = max = job->options.chunk;
    return (struct job_cutter){
        .count = job->count, .size = size, .max = max, .n_workers = n_workers};
}

bool job_cut(struct job_cutter *cutter, uint64_t *ret_from, uint64_t *ret_count)
{
    uint64_t left = cutter->count - cutter->at;
    if (!left)
        return false;
    *ret_from = cutter->at;
    *ret_count = left < cutter->size ? left : cutter->size;
    cutter->at += *ret_count;
    if (cutter->n++ % cutter->n_workers == cutter->n_workers - 1)
        cutter->size = cutter->size * 2 < cutter->max ? cutter->size * 2 : cutter->max;
    return true;
}

void job_remove_task(struct job *job, size_t i)
{
    job_task_clear(&job->tasks[i]);
    memmove(job->tasks + i, job->tasks + i + 1,
            (--job->n_tasks - i) * sizeof(*job->tasks));
}

/* ---- sending ---- */

/* The kept input elements that hold those of a task: cutting never joins them. */
static const struct job_part *find_input(const struct job *job, uint64_t from)
{
    size_t low = 0, high = job->n_inputs;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (job->inputs[middle].from <= from)
            low = middle;
        else
            high = middle;
    }
    return &job->inputs[low];
}

static int make_argument(const struct job *job, const struct job_task *task,
                         const struct job_feed *feed, struct buffer *ret,
                         struct result *result, struct error *err)
{
    if (job->kind == JOB_RANGE) {
        pack_i64(ret, (int64_t)task->from);
        pack_u64(ret, task->count);
        return 0;
    }
    if (job->kind != JOB_MAP)
        return 0;
    CLEANUP(buffer_clear) struct buffer values = {0};
    if (job->has_session_feed) {
        int r = feed->make(feed->context, task->from, task->count, &values, result, err);
        pack_u64(ret, 0);
        pack_u64(ret, task->count);
        pack_bytes(ret, values.data, values.size);
        return r;
    }
    const struct job_part *input = find_input(job, task->from);
    CLEANUP(freep) char *owned = NULL;
    const char *data = job_bytes_read(job->jobs, &input->bytes, &owned);
    if (!data)
        result_error(result, "ExecutorError", "the inputs of '%s' cannot be read back",
                     job->what);
    pack_u64(ret, task->from - input->from);
    pack_u64(ret, task->count);
    pack_bytes(ret, data, data ? input->bytes.size : 0);
    return 0;
}

int job_make_argument(const struct job *job, uint64_t from, uint64_t count,
                      const struct job_feed *feed, struct buffer *ret,
                      struct result *result, struct error *err)
{
    struct job_task task = {.from = from, .count = count};
    return make_argument(job, &task, feed, ret, result, err);
}

/* Making the argument may ask the session, and while that answers, news of other tasks
 * comes in: the task joins the list when it is sent. Takes it. */
static int send_task(struct job *job, struct job_task task, const struct job_feed *feed,
                     struct result *result, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer argument = {0};
    struct crew_task_options options = {.owner = job->jobs};
    struct error why = {0};
    int r = make_argument(job, &task, feed, &argument, result, err);
    if (r == 0 && (job->is_cancelled || job_is_over(job))) {
        job_task_clear(&task);
        return 0;
    }
    if (r == 0 && result->kind == RESULT_OK &&
        (!job->crew || crew_submit(job->crew, job->packed.hash, argument.data,
                                   argument.size, &options, &task.id, &why) < 0))
        result_error(result, "ExecutorError", "%s",
                     job->crew ? why.text : "the executor is gone");
    if (r < 0 || result->kind != RESULT_OK) {
        job_task_clear(&task);
        return r;
    }
    if (job->options.timeout_ms > 0)
        task.deadline =
            clock_ms() + (int64_t)(job->options.timeout_ms * (double)task.count) + 1;
    job_add_task(job, task);
    if (!job->n_sent++ && !job->n_answered)
        job->began = job_now();
    job->sent_bytes += argument.size;
    return 0;
}

/* As many for each worker as keep it busy until we have looked at results again. */
static double count_ahead(const struct job *job, double n_workers)
{
    if (!job->n_answered)
        return SENT_AHEAD;
    double n = (double)job->n_answered, ms = (job_now() - job->began) / n;
    double bytes = (double)job->sent_bytes / (n + (double)job->n_sent);
    double ahead = AHEAD_MS / (ms + 1e-3) / n_workers;
    if (ahead * n_workers * bytes > AHEAD_BYTES)
        ahead = AHEAD_BYTES / n_workers / bytes;
    return ahead < SENT_AHEAD       ? SENT_AHEAD
           : ahead > SENT_AHEAD_MAX ? SENT_AHEAD_MAX
                                    : ahead;
}

/* With a time to end in, a task must begin when it is sent: nothing is sent ahead. */
static bool has_room(const struct job *job)
{
    size_t n_workers = crew_workers(job->crew);
    if (job->options.timeout_ms > 0)
        return jobs_n_sent(job->jobs, job->crew) < n_workers;
    n_workers += !n_workers;
    return (double)job->n_sent < count_ahead(job, (double)n_workers) * (double)n_workers;
}

/* What came back, before what has not been tried. False: all is sent. */
static bool next_task(struct job *job, struct job_task *ret)
{
    *ret = (struct job_task){0};
    for (size_t i = 0; job->n_tasks > job->n_sent && i < job->n_tasks; i++)
        if (!job->tasks[i].id) {
            *ret = job->tasks[i];
            job->tasks[i] = (struct job_task){0};
            job_remove_task(job, i);
            return true;
        }
    if (!job_cut(&job->cutter, &ret->from, &ret->count))
        return false;
    ret->from += job->first;
    return true;
}

int job_send(struct job *job, const struct job_feed *feed, struct result *result,
             struct error *err)
{
    int r = 0;
    if (job_is_over(job) || job->is_cancelled || !job->crew || job_is_paused(job) ||
        (job->has_session_feed && !feed))
        return 0;
    while (r == 0 && result->kind == RESULT_OK && job->crew && !job_is_over(job) &&
           !job->is_cancelled && has_room(job)) {
        struct job_task task;
        if (!next_task(job, &task))
            break;
        job->is_sending = true;
        r = send_task(job, task, feed, result, err);
        job->is_sending = false;
    }
    job_finish(job);
    return r;
}

/* ---- the end ---- */

void job_finish(struct job *job)
{
    if (job_is_over(job) || job->n_tasks || job->carrier || job->is_sending ||
        job->cutter.at < job->cutter.count)
        return;
    job->state = job->n_failed || job->n_failures ? JOB_FAILED
                 : job->is_cancelled              ? JOB_CANCELLED
                                                  : JOB_DONE;
    job->ended = job_now();
    job_drop_inputs(job);
    drop_parcel(job);
}

int job_cancel(struct job *job, struct error *err)
{
    if (job_is_over(job) || job->is_cancelled)
        return 0;
    if (job->carrier) {
        int r = job->carrier->cancel(job, job->carried, err);
        if (r < 0)
            job_set_state(job, job->state, err->text);
        return r;
    }
    job->is_cancelled = true;
    job->cutter.at = job->cutter.count;
    for (size_t i = job->n_tasks; i-- > 0;) {
        if (!job->tasks[i].id)
            job_remove_task(job, i);
        else if (job->crew && !job->tasks[i].is_late)
            crew_cancel(job->crew, job->tasks[i].id);
    }
    job_finish(job);
    return 0;
}

void job_lose(struct job *job, const char *why)
{
    if (job_is_over(job))
        return;
    if (job->n_failures < JOB_FAILURES_MAX) {
        struct job_failure *failure = &job->failures[job->n_failures++];
        failure->index = job->n_tasks ? job->tasks[0].from : job->first;
        failure->outcome =
            (struct outcome){.kind = OUTCOME_DIED,
                             .name = must_strdup("ExecutorError"),
                             .message = must_format("'%s': %s", job->what, why)};
    }
    for (size_t i = 0; i < job->n_tasks; i++)
        if (job->tasks[i].id && job->crew)
            crew_cancel(job->crew, job->tasks[i].id);
    job->n_failed = job->count - job->n_done;
    drop_tasks(job);
    job->crew = NULL;
    job->cutter.at = job->cutter.count;
    job_finish(job);
}

void job_check_time(struct job *job, int64_t now)
{
    for (size_t i = 0; i < job->n_tasks && job->crew; i++) {
        struct job_task *task = &job->tasks[i];
        if (!task->id || !task->deadline || task->is_late || task->deadline > now)
            continue;
        task->is_late = true;
        crew_cancel(job->crew, task->id);
    }
}

int64_t job_due(const struct job *job)
{
    int64_t due = INT64_MAX;
    if (job->options.timeout_ms <= 0 || job_is_over(job))
        return due;
    if (job->crew && !job->n_sent)
        due = clock_ms() + ROOM_MS;
    for (size_t i = 0; i < job->n_tasks; i++) {
        const struct job_task *task = &job->tasks[i];
        if (task->id && !task->is_late && task->deadline && task->deadline < due)
            due = task->deadline;
    }
    return due;
}
