/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Pools that come and go. */
#include <errno.h>
#include <string.h>

#include "magics/executors/crew_inside.h"
#include "pickler/base/clock.h"

#define ASK_MS 1000    /* how often an executor is asked for new links at least */
#define HELLO_MS 60000 /* a pool that is silent for longer has not started */
#define LINKS_A_TIME 64
#define EVENTS_A_TIME 256 /* of one link, before another one's turn */

static void add_link(struct crew *crew, const struct executor_link *found)
{
    struct crew_link *link = must_alloc(sizeof(*link));
    link->client = pool_client_adopt(crew->type, crew->executor, found, crew->options,
                                     crew->n_options);
    link->since = clock_ms();
    link->tasks.last = &link->tasks.first;
    link->is_ready = true;
    struct crew_link **last = &crew->links;
    while (*last)
        last = &(*last)->next;
    *last = link;
}

/* The executor's last word: nothing more will come, unless it can be asked again. */
static void close_crew(struct crew *crew, const struct error *why)
{
    const struct executor_type *type = crew->type;
    crew->why = *why;
    crew->is_resting = type->renew && type->renew(crew->executor, false, NULL) == 0;
    crew->is_closed = !crew->is_resting;
}

/* True when it rests no more. */
static bool wake_up(struct crew *crew)
{
    struct error err = {0};
    if (crew->links || !crew_is_wanted(crew))
        return false;
    crew->is_resting = false;
    crew->ask_again = true;
    if (crew->type->renew(crew->executor, true, &err) == 0)
        return true;
    crew->is_closed = true;
    crew->why = err;
    return false;
}

void crew_links_ask(struct crew *crew)
{
    int64_t now = clock_ms();
    if (crew->is_resting && !wake_up(crew))
        return;
    if (crew->is_closed || (!crew->ask_again && now - crew->asked < ASK_MS))
        return;
    crew->asked = now;
    crew->ask_again = false;
    for (int i = 0; i < LINKS_A_TIME; i++) {
        struct executor_link found = {.death_fd = -1};
        struct error err = {0};
        int r = crew->type->next(crew->executor, &found, &err);
        if (r == 0)
            return;
        if (r < 0) {
            close_crew(crew, &err);
            return;
        }
        add_link(crew, &found);
    }
    crew->ask_again = true;
}

void crew_link_free(struct crew *crew, struct crew_link *link)
{
    struct crew_link **at = &crew->links;
    while (*at != link)
        at = &(*at)->next;
    *at = link->next;
    crew_payloads_link_gone(crew, link);
    pool_client_free(link->client);
    free(link->payloads);
    free(link);
}

/* It has no open tasks any more. */
static void lose_link(struct crew *crew, struct crew_link *link)
{
    CLEANUP(freep) char *why = pool_client_why(link->client);
    crew->why = (struct error){0};
    error_set(&crew->why, -EPIPE, "%s%s: %s",
              link->is_up ? "" : "the pool did not start on ",
              pool_client_host(link->client), why);
    crew_link_free(crew, link);
    crew->ask_again = true;
}

enum { LINK_QUIET, LINK_EVENT, LINK_OVER };

/* What the link has, until `ret` was filled with an event of the owner. */
static int read_link(struct crew *crew, struct crew_link *link, const void *owner,
                     bool is_wanted, struct pool_event *ret)
{
    for (int i = 0; i < EVENTS_A_TIME; i++) {
        struct pool_event event;
        if (pool_client_next(link->client, &event, NULL) < 0)
            return LINK_OVER;
        if (event.kind == POOL_EVENT_NONE) {
            link->is_ready = false;
            return LINK_QUIET;
        }
        if (!crew_tasks_take(crew, link, &event))
            continue;
        if (is_wanted && !crew->kept && (!owner || event.tag == owner)) {
            *ret = event;
            return LINK_EVENT;
        }
        crew_keep(crew, &event);
    }
    return LINK_QUIET; /* and still ready */
}

bool crew_links_read(struct crew *crew, const void *owner, bool is_wanted,
                     struct pool_event *ret)
{
    struct crew_link *next;
    bool is_full = crew->kept_bytes > CREW_KEPT_BYTES;
    for (struct crew_link *link = crew->links; link; link = next) {
        next = link->next;
        if (is_full) {
            pool_client_beat(link->client);
            continue;
        }
        if (!link->is_ready && !pool_client_is_due(link->client) &&
            (link->is_up || clock_ms() - link->since < HELLO_MS))
            continue;
        int r = read_link(crew, link, owner, is_wanted, ret);
        if (r == LINK_EVENT)
            return true;
        if (r == LINK_OVER || (!link->is_up && clock_ms() - link->since >= HELLO_MS))
            lose_link(crew, link);
    }
    return false;
}
