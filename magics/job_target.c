/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where results go. Those of a job that was submitted by an earlier cell enter the
 * session only when somebody waits for them, and only there; a place that is not what it
 * was at submission is said to be so. */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "magics/job.h"
#include "magics/target.h"

#define DIGEST_MAX ((uint64_t)64 << 20) /* bytes of a target that are compared */
#define DELIVERED_AT_ONCE 256           /* parts, at most */
#define DELIVERED_BYTES (1u << 20)      /* beyond it no other part joins */

void job_add_target(struct job *job, const char *text, const char *pointer,
                    const struct session_place *place)
{
    job->targets = must_realloc(job->targets, job->n_targets + 1, sizeof(*job->targets));
    job->targets[job->n_targets++] = (struct job_target){
        .text = must_strdup(text), .pointer = must_strdup(pointer), .place = *place};
}

static uint32_t definition_of(const struct magic_context *context, const char *text)
{
    size_t skip = strcspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_");
    size_t size = 0;
    while (isalnum((unsigned char)text[skip + size]) || text[skip + size] == '_')
        size++;
    CLEANUP(freep) char *name = must_strndup(text + skip, size);
    const struct definition *definition =
        graph_current(session_graph(context->session), name);
    return definition ? definition->id : 0;
}

/* False: its value cannot be taken, or is too large to be compared. */
static bool find_digest(struct magic_context *context, const struct job_target *target,
                        uint8_t ret[PAYLOAD_HASH_SIZE], int *ret_error, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer values = {0};
    CLEANUP(result_clear) struct result result = {0};
    uint64_t count = target->place.count ? target->place.count : 1, size;
    char **names = NULL;
    size_t n_names = 0;
    if (__builtin_mul_overflow(count, target->place.element_size, &size) ||
        size > DIGEST_MAX)
        return false;
    int r = session_dump_at(context->session, target->text, &target->place, 0, count,
                            &values, &names, &n_names, &result, err);
    *ret_error = r;
    if (r < 0 || result.kind != RESULT_OK)
        return false;
    for (size_t i = 0; i < n_names; i++)
        free(names[i]);
    free(names);
    payload_hash(values.data, values.size, ret);
    return true;
}

int job_note_targets(struct magic_context *context, struct job *job, struct error *err)
{
    const struct types *types = session_types(context->session);
    int r = 0;
    for (size_t i = 0; r == 0 && i < job->n_targets; i++) {
        struct job_target *target = &job->targets[i];
        target->spelling = must_strdup(types_get(types, target->place.type)->spelling);
        target->definition = definition_of(context, target->text);
        target->has_digest = find_digest(context, target, target->digest, &r, err);
    }
    return r;
}

static bool still_fits(struct magic_context *context, const struct job *job,
                       const struct job_target *target, const struct session_place *now,
                       struct result *result)
{
    const char *spelling =
        types_get(session_types(context->session), now->type)->spelling;
    if (strcmp(spelling, target->spelling) ||
        now->element_size != target->place.element_size)
        result_error(result, "TypeError",
                     "'%s' is '%s' now and was '%s' when job %" PRIu32
                     " was submitted: its results do not fit; they are kept",
                     target->text, spelling, target->spelling, job->number);
    else if (now->count < target->place.count)
        result_error(result, "ValueError",
                     "'%s' has room for %" PRIu64 " elements now and had %" PRIu64
                     " when job %" PRIu32 " was submitted; its results are kept",
                     target->text, now->count, target->place.count, job->number);
    return result->kind == RESULT_OK;
}

static void say_changed(struct magic_context *context, const struct job *job,
                        const struct job_target *target, bool is_redefined)
{
    CLEANUP(freep)
    char *text =
        must_format("'%s' was %s since job %" PRIu32
                    " was submitted; what the job brings home replaces that\n",
                    target->text, is_redefined ? "redefined" : "changed", job->number);
    context->events->stream(context->events->context, true, text, strlen(text));
}

bool job_find_targets(struct magic_context *context, struct job *job,
                      struct result *result, int *ret_error, struct error *err)
{
    for (size_t i = 0; i < job->n_targets; i++) {
        struct job_target *target = &job->targets[i];
        struct session_place now;
        uint8_t digest[PAYLOAD_HASH_SIZE];
        *ret_error = session_place(context->session, context->cell, target->pointer,
                                   context->events, &now, result, err);
        if (*ret_error == 0 && result->kind != RESULT_OK)
            target_explain(context, target->text, result);
        if (*ret_error < 0 || result->kind != RESULT_OK ||
            !still_fits(context, job, target, &now, result))
            return false;
        target->place = now;
        bool is_redefined = definition_of(context, target->text) != target->definition;
        bool is_changed = target->has_digest &&
                          find_digest(context, target, digest, ret_error, err) &&
                          memcmp(digest, target->digest, sizeof(digest)) != 0;
        if (*ret_error < 0)
            return false;
        if (is_redefined || is_changed)
            say_changed(context, job, target, is_redefined);
    }
    return true;
}

/* ---- what came home ---- */

static void add_stray(struct job *job, char *name)
{
    for (size_t i = 0; i < job->n_strays; i++)
        if (!strcmp(job->strays[i], name)) {
            free(name);
            return;
        }
    job->strays = must_realloc(job->strays, job->n_strays + 1, sizeof(*job->strays));
    job->strays[job->n_strays++] = name;
}

/* Parts that come home together go into the session together: for each target a list. */
struct delivery {
    struct session_part parts[DELIVERED_AT_ONCE];
    size_t n;
};

static int load_all(struct magic_context *context, const struct job *job,
                    const struct delivery *deliveries, struct result *result,
                    struct error *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && result->kind == RESULT_OK && i < job->n_targets; i++)
        r = session_load_at(context->session, &job->targets[i].place, deliveries[i].parts,
                            deliveries[i].n, result, err);
    return r;
}

static void add_values(struct delivery *delivery, const struct job_part *part,
                       const void *values, size_t size)
{
    delivery->parts[delivery->n++] = (struct session_part){
        .from = part->from, .count = part->count, .values = values, .size = size};
}

/* One value graph for each target, then the names of what else was written. */
static void add_range(struct job *job, const struct job_part *part, const char *data,
                      struct delivery *deliveries, struct result *result)
{
    struct unpack in = unpack_init(data, part->bytes.size);
    uint64_t n = unpack_max(&in, job->n_targets);
    for (size_t i = 0; i < n; i++) {
        size_t size;
        const void *values = unpack_bytes(&in, &size);
        if (!in.failed)
            add_values(&deliveries[i], part, values, size);
    }
    for (size_t left = unpack_count(&in); left && !in.failed; left--) {
        char *name = unpack_string(&in);
        if (name)
            add_stray(job, name);
    }
    if (!unpack_done(&in))
        result_error(result, "ExecutorError", "a result of '%s' cannot be read",
                     job->what);
}

static int deliver_one(struct magic_context *context, struct job *job, const char *data,
                       size_t size, struct result *result, struct error *err)
{
    const struct job_target *target = job->targets;
    struct session_part part = {.count = 1, .values = data, .size = size};
    if (job->kind == JOB_STATE)
        return size ? session_load(context->session, data, size, result, err) : 0;
    if (!job->n_targets)
        return 0;
    if (!size)
        result_error(result, "ExitStatus",
                     "exit(0) was called before there was a value for '%s'",
                     target->text);
    else
        return session_load_at(context->session, &target->place, &part, 1, result, err);
    return 0;
}

/* At most DELIVERED_AT_ONCE of them, in order. */
static int deliver_parts(struct magic_context *context, struct job *job,
                         const struct job_part *parts, size_t n, struct result *result,
                         struct error *err)
{
    char *owned[DELIVERED_AT_ONCE] = {0};
    CLEANUP(freep)
    struct delivery *deliveries = must_alloc((job->n_targets + 1) * sizeof(*deliveries));
    int r = 0;
    for (size_t i = 0; i < n && r == 0 && result->kind == RESULT_OK; i++) {
        const char *data = job_bytes_read(job->jobs, &parts[i].bytes, &owned[i]);
        if (!data)
            result_error(result, "ExecutorError",
                         "the results of '%s' cannot be read back", job->what);
        else if (job->kind == JOB_MAP)
            add_values(deliveries, &parts[i], data, parts[i].bytes.size);
        else if (job->kind == JOB_RANGE)
            add_range(job, &parts[i], data, deliveries, result);
        else
            r = deliver_one(context, job, data, parts[i].bytes.size, result, err);
    }
    struct result late = {0}; /* what was read goes home all the same */
    if (r == 0)
        r = load_all(context, job, deliveries, result->kind == RESULT_OK ? result : &late,
                     err);
    result_clear(&late);
    for (size_t i = 0; i < n; i++)
        free(owned[i]);
    return r;
}

/* So many that are together no larger than a good piece of work. */
static size_t count_together(const struct job_part *parts, size_t n)
{
    size_t bytes = 0, i = 0;
    while (i < n && i < DELIVERED_AT_ONCE && (!i || bytes < DELIVERED_BYTES))
        bytes += parts[i++].bytes.size;
    return i;
}

/* While the session takes parts, more come. */
int job_deliver(struct magic_context *context, struct job *job, struct result *result,
                struct error *err)
{
    CLEANUP(freep) struct job_part *parts = TAKE(job->parts);
    size_t n = job->n_parts, n_now;
    int r = 0;
    job->n_parts = job->parts_capacity = 0;
    for (size_t at = 0; at < n; at += n_now) {
        n_now = count_together(parts + at, n - at);
        if (r == 0 && result->kind == RESULT_OK)
            r = deliver_parts(context, job, parts + at, n_now, result, err);
        for (size_t i = at; i < at + n_now; i++)
            job_bytes_clear(&parts[i].bytes, job->jobs);
    }
    return r;
}
