/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A linked queue under one lock. The first n_ready items may go; the others are streams
 * that wait for their flush. */
#include "kernel/wire/outbox.h"

#include <pthread.h>
#include <string.h>

#include "kernel/wire/meter.h"

#define FLUSH_INTERVAL_US (1000000 / OUTBOX_FLUSHES_PER_SECOND)

struct item {
    struct message *message; /* NULL: a piece of a stream */
    bool is_paced;
    bool is_stderr;
    char *parent_text;
    struct buffer text;
    uint64_t run; /* the uninterrupted row of stream items it stands in */
    struct item *next;
};

struct outbox {
    pthread_mutex_t lock;
    pthread_cond_t has_room;
    struct sender *sender;
    void (*wake)(void *context);
    void *context;
    struct item *first, *last;
    struct item *open[2]; /* newest stream items of the last run, by is_stderr */
    uint64_t run;
    size_t n_in_run; /* items of the last run that still wait */
    size_t n_items, n_ready;
    size_t stream_size, message_size; /* bytes that wait */
    uint64_t skipped;                 /* bytes of text that never went out */
    bool is_fresh;                    /* streams wait for which no flush is due yet */
    int64_t flush_due, last_flush;
    bool is_hurry, is_closed;
    struct meter meter;
};

struct outbox *outbox_new(struct sender *sender, void (*wake)(void *context),
                          void *context)
{
    struct outbox *outbox = must_alloc(sizeof(*outbox));
    pthread_mutex_init(&outbox->lock, NULL);
    pthread_cond_init(&outbox->has_room, NULL);
    outbox->sender = sender;
    outbox->wake = wake;
    outbox->context = context;
    outbox->flush_due = -1;
    outbox->last_flush = INT64_MIN / 2;
    return outbox;
}

static void item_free(struct item *item)
{
    message_free(item->message);
    free(item->parent_text);
    buffer_clear(&item->text);
    free(item);
}

void outbox_free(struct outbox *outbox)
{
    if (!outbox)
        return;
    while (outbox->first) {
        struct item *item = outbox->first;
        outbox->first = item->next;
        item_free(item);
    }
    pthread_cond_destroy(&outbox->has_room);
    pthread_mutex_destroy(&outbox->lock);
    free(outbox);
}

static struct item *append(struct outbox *outbox)
{
    struct item *item = must_alloc(sizeof(*item));
    if (outbox->last)
        outbox->last->next = item;
    else
        outbox->first = item;
    outbox->last = item;
    outbox->n_items++;
    return item;
}

static void end_run(struct outbox *outbox)
{
    outbox->open[0] = outbox->open[1] = NULL;
    outbox->n_in_run = 0;
    outbox->run++;
}

static void make_ready(struct outbox *outbox)
{
    outbox->n_ready = outbox->n_items;
    outbox->is_fresh = false;
    outbox->flush_due = -1;
}

static bool is_full(const struct outbox *outbox)
{
    return outbox->n_items >= OUTBOX_ITEMS_MAX || outbox->message_size >= OUTBOX_SIZE_MAX;
}

void outbox_post(struct outbox *outbox, struct message *message, bool is_paced)
{
    pthread_mutex_lock(&outbox->lock);
    while (is_full(outbox) && !outbox->is_closed)
        pthread_cond_wait(&outbox->has_room, &outbox->lock);
    if (outbox->is_closed) {
        message_free(message);
    } else {
        struct item *item = append(outbox);
        item->message = message;
        item->is_paced = is_paced;
        outbox->message_size += message->size;
        end_run(outbox);
        make_ready(outbox);
    }
    pthread_mutex_unlock(&outbox->lock);
    outbox->wake(outbox->context);
}

/* The item that takes more text of a stream, NULL when a new one must. */
static struct item *find_open(struct outbox *outbox, const char *parent_text,
                              bool is_stderr)
{
    struct item *open = outbox->open[is_stderr];
    if (!open || open->text.size >= OUTBOX_CHUNK_SIZE ||
        strcmp(open->parent_text, parent_text) != 0)
        return NULL;
    if (open == outbox->last || outbox->n_in_run >= OUTBOX_RUN_MAX)
        return open;
    return NULL;
}

static struct item *open_item(struct outbox *outbox, const char *parent_text,
                              bool is_stderr)
{
    if (outbox->open[is_stderr] &&
        outbox->open[is_stderr]->text.size >= OUTBOX_CHUNK_SIZE)
        outbox->n_ready = outbox->n_items;
    struct item *item = append(outbox);
    item->is_paced = true;
    item->is_stderr = is_stderr;
    item->parent_text = must_strdup(parent_text);
    item->run = outbox->run;
    outbox->open[is_stderr] = item;
    outbox->n_in_run++;
    return item;
}

void outbox_stream(struct outbox *outbox, const char *parent_text, bool is_stderr,
                   const char *text, size_t size)
{
    pthread_mutex_lock(&outbox->lock);
    while (outbox->stream_size >= OUTBOX_STREAM_MAX && !outbox->is_hurry &&
           !outbox->is_closed)
        pthread_cond_wait(&outbox->has_room, &outbox->lock);
    bool must_wake = false;
    if (!outbox->is_closed && size > 0) {
        size_t n_ready = outbox->n_ready;
        struct item *item = find_open(outbox, parent_text, is_stderr);
        if (!item)
            item = open_item(outbox, parent_text, is_stderr);
        buffer_add(&item->text, text, size);
        outbox->stream_size += size;
        must_wake = outbox->n_ready != n_ready ||
                    (!outbox->is_fresh && outbox->n_ready < outbox->n_items);
        if (outbox->n_ready < outbox->n_items)
            outbox->is_fresh = true;
    }
    pthread_mutex_unlock(&outbox->lock);
    if (must_wake)
        outbox->wake(outbox->context);
}

void outbox_settle(struct outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    while (outbox->stream_size >= OUTBOX_SETTLED_MAX && !outbox->is_hurry &&
           !outbox->is_closed)
        pthread_cond_wait(&outbox->has_room, &outbox->lock);
    pthread_mutex_unlock(&outbox->lock);
}

/* What is forgotten about an item that leaves the queue. */
static void discount(struct outbox *outbox, const struct item *item)
{
    outbox->n_items--;
    if (item->message) {
        outbox->message_size -= item->message->size;
        return;
    }
    outbox->stream_size -= item->text.size;
    if (item->run == outbox->run)
        outbox->n_in_run--;
    if (outbox->open[item->is_stderr] == item)
        outbox->open[item->is_stderr] = NULL;
}

/* The oldest pieces of streams go, until little is left. */
static void skip_streams(struct outbox *outbox)
{
    struct item **at = &outbox->first, *last = NULL;
    for (size_t i = 0, n_ready = outbox->n_ready; *at; i++) {
        struct item *item = *at;
        if (item->message || outbox->stream_size <= OUTBOX_SETTLED_MAX) {
            last = item;
            at = &item->next;
            continue;
        }
        outbox->n_ready -= i < n_ready;
        outbox->skipped += item->text.size;
        discount(outbox, item);
        *at = item->next;
        item_free(item);
    }
    outbox->last = last;
}

void outbox_set_hurry(struct outbox *outbox, bool is_hurry)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->is_hurry = is_hurry;
    if (is_hurry)
        skip_streams(outbox);
    pthread_cond_broadcast(&outbox->has_room);
    pthread_mutex_unlock(&outbox->lock);
    outbox->wake(outbox->context);
}

uint64_t outbox_take_skipped(struct outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    uint64_t skipped = outbox->skipped;
    outbox->skipped = 0;
    pthread_mutex_unlock(&outbox->lock);
    return skipped;
}

void outbox_close(struct outbox *outbox)
{
    pthread_mutex_lock(&outbox->lock);
    outbox->is_closed = true;
    pthread_cond_broadcast(&outbox->has_room);
    pthread_mutex_unlock(&outbox->lock);
}

/* Makes waiting streams ready when their time has come; true when something may go. */
static bool check_due(struct outbox *outbox, int64_t now, int64_t *ret_due)
{
    if (outbox->n_ready == 0 && outbox->n_items > 0) {
        if (outbox->flush_due < 0) {
            outbox->flush_due = now + OUTBOX_FIRST_DELAY_US;
            if (outbox->flush_due < outbox->last_flush + FLUSH_INTERVAL_US)
                outbox->flush_due = outbox->last_flush + FLUSH_INTERVAL_US;
        }
        *ret_due = outbox->flush_due;
        if (now >= outbox->flush_due || outbox->is_hurry || outbox->is_closed) {
            make_ready(outbox);
            outbox->last_flush = now;
        }
    }
    return outbox->n_ready > 0;
}

static struct item *take_first(struct outbox *outbox)
{
    struct item *item = outbox->first;
    outbox->first = item->next;
    if (!outbox->first)
        outbox->last = NULL;
    outbox->n_ready--;
    discount(outbox, item);
    pthread_cond_broadcast(&outbox->has_room);
    return item;
}

static struct item *next_item(struct outbox *outbox, int64_t now, int64_t *ret_due)
{
    if (!check_due(outbox, now, ret_due))
        return NULL;
    if (outbox->first->is_paced && !outbox->is_hurry && !outbox->is_closed) {
        size_t size = outbox->first->message ? outbox->first->message->size
                                             : outbox->first->text.size;
        *ret_due = meter_due(&outbox->meter, now, size);
        if (*ret_due > now)
            return NULL;
    }
    return take_first(outbox);
}

struct message *outbox_next(struct outbox *outbox, int64_t now, int64_t *ret_due)
{
    *ret_due = -1;
    pthread_mutex_lock(&outbox->lock);
    struct item *item = next_item(outbox, now, ret_due);
    pthread_mutex_unlock(&outbox->lock);
    if (!item)
        return NULL;
    if (!item->message)
        item->message =
            message_new_stream(outbox->sender, item->parent_text, item->is_stderr,
                               item->text.data, item->text.size);
    if (item->is_paced) {
        pthread_mutex_lock(&outbox->lock);
        meter_count(&outbox->meter, now, item->message->size);
        pthread_mutex_unlock(&outbox->lock);
    }
    struct message *message = TAKE(item->message);
    item_free(item);
    return message;
}
