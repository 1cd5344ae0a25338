/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/worker/guard.h"

void guard_outcome(const struct guard_report *report, struct outcome *ret)
{
    *ret = (struct outcome){.kind = report->kind,
                            .status = report->status,
                            .is_state_kept = report->is_state_kept};
    if (report->kind == OUTCOME_OK)
        return;
    ret->name = *report->name ? must_strdup(report->name) : NULL;
    ret->message = *report->message ? must_strdup(report->message) : NULL;
    ret->frames = must_alloc((report->trace.n + 1) * sizeof(*ret->frames));
    for (size_t i = 0; i < report->trace.n; i++) {
        const struct trace_frame *frame = &report->trace.frames[i];
        ret->frames[ret->n_frames++] =
            (struct outcome_frame){must_strdup(frame->function), frame->cell, frame->line,
                                   *frame->file ? must_strdup(frame->file) : NULL};
    }
}
