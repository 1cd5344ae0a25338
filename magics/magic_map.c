/* SPDX-License-Identifier: BSD-3-Clause
 *
 * %map f xs -> ys: a function over the elements of an array, on an executor. The elements
 * travel in chunks; order is kept. A chunk that fails is cut in halves until the element
 * that fails is alone, so that one bad element costs no other. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "kernel/peer/protocol.h"
#include "magics/arguments.h"
#include "magics/dispatch.h"
#include "magics/executor_table.h"
#include "magics/target.h"

#define MAP_FAILURES_MAX 20      /* after so many failed elements the rest is not tried */
#define MAP_IN_FLIGHT 2          /* chunks sent ahead, for each worker */
#define MAP_CHUNKS_PER_WORKER 16 /* as many as give an even load */
#define MAP_LOOK_ELEMENTS 65536  /* at a time, when it is looked at what they point to */
#define PROGRESS_AFTER_MS 1000
#define PROGRESS_EVERY_MS 200

struct chunk {
    uint64_t from, count;
    uint32_t task; /* 0: not sent */
};

struct map {
    struct magic_context *context;
    struct crew *crew;
    struct packed_payload packed;
    struct session_place in, out;
    const char *xs; /* what the user calls the elements */
    uint64_t count, n_done, n_failed;
    struct chunk *chunks; /* waiting or in flight */
    size_t n_chunks, capacity, n_in_flight;
    struct result failure; /* of the first element that failed */
    uint64_t failed[MAP_FAILURES_MAX];
    double started, shown; /* ms; shown 0: no progress bar yet */
};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void add_chunk(struct map *map, uint64_t from, uint64_t count)
{
    GROW(map->chunks, map->n_chunks, map->capacity);
    map->chunks[map->n_chunks++] = (struct chunk){.from = from, .count = count};
}

static void drop_chunk(struct map *map, size_t i)
{
    memmove(map->chunks + i, map->chunks + i + 1,
            (--map->n_chunks - i) * sizeof(*map->chunks));
}

static void progress(struct map *map, bool is_end)
{
    double now = now_ms();
    if (now - map->started < PROGRESS_AFTER_MS ||
        (!is_end && now - map->shown < PROGRESS_EVERY_MS) || (is_end && !map->shown))
        return;
    char bar[41] = "........................................";
    int filled = (int)(40 * map->n_done / map->count);
    memset(bar, '#', (size_t)filled);
    double rate = (double)map->n_done / (now - map->started) * 1e3;
    CLEANUP(freep)
    char *text = must_format("[%s] %" PRIu64 "/%" PRIu64 "  %.4g/s  %.1f s", bar,
                             map->n_done, map->count, rate, (now - map->started) / 1e3);
    CLEANUP(freep) char *id = must_format("achar-map-%u", map->context->cell);
    const struct session_events *events = map->context->events;
    CLEANUP(bundle_clear)
    struct bundle bundle = {.action = map->shown > 0 ? BUNDLE_UPDATE : BUNDLE_SHOW,
                            .id = TAKE(id)};
    if (bundle_add_text(&bundle, "text/plain", text))
        events->display(events->context, &bundle);
    map->shown = now;
}

static int send_chunk(struct map *map, struct chunk *chunk, struct result *result,
                      struct error *err)
{
    CLEANUP(buffer_clear) struct buffer values = {0};
    struct error why = {0};
    char **names;
    size_t n_names;
    int r = session_dump_at(map->context->session, map->xs, &map->in, chunk->from,
                            chunk->count, &values, &names, &n_names, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    words_free(names, n_names);
    struct crew_task_options options = {.owner = map->context};
    if (crew_submit(map->crew, map->packed.hash, values.data, values.size, &options,
                    &chunk->task, &why) < 0)
        result_error(result, "ExecutorError", "%s", why.text);
    else
        map->n_in_flight++;
    return 0;
}

/* At least one: a pool that is lost may be replaced. */
static size_t count_workers(const struct map *map)
{
    size_t n = crew_workers(map->crew);
    return n ? n : 1;
}

static int send_more(struct map *map, struct result *result, struct error *err)
{
    size_t max = count_workers(map) * MAP_IN_FLIGHT;
    int r = 0;
    for (size_t i = 0; r == 0 && i < map->n_chunks && map->n_in_flight < max &&
                       result->kind == RESULT_OK;
         i++)
        if (!map->chunks[i].task)
            r = send_chunk(map, &map->chunks[i], result, err);
    return r;
}

static void element_failed(struct map *map, uint64_t index, const struct outcome *outcome)
{
    if (!map->n_failed)
        dispatch_report(map->context, outcome, &map->failure);
    if (map->failure.kind == RESULT_OK) /* exit(0) is no failure elsewhere */
        result_error(&map->failure, "ExitStatus",
                     "exit(%d) was called before the function returned", outcome->status);
    if (map->n_failed < MAP_FAILURES_MAX)
        map->failed[map->n_failed] = index;
    map->n_failed++;
}

static int take_result(struct map *map, struct pool_event *event, struct result *result,
                       struct error *err)
{
    size_t i = 0;
    while (i < map->n_chunks && map->chunks[i].task != event->id)
        i++;
    if (i == map->n_chunks)
        return 0;
    struct chunk chunk = map->chunks[i];
    drop_chunk(map, i);
    map->n_in_flight--;
    if (event->outcome.kind == OUTCOME_OK ||
        (event->outcome.kind == OUTCOME_EXIT && event->outcome.status == 0 &&
         event->size)) {
        map->n_done += chunk.count;
        return session_load_at(map->context->session, &map->out, chunk.from, chunk.count,
                               event->data, event->size, result, err);
    }
    if (chunk.count == 1) {
        element_failed(map, chunk.from, &event->outcome);
        return 0;
    }
    add_chunk(map, chunk.from, chunk.count / 2);
    add_chunk(map, chunk.from + chunk.count / 2, chunk.count - chunk.count / 2);
    return 0;
}

static void cancel_all(struct map *map)
{
    CLEANUP(freep) uint32_t *ids = must_alloc((map->n_chunks + 1) * sizeof(*ids));
    size_t n = 0;
    for (size_t i = 0; i < map->n_chunks; i++)
        if (map->chunks[i].task)
            ids[n++] = map->chunks[i].task;
    dispatch_cancel(map->context, map->crew, ids, n);
    map->n_chunks = 0;
}

static void report_failures(struct map *map, struct result *result)
{
    CLEANUP(buffer_clear) struct buffer list = {0};
    size_t n = map->n_failed < MAP_FAILURES_MAX ? map->n_failed : MAP_FAILURES_MAX;
    for (size_t i = 0; i < n; i++)
        buffer_format(&list, "%s%" PRIu64, i ? ", " : "", map->failed[i]);
    CLEANUP(freep)
    char *message = must_format(
        "%s %s failed%s; %" PRIu64 " of %" PRIu64 " are done and stored. The first: %s",
        n == 1 ? "element" : "elements", buffer_string(&list),
        map->n_failed >= MAP_FAILURES_MAX ? " and the rest was not tried" : "",
        map->n_done, map->count, map->failure.message);
    result_clear(result);
    *result = map->failure;
    map->failure = (struct result){0};
    result->traceback = must_realloc(result->traceback, result->n_traceback + 1,
                                     sizeof(*result->traceback));
    result->traceback[result->n_traceback++] = must_strdup(message);
    free(result->message);
    result->message = TAKE(message);
}

static int run_chunks(struct map *map, struct result *result, struct error *err)
{
    int r = 0;
    while (r == 0 && map->n_chunks && map->n_failed < MAP_FAILURES_MAX) {
        struct pool_event event;
        r = send_more(map, result, err);
        if (r < 0 || result->kind != RESULT_OK)
            break;
        int got =
            dispatch_wait(map->context, map->crew, PROGRESS_EVERY_MS, &event, result);
        if (got < 0)
            return 0;
        if (got == 0) {
            result_error(result, "Interrupted",
                         "the remote work was cancelled; %" PRIu64 " of %" PRIu64
                         " elements are done and stored",
                         map->n_done, map->count);
            break;
        }
        if (event.kind == POOL_EVENT_RESULT) {
            r = take_result(map, &event, result, err);
            outcome_clear(&event.outcome);
        }
        progress(map, false);
        if (result->kind != RESULT_OK)
            break;
    }
    cancel_all(map);
    progress(map, true);
    if (r == 0 && result->kind == RESULT_OK && map->n_failed)
        report_failures(map, result);
    return r;
}

/* The loop that a worker runs over its chunk. */
static char *entry_text(const struct types *types, const char *function, uint32_t in,
                        uint32_t out)
{
    return must_format(
        "__typeof__(%s) *achar_in;\nunsigned long achar_count;\n"
        "__typeof__(%s) *achar_out;\n"
        "void achar_entry(void)\n{\n"
        "    for (unsigned long achar_i = 0; achar_i < achar_count; achar_i++)\n"
        "        achar_out[achar_i] = (%s)(achar_in[achar_i]);\n}\n",
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
    if (!can_point(session_types(session), map->in.type))
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
    r = capture(context, &roots, ret, result, err);
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

/* The first chunks are small, so that slow elements come home, and are counted, early. */
static void cut_chunks(struct map *map)
{
    uint64_t n_workers = count_workers(map), size = 1;
    uint64_t n_chunks = n_workers * MAP_CHUNKS_PER_WORKER;
    uint64_t max = (map->count + n_chunks - 1) / n_chunks;
    for (uint64_t from = 0, n = 0; from < map->count; n++) {
        uint64_t left = map->count - from, count = left < size ? left : size;
        add_chunk(map, from, count);
        from += count;
        if (n % n_workers == n_workers - 1)
            size = size * 2 < max ? size * 2 : max;
    }
}

static int map_elements(struct map *map, const char *function, const char *xs,
                        const char *ys, const char *executor, struct result *result,
                        struct error *err)
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
    map->crew = executors_crew(context->magics, executor, result);
    if (!map->crew || capture_pack(payload, &map->packed, result) < 0 ||
        !dispatch_payload(context, map->crew, &map->packed, result))
        return 0;
    cut_chunks(map);
    return run_chunks(map, result, err);
}

static int run(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err)
{
    const char **words = arguments->words;
    if (arguments->n_words != 4 || strcmp(words[2], "->")) {
        result_error(result, "UsageError",
                     "%%map takes FUNCTION ARRAY -> ARRAY [--on NAME]");
        return 0;
    }
    struct map map = {.context = context, .xs = words[1], .started = now_ms()};
    int r = map_elements(&map, words[0], words[1], words[3], arguments->options[0],
                         result, err);
    buffer_clear(&map.packed.bytes);
    result_clear(&map.failure);
    free(map.chunks);
    return r;
}

const struct magic magic_map = {
    .name = "map",
    .is_line = true,
    .usage = "FUNCTION ARRAY -> ARRAY",
    .summary = "call a function for every element, on an executor",
    .options =
        (const struct magic_option[]){{"on", "NAME", "the executor; local by default"},
                                      {0}},
    .min_words = 4,
    .max_words = 4,
    .run = run,
};
