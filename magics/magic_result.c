/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %result: the value of a job, or how it ended; nothing is stored. */
#include <string.h>

#include "magics/job.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    (void)err;
    jobs_look(context->magics->jobs);
    struct job *job = jobs_find(context->magics->jobs, arguments->words[0], result);
    if (!job)
        return 0;
    if (!job_is_over(job)) {
        result_error(result, "NotReady", "job %s is %s; %%wait waits for it",
                     job_name(job), job_state_name(job));
    } else if (job->value_text) {
        result->value_text = must_strdup(job->value_text);
        if (!bundle_add_all(&result->value_more, &job->value_more))
            bundle_clear(&result->value_more);
    } else {
        CLEANUP(buffer_clear) struct buffer text = {0};
        job_describe(job, &text);
        magic_print(context, "%s", buffer_string(&text));
    }
    return 0;
}

const struct magic magic_result = {
    .name = "result",
    .is_line = true,
    .usage = "JOB",
    .summary = "show the value of a job, or how it ended; nothing is stored",
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
