/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Payloads of a crew, and which pool has which. One pool's refusal is no other's: a host
 * may lack a folder, a library or room. So a payload is refused when every pool that was
 * asked has done so, and those are asked again with its next task. */
#include <string.h>

#include "magics/executors/crew_inside.h"

struct crew_payload *crew_payloads_find(struct crew *crew, const uint8_t hash[HASH_SIZE])
{
    struct crew_payload *payload = crew->payloads;
    while (payload && memcmp(payload->hash, hash, HASH_SIZE) != 0)
        payload = payload->next;
    return payload;
}

static void free_payload(struct crew_payload *payload)
{
    outcome_clear(&payload->refusal);
    parcel_clear(&payload->parcel);
    free(payload);
}

struct link_payload *crew_payloads_at(const struct crew_link *link,
                                      const struct crew_payload *payload)
{
    for (size_t i = 0; i < link->n_payloads; i++)
        if (link->payloads[i].payload == payload)
            return &link->payloads[i];
    return NULL;
}

/* The pool need not have it any more. */
static struct crew_payload *drop(struct crew_link *link, struct link_payload *at)
{
    struct crew_payload *payload = at->payload;
    payload->n_loaded -= at->state == PAYLOAD_LOADED;
    payload->n_unfit -= at->state == PAYLOAD_UNFIT;
    *at = link->payloads[--link->n_payloads];
    return payload;
}

static void forget_in_links(struct crew *crew, const struct crew_payload *payload)
{
    for (struct crew_link *link = crew->links; link; link = link->next) {
        struct link_payload *at = crew_payloads_at(link, payload);
        if (at)
            drop(link, at);
    }
}

void crew_payloads_ask_again(struct crew *crew, struct crew_payload *payload)
{
    for (struct crew_link *link = crew->links; payload->n_unfit && link;
         link = link->next) {
        struct link_payload *at = crew_payloads_at(link, payload);
        if (at && at->state == PAYLOAD_UNFIT)
            drop(link, at);
    }
}

/* A pool may ask for its pieces. */
static bool is_on_its_way(const struct crew *crew, const struct crew_payload *payload)
{
    for (const struct crew_link *link = crew->links; link; link = link->next) {
        const struct link_payload *at = crew_payloads_at(link, payload);
        if (at && at->state == PAYLOAD_SENT)
            return true;
    }
    return false;
}

/* Payloads that nobody uses go, the oldest first, until the rest is within the limit. */
static void trim_payloads(struct crew *crew)
{
    for (;;) {
        size_t bytes = 0;
        struct crew_payload **oldest = NULL;
        for (struct crew_payload **at = &crew->payloads; *at; at = &(*at)->next) {
            bytes += (size_t)(*at)->parcel.size;
            if (!(*at)->n_tasks && !(*at)->n_holders && !(*at)->is_wanted &&
                !is_on_its_way(crew, *at) && (!oldest || (*at)->used < (*oldest)->used))
                oldest = at;
        }
        if (bytes <= CREW_PAYLOADS_BYTES || !oldest)
            return;
        struct crew_payload *payload = *oldest;
        *oldest = payload->next;
        forget_in_links(crew, payload);
        free_payload(payload);
    }
}

/* Takes what is in the parcel. */
static struct crew_payload *add_payload(struct crew *crew, struct parcel *parcel)
{
    struct crew_payload *payload = crew_payloads_find(crew, parcel->hash);
    if (payload) {
        payload->used = ++crew->clock;
        /* What was refused is asked again: another pool, or another moment. */
        outcome_clear(&payload->refusal);
        payload->refusal = (struct outcome){0};
        payload->is_refused = false;
        parcel_clear(parcel);
        return payload;
    }
    trim_payloads(crew);
    payload = must_alloc(sizeof(*payload));
    memcpy(payload->hash, parcel->hash, HASH_SIZE);
    payload->parcel = *parcel;
    payload->used = ++crew->clock;
    payload->waiting.last = &payload->waiting.first;
    payload->next = crew->payloads;
    crew->payloads = payload;
    return payload;
}

void crew_payload(struct crew *crew, const uint8_t hash[32], const void *payload,
                  size_t size)
{
    /* Nobody waits for the lock meanwhile. */
    struct parcel parcel = parcel_of(hash, payload, size);
    pthread_mutex_lock(&crew->lock);
    add_payload(crew, &parcel);
    pthread_mutex_unlock(&crew->lock);
}

void crew_parcel(struct crew *crew, const struct parcel *parcel)
{
    struct parcel copy = parcel_copy(parcel);
    pthread_mutex_lock(&crew->lock);
    add_payload(crew, &copy)->n_holders++;
    pthread_mutex_unlock(&crew->lock);
}

void crew_release(struct crew *crew, const uint8_t hash[32])
{
    pthread_mutex_lock(&crew->lock);
    struct crew_payload *payload = crew_payloads_find(crew, hash);
    if (payload && payload->n_holders)
        payload->n_holders--;
    trim_payloads(crew);
    pthread_mutex_unlock(&crew->lock);
}

uint64_t crew_take_sent(struct crew *crew, const uint8_t hash[32])
{
    pthread_mutex_lock(&crew->lock);
    struct crew_payload *payload = crew_payloads_find(crew, hash);
    uint64_t sent = payload ? payload->sent : 0;
    if (payload)
        payload->sent = 0;
    pthread_mutex_unlock(&crew->lock);
    return sent;
}

/* ---- what pools say ---- */

/* What the pool was sent, and says something of now. */
static struct link_payload *find_request(const struct crew_link *link,
                                         const struct pool_event *event)
{
    for (size_t i = 0; i < link->n_payloads; i++)
        if (link->payloads[i].request == event->id &&
            link->payloads[i].state == PAYLOAD_SENT)
            return &link->payloads[i];
    return NULL;
}

void crew_payloads_pieces_asked(struct crew_link *link, const struct pool_event *event)
{
    struct link_payload *at = find_request(link, event);
    uint64_t sent = 0;
    /* A link that is lost shows when it is read. */
    if (at && pool_client_post_pieces(link->client, &at->payload->parcel, event->data,
                                      event->size, &sent, NULL) == 0)
        at->payload->sent += sent;
}

/* Refused where it was asked for last, and by all others before. */
static void refuse(struct crew *crew, struct crew_payload *payload,
                   struct pool_event *event)
{
    outcome_clear(&payload->refusal);
    outcome_name_host(&event->outcome, event->host);
    payload->refusal = event->outcome;
    event->outcome = (struct outcome){0};
    payload->is_refused = true;
    crew_payloads_ask_again(crew, payload);
    crew_tasks_fail(crew, payload, &payload->refusal);
}

void crew_payloads_answered(struct crew *crew, struct crew_link *link,
                            struct pool_event *event)
{
    struct link_payload *at = find_request(link, event);
    if (at) {
        struct crew_payload *payload = at->payload;
        bool is_loaded = event->outcome.kind == OUTCOME_OK;
        at->state = is_loaded ? PAYLOAD_LOADED : PAYLOAD_UNFIT;
        payload->n_loaded += is_loaded;
        payload->n_unfit += !is_loaded;
        if (!is_loaded && !payload->n_loaded && !is_on_its_way(crew, payload))
            refuse(crew, payload, event);
    }
    outcome_clear(&event->outcome);
}

void crew_payloads_forgotten(struct crew *crew, struct crew_link *link, const char *hash)
{
    struct crew_payload *payload = crew_payloads_find(crew, (const uint8_t *)hash);
    struct link_payload *at = payload ? crew_payloads_at(link, payload) : NULL;
    if (at)
        crew_payloads_ask_again(crew, drop(link, at));
}

void crew_payloads_link_gone(struct crew *crew, struct crew_link *link)
{
    while (link->n_payloads)
        crew_payloads_ask_again(crew, drop(link, link->payloads));
}

void crew_payloads_clear(struct crew *crew)
{
    for (struct crew_payload *payload; (payload = crew->payloads);) {
        crew->payloads = payload->next;
        free_payload(payload);
    }
}
