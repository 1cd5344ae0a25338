/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Shell requests on their way from the socket thread to the shell thread: bounded, in
 * order. After an error what waits is aborted: it is still answered, in its turn. */
#ifndef ACHAR_HANDLERS_QUEUE_H
#define ACHAR_HANDLERS_QUEUE_H

#include "kernel/wire/message.h"

#define QUEUE_REQUESTS_MAX 1000
#define QUEUE_SIZE_MAX (64u << 20) /* bytes of requests that wait */

struct queue;

struct queue *queue_new(void) MUST_USE;
void queue_free(struct queue *queue);
DEFINE_FREEP(struct queue, queue_free)

void queue_push(struct queue *queue, struct request *request); /* takes it */
/* The next request, NULL when there is none. */
struct request *queue_pop(struct queue *queue, bool *ret_is_aborted) MUST_USE;
/* Readable when queue_pop() has a request that it did not have the last time, or the
 * queue was closed. */
int queue_fd(const struct queue *queue);
bool queue_is_closed(struct queue *queue);
bool queue_has_room(struct queue *queue);
bool queue_is_empty(struct queue *queue);
void queue_abort(struct queue *queue); /* all that wait now */
void queue_close(struct queue *queue);

#endif
