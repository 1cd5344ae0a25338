/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/handlers/queue.h"

#include <pthread.h>
#include <time.h>

struct queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct request *requests[QUEUE_REQUESTS_MAX]; /* a ring */
    size_t first, n;
    size_t n_aborted; /* the first of those that wait */
    size_t size;      /* bytes of those that wait */
    bool is_closed;
};

struct queue *queue_new(void)
{
    struct queue *queue = must_alloc(sizeof(*queue));
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    return queue;
}

static struct request *take_first(struct queue *queue)
{
    struct request *request = queue->requests[queue->first];
    queue->first = (queue->first + 1) % QUEUE_REQUESTS_MAX;
    queue->n--;
    queue->size -= request->size;
    return request;
}

void queue_free(struct queue *queue)
{
    if (!queue)
        return;
    while (queue->n)
        request_free(take_first(queue));
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

void queue_push(struct queue *queue, struct request *request)
{
    pthread_mutex_lock(&queue->lock);
    if (queue->is_closed || queue->n == QUEUE_REQUESTS_MAX) {
        request_free(request);
    } else {
        queue->requests[(queue->first + queue->n++) % QUEUE_REQUESTS_MAX] = request;
        queue->size += request->size;
    }
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

bool queue_wait(struct queue *queue, int timeout_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&queue->lock);
    int r = 0;
    while (queue->n == 0 && !queue->is_closed && r == 0)
        r = timeout_ms < 0 ? pthread_cond_wait(&queue->changed, &queue->lock)
                           : pthread_cond_clockwait(&queue->changed, &queue->lock,
                                                    CLOCK_MONOTONIC, &until);
    bool is_over = queue->n > 0 || queue->is_closed;
    pthread_mutex_unlock(&queue->lock);
    return is_over;
}

struct request *queue_pop(struct queue *queue, bool *ret_is_aborted)
{
    struct request *request = NULL;
    pthread_mutex_lock(&queue->lock);
    while (queue->n == 0 && !queue->is_closed)
        pthread_cond_wait(&queue->changed, &queue->lock);
    if (!queue->is_closed) {
        request = take_first(queue);
        *ret_is_aborted = queue->n_aborted > 0;
        if (queue->n_aborted)
            queue->n_aborted--;
    }
    pthread_mutex_unlock(&queue->lock);
    return request;
}

bool queue_has_room(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool has_room = queue->n < QUEUE_REQUESTS_MAX && queue->size < QUEUE_SIZE_MAX;
    pthread_mutex_unlock(&queue->lock);
    return has_room;
}

bool queue_is_empty(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool is_empty = queue->n == 0;
    pthread_mutex_unlock(&queue->lock);
    return is_empty;
}

void queue_abort(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->n_aborted = queue->n;
    pthread_mutex_unlock(&queue->lock);
}

void queue_close(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->is_closed = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}
