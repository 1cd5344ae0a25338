/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %cancel: ends jobs; what is done of them can be taken by %wait. */
#include <string.h>

#include "magics/job.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    for (size_t i = 0; i < arguments->n_words && result->kind == RESULT_OK; i++) {
        struct job *job = jobs_find(context->magics->jobs, arguments->words[i], result);
        if (job && job_is_over(job))
            magic_print(context, "job %s is %s already\n", job_name(job),
                        job_state_name(job));
        else if (job && job_end(context, job, err) < 0)
            result_error(result, "ExecutorError", "%s", err->text);
    }
    return 0;
}

const struct magic magic_cancel = {
    .name = "cancel",
    .is_line = true,
    .usage = "JOB ...",
    .summary = "end jobs; what is done of them is kept for %wait",
    .min_words = 1,
    .max_words = 64,
    .run = run,
};
