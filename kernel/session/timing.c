/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Statements that are run many times within the worker. */
#include <errno.h>

#include "kernel/peer/protocol.h"
#include "kernel/session/state.h"

static int read_times(struct unpack *in, struct session_times *ret, struct error *err)
{
    ret->loops = unpack_u64(in);
    ret->n = unpack_count(in);
    ret->nanoseconds = must_alloc((ret->n + 1) * sizeof(*ret->nanoseconds));
    for (size_t i = 0; i < ret->n; i++)
        ret->nanoseconds[i] = unpack_u64(in);
    if (!in->failed)
        return 0;
    free(TAKE(ret->nanoseconds));
    return error_set(err, -EBADMSG, "the worker's times cannot be read");
}

int session_time(struct session *session, uint32_t cell, uint32_t line,
                 const char *source, uint64_t loops, unsigned repeats,
                 const struct session_events *events, struct session_times *ret,
                 struct result *result, struct error *err)
{
    struct plan *plan = NULL;
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    struct unpack rest;
    int r = session_plan(session, cell, line, PLAN_CELL, source, &plan, result, err);
    if (r < 0 || !plan)
        return r;
    r = session_send_plan(session, WORKER_TIME, loops << TIME_LOOPS_SHIFT | repeats, plan,
                          events, &outcome, &rest, result, err);
    if (r < 0 || result->kind != RESULT_OK)
        return r;
    session_report(session, &outcome, result);
    return result->kind == RESULT_OK ? read_times(&rest, ret, err) : 0;
}
