/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What makes a worker elsewhere know what the session's own worker knows, in the order in
 * which that one came to know it, so that the newest definition of a name is the last. */
#include <errno.h>

#include "kernel/peer/protocol.h"
#include "kernel/session/state.h"

static const struct kept_unit *next_unit(const struct session *session, uint64_t after)
{
    const struct kept_units *kept = &session->kept;
    for (size_t i = 0; i < kept->n; i++)
        if (kept->at[i].serial > after)
            return &kept->at[i];
    return NULL;
}

static int next_swap(const struct session *session, struct session_feed *feed,
                     uint16_t *ret_kind, struct buffer *ret_body)
{
    const struct tier_unit *unit = tier_next_unit(&session->tier, feed->swap);
    if (!unit)
        return 0;
    *ret_kind = RANKS_SWAP;
    pack_bytes(ret_body, unit->request.data, unit->request.size);
    pack_bytes(ret_body, unit->object.data, unit->object.size);
    feed->swap = unit->number;
    return 1;
}

int session_feed_next(const struct session *session, struct session_feed *feed,
                      uint16_t *ret_kind, struct buffer *ret_body)
{
    if (!feed->has_begun)
        *feed = (struct session_feed){
            .has_begun = true, .n_types = 1, .n_drops = session->kept.n_drops};
    if (feed->n_drops != session->kept.n_drops ||
        feed->n_libraries > session->n_libraries || feed->n_types > session->types.n)
        return -ESTALE;
    if (feed->n_libraries < session->n_libraries) {
        *ret_kind = WORKER_LINK;
        pack_string(ret_body, session->libraries[feed->n_libraries++]);
        return 1;
    }
    if (feed->n_types < session->types.n) {
        CLEANUP(buffer_clear) struct buffer types = {0};
        *ret_kind = WORKER_TYPES;
        types_pack(&session->types, feed->n_types, &types);
        pack_u64(ret_body, feed->n_types);
        pack_bytes(ret_body, types.data, types.size);
        feed->n_types = session->types.n;
        return 1;
    }
    const struct kept_unit *unit = next_unit(session, feed->unit);
    if (!unit)
        return next_swap(session, feed, ret_kind, ret_body);
    *ret_kind = WORKER_RUN;
    session_pack_plan(unit->plan, &unit->object, ret_body);
    pack_u64(ret_body, RUN_LOAD_ONLY);
    feed->unit = unit->serial;
    return 1;
}

void session_feed_skip(const struct session *session, struct session_feed *feed)
{
    feed->n_types = session->types.n;
    feed->unit = session->kept.n_added;
}

uint64_t session_moment(const struct session *session)
{
    return session->past.moment;
}
