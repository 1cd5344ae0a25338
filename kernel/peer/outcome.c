/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/outcome.h"

#include <errno.h>
#include <string.h>

#define OUTCOME_FRAMES_MAX 256 /* a reader refuses more; writers stop long before */

void outcome_clear(struct outcome *outcome)
{
    free(outcome->name);
    free(outcome->message);
    free(outcome->note);
    free(outcome->value_text);
    bundle_clear(&outcome->value_more);
    for (size_t i = 0; i < outcome->n_frames; i++) {
        free(outcome->frames[i].function);
        free(outcome->frames[i].file);
    }
    free(outcome->frames);
    *outcome = (struct outcome){0};
}

void outcome_name_host(struct outcome *outcome, const char *host)
{
    bool is_elsewhere = host && strcmp(host, "localhost") != 0;
    bool is_of_host = is_elsewhere && outcome->kind == OUTCOME_REFUSED && outcome->name &&
                      (strcmp(outcome->name, OUTCOME_NO_ROOM) == 0 ||
                       strcmp(outcome->name, OUTCOME_NO_FOLDER) == 0);
    if (!is_of_host || !outcome->message)
        return;
    char *text = must_format("%s (on %s)", outcome->message, host);
    free(outcome->message);
    outcome->message = text;
}

void outcome_pack(const struct outcome *outcome, struct buffer *out)
{
    pack_u64(out, outcome->kind);
    pack_string(out, outcome->name);
    pack_string(out, outcome->message);
    pack_i64(out, outcome->status);
    pack_u64(out, outcome->is_state_kept);
    pack_u64(out, outcome->n_frames);
    for (size_t i = 0; i < outcome->n_frames; i++) {
        pack_string(out, outcome->frames[i].function);
        pack_u64(out, outcome->frames[i].cell);
        pack_u64(out, outcome->frames[i].line);
        pack_string(out, outcome->frames[i].file);
    }
    pack_string(out, outcome->value_text);
    bundle_pack(&outcome->value_more, out);
}

int outcome_unpack(struct unpack *in, struct outcome *ret, struct error *err)
{
    struct outcome outcome = {
        .kind = (enum outcome_kind)unpack_max(in, OUTCOME_KIND_COUNT - 1)};
    outcome.name = unpack_string(in);
    outcome.message = unpack_string(in);
    outcome.status = (int32_t)unpack_i64(in);
    outcome.is_state_kept = unpack_bool(in);
    size_t n = (size_t)unpack_max(in, OUTCOME_FRAMES_MAX);
    outcome.frames = must_alloc((n + 1) * sizeof(*outcome.frames));
    for (; outcome.n_frames < n && !in->failed; outcome.n_frames++) {
        struct outcome_frame *frame = &outcome.frames[outcome.n_frames];
        frame->function = unpack_string(in);
        frame->cell = (uint32_t)unpack_max(in, UINT32_MAX);
        frame->line = (uint32_t)unpack_max(in, UINT32_MAX);
        frame->file = unpack_string(in);
    }
    outcome.value_text = unpack_string(in);
    if (in->failed || bundle_unpack(in, &outcome.value_more, NULL) < 0) {
        outcome_clear(&outcome);
        return error_set(err, -EBADMSG, "the report of a run cannot be read");
    }
    *ret = outcome;
    return 0;
}
