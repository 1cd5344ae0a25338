/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %attach: follows a job, output and progress, until it ends or the cell is interrupted;
 * the job goes on either way, and nothing is stored. */
#include <string.h>

#include "magics/job.h"

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    const char *name = arguments->words[0];
    struct job *job = jobs_find(context->magics->jobs, name, result);
    if (!job && job_batch_is_name(name)) {
        result_clear(result);
        job = job_batch_find(context, name, arguments->options[0], result);
    }
    if (!job)
        return 0;
    job->log.n_shown = job->log.shown_size = 0;
    int r = job_wait(context, job, NULL, true, result, err);
    if (r == 0 && result->kind == RESULT_OK) {
        CLEANUP(buffer_clear) struct buffer text = {0};
        job_describe(job, &text);
        magic_print(context, "%s", buffer_string(&text));
    }
    return r;
}

const struct magic magic_attach = {
    .name = "attach",
    .is_line = true,
    .usage = "JOB",
    .summary = "follow a job until it ends; an interrupt only ends the following",
    .options =
        (const struct magic_option[]){
            {"on", "NAME", "the executor of a batch job that another kernel submitted"},
            {0}},
    .min_words = 1,
    .max_words = 1,
    .run = run,
};
