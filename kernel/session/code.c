/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The machine code of the session's functions. */
#include <errno.h>

#include "kernel/peer/protocol.h"
#include "kernel/session/state.h"

void session_code_clear(struct session_code *code)
{
    for (size_t i = 0; i < code->n_names; i++)
        free(code->names[i].name);
    free(code->names);
    free(code->lines);
    buffer_clear(&code->bytes);
    *code = (struct session_code){0};
}

static void read_code(struct unpack *in, struct session_code *ret)
{
    size_t size;
    ret->address = unpack_u64(in);
    const void *bytes = unpack_bytes(in, &size);
    if (!in->failed)
        buffer_add(&ret->bytes, bytes, size);
    size_t n = unpack_count(in);
    ret->lines = must_alloc((n + 1) * sizeof(*ret->lines));
    for (; ret->n_lines < n && !in->failed; ret->n_lines++) {
        struct session_code_line *line = &ret->lines[ret->n_lines];
        line->offset = unpack_u64(in);
        line->cell = (uint32_t)unpack_max(in, UINT32_MAX);
        line->line = (uint32_t)unpack_max(in, UINT32_MAX);
    }
    n = unpack_count(in);
    ret->names = must_alloc((n + 1) * sizeof(*ret->names));
    for (; ret->n_names < n && !in->failed; ret->n_names++) {
        ret->names[ret->n_names].address = unpack_u64(in);
        ret->names[ret->n_names].name = unpack_string(in);
        in->failed |= !ret->names[ret->n_names].name;
    }
}

int session_code(struct session *session, const char *function, struct session_code *ret,
                 struct result *result, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer question = {0};
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    struct unpack rest;
    int r = session_ready(session, NULL, err);
    if (r < 0)
        return r;
    pack_string(&question, function);
    r = worker_client_ask(&session->worker, WORKER_CODE, &question, NULL, &outcome, &rest,
                          err);
    if (r < 0)
        return r;
    session_report(session, &outcome, result);
    if (result->kind != RESULT_OK)
        return 0;
    read_code(&rest, ret);
    return unpack_done(&rest)
               ? 0
               : error_set(err, -EBADMSG, "the worker's code cannot be read");
}
