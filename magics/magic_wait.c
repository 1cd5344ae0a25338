/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %wait: until jobs are over; what they bring home enters the session. An interrupt
 * cancels the job that is waited for, and what is done of it is kept. */
#include <string.h>

#include "magics/job.h"

/* One that is over is asked only for what was not taken yet. */
static int wait_one(struct magic_context *context, struct job *job, struct result *result,
                    struct error *err)
{
    int r = 0;
    if (job->is_taken) {
        magic_print(context, "job %s was taken before\n", job_name(job));
        return 0;
    }
    if (!job_find_targets(context, job, result, &r, err))
        return r;
    r = job_wait(context, job, NULL, false, result, err);
    job->is_taken = job_is_over(job);
    if (r == 0 && result->kind == RESULT_OK && job->value_text && !job->n_targets) {
        result_drop_value(result);
        result->value_text = must_strdup(job->value_text);
    }
    return r;
}

/* The first that has failed is told as the cell's error, when all have been waited for.
 */
static int wait_all(struct magic_context *context, struct result *result,
                    struct error *err)
{
    struct jobs *jobs = context->magics->jobs;
    int r = 0;
    for (size_t i = 0; r == 0 && jobs_at(jobs, i); i++) {
        struct job *job = jobs_at(jobs, i);
        CLEANUP(result_clear) struct result one = {0};
        if (!job->number || job->is_taken)
            continue;
        r = wait_one(context, job, &one, err);
        if (one.kind != RESULT_OK && result->kind == RESULT_OK) {
            result_clear(result);
            *result = one;
            one = (struct result){0};
            if (!strcmp(result->name, "Interrupted"))
                return r;
        }
    }
    return r;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    int r = 0;
    if (!arguments->n_words)
        return wait_all(context, result, err);
    for (size_t i = 0; r == 0 && result->kind == RESULT_OK && i < arguments->n_words;
         i++) {
        struct job *job = jobs_find(context->magics->jobs, arguments->words[i], result);
        if (job)
            r = wait_one(context, job, result, err);
    }
    return r;
}

const struct magic magic_wait = {
    .name = "wait",
    .is_line = true,
    .usage = "[JOB ...]",
    .summary = "wait for jobs and store what they bring home",
    .max_words = 64,
    .run = run,
};
