/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What becomes of the tasks of a job. One that fails tells how far it has come: what was
 * done before is kept, what comes after the element that failed goes on, so that one bad
 * element costs no other, and none is run twice. That element is tried again as often as
 * was asked for, unless it crashes in the same way twice. A task that is lost with its
 * pool tells nothing: it is tried again, or has failed, as a whole. */
#include <inttypes.h>
#include <string.h>

#include "magics/job.h"
#include "pickler/base/nameless.h"
#include "pickler/base/pack.h"

/* Where a fault happened, as text: the same text twice is the same crash. */
static char *crash_text(const struct outcome *outcome)
{
    const struct outcome_frame *frame = outcome->frames;
    if (outcome->kind != OUTCOME_FAULT && outcome->kind != OUTCOME_EXIT)
        return NULL; /* what killed it from outside need not come again */
    return must_format(
        "%s %d %s:%" PRIu32 ":%" PRIu32, outcome->name ? outcome->name : "",
        outcome->status, outcome->n_frames && frame->function ? frame->function : "",
        outcome->n_frames ? frame->cell : 0, outcome->n_frames ? frame->line : 0);
}

static bool may_try_again(const struct job *job, struct job_task *task,
                          const struct outcome *outcome)
{
    if (task->n_tries >= job->options.retries || outcome->kind == OUTCOME_REFUSED ||
        outcome->kind == OUTCOME_COMPILE || outcome->kind == OUTCOME_LINK)
        return false;
    CLEANUP(freep) char *crash = crash_text(outcome);
    bool is_same = crash && task->crash && !strcmp(crash, task->crash);
    free(task->crash);
    task->crash = TAKE(crash);
    return !is_same;
}

/* A death says nothing of what died: the task's name and place do. */
static void name_failure(const struct job *job, const struct job_task *task,
                         struct outcome *outcome)
{
    CLEANUP(freep) char *message = TAKE(outcome->message);
    CLEANUP(freep)
    char *tries = task->n_tries ? must_format(" (tried %u times)", task->n_tries + 1)
                                : must_strdup("");
    if (task->is_late) {
        free(outcome->name);
        outcome->kind = OUTCOME_DIED;
        outcome->name = must_strdup("TimeLimit");
        outcome->message =
            must_format("'%s' did not end within its --timeout of %g s%s", job->what,
                        job->options.timeout_ms * (double)task->count / 1000, tries);
    } else if (outcome->kind == OUTCOME_DIED) {
        outcome->message =
            must_format("'%s': %s%s", job->what, message ? message : "it died", tries);
    } else {
        outcome->message =
            *tries && message ? must_format("%s%s", message, tries) : TAKE(message);
    }
}

static void elements_failed(struct job *job, const struct job_task *task, uint64_t count,
                            struct outcome *outcome)
{
    if (job->n_failures < JOB_FAILURES_MAX) {
        name_failure(job, task, outcome);
        struct job_failure *failure = &job->failures[job->n_failures++];
        failure->index = task->from;
        failure->count = count;
        failure->outcome = *outcome;
        *outcome = (struct outcome){0};
    }
    job->n_failed += count;
}

/* A function that calls exit(0) has no value to give; a cell need not have one. */
static bool is_success(const struct job *job, const struct outcome *outcome)
{
    return outcome->kind == OUTCOME_OK ||
           (outcome->kind == OUTCOME_EXIT && outcome->status == 0 && !job_has_many(job));
}

static void keep_values(struct job *job, uint64_t from, uint64_t count,
                        struct outcome *outcome, const void *values, size_t size)
{
    struct job_part part = {.from = from, .count = count};
    job->home_bytes += size;
    job->n_done += count;
    if (!job_has_many(job)) {
        job->value_text = TAKE(outcome->value_text);
        bundle_move(&job->value_more, &outcome->value_more);
    }
    if (!job_bytes_keep(job->jobs, values, size, &part.bytes)) {
        CLEANUP(freep)
        char *why = must_format("its results could not be kept: there is no room for "
                                "them in '%s' (TMPDIR names another folder)",
                                temporary_folder());
        job->home_bytes -= size;
        job->n_done -= count;
        job_lose(job, why);
        return;
    }
    GROW(job->parts, job->n_parts, job->parts_capacity);
    job->parts[job->n_parts++] = part;
}

/* How far a task had come when it failed. */
struct progress {
    uint64_t n_done;
    const void *values; /* of those; NULL: they are lost */
    size_t size;
};

/* False: it is not known. */
static bool read_progress(const struct job *job, const struct job_task *task,
                          const void *data, size_t size, struct progress *ret)
{
    struct unpack in = unpack_init(data, size);
    if (!job_has_many(job) || !size)
        return false;
    ret->n_done = unpack_max(&in, task->count);
    ret->size = (size_t)(in.end - in.at);
    ret->values = ret->size ? in.at : NULL;
    return !in.failed;
}

/* Takes the task, which is in no list: again, or it has failed for good. */
static void end_or_retry(struct job *job, struct job_task task, uint64_t count,
                         struct outcome *outcome)
{
    if (may_try_again(job, &task, outcome)) {
        task.n_tries++;
        task.id = 0;
        task.is_late = false;
        task.deadline = 0;
        task.count = count;
        job_add_task(job, task);
        return;
    }
    elements_failed(job, &task, count, outcome);
    job_task_clear(&task);
}

static void add_range(struct job *job, uint64_t from, uint64_t count)
{
    if (count)
        job_add_task(job, (struct job_task){.from = from, .count = count});
}

static void split(struct job *job, struct job_task *task)
{
    uint64_t half = task->count / 2;
    add_range(job, task->from, half);
    add_range(job, task->from + half, task->count - half);
    job_task_clear(task);
}

/* What was done is kept, or must be run again where it is lost; the element after that
 * has failed; the rest was not begun. */
static void take_progress(struct job *job, struct job_task *task,
                          const struct progress *progress, struct outcome *outcome)
{
    struct outcome none = {0};
    uint64_t from = task->from, done = progress->n_done, count = task->count;
    if (done && progress->values)
        keep_values(job, from, done, &none, progress->values, progress->size);
    if (job_is_over(job) || job->is_cancelled) {
        job_task_clear(task);
        return;
    }
    if (!progress->values && done == count && count > 1) {
        split(job, task); /* together they would come to the same end again */
        return;
    }
    if (!progress->values)
        add_range(job, from, done);
    if (done == count) { /* what came after the last one has failed */
        job_task_clear(task);
        return;
    }
    add_range(job, from + done + 1, count - done - 1);
    task->from += done;
    end_or_retry(job, *task, 1, outcome);
}

/* Nobody knows what a worker had begun that was lost with its pool; what was refused is
 * cut in halves, until the element that is to blame is alone. */
static void take_failure(struct job *job, size_t i, struct outcome *outcome,
                         const void *data, size_t size)
{
    struct job_task task = job->tasks[i];
    struct progress progress;
    job->tasks[i] = (struct job_task){0};
    job_remove_task(job, i);
    if (read_progress(job, &task, data, size, &progress))
        take_progress(job, &task, &progress, outcome);
    else if (job->is_cancelled)
        job_task_clear(&task);
    else if (task.count > 1 && outcome->kind != OUTCOME_DIED)
        split(job, &task);
    else
        end_or_retry(job, task, task.count, outcome);
    struct error ignored = {0};
    if (job->n_failures >= JOB_FAILURES_MAX)
        job_cancel(job, &ignored);
}

void job_take_result(struct job *job, uint64_t from, uint64_t count,
                     struct outcome *outcome, const void *values, size_t size)
{
    struct job_task task = {.from = from, .count = count};
    struct progress progress = {0};
    if (is_success(job, outcome)) {
        keep_values(job, from, count, outcome, values, size);
    } else {
        struct outcome none = {0};
        if (read_progress(job, &task, values, size, &progress) && progress.values)
            keep_values(job, from, progress.n_done, &none, progress.values,
                        progress.size);
        uint64_t done = progress.values ? progress.n_done : 0;
        task.from += done;
        elements_failed(job, &task, count - done, outcome);
    }
    outcome_clear(outcome);
}

/* Where it failed, unless it was here. */
static void note_host(struct outcome *outcome, const char *host)
{
    bool is_elsewhere = host && strcmp(host, "localhost") != 0;
    bool is_fault = outcome->kind == OUTCOME_FAULT || outcome->kind == OUTCOME_DIED ||
                    outcome->kind == OUTCOME_INTERRUPTED;
    outcome_name_host(outcome, host);
    if (is_elsewhere && is_fault && !outcome->note)
        outcome->note = must_format("It ran in a job worker on %s: the session and other "
                                    "tasks are not affected.",
                                    host);
}

static void take_result(struct job *job, size_t i, struct pool_event *event)
{
    struct job_task *task = &job->tasks[i];
    job_log_end(job, task);
    job->n_sent--;
    job->n_answered++;
    if (is_success(job, &event->outcome)) {
        keep_values(job, task->from, task->count, &event->outcome, event->data,
                    event->size);
        if (job->n_tasks)
            job_remove_task(job, i);
    } else {
        note_host(&event->outcome, event->host);
        take_failure(job, i, &event->outcome, event->data, event->size);
    }
    job_finish(job);
}

bool job_take_event(struct job *job, struct pool_event *event)
{
    size_t i = 0;
    while (i < job->n_tasks && job->tasks[i].id != event->id)
        i++;
    if (i == job->n_tasks || !event->id)
        return false;
    if (event->kind == POOL_EVENT_OUTPUT)
        job_log_output(job, &job->tasks[i], event->stream, event->data, event->size);
    else if (event->kind == POOL_EVENT_DISPLAY)
        job_log_add(&job->log, 0, event->data, event->size);
    else if (event->kind == POOL_EVENT_RESULT)
        take_result(job, i, event);
    if (event->kind == POOL_EVENT_RESULT)
        outcome_clear(&event->outcome);
    return true;
}
