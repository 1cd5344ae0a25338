/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/dispatch.h"

#include <errno.h>
#include <string.h>

#include "kernel/display/report.h"

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
                      const uint8_t hash[PAYLOAD_HASH_SIZE], struct result *result)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(freep) char *shown = NULL;
    struct error err = {0};
    int r = 0;
    while (r == 0) {
        r = crew_load(crew, hash, session_interrupt_fd(context->session), STATUS_EVERY_MS,
                      &outcome, &err);
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
