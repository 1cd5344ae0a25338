/* SPDX-License-Identifier: BSD-3-Clause
 *
 * From a payload to a job that runs: the executor has the payload, inputs are taken, and
 * somebody waits, or the list has it. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "magics/dispatch.h"
#include "magics/executor_table.h"
#include "magics/job.h"
#include "magics/quantity.h"
#include "magics/stage.h"

/* All inputs as they are now. */
static int take_inputs(struct job *job, const struct job_feed *feed,
                       struct result *result, struct error *err)
{
    struct job_cutter cutter = job->cutter;
    uint64_t from, count;
    int r = 0;
    while (r == 0 && result->kind == RESULT_OK && job_cut(&cutter, &from, &count)) {
        CLEANUP(buffer_clear) struct buffer values = {0};
        struct job_part part = {.from = from, .count = count};
        r = feed->make(feed->context, from, count, &values, result, err);
        if (r < 0 || result->kind != RESULT_OK)
            break;
        if (!job_bytes_keep(job->jobs, values.data, values.size, &part.bytes)) {
            result_error(result, "ExecutorError",
                         "there is no room to keep the inputs of '%s'", job->what);
            break;
        }
        GROW(job->inputs, job->n_inputs, job->inputs_capacity);
        job->inputs[job->n_inputs++] = part;
    }
    return r;
}

/* A name of a job that is over and was taken may be used again. */
static bool make_name_free(struct jobs *jobs, const char *name, struct result *result)
{
    size_t n = 0;
    struct job *same = NULL, *job;
    for (; (job = jobs_at(jobs, n)); n++)
        if (!strcmp(job_name(job), name))
            same = job;
    if (n >= JOBS_MAX)
        result_error(result, "UsageError",
                     "there are %zu jobs: %%wait takes their results", n);
    else if (same && !job_is_over(same))
        result_error(result, "UsageError",
                     "job '%s' is running: choose another name, or %%cancel %s", name,
                     name);
    else if (same && !same->is_taken)
        result_error(result, "UsageError",
                     "job '%s' has results that were not taken: %%wait %s, or choose "
                     "another name",
                     name, name);
    else if (same)
        jobs_remove(jobs, same);
    return result->kind == RESULT_OK;
}

static int start_async(struct magic_context *context, struct job *job,
                       const struct job_feed *feed, struct result *result,
                       struct error *err)
{
    CLEANUP(job_freep) struct job *owned = job;
    struct jobs *jobs = context->magics->jobs;
    if (!make_name_free(jobs, job->options.name, result))
        return 0;
    int r = job_note_targets(context, job, err);
    if (r == 0 && feed)
        r = take_inputs(job, feed, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    job->name = must_strdup(job->options.name);
    jobs_add(jobs, TAKE(owned));
    r = job_send(job, NULL, result, err);
    job->events = session_events_keep(context->events);
    job_announce(job, &job->events);
    jobs_pump(jobs);
    return r;
}

static void say_sent(struct magic_context *context, const struct payload *payload)
{
    CLEANUP(freep) const char **names = NULL;
    size_t n;
    payload_variables(payload, &names, &n);
    CLEANUP(freep) struct session_shown *shown = must_alloc((n + 1) * sizeof(*shown));
    struct error ignored = {0};
    if (session_show(context->session, names, n, shown, &ignored) < 0)
        return;
    for (size_t i = 0; i < n; i++) {
        CLEANUP(freep) char *size = quantity_show_size(shown[i].size);
        CLEANUP(freep)
        char *text = must_format("sends '%s' (%s)\n", names[i], size);
        context->events->stream(context->events->context, true, text, strlen(text));
        free(shown[i].text);
    }
}

/* What tasks find around them. Paths are those of the session's code. */
static bool surround(struct magic_context *context, const struct job_options *options,
                     struct surroundings *ret, struct blob **ret_files,
                     struct result *result)
{
    if (options->folder && options->n_files) {
        result_error(result, "UsageError",
                     "--files puts the files into a folder of their own, in which the "
                     "tasks run: it does not go with --cwd");
        return false;
    }
    if (options->folder)
        ret->folder = magic_path(context, options->folder);
    for (size_t i = 0; i < options->n_settings; i++)
        surroundings_add_setting(ret, options->settings[i]);
    return !options->n_files || stage(context, options, ret, ret_files, result);
}

static uint64_t make_nonce(void)
{
    uint64_t nonce = 0;
    while (getrandom(&nonce, sizeof(nonce), 0) < 0 && errno == EINTR)
        ;
    return nonce;
}

/* The payload as it goes to pools. Tasks may change their files, and no other job is to
 * see that: one with files has a payload of its own. */
static bool make_parcel(struct job *job, const struct payload *payload,
                        struct blob *files, struct parcel *ret, struct result *result)
{
    struct error why = {0};
    uint64_t nonce = files ? make_nonce() : 0;
    if (parcel_make(payload, capture_values(payload), files, nonce, ret, &why) < 0) {
        result_error(result, "PickleError", "%s", why.text);
        return false;
    }
    memcpy(job->packed.hash, ret->hash, sizeof(ret->hash));
    job->sent_bytes = ret->bytes->size;
    return true;
}

int job_start(struct magic_context *context, struct job *job, struct payload *payload,
              const struct job_feed *feed, struct result *result, struct error *err)
{
    CLEANUP(job_freep) struct job *owned = job;
    CLEANUP(blob_unrefp) struct blob *files = NULL;
    CLEANUP(parcel_clear) struct parcel parcel = {0};
    struct jobs *jobs = context->magics->jobs;
    job->jobs = jobs;
    job->cell = context->cell;
    job->line = context->line;
    job->executor = must_strdup(executors_name(context->magics, job->options.executor));
    if (!surround(context, &job->options, &payload->surroundings, &files, result))
        return 0;
    if (job->options.is_batch)
        return job_batch_start(context, TAKE(owned), payload, feed, result, err);
    job->crew = executors_crew(context->magics, job->options.executor, result);
    if (!job->crew || !make_parcel(job, payload, files, &parcel, result))
        return 0;
    crew_parcel(job->crew, &parcel);
    job->has_parcel = true;
    if (!job->options.name && /* else whether a pool takes it is seen when it runs */
        !dispatch_payload(context, job->crew, parcel.hash, result))
        return 0;
    if (job->options.is_verbose)
        say_sent(context, payload);
    job->cutter = job_cutter(job);
    jobs_watch(jobs, job->crew);
    if (job->options.name)
        return start_async(context, TAKE(owned), feed, result, err);
    job->has_session_feed = feed != NULL;
    jobs_add(jobs, TAKE(owned));
    int r = job_wait(context, job, feed, false, result, err);
    jobs_remove(jobs, job);
    return r;
}
