/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Jobs that an engine carries and that outlive the kernel (--batch): everything that a
 * task needs is given away at once, and what a later kernel needs to take the results
 * goes along as a memo. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "magics/executor_table.h"
#include "magics/executors/batch.h"
#include "magics/job.h"
#include "pickler/base/pack.h"

#define NAME_BEFORE "slurm-" /* a job's name is this and its number there */
#define TARGETS_MAX 1000
#define WHAT_MAX 64 /* bytes that the engine's queue shows */

/* ---- what the list asks ---- */

static void take(void *context, uint64_t from, uint64_t count, struct outcome *outcome,
                 const void *values, size_t size)
{
    job_take_result(context, from, count, outcome, values, size);
}

static int look(struct job *job, void *state, struct error *err)
{
    struct batch *batch = state;
    (void)err;
    batch_look(batch, take, job);
    enum job_state now = batch_has_begun(batch) ? JOB_RUNNING : JOB_WAITING;
    if (batch_is_over(batch))
        now = job->is_cancelled ? JOB_CANCELLED : job->n_failed ? JOB_FAILED : JOB_DONE;
    job_set_state(job, now, now >= JOB_DONE ? NULL : batch_detail(batch));
    return 0;
}

static int cancel(struct job *job, void *state, struct error *err)
{
    (void)job;
    return batch_cancel(state, err);
}

static void print(void *context, uint64_t from, int stream, const void *data, size_t size)
{
    (void)from;
    if (stream) /* what was displayed is no text */
        buffer_add(context, data, size);
}

static int read_log(struct job *job, void *state, struct buffer *ret, struct error *err)
{
    (void)job;
    (void)err;
    batch_log(state, print, ret);
    return 0;
}

static void free_state(void *state)
{
    batch_free(state);
}

static const struct job_carrier carrier = {
    .look = look, .cancel = cancel, .read_log = read_log, .free = free_state};

/* ---- what a later kernel needs ---- */

static void pack_memo(const struct job *job, struct buffer *out)
{
    pack_u64(out, job->kind);
    pack_string(out, job->what);
    pack_u64(out, job->first);
    pack_u64(out, job->count);
    pack_u64(out, job->cell);
    pack_u64(out, job->line);
    pack_u64(out, job->n_targets);
    for (size_t i = 0; i < job->n_targets; i++) {
        const struct job_target *target = &job->targets[i];
        pack_string(out, target->text);
        pack_string(out, target->pointer);
        pack_string(out, target->spelling);
        pack_u64(out, target->place.count);
        pack_u64(out, target->place.element_size);
    }
}

static void unpack_target(struct unpack *in, struct job *job)
{
    struct session_place place = {0};
    CLEANUP(freep) char *text = unpack_string(in);
    CLEANUP(freep) char *pointer = unpack_string(in);
    CLEANUP(freep) char *spelling = unpack_string(in);
    place.count = unpack_u64(in);
    place.element_size = unpack_u64(in);
    if (in->failed || !text || !pointer || !spelling) {
        in->failed = true;
        return;
    }
    job_add_target(job, text, pointer, &place);
    job->targets[job->n_targets - 1].spelling = TAKE(spelling);
}

/* NULL: it is not readable. */
static struct job *unpack_memo(const struct batch *batch)
{
    size_t size;
    const void *memo = batch_memo(batch, &size);
    struct unpack in = unpack_init(memo, size);
    uint64_t kind = unpack_max(&in, JOB_RANGE);
    CLEANUP(freep) char *what = unpack_string(&in);
    CLEANUP(job_freep) struct job *job = job_new((enum job_kind)kind, what ? what : "");
    job->first = unpack_u64(&in);
    job->count = unpack_u64(&in);
    job->cell = (uint32_t)unpack_u64(&in);
    job->line = (uint32_t)unpack_u64(&in);
    for (uint64_t n = unpack_max(&in, TARGETS_MAX); n && !in.failed; n--)
        unpack_target(&in, job);
    return unpack_done(&in) && what ? TAKE(job) : NULL;
}

/* ---- submission ---- */

struct arguments {
    struct batch_argument *at;
    struct buffer *bytes;
    size_t n;
};

static void arguments_clear_all(struct arguments *arguments)
{
    for (size_t i = 0; i < arguments->n; i++)
        buffer_clear(&arguments->bytes[i]);
    free(arguments->at);
    free(arguments->bytes);
}

/* Elements are apart as far as the engine has room for tasks: one that fails then costs
 * no other. */
static int make_arguments(struct job *job, const struct job_feed *feed,
                          struct arguments *ret, struct result *result, struct error *err)
{
    uint64_t chunk = job->options.chunk;
    if (!chunk)
        chunk = (job->count + BATCH_TASKS_MAX - 1) / BATCH_TASKS_MAX;
    uint64_t n = (job->count + chunk - 1) / chunk;
    int r = 0;
    if (n > BATCH_PARTS_MAX) {
        result_error(result, "ValueError",
                     "%" PRIu64 " tasks are too many for a batch job: use --chunk", n);
        return 0;
    }
    ret->at = must_alloc((n + 1) * sizeof(*ret->at));
    ret->bytes = must_alloc((n + 1) * sizeof(*ret->bytes));
    job->has_session_feed = feed != NULL;
    for (; r == 0 && result->kind == RESULT_OK && ret->n < n; ret->n++) {
        uint64_t from = ret->n * chunk, left = job->count - from;
        struct buffer *bytes = &ret->bytes[ret->n];
        struct batch_argument *argument = &ret->at[ret->n];
        argument->from = from;
        argument->count = left < chunk ? left : chunk;
        r = job_make_argument(job, from, argument->count, feed, bytes, result, err);
        argument->data = bytes->data;
        argument->size = bytes->size;
        job->sent_bytes += bytes->size;
    }
    job->has_session_feed = false;
    return r;
}

static bool check_options(const struct job *job, const struct named_executor *executor,
                          struct result *result)
{
    struct error err = {0};
    if (batch_check(executor->type, &err) < 0)
        result_error(result, "UsageError", "--batch: %s", err.text);
    else if (job->options.retries || job->options.timeout_ms > 0)
        result_error(result, "UsageError",
                     "--retries and --timeout are not for --batch: the engine has "
                     "--time, and starts again what a lost node has taken along");
    return result->kind == RESULT_OK;
}

/* Adds what carries it and makes it the list's. */
static void add(struct jobs *jobs, struct job *job, struct batch *batch,
                const char *executor)
{
    job->jobs = jobs;
    job->name = must_format(NAME_BEFORE "%s", batch_id(batch));
    free(job->executor);
    job->executor = must_strdup(executor);
    job->carrier = &carrier;
    job->carried = batch;
    job->state = JOB_WAITING;
    jobs_add(jobs, job);
}

static int submit(struct job *job, const struct named_executor *executor,
                  const struct arguments *arguments, struct batch **ret,
                  struct result *result)
{
    CLEANUP(buffer_clear) struct buffer memo = {0};
    CLEANUP(freep)
    char *name = must_strndup(job->what, strcspn(job->what, "\n"));
    struct error why = {0};
    if (strlen(name) > WHAT_MAX)
        name[WHAT_MAX] = '\0';
    pack_memo(job, &memo);
    struct batch_order order = {.name = name,
                                .payload = job->packed.bytes.data,
                                .payload_size = job->packed.bytes.size,
                                .arguments = arguments->at,
                                .n_arguments = arguments->n,
                                .memo = memo.data,
                                .memo_size = memo.size};
    if (batch_new(executor->options, executor->n_options, &order, ret, &why) < 0)
        result_error(result, "ExecutorError", "%s", why.text);
    return 0;
}

int job_batch_start(struct magic_context *context, struct job *job,
                    const struct payload *payload, const struct job_feed *feed,
                    struct result *result, struct error *err)
{
    CLEANUP(job_freep) struct job *owned = job;
    CLEANUP(arguments_clear_all) struct arguments arguments = {0};
    struct magics *magics = context->magics;
    struct batch *batch = NULL;
    struct named_executor *executor =
        executors_find(magics, job->options.executor, result);
    if (!executor || !check_options(job, executor, result) ||
        capture_pack(payload, &job->packed, result) < 0)
        return 0;
    int r = job_note_targets(context, job, err);
    if (r == 0)
        r = make_arguments(job, feed, &arguments, result, err);
    if (r == 0 && result->kind == RESULT_OK)
        r = submit(job, executor, &arguments, &batch, result);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    job->sent_bytes += job->packed.bytes.size;
    buffer_clear(&job->packed.bytes);
    add(magics->jobs, TAKE(owned), batch, executor->name);
    job->events = session_events_keep(context->events);
    job_announce(job, &job->events);
    return 0;
}

/* ---- found again ---- */

bool job_batch_is_name(const char *name)
{
    size_t size = strlen(NAME_BEFORE);
    return strncmp(name, NAME_BEFORE, size) == 0 && isdigit((unsigned char)name[size]);
}

struct job *job_batch_find(struct magic_context *context, const char *name,
                           const char *executor, struct result *result)
{
    struct magics *magics = context->magics;
    struct named_executor *found = executors_find(magics, executor, result);
    struct batch *batch = NULL;
    struct error err = {0};
    if (!found)
        return NULL;
    if (batch_check(found->type, &err) < 0 ||
        batch_find(found->options, found->n_options, name + strlen(NAME_BEFORE), &batch,
                   &err) < 0) {
        result_error(result, "UsageError", "%s", err.text);
        return NULL;
    }
    struct job *job = unpack_memo(batch);
    if (!job) {
        result_error(result, "ExecutorError", "the memo of batch job '%s' is unreadable",
                     name);
        batch_free(batch);
        return NULL;
    }
    add(magics->jobs, job, batch, found->name);
    job->events = session_events_keep(context->events); /* whoever follows it shows it */
    return job;
}
