/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %map f xs -> ys: a function over the elements of an array, on an executor. The elements
 * travel in chunks; order is kept. */
#include <inttypes.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "magics/arguments.h"
#include "magics/job.h"
#include "magics/target.h"

#define MAP_LOOK_ELEMENTS 65536 /* at a time, when it is looked at what they point to */
#define MAP_AHEAD_MAX 64        /* chunks of elements that are taken at once ... */
#define MAP_AHEAD_BYTES 65536   /* ... where they are as small */

extern const struct magic magic_map;

struct map {
    struct magic_context *context;
    struct job *job; /* owned until it starts */
    struct session_place in, out;
    const char *xs; /* what the user calls the elements */
    uint64_t count;
    struct buffer ahead[MAP_AHEAD_MAX]; /* owned; values of the chunks that follow */
    size_t n_ahead, next_ahead;
    uint64_t chunk, next; /* elements of the last chunk, and where it ended */
    size_t n_alike;       /* chunks of this size in a row */
    bool can_point;       /* elements: their values may be large */
};

static void drop_ahead(struct map *map)
{
    for (size_t i = 0; i < map->n_ahead; i++)
        buffer_clear(&map->ahead[i]);
    map->n_ahead = map->next_ahead = 0;
}

/* How many chunks are taken out of the session together: after some of one size, which
 * follow each other, others are expected. */
static size_t count_ahead(struct map *map, uint64_t from, uint64_t count)
{
    bool is_alike = from == map->next && count == map->chunk;
    map->n_alike = is_alike ? map->n_alike + 1 : 0;
    map->chunk = count;
    uint64_t n = map->n_alike < 3 ? 1 : MAP_AHEAD_MAX, left = (map->count - from) / count;
    uint64_t fit = MAP_AHEAD_BYTES / (map->in.element_size + 1) / count;
    n = n < left ? n : left;
    n = n < fit ? n : fit;
    return map->can_point || !n ? 1 : (size_t)n;
}

/* The next chunk, when it is here. */
static bool take_ahead(struct map *map, uint64_t from, uint64_t count, struct buffer *ret)
{
    if (map->next_ahead == map->n_ahead || from != map->next || count != map->chunk)
        return false;
    *ret = map->ahead[map->next_ahead];
    map->ahead[map->next_ahead++] = (struct buffer){0};
    map->next = from + count;
    return true;
}

static int take_some(const struct map *map, uint64_t from, uint64_t count,
                     struct buffer *ret, struct result *result, struct error *err)
{
    char **names;
    size_t n_names;
    int r = session_dump_at(map->context->session, map->xs, &map->in, from, count, ret,
                            &names, &n_names, result, err);
    if (r == 0 && result->kind == RESULT_OK)
        words_free(names, n_names);
    return r;
}

static int take_elements(void *context, uint64_t from, uint64_t count, struct buffer *ret,
                         struct result *result, struct error *err)
{
    struct map *map = context;
    if (take_ahead(map, from, count, ret))
        return 0;
    if (from != map->next) /* it is tried again */
        return take_some(map, from, count, ret, result, err);
    drop_ahead(map); /* other sizes were expected */
    size_t n = count_ahead(map, from, count);
    if (n == 1) {
        map->next = from + count;
        return take_some(map, from, count, ret, result, err);
    }
    int r = session_dump_pieces(map->context->session, map->xs, &map->in, from, count,
                                map->ahead, n, result, err);
    map->n_ahead = n;
    if (r == 0 && result->kind == RESULT_OK)
        take_ahead(map, from, count, ret);
    return r;
}

/* The loop that a worker runs over its chunk. */
static char *entry_text(const struct types *types, const char *function, uint32_t in,
                        uint32_t out)
{
    return must_format(
        "__typeof__(%s) *achar_in;\nunsigned long achar_count;\n"
        "__typeof__(%s) *achar_out;\n"
        "void (*achar_step)(void *), *achar_ledger;\n"
        "void achar_entry(void)\n{\n"
        "    for (unsigned long achar_i = 0; achar_i < achar_count; achar_i++) {\n"
        "        achar_out[achar_i] = (%s)(achar_in[achar_i]);\n"
        "        if (achar_step)\n            achar_step(achar_ledger);\n    }\n}\n",
        types_get(types, in)->spelling, types_get(types, out)->spelling, function);
}

/* Replaces an error about the text that was made of the function's name. */
static int explain_call(struct magic_context *context, const char *function,
                        const struct type *element, struct result *result,
                        struct error *err)
{
    struct plan *plan = NULL;
    if (!strcmp(result->name, "Interrupted") || target_explain(context, function, result))
        return 0;
    result_clear(result);
    int r = session_plan(context->session, context->cell, context->line, PLAN_EXPRESSION,
                         function, &plan, result, err);
    if (r < 0 || !plan)
        return r;
    uint32_t type = plan->value_type;
    CLEANUP(freep) char *wanted = must_strdup(element->spelling);
    r = session_define(context->session, plan, context->events, result, err);
    if (r == 0 && result->kind == RESULT_OK)
        result_error(
            result, "TypeError",
            "'%s' cannot be called with an element of the array: it is '%s' and the "
            "elements are '%s'",
            function, types_get(session_types(context->session), type)->spelling, wanted);
    return r;
}

static bool can_point(const struct types *types, uint32_t id)
{
    const struct type *type = types_get(types, id);
    bool can = type->kind == TYPE_POINTER || type->kind == TYPE_OTHER;
    if (type->kind == TYPE_ARRAY)
        can = can_point(types, type->target);
    for (size_t i = 0; !can && type_is_record(type) && i < type->n_fields; i++)
        can = can_point(types, type->fields[i].type);
    return can;
}

/* Definitions that only the elements lead to go with the function. */
static int add_reached(struct map *map, struct capture_roots *roots,
                       struct result *result, struct error *err)
{
    struct session *session = map->context->session;
    int r = 0;
    map->can_point = can_point(session_types(session), map->in.type);
    if (!map->can_point)
        return 0;
    for (uint64_t from = 0; r == 0 && from < map->count; from += MAP_LOOK_ELEMENTS) {
        uint64_t left = map->count - from;
        CLEANUP(buffer_clear) struct buffer values = {0};
        char **names;
        size_t n_names;
        r = session_dump_at(session, map->xs, &map->in, from,
                            left < MAP_LOOK_ELEMENTS ? left : MAP_LOOK_ELEMENTS, &values,
                            &names, &n_names, result, err);
        if (r < 0 || result->kind != RESULT_OK)
            return r;
        for (size_t i = 0; i < n_names; i++) {
            const struct definition *at = graph_current(session_graph(session), names[i]);
            if (at)
                capture_roots_add(roots, at->id);
        }
        words_free(names, n_names);
    }
    return r;
}

static int make_payload(struct map *map, const char *function, uint32_t *ret_out_type,
                        struct payload **ret, struct result *result, struct error *err)
{
    struct magic_context *context = map->context;
    const struct types *types = session_types(context->session);
    CLEANUP(capture_roots_clear) struct capture_roots roots = {0};
    CLEANUP(freep)
    char *call = must_format("(%s)(*(__typeof__(%s) *)0)", function,
                             types_get(types, map->in.type)->spelling);
    struct plan *plan = NULL;
    int r = session_plan(context->session, context->cell, context->line, PLAN_EXPRESSION,
                         call, &plan, result, err);
    if (r == 0 && !plan && result->kind != RESULT_OK)
        r = explain_call(context, function, types_get(types, map->in.type), result, err);
    if (r < 0 || !plan)
        return r;
    bool has_value = plan->value_symbol != NULL;
    *ret_out_type = plan->value_type;
    for (size_t i = 0; i < plan->n_refs; i++)
        capture_roots_add(&roots, plan->refs[i]);
    r = session_define(context->session, plan, context->events, result, err);
    if (r == 0 && result->kind == RESULT_OK && !has_value)
        result_error(result, "TypeError", "'%s' returns nothing to be stored", function);
    if (r == 0 && result->kind == RESULT_OK)
        r = add_reached(map, &roots, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    r = capture_with_mime(context, &roots, (struct capture_shown){0}, ret, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    struct payload *payload = *ret;
    payload->entry = PAYLOAD_MAP;
    payload->in_type = payload_import_type(payload, session_graph(context->session),
                                           types, map->in.type);
    return 0;
}

/* Finds the place for the results, and what they are there. */
static int set_target(struct map *map, const char *function, const char *ys,
                      uint32_t type, struct payload *payload, struct result *result,
                      struct error *err)
{
    struct magic_context *context = map->context;
    const struct types *types = session_types(context->session);
    int r;
    if (!target_place(context, ys, type, map->count, &map->out, result, &r, err))
        return r;
    type = target_type(context, ys, &map->out, function, type, result);
    if (!type)
        return 0;
    payload->entry_text = entry_text(types, function, map->in.type, type);
    payload->value_type =
        payload_import_type(payload, session_graph(context->session), types, type);
    return 0;
}

static bool check_places(struct map *map, const char *xs, const char *ys,
                         struct result *result)
{
    if (map->out.count && map->out.count < map->count)
        result_error(result, "ValueError",
                     "'%s' has %" PRIu64 " elements and '%s' has room for %" PRIu64, xs,
                     map->count, ys, map->out.count);
    else if (!map->out.count)
        result_error(result, "ValueError",
                     "how many elements '%s' has room for is not "
                     "known: use an array, or memory of malloc()",
                     ys);
    return result->kind == RESULT_OK;
}

static int map_elements(struct map *map, const char *function, const char *xs,
                        const char *ys, struct result *result, struct error *err)
{
    struct magic_context *context = map->context;
    CLEANUP(payload_freep) struct payload *payload = NULL;
    CLEANUP(freep) char *pointer = must_format("&(%s)[0]", xs);
    uint32_t out_type = 0;
    int r = session_place(context->session, context->cell, pointer, context->events,
                          &map->in, result, err);
    if (r == 0 && result->kind != RESULT_OK)
        target_explain(context, xs, result);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    map->count = map->in.count;
    if (!map->count) {
        result_error(result, "ValueError",
                     "how many elements '%s' has is not known: use an "
                     "array, or memory of malloc()",
                     xs);
        return 0;
    }
    r = make_payload(map, function, &out_type, &payload, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    r = set_target(map, function, ys, out_type, payload, result, err);
    if (r < 0 || result->kind != RESULT_OK || !check_places(map, xs, ys, result))
        return r;
    CLEANUP(freep) char *out_pointer = must_format("&(%s)[0]", ys);
    job_add_target(map->job, ys, out_pointer, &map->out);
    map->job->count = map->count;
    struct job_feed feed = {.make = take_elements, .context = map};
    return job_start(context, TAKE(map->job), payload, &feed, result, err);
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    const char **words = arguments->words;
    CLEANUP(freep) char *what = must_format("%%map %s", arguments->text);
    struct map map = {.context = context, .job = job_new(JOB_MAP, what)};
    int r = 0;
    if (arguments->n_words != 4 || strcmp(words[2], "->") != 0) {
        result_error(result, "UsageError",
                     "%%map takes FUNCTION ARRAY -> ARRAY [--on NAME]");
    } else if (job_options_read(&magic_map, arguments, &map.job->options, result)) {
        map.xs = words[1];
        r = map_elements(&map, words[0], words[1], words[3], result, err);
    }
    drop_ahead(&map);
    job_free(map.job);
    return r;
}

const struct magic magic_map = {
    .name = "map",
    .is_line = true,
    .usage = "FUNCTION ARRAY -> ARRAY",
    .summary = "call a function for every element, on an executor",
    .options = (const struct magic_option[]){JOB_OPTIONS, {0}},
    .min_words = 4,
    .max_words = 4,
    .run = run,
};
