/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/handlers/queue.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct queue {
    pthread_mutex_t lock;
    int fd;                                       /* an eventfd */
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
    queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (queue->fd < 0)
        abort();
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
    close(queue->fd);
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
    pthread_mutex_unlock(&queue->lock);
    eventfd_write(queue->fd, 1);
}

struct request *queue_pop(struct queue *queue, bool *ret_is_aborted)
{
    struct request *request = NULL;
    pthread_mutex_lock(&queue->lock);
    if (queue->n == 0) {
        eventfd_t count;
        (void)eventfd_read(queue->fd, &count);
    } else if (!queue->is_closed) {
        request = take_first(queue);
        *ret_is_aborted = queue->n_aborted > 0;
        if (queue->n_aborted)
            queue->n_aborted--;
    }
    pthread_mutex_unlock(&queue->lock);
    return request;
}

int queue_fd(const struct queue *queue)
{
    return queue->fd;
}

bool queue_is_closed(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool is_closed = queue->is_closed;
    pthread_mutex_unlock(&queue->lock);
    return is_closed;
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
    pthread_mutex_unlock(&queue->lock);
    eventfd_write(queue->fd, 1);
}
