/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %%parfor i FROM TO: the cell is the body of a loop whose rounds run on an executor, in
 * any order and many at once. What the body writes at the index, in arrays that --out
 * names, comes home; all else stays with the worker, which is said. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "magics/job.h"
#include "magics/target.h"

#define BOUNDS                                                                           \
    "long achar_from = 0, achar_to = 0; "                                                \
    "void (*achar_step)(void *) = 0, *achar_ledger = 0;"

extern const struct magic magic_parfor;

struct loop {
    struct magic_context *context;
    const struct magic_arguments *arguments;
    const char *index;
    int64_t from, to;
    struct capture_roots roots;
    char *entry;
    struct allocation_site *sites;
    size_t n_sites;
};

static void loop_clear(struct loop *loop)
{
    capture_roots_clear(&loop->roots);
    free(loop->entry);
    free(loop->sites);
}

static bool is_name(const char *text)
{
    size_t size = 0;
    while (isalnum((unsigned char)text[size]) || text[size] == '_')
        size++;
    return size && !text[size] && !isdigit((unsigned char)*text);
}

/* A bound is any integer expression: as the address that a pointer made of it has. */
static int find_bound(struct loop *loop, const char *text, int64_t *ret,
                      struct result *result, struct error *err)
{
    char *end;
    errno = 0;
    *ret = strtoll(text, &end, 0);
    if (!errno && end > text && !*end)
        return 0;
    struct magic_context *context = loop->context;
    struct session_place place = {0};
    CLEANUP(freep)
    char *pointer = must_format("(char *)(__INTPTR_TYPE__)((%s) + 0LL)", text);
    int r = session_place(context->session, context->cell, pointer, context->events,
                          &place, result, err);
    if (r == 0 && result->kind != RESULT_OK)
        target_explain(context, text, result);
    *ret = (int64_t)place.address;
    return r;
}

/* The bounds are the payload's own: where the session compiles the body, to check it,
 * they are variables of a block. */
static char *without_bounds(const char *entry)
{
    char *text = must_strdup(entry ? entry : ""), *bounds = strstr(text, BOUNDS);
    if (bounds)
        memset(bounds, ' ', strlen(BOUNDS));
    return text;
}

/* The body with the loop around it. */
static int analyse(struct loop *loop, struct result *result, struct error *err)
{
    struct magic_context *context = loop->context;
    CLEANUP(freep)
    char *text =
        must_format("{ " BOUNDS " for (long %s = achar_from; %s < achar_to; "
                    "%s++, achar_step ? achar_step(achar_ledger) : (void)0) {\n%s\n} }",
                    loop->index, loop->index, loop->index, loop->arguments->body);
    struct plan *plan = NULL;
    int r = session_plan(context->session, context->cell, loop->arguments->body_line - 1,
                         PLAN_CELL, text, &plan, result, err);
    if (r < 0 || !plan)
        return r;
    CLEANUP(freep) char *entry = without_bounds(plan->entry_text);
    loop->entry = must_format("long achar_from, achar_to;\n"
                              "void (*achar_step)(void *), *achar_ledger;\n%s",
                              entry);
    loop->roots.is_heavy = plan->is_heavy;
    loop->n_sites = plan->n_sites;
    loop->sites = TAKE(plan->sites);
    plan->n_sites = 0;
    for (size_t i = 0; i < plan->n_refs; i++)
        capture_roots_add(&loop->roots, plan->refs[i]);
    return session_define(context->session, plan, context->events, result, err);
}

static bool check_room(const struct loop *loop, const char *name,
                       const struct session_place *place, struct result *result)
{
    if (!place->count)
        result_error(result, "ValueError",
                     "how many elements '%s' has is not known: use an array, or memory "
                     "of malloc()",
                     name);
    else if (loop->from < 0 || (uint64_t)loop->to > place->count)
        result_error(result, "ValueError",
                     "'%s' has %" PRIu64 " elements, and the indices are from %" PRId64
                     " to %" PRId64,
                     name, place->count, loop->from, loop->to - 1);
    return result->kind == RESULT_OK;
}

static int add_targets(struct loop *loop, struct job *job, struct payload *payload,
                       struct result *result, struct error *err)
{
    struct magic_context *context = loop->context;
    const struct job_options *options = &job->options;
    int r = 0;
    for (size_t i = 0; r == 0 && i < options->n_out; i++) {
        const char *name = options->out[i];
        struct session_place place;
        CLEANUP(freep) char *pointer = must_format("&(%s)[0]", name);
        if (!payload_has_variable(payload, name)) {
            result_error(result, "UsageError",
                         "--out %s: the body has no array of that name", name);
            return 0;
        }
        r = session_place(context->session, context->cell, pointer, context->events,
                          &place, result, err);
        if (r == 0 && result->kind != RESULT_OK &&
            !target_explain(context, name, result)) {
            result_clear(result);
            result_error(result, "TypeError", "--out %s: it is no array", name);
        }
        if (r < 0 || result->kind != RESULT_OK || !check_room(loop, name, &place, result))
            return r;
        job_add_target(job, name, pointer, &place);
        payload_add_out(payload, name,
                        payload_import_type(payload, session_graph(context->session),
                                            session_types(context->session), place.type));
    }
    return r;
}

static void fill_entry(struct loop *loop, struct payload *payload)
{
    struct session *session = loop->context->session;
    payload->cell = loop->context->cell;
    payload->entry = PAYLOAD_RANGE;
    payload->entry_text = TAKE(loop->entry);
    for (size_t i = 0; i < loop->n_sites; i++)
        loop->sites[i].type = payload_import_type(
            payload, session_graph(session), session_types(session), loop->sites[i].type);
    payload->n_sites = loop->n_sites;
    payload->sites = TAKE(loop->sites);
}

/* Takes the job. */
static int start(struct loop *loop, struct job *job, struct result *result,
                 struct error *err)
{
    CLEANUP(job_freep) struct job *owned = job;
    CLEANUP(payload_freep) struct payload *payload = NULL;
    int r = analyse(loop, result, err);
    if (r < 0 || result->kind != RESULT_OK || !loop->entry)
        return r;
    struct capture_shown shown = {.sites = loop->sites, .n_sites = loop->n_sites};
    r = capture_with_mime(loop->context, &loop->roots, shown, &payload, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    fill_entry(loop, payload);
    r = add_targets(loop, job, payload, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    job->first = (uint64_t)loop->from;
    job->count = (uint64_t)(loop->to - loop->from);
    return job_start(loop->context, TAKE(owned), payload, NULL, result, err);
}

static bool check_bounds(const struct loop *loop, struct result *result)
{
    const char *const *words = (const char *const *)loop->arguments->words;
    int64_t count;
    if (loop->to < loop->from || __builtin_sub_overflow(loop->to, loop->from, &count))
        result_error(result, "ValueError",
                     "the indices go from %s (%" PRId64
                     ") up to, and without, %s (%" PRId64 "): that is none",
                     words[1], loop->from, words[2], loop->to);
    return result->kind == RESULT_OK;
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    CLEANUP(loop_clear)
    struct loop loop = {.context = context, .arguments = arguments};
    CLEANUP(freep) char *what = must_format("%%%%parfor %s", arguments->text);
    CLEANUP(job_freep) struct job *job = job_new(JOB_RANGE, what);
    loop.index = arguments->words[0];
    if (!job_options_read(&magic_parfor, arguments, &job->options, result))
        return 0;
    if (!is_name(loop.index)) {
        result_error(result, "UsageError",
                     "'%s' is no name for an index: %%%%parfor i FROM TO", loop.index);
        return 0;
    }
    int r = find_bound(&loop, arguments->words[1], &loop.from, result, err);
    if (r == 0 && result->kind == RESULT_OK)
        r = find_bound(&loop, arguments->words[2], &loop.to, result, err);
    if (r < 0 || result->kind != RESULT_OK || !check_bounds(&loop, result) ||
        loop.from == loop.to)
        return r;
    return start(&loop, TAKE(job), result, err);
}

const struct magic magic_parfor = {
    .name = "parfor",
    .is_cell = true,
    .usage = "INDEX FROM TO",
    .summary = "the cell for every index from FROM up to TO, on an executor",
    .options = (const struct magic_option[]){JOB_OPTIONS, {0}},
    .min_words = 3,
    .max_words = 3,
    .run = run,
};
