/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The optimised tier between requests, and on demand. */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "kernel/peer/protocol.h"
#include "kernel/session/state.h"

#define POLL_MS 50

int session_idle(struct session *session)
{
    worker_client_look(&session->worker);
    return tier_step(&session->tier, &session->tier_context);
}

const struct tier *session_tier(const struct session *session)
{
    return &session->tier;
}

/* What was swapped in belongs to the level that was. */
static int unswap(struct session *session, const struct session_events *events,
                  struct error *err)
{
    CLEANUP(outcome_clear) struct outcome outcome = {0};
    CLEANUP(buffer_clear) struct buffer question = {0};
    struct unpack rest;
    if (!worker_client_is_alive(&session->worker))
        return 0;
    return worker_client_ask(&session->worker, WORKER_UNSWAP, &question, events, &outcome,
                             &rest, err);
}

int session_set_level(struct session *session, const char *level,
                      const struct session_events *events, struct error *err)
{
    const struct tier_level *before = session->tier.level;
    if (!tier_set_level(&session->tier, level))
        return error_set(err, -EINVAL, "there is no level '%s'", level);
    return session->tier.level == before ? 0 : unswap(session, events, err);
}

static bool is_settled(const struct tier *tier, const char *const *names, size_t n)
{
    if (!n || !tier->level)
        return tier_is_settled(tier);
    for (size_t i = 0; i < n; i++) {
        const struct tier_function *function = tier_find(tier, names[i]);
        if (function && function->state != TIER_DONE && function->state != TIER_REFUSED)
            return false;
    }
    return true;
}

int session_optimise(struct session *session, const char *const *names, size_t n,
                     const struct session_events *events, struct result *result,
                     struct error *err)
{
    int r = session_ready(session, events, err);
    while (r == 0) {
        tier_hurry(&session->tier, &session->tier_context);
        worker_client_look(&session->worker);
        if (is_settled(&session->tier, names, n))
            return 0;
        if (session_was_interrupted(session)) {
            result_error(result, "Interrupted",
                         "interrupted; what is being compiled goes on in the background");
            return 0;
        }
        struct pollfd fds[3] = {
            {.fd = tier_compiler_fd(session->tier.compiler), .events = POLLIN},
            {.fd = channel_fd(session->worker.process.channel), .events = POLLIN},
            {.fd = session->interrupt.fd, .events = POLLIN}};
        poll(fds, 3, POLL_MS);
        if (fds[1].revents & POLLHUP)
            r = session_ready(session, events, err);
    }
    return r;
}
