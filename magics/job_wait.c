/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Waiting for a job: what it prints and how far it is goes into the cell while it runs,
 * what it brings home into the session. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "magics/dispatch.h"
#include "magics/job.h"
#include "magics/quantity.h"

#define LOOK_MS 200         /* how often progress is looked at */
#define CANCEL_WAIT_MS 5000 /* for tasks that were cancelled to end */
#define LARGE_BYTES 10e6    /* what is worth a word when it travels */

/* True when the cell was interrupted. */
static bool wait_for_news(struct magic_context *context, const struct job *job,
                          int timeout_ms)
{
    jobs_wait(context->magics->jobs, job->crew, session_interrupt_fd(context->session),
              timeout_ms);
    return session_was_interrupted(context->session);
}

static void drain(struct magic_context *context, struct job *job)
{
    double end = job_now() + CANCEL_WAIT_MS;
    while (!job_is_over(job) && !job->carrier && job_now() < end)
        wait_for_news(context, job, LOOK_MS);
    if (!job->carrier)
        job_lose(job, "its tasks did not end when they were cancelled");
}

int job_end(struct magic_context *context, struct job *job, struct error *err)
{
    int r = job_cancel(job, err);
    drain(context, job);
    return r;
}

static void show_log(struct magic_context *context, struct job *job, bool only_look)
{
    enum job_stream stream = job->options.stream;
    if (only_look || stream == JOB_STREAM_LIVE ||
        (stream == JOB_STREAM_END && (job_is_over(job) || job_has_many(job))))
        job_log_show(job, false, context->events);
    else if (stream == JOB_STREAM_NO && !job->number && job_has_many(job))
        job_log_clear(&job->log);
    else if (stream == JOB_STREAM_NO && !job->number && job->n_failures)
        job_log_show(job, false, context->events); /* it may say why */
}

/* As the error of the cell that submitted it. */
static void report_one(struct magic_context *context, const struct job *job,
                       const struct job_failure *failure, struct result *result)
{
    struct magic_context place = *context;
    place.cell = job->cell;
    place.line = job->line;
    dispatch_report(&place, &failure->outcome, result);
    if (result->kind == RESULT_OK) /* exit(0) is no failure elsewhere */
        result_error(result, "ExitStatus",
                     "exit(%d) was called before the function returned",
                     failure->outcome.status);
}

static const char *name_elements(const struct job *job)
{
    bool is_one = job->n_failures == 1 && job->failures[0].count <= 1;
    if (job->kind == JOB_RANGE)
        return is_one ? "index" : "indices";
    return is_one ? "element" : "elements";
}

static int compare_failures(const void *a, const void *b)
{
    int64_t first = (int64_t)((const struct job_failure *)a)->index;
    int64_t second = (int64_t)((const struct job_failure *)b)->index;
    return first < second ? -1 : first > second;
}

/* What is done, and which elements failed. */
static void report_many(struct magic_context *context, struct job *job,
                        struct result *result)
{
    CLEANUP(buffer_clear) struct buffer list = {0};
    CLEANUP(result_clear) struct result first = {0};
    qsort(job->failures, job->n_failures, sizeof(*job->failures), compare_failures);
    for (size_t i = 0; i < job->n_failures; i++) {
        const struct job_failure *failure = &job->failures[i];
        buffer_format(&list, "%s%" PRId64, i ? ", " : "", (int64_t)failure->index);
        if (failure->count > 1)
            buffer_format(&list, " to %" PRId64,
                          (int64_t)(failure->index + failure->count - 1));
    }
    report_one(context, job, &job->failures[0], &first);
    CLEANUP(freep)
    char *message = must_format(
        "%s %s failed%s; %" PRIu64 " of %" PRIu64 " are done and stored. The first: %s",
        name_elements(job), buffer_string(&list),
        job->n_failures >= JOB_FAILURES_MAX ? " and the rest was not tried" : "",
        job->n_done, job->count, first.message);
    result_clear(result);
    *result = first;
    first = (struct result){0};
    result->traceback = must_realloc(result->traceback, result->n_traceback + 1,
                                     sizeof(*result->traceback));
    result->traceback[result->n_traceback++] = must_strdup(message);
    free(result->message);
    result->message = TAKE(message);
}

static void say(struct magic_context *context, char *text)
{
    context->events->stream(context->events->context, true, text, strlen(text));
    free(text);
}

static void say_strays(struct magic_context *context, const struct job *job)
{
    CLEANUP(buffer_clear) struct buffer names = {0};
    for (size_t i = 0; i < job->n_strays; i++) {
        bool is_target = false;
        for (size_t k = 0; k < job->n_targets; k++)
            is_target |= !strcmp(job->targets[k].text, job->strays[i]);
        buffer_format(&names, "%s'%s'%s", i ? ", " : "", job->strays[i],
                      is_target ? " at other places than its index" : "");
    }
    if (job->n_strays)
        say(context,
            must_format("the body also writes to %s: only elements at the index, "
                        "of arrays that --out names, come home\n",
                        names.data));
}

static void say_sizes(struct magic_context *context, const struct job *job)
{
    uint64_t sent = job->sent_bytes;
    if (!job->options.is_verbose && (double)(sent + job->home_bytes) < LARGE_BYTES)
        return;
    CLEANUP(freep) char *there = quantity_show_size(sent);
    CLEANUP(freep) char *home = quantity_show_size(job->home_bytes);
    say(context, must_format("[sent %s, brought back %s]\n", there, home));
}

static void report_end(struct magic_context *context, struct job *job,
                       bool was_interrupted, struct result *result)
{
    say_strays(context, job);
    say_sizes(context, job);
    if (result->kind != RESULT_OK)
        return;
    if (job->is_cancelled && !job->n_failures) {
        const char *what =
            was_interrupted ? "the remote work was cancelled" : "the job was cancelled";
        if (job_has_many(job))
            result_error(result, "Interrupted",
                         "%s; %" PRIu64 " of %" PRIu64 " elements are done and stored",
                         what, job->n_done, job->count);
        else
            result_error(result, "Interrupted", "%s", what);
    } else if (job->n_failures && job_has_many(job)) {
        report_many(context, job, result);
    } else if (job->n_failures) {
        report_one(context, job, &job->failures[0], result);
    } else if (!job->n_targets && job->value_text && !job->number) {
        result->value_text = TAKE(job->value_text);
        bundle_move(&result->value_more, &job->value_more);
    }
}

/* Tasks go out, news comes in; 1: the cell was interrupted. */
static int go_on(struct magic_context *context, struct job *job,
                 const struct job_feed *feed, bool only_look, struct result *result,
                 struct error *err)
{
    int r = job_send(job, feed, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    if (wait_for_news(context, job, LOOK_MS))
        return 1;
    show_log(context, job, only_look);
    if (!only_look)
        r = job_deliver(context, job, result, err);
    job_show(job, context->events, false);
    return r;
}

int job_wait(struct magic_context *context, struct job *job, const struct job_feed *feed,
             bool only_look, struct result *result, struct error *err)
{
    int r = 0;
    job->is_awaited = !only_look;
    show_log(context, job, only_look);
    while (r == 0 && result->kind == RESULT_OK && !job_is_over(job))
        r = go_on(context, job, feed, only_look, result, err);
    if (only_look) {
        if (r == 1)
            result_error(result, "Interrupted", "'%s' goes on", job->what);
        return r < 0 ? r : 0;
    }
    bool was_interrupted = r == 1;
    struct error ignored = {0};
    if (!job_is_over(job))
        job_end(context, job, &ignored);
    show_log(context, job, false);
    struct result late = {0}; /* what is home is not lost to an error */
    if (r >= 0)
        r = job_deliver(context, job, result->kind == RESULT_OK ? result : &late, err);
    result_clear(&late);
    job->is_awaited = false;
    job_show(job, context->events, true);
    report_end(context, job, was_interrupted, result);
    return r;
}
