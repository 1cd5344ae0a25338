/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One turn of the loop: wait; signals; control; subscriptions; stdin; shell while there
 * is room; then what the outbox has ready. Shell requests that were there as soon as the
 * wait was over come first: an interrupt right behind them is meant for them. */
#include "kernel/wire/server.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <zmq.h>

#include "kernel/wire/heartbeat.h"
#include "kernel/wire/meter.h"
#include "kernel/wire/outbox.h"
#include "kernel/wire/text.h"
#include "pickler/base/clock.h"

#define LINGER_MS 1000 /* for what is not sent yet when the kernel ends */
/* Messages that wait in ZeroMQ for one client; beyond it they are dropped. More than a
 * cell may post in one burst, even when the client's machine is busy (meter.h). */
#define UNSENT_MAX (10 * METER_MESSAGES_MAX)
#define TURN_MESSAGES 64  /* taken from one socket before the others have their turn */
#define TOPIC_MAX 256     /* bytes of a subscription */
#define COMPLAINTS_MAX 50 /* lines about bad messages; later ones are counted only */

struct server {
    void *zmq;
    void *sockets[WIRE_CHANNEL_COUNT]; /* NULL for the heartbeat */
    struct heartbeat *heartbeat;
    struct signer *signer;
    struct outbox *outbox;
    struct sender sender;
    struct server_events events;
    pthread_t thread; /* of server_run() */
    int wake_fd;
    bool is_stopping; /* atomic */
    pthread_mutex_t lock;
    pthread_cond_t drained;
    uint64_t drain_wanted, drain_done; /* under lock */
    uint64_t n_refused;
};

static void set_option(void *socket, int option, int value)
{
    (void)zmq_setsockopt(socket, option, &value, sizeof(value));
}

static void *open_socket(void *zmq, int type)
{
    void *socket = zmq_socket(zmq, type);
    if (!socket)
        return NULL;
    int64_t size_max = MESSAGE_SIZE_MAX;
    (void)zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size_max, sizeof(size_max));
    set_option(socket, ZMQ_LINGER, LINGER_MS);
    set_option(socket, ZMQ_IPV6, 1);
    set_option(socket, ZMQ_SNDHWM, UNSENT_MAX);
    if (type == ZMQ_ROUTER)
        set_option(socket, ZMQ_ROUTER_HANDOVER, 1);
    if (type == ZMQ_XPUB)
        set_option(socket, ZMQ_XPUB_VERBOSE, 1);
    return socket;
}

static int bind_sockets(struct server *server, const struct connection *connection,
                        struct error *err)
{
    static const int types[WIRE_CHANNEL_COUNT] = {
        [WIRE_SHELL] = ZMQ_ROUTER,
        [WIRE_CONTROL] = ZMQ_ROUTER,
        [WIRE_STDIN] = ZMQ_ROUTER,
        [WIRE_IOPUB] = ZMQ_XPUB,
    };
    for (int i = 0; i < WIRE_HEARTBEAT; i++) {
        server->sockets[i] = open_socket(server->zmq, types[i]);
        if (!server->sockets[i])
            return error_set(err, -errno, "cannot open a socket: %s",
                             zmq_strerror(errno));
        if (zmq_bind(server->sockets[i], connection->endpoints[i]) < 0)
            return error_set(err, -errno, "cannot listen on '%s': %s",
                             connection->endpoints[i], zmq_strerror(errno));
    }
    return heartbeat_new(server->zmq, connection->endpoints[WIRE_HEARTBEAT],
                         &server->heartbeat, err);
}

static void wake(void *context)
{
    server_wake(context);
}

int server_new(const struct connection *connection, const struct server_events *events,
               struct server **ret, struct error *err)
{
    CLEANUP(server_freep) struct server *server = must_alloc(sizeof(*server));
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->drained, NULL);
    server->events = *events;
    server->thread = pthread_self();
    sender_init(&server->sender);
    server->outbox = outbox_new(&server->sender, wake, server);
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake_fd < 0)
        return error_errno(err, -errno, "cannot create an event descriptor");
    int r = signer_new(connection->key, &server->signer, err);
    if (r < 0)
        return r;
    server->zmq = zmq_ctx_new();
    if (!server->zmq)
        return error_set(err, -errno, "cannot start ZeroMQ: %s", zmq_strerror(errno));
    r = bind_sockets(server, connection, err);
    if (r < 0)
        return r;
    *ret = TAKE(server);
    return 0;
}

void server_free(struct server *server)
{
    if (!server)
        return;
    for (int i = 0; i < WIRE_HEARTBEAT; i++)
        if (server->sockets[i])
            zmq_close(server->sockets[i]);
    heartbeat_free(server->heartbeat);
    if (server->zmq)
        while (zmq_ctx_term(server->zmq) < 0 && errno == EINTR)
            ;
    outbox_free(server->outbox);
    signer_free(server->signer);
    closep(&server->wake_fd);
    pthread_cond_destroy(&server->drained);
    pthread_mutex_destroy(&server->lock);
    free(server);
}

void server_wake(struct server *server)
{
    uint64_t one = 1;
    (void)!write(server->wake_fd, &one, sizeof(one));
}

void server_stop(struct server *server)
{
    __atomic_store_n(&server->is_stopping, true, __ATOMIC_RELEASE);
    outbox_close(server->outbox);
    pthread_mutex_lock(&server->lock);
    pthread_cond_broadcast(&server->drained);
    pthread_mutex_unlock(&server->lock);
    server_wake(server);
}

static bool is_stopping(const struct server *server)
{
    return __atomic_load_n(&server->is_stopping, __ATOMIC_ACQUIRE);
}

struct sender *server_sender(struct server *server)
{
    return &server->sender;
}

/* Sending */

static void send_frame(void *socket, const void *data, size_t size, bool has_more)
{
    /* Neither ROUTER nor XPUB blocks: what a peer does not take is dropped. */
    (void)zmq_send(socket, data, size, ZMQ_DONTWAIT | (has_more ? ZMQ_SNDMORE : 0));
}

static void send_message(struct server *server, struct message *message)
{
    void *socket = server->sockets[message->channel];
    struct span parts[MESSAGE_PARTS];
    for (int i = 0; i < MESSAGE_PARTS; i++)
        parts[i] = (struct span){message->parts[i], strlen(message->parts[i])};
    char signature[SIGNATURE_SIZE + 1];
    signer_sign(server->signer, parts, MESSAGE_PARTS, signature);
    for (size_t i = 0; i < message->n_identities; i++)
        send_frame(socket, message->identities[i].data, message->identities[i].size,
                   true);
    send_frame(socket, "<IDS|MSG>", strlen("<IDS|MSG>"), true);
    send_frame(socket, signature, strlen(signature), true);
    for (int i = 0; i < MESSAGE_PARTS; i++)
        send_frame(socket, parts[i].data, parts[i].size, i + 1 < MESSAGE_PARTS);
    message_free(message);
}

static void post(struct server *server, struct message *message, bool is_paced)
{
    if (pthread_equal(pthread_self(), server->thread))
        send_message(server, message);
    else
        outbox_post(server->outbox, message, is_paced);
}

void server_post(struct server *server, struct message *message)
{
    post(server, message, false);
}

void server_post_paced(struct server *server, struct message *message)
{
    post(server, message, true);
}

void server_stream(struct server *server, const struct request *request, bool is_stderr,
                   const char *text, size_t size)
{
    outbox_stream(server->outbox, request->header_text, is_stderr, text, size);
}

void server_settle(struct server *server)
{
    outbox_settle(server->outbox);
}

uint64_t server_take_skipped(struct server *server)
{
    return outbox_take_skipped(server->outbox);
}

void server_set_hurry(struct server *server, bool is_hurry)
{
    outbox_set_hurry(server->outbox, is_hurry);
}

void server_drain(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    uint64_t wanted = ++server->drain_wanted;
    pthread_mutex_unlock(&server->lock);
    server_wake(server);
    pthread_mutex_lock(&server->lock);
    while (server->drain_done < wanted && !is_stopping(server))
        pthread_cond_wait(&server->drained, &server->lock);
    pthread_mutex_unlock(&server->lock);
}

/* Receiving */

struct frames {
    zmq_msg_t messages[MESSAGE_FRAMES_MAX];
    size_t n;
};

static void frames_clear(struct frames *frames)
{
    for (size_t i = 0; i < frames->n; i++)
        zmq_msg_close(&frames->messages[i]);
    frames->n = 0;
}

/* One multipart message; -EAGAIN when none is there, -EMSGSIZE when it is too large (it
 * is gone then). */
static int receive_frames(void *socket, struct frames *ret)
{
    size_t size = 0;
    bool is_too_large = false, has_more = true;
    ret->n = 0;
    while (has_more) {
        zmq_msg_t message;
        zmq_msg_init(&message);
        if (zmq_msg_recv(&message, socket, ZMQ_DONTWAIT) < 0) {
            int code = -errno;
            zmq_msg_close(&message);
            frames_clear(ret);
            return code;
        }
        has_more = zmq_msg_more(&message);
        size += zmq_msg_size(&message);
        if (ret->n == MESSAGE_FRAMES_MAX || size > MESSAGE_SIZE_MAX)
            is_too_large = true;
        if (is_too_large)
            zmq_msg_close(&message);
        else
            ret->messages[ret->n++] = message;
    }
    if (!is_too_large)
        return 0;
    frames_clear(ret);
    return -EMSGSIZE;
}

static const char *channel_name(enum wire_channel channel)
{
    static const char *const names[] = {"shell", "control", "stdin", "iopub",
                                        "heartbeat"};
    return names[channel];
}

static void complain(struct server *server, enum wire_channel channel, const char *why)
{
    if (++server->n_refused > COMPLAINTS_MAX)
        return;
    fprintf(stderr, "achar kernel: a message on %s was dropped: %s\n",
            channel_name(channel), why);
    if (server->n_refused == COMPLAINTS_MAX)
        fputs("achar kernel: further messages that are dropped are not reported\n",
              stderr);
}

static void take_request(struct server *server, enum wire_channel channel,
                         struct frames *frames)
{
    struct span spans[MESSAGE_FRAMES_MAX];
    for (size_t i = 0; i < frames->n; i++)
        spans[i] = (struct span){zmq_msg_data(&frames->messages[i]),
                                 zmq_msg_size(&frames->messages[i])};
    struct error why = {0};
    struct request *request;
    int r = request_parse(channel, spans, frames->n, server->signer, &request, &why);
    frames_clear(frames);
    if (r < 0)
        complain(server, channel, why.text);
    else
        server->events.receive(server->events.context, request);
}

/* Returns true when the socket was emptied. */
static bool receive_requests(struct server *server, enum wire_channel channel)
{
    for (int i = 0; i < TURN_MESSAGES; i++) {
        if (channel == WIRE_SHELL && !server->events.has_room(server->events.context))
            return true;
        struct frames frames;
        int r = receive_frames(server->sockets[channel], &frames);
        if (r == -EMSGSIZE)
            complain(server, channel, "it is too large");
        else if (r < 0)
            return true;
        else
            take_request(server, channel, &frames);
    }
    return false;
}

static void welcome(struct server *server, const char *topic, size_t size)
{
    CLEANUP(freep) char *text = must_strndup(topic, size);
    json_t *content = json_pack("{s:o}", "subscription", message_text(text));
    struct message *message =
        message_new(&server->sender, NULL, WIRE_IOPUB, "iopub_welcome", NULL, content);
    /* Under the topic itself, so that who subscribed to just that gets it. */
    buffer_clear(&message->identities[0]);
    buffer_add(&message->identities[0], topic, size);
    send_message(server, message);
}

static void receive_subscriptions(struct server *server)
{
    for (int i = 0; i < TURN_MESSAGES; i++) {
        struct frames frames;
        int r = receive_frames(server->sockets[WIRE_IOPUB], &frames);
        if (r < 0 && r != -EMSGSIZE)
            return;
        if (r < 0)
            continue;
        const char *data = zmq_msg_data(&frames.messages[0]);
        size_t size = zmq_msg_size(&frames.messages[0]);
        if (frames.n == 1 && size >= 1 && size <= TOPIC_MAX && data[0] == 1)
            welcome(server, data + 1, size - 1);
        frames_clear(&frames);
    }
}

static void read_signals(struct server *server)
{
    struct signalfd_siginfo information;
    while (server->events.signal_fd >= 0 &&
           read(server->events.signal_fd, &information, sizeof(information)) ==
               sizeof(information))
        server->events.signal(server->events.context, (int)information.ssi_signo);
}

static void receive_shell(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    uint64_t wanted = server->drain_wanted;
    pthread_mutex_unlock(&server->lock);
    bool is_empty = receive_requests(server, WIRE_SHELL);
    if (!is_empty || wanted == server->drain_done)
        return;
    pthread_mutex_lock(&server->lock);
    server->drain_done = wanted;
    pthread_cond_broadcast(&server->drained);
    pthread_mutex_unlock(&server->lock);
}

/* Returns how long the loop may wait, in ms; -1 for ever. */
static long send_ready(struct server *server)
{
    int64_t due;
    for (int i = 0; i < TURN_MESSAGES; i++) {
        struct message *message = outbox_next(server->outbox, clock_us(), &due);
        if (!message)
            return due < 0             ? -1
                   : due <= clock_us() ? 0
                                       : (long)((due - clock_us()) / 1000 + 1);
        send_message(server, message);
    }
    return 0;
}

/* 1: there are shell requests already. */
static int wait_for_events(struct server *server, long timeout, struct error *err)
{
    zmq_pollitem_t items[] = {
        {NULL, server->wake_fd, ZMQ_POLLIN, 0},
        {server->sockets[WIRE_CONTROL], 0, ZMQ_POLLIN, 0},
        {server->sockets[WIRE_IOPUB], 0, ZMQ_POLLIN, 0},
        {server->sockets[WIRE_STDIN], 0, ZMQ_POLLIN, 0},
        {NULL, server->events.signal_fd, ZMQ_POLLIN, 0},
        {server->sockets[WIRE_SHELL], 0, ZMQ_POLLIN, 0},
    };
    if (server->events.signal_fd < 0)
        items[4] = items[0];
    int n = server->events.has_room(server->events.context) ? 6 : 5;
    if (zmq_poll(items, n, timeout) < 0 && errno != EINTR)
        return error_set(err, -errno, "cannot wait for messages: %s",
                         zmq_strerror(errno));
    uint64_t count;
    (void)!read(server->wake_fd, &count, sizeof(count));
    return n == 6 && items[5].revents;
}

int server_run(struct server *server, struct error *err)
{
    long timeout = 0;
    while (!is_stopping(server)) {
        int r = wait_for_events(server, timeout, err);
        if (r < 0)
            return r;
        bool has_more = false;
        if (r > 0)
            receive_shell(server);
        read_signals(server);
        has_more |= !receive_requests(server, WIRE_CONTROL);
        receive_subscriptions(server);
        has_more |= !receive_requests(server, WIRE_STDIN);
        receive_shell(server);
        timeout = send_ready(server);
        if (has_more)
            timeout = 0;
    }
    int64_t due;
    struct message *message;
    while ((message = outbox_next(server->outbox, clock_us(), &due)))
        send_message(server, message);
    return 0;
}
