/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %logs: what a job has printed so far. */
#include <string.h>

#include "magics/job.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    struct job *job = jobs_find(context->magics->jobs, arguments->words[0], result);
    if (!job)
        return 0;
    if (!job->carrier) {
        jobs_look(context->magics->jobs);
        job_log_show(job, true, context->events);
        return 0;
    }
    CLEANUP(buffer_clear) struct buffer log = {0};
    int r = job->carrier->read_log(job, job->carried, &log, err);
    if (r < 0)
        result_error(result, "ExecutorError", "%s", err->text);
    else if (log.size)
        context->events->stream(context->events->context, false, log.data, log.size);
    return 0;
}

const struct magic magic_logs = {
    .name = "logs",
    .is_line = true,
    .usage = "JOB",
    .summary = "show what a job has printed so far",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
