/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %jobs: the jobs that were submitted with --async. */
#include <string.h>

#include "magics/job.h"

static size_t n_listed(const struct jobs *jobs)
{
    size_t n = 0;
    for (size_t i = 0; jobs_at(jobs, i); i++)
        n += jobs_at(jobs, i)->number != 0;
    return n;
}

/* Those that have ended; results that nobody has taken go with them. */
static void purge(struct magic_context *context)
{
    struct jobs *jobs = context->magics->jobs;
    size_t n = 0;
    for (size_t i = 0; jobs_at(jobs, i); i++)
        if (job_is_over(jobs_at(jobs, i))) {
            jobs_remove(jobs, jobs_at(jobs, i--));
            n++;
        }
    magic_print(context, "%zu %s forgotten\n", n, n == 1 ? "job" : "jobs");
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    (void)err;
    (void)result;
    struct jobs *jobs = context->magics->jobs;
    jobs_look(jobs);
    if (arguments->options[0]) {
        purge(context);
        return 0;
    }
    if (!n_listed(jobs)) {
        magic_print(context, "no jobs; --async NAME of %%call, %%map, %%%%remote and "
                             "%%%%parfor makes one\n");
        return 0;
    }
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    jobs_table(jobs, &bundle);
    context->events->display(context->events->context, &bundle);
    return 0;
}

const struct magic magic_jobs = {
    .name = "jobs",
    .is_line = true,
    .usage = "",
    .summary = "list the jobs that were submitted with --async",
    .options =
        (const struct magic_option[]){{"purge", NULL, "forget those that ended"}, {0}},
    .run = run,
};
