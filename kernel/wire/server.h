/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The five sockets of a kernel and the thread that owns them. server_run() takes requests
 * in and hands each to `receive`; it never waits for anything but the sockets, so that
 * the control channel is answered while a cell runs. The heartbeat has a thread of its
 * own. */
#ifndef ACHAR_WIRE_SERVER_H
#define ACHAR_WIRE_SERVER_H

#include "kernel/wire/message.h"

/* All are called on the thread of server_run(). */
struct server_events {
    void (*receive)(void *context,
                    struct request *request); /* takes it; shell, control, stdin */
    bool (*has_room)(
        void *context); /* for another shell request; else they wait outside */
    void (*signal)(void *context, int number);
    int signal_fd; /* a signalfd, or -1; borrowed */
    void *context;
};

struct server;

/* Binds the sockets and starts the heartbeat. All signals that `signal_fd` reads must be
 * blocked before. */
int server_new(const struct connection *connection, const struct server_events *events,
               struct server **ret, struct error *err) MUST_USE;
void server_free(struct server *server);
DEFINE_FREEP(struct server, server_free)

/* Until server_stop(), which any thread may call. On the thread of server_new(). */
int server_run(struct server *server, struct error *err) MUST_USE;
void server_stop(struct server *server);
/* Lets it ask has_room() again. Any thread. */
void server_wake(struct server *server);

struct sender *server_sender(struct server *server);

/* Sends a message: at once on the thread of server_run(), through the outbox on the other
 * one, where it may block. Takes it. */
void server_post(struct server *server, struct message *message);
/* The same for displays of a cell, which are held back when there are too many. */
void server_post_paced(struct server *server, struct message *message);
/* Output of a cell: valid UTF-8. Not on the thread of server_run(). */
void server_stream(struct server *server, const struct request *request, bool is_stderr,
                   const char *text, size_t size);
/* Waits until most of what was printed so far has gone out. Not on that thread. */
void server_settle(struct server *server);
/* An interrupt has come (true): output is not held back any more, most of what waits is
 * skipped. */
void server_set_hurry(struct server *server, bool is_hurry);
uint64_t server_take_skipped(struct server *server); /* bytes, since the last call */
/* Returns when all shell requests that have arrived by now were handed to receive(). Not
 * on the thread of server_run(). */
void server_drain(struct server *server);

#endif
