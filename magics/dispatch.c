/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/dispatch.h"

#include <errno.h>
#include <string.h>

#include "kernel/display/report.h"
#include "magics/executor_table.h"

#define CANCEL_WAIT_MS 5000
#define STATUS_EVERY_MS 1000 /* while no pool is there */

/* An entry that says nothing of its place stands where the magic does. */
static void place_frames(const struct magic_context *context,
                         const struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_frames; i++) {
        struct outcome_frame *frame = &outcome->frames[i];
        if (frame->cell || !frame->function || strcmp(frame->function, "(cell)"))
            continue;
        frame->cell = context->cell;
        frame->line = context->line;
    }
}

void dispatch_report(struct magic_context *context, const struct outcome *outcome,
                     struct result *result)
{
    place_frames(context, outcome);
    session_report_task(context->session, outcome, result);
}

/* What the pools are waiting for, updated in place. */
static void show_status(struct magic_context *context, struct crew *crew, char **shown)
{
    CLEANUP(freep) char *text = crew_status(crew);
    if (*shown && strcmp(*shown, text) == 0)
        return;
    CLEANUP(bundle_clear)
    struct bundle bundle = {.action = *shown ? BUNDLE_UPDATE : BUNDLE_SHOW,
                            .id = must_format("achar-crew-%u", context->cell)};
    if (bundle_add_text(&bundle, "text/plain", text))
        context->events->display(context->events->context, &bundle);
    free(*shown);
    *shown = TAKE(text);
}

bool dispatch_payload(struct magic_context *context, struct crew *crew,
                      const struct packed_payload *payload, struct result *result)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(freep) char *shown = NULL;
    struct error err = {0};
    int r = 0;
    crew_payload(crew, payload->hash, payload->bytes.data, payload->bytes.size);
    while (r == 0) {
        r = crew_load(crew, payload->hash, session_interrupt_fd(context->session),
                      STATUS_EVERY_MS, &outcome, &err);
        if (r == 0 && !crew_pools(crew))
            show_status(context, crew, &shown);
        if (r == -EINTR && !session_was_interrupted(context->session))
            r = 0;
    }
    if (shown)
        show_status(context, crew, &shown);
    if (r < 0) {
        result_error(result, r == -EINTR ? "Interrupted" : "ExecutorError", "%s",
                     err.text);
        return false;
    }
    dispatch_report(context, &outcome, result);
    return result->kind == RESULT_OK;
}

static void display(struct magic_context *context, const struct pool_event *event)
{
    CLEANUP(bundle_clear) struct bundle bundle = {0};
    struct unpack in = unpack_init(event->data, event->size);
    if (bundle_unpack(&in, &bundle, NULL) == 0)
        context->events->display(context->events->context, &bundle);
}

int dispatch_wait(struct magic_context *context, struct crew *crew, int timeout_ms,
                  struct pool_event *ret, struct result *result)
{
    for (;;) {
        struct error err = {0};
        int wake_fd = session_interrupt_fd(context->session);
        *ret = (struct pool_event){0};
        if (crew_wait(crew, context, wake_fd, timeout_ms, ret, &err) < 0) {
            result_error(result, "ExecutorError", "%s", err.text);
            return -1;
        }
        switch (ret->kind) {
        case POOL_EVENT_OUTPUT:
            context->events->stream(context->events->context, ret->stream == 2, ret->data,
                                    ret->size);
            continue;
        case POOL_EVENT_DISPLAY:
            display(context, ret);
            continue;
        case POOL_EVENT_RESULT:
        case POOL_EVENT_NONE:
        case POOL_EVENT_HELLO:
        case POOL_EVENT_PAYLOAD:
        case POOL_EVENT_FORGOT:
            return 1;
        case POOL_EVENT_WAKE:
            if (session_was_interrupted(context->session))
                return 0;
        }
    }
}

void dispatch_cancel(struct magic_context *context, struct crew *crew,
                     const uint32_t *ids, size_t n)
{
    CLEANUP(result_clear) struct result ignored = {0};
    size_t n_open = n;
    for (size_t i = 0; i < n; i++)
        crew_cancel(crew, ids[i]);
    while (n_open) {
        struct pool_event event;
        int r = dispatch_wait(context, crew, CANCEL_WAIT_MS, &event, &ignored);
        if (r < 0 || (r == 1 && event.kind == POOL_EVENT_NONE))
            return;
        if (r == 1) {
            outcome_clear(&event.outcome);
            n_open--;
        }
    }
}

static bool run_one(struct magic_context *context, struct crew *crew,
                    const struct packed_payload *packed, struct buffer *ret_values,
                    struct result *result)
{
    struct error err = {0};
    struct pool_event event;
    uint32_t id;
    if (!dispatch_payload(context, crew, packed, result))
        return false;
    struct crew_task_options options = {.owner = context};
    if (crew_submit(crew, packed->hash, NULL, 0, &options, &id, &err) < 0) {
        result_error(result, "ExecutorError", "%s", err.text);
        return false;
    }
    int r;
    do
        r = dispatch_wait(context, crew, -1, &event, result);
    while (r == 1 && event.id != id);
    if (r < 0)
        return false;
    if (r == 0) {
        dispatch_cancel(context, crew, &id, 1);
        result_error(result, "Interrupted", "the remote work was cancelled");
        return false;
    }
    dispatch_report(context, &event.outcome, result);
    if (result->kind == RESULT_OK) {
        buffer_add(ret_values, event.data, event.size);
        result->value_text = TAKE(event.outcome.value_text);
        bundle_move(&result->value_more, &event.outcome.value_more);
    }
    outcome_clear(&event.outcome);
    return result->kind == RESULT_OK;
}

bool dispatch_one(struct magic_context *context, const char *executor,
                  const struct payload *payload, struct buffer *ret_values,
                  struct result *result)
{
    struct packed_payload packed = {0};
    struct crew *crew = executors_crew(context->magics, executor, result);
    bool is_done = crew && capture_pack(payload, &packed, result) == 0 &&
                   run_one(context, crew, &packed, ret_values, result);
    buffer_clear(&packed.bytes);
    return is_done;
}
