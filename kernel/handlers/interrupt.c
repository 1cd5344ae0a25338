/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/handlers/interrupt.h"

#include <string.h>

#include "kernel/session/session.h"

#define DATE_SIZE strlen("2026-11-23T00:00:00.000") /* of what all clients write */

void interrupts_init(struct interrupts *interrupts)
{
    *interrupts = (struct interrupts){0};
    pthread_mutex_init(&interrupts->lock, NULL);
}

void interrupts_clear(struct interrupts *interrupts)
{
    request_free(interrupts->sent);
    pthread_mutex_destroy(&interrupts->lock);
}

void interrupts_set_session(struct interrupts *interrupts, struct session *session)
{
    pthread_mutex_lock(&interrupts->lock);
    interrupts->session = session;
    pthread_mutex_unlock(&interrupts->lock);
}

static const char *field(const struct request *request, const char *name)
{
    const char *text = json_string_value(json_object_get(request->header, name));
    return text ? text : "";
}

static bool is_utc(const char *date)
{
    size_t size = strlen(date);
    return size > DATE_SIZE && (date[size - 1] == 'Z' || strstr(date, "+00:00"));
}

/* Negative: the first was sent before the second, as far as their dates tell; 0: they do
 * not. One client writes all its dates in the same way; others have other clocks. */
static int compare_dates(const struct request *a, const struct request *b)
{
    const char *first = field(a, "date"), *second = field(b, "date");
    int64_t apart = a->came < b->came ? b->came - a->came : a->came - b->came;
    bool is_same =
        *field(a, "session") && !strcmp(field(a, "session"), field(b, "session"));
    if (is_same && strlen(first) == strlen(second))
        return strcmp(first, second);
    return apart < INTERRUPT_CLOSE_MS && is_utc(first) && is_utc(second)
               ? strncmp(first, second,
                         strlen(first) == strlen(second) ? strlen(first) : DATE_SIZE)
               : 0;
}

static bool is_meant(const struct interrupts *interrupts, const struct request *request)
{
    const struct request *sent = interrupts->sent;
    bool had_come = request->number <= interrupts->last;
    int order = sent ? compare_dates(request, sent) : 0;
    if (order < 0)
        return had_come || request->came - sent->came < INTERRUPT_EARLY_MS;
    return order == 0 && had_come;
}

void interrupts_take(struct interrupts *interrupts, struct server *server,
                     const struct request *sent)
{
    pthread_mutex_lock(&interrupts->lock);
    request_free(interrupts->sent);
    interrupts->sent = sent ? request_ref(sent) : NULL;
    interrupts->last = interrupts->n_received;
    if (interrupts->session && interrupts->running &&
        is_meant(interrupts, interrupts->running)) {
        session_interrupt(interrupts->session);
        server_set_hurry(server, true);
    }
    pthread_mutex_unlock(&interrupts->lock);
}

void interrupts_begin(struct interrupts *interrupts, struct server *server,
                      const struct request *request)
{
    pthread_mutex_lock(&interrupts->lock);
    interrupts->running = request;
    server_set_hurry(server, false);
    if (interrupts->session)
        session_begin(interrupts->session, is_meant(interrupts, request));
    pthread_mutex_unlock(&interrupts->lock);
}

void interrupts_end(struct interrupts *interrupts)
{
    pthread_mutex_lock(&interrupts->lock);
    interrupts->running = NULL;
    if (interrupts->session)
        session_begin(interrupts->session, false);
    pthread_mutex_unlock(&interrupts->lock);
}
