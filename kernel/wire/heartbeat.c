/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/wire/heartbeat.h"

#include <errno.h>
#include <pthread.h>
#include <zmq.h>

#define BEAT_SIZE_MAX 65536 /* bytes of one beat */

struct heartbeat {
    void *zmq;
    void *socket; /* used by the thread alone once it runs */
    pthread_t thread;
};

static void *echo(void *context)
{
    struct heartbeat *heartbeat = context;
    /* Returns when the context is shut down. */
    (void)zmq_proxy(heartbeat->socket, heartbeat->socket, NULL);
    zmq_close(heartbeat->socket);
    return NULL;
}

static void *open_socket(void *zmq)
{
    void *socket = zmq_socket(zmq, ZMQ_ROUTER);
    int off = 0, on = 1;
    int64_t size_max = BEAT_SIZE_MAX;
    if (!socket)
        return NULL;
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &off, sizeof(off));
    (void)zmq_setsockopt(socket, ZMQ_IPV6, &on, sizeof(on));
    (void)zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size_max, sizeof(size_max));
    return socket;
}

int heartbeat_new(void *zmq, const char *endpoint, struct heartbeat **ret,
                  struct error *err)
{
    CLEANUP(freep) struct heartbeat *heartbeat = must_alloc(sizeof(*heartbeat));
    heartbeat->zmq = zmq;
    heartbeat->socket = open_socket(zmq);
    if (!heartbeat->socket)
        return error_set(err, -errno, "cannot open a socket: %s", zmq_strerror(errno));
    if (zmq_bind(heartbeat->socket, endpoint) < 0) {
        int code = errno;
        zmq_close(heartbeat->socket);
        return error_set(err, -code, "cannot listen on '%s': %s", endpoint,
                         zmq_strerror(code));
    }
    int code = pthread_create(&heartbeat->thread, NULL, echo, heartbeat);
    if (code != 0) {
        zmq_close(heartbeat->socket);
        return error_errno(err, -code, "cannot start the heartbeat's thread");
    }
    *ret = TAKE(heartbeat);
    return 0;
}

void heartbeat_free(struct heartbeat *heartbeat)
{
    if (!heartbeat)
        return;
    zmq_ctx_shutdown(heartbeat->zmq);
    pthread_join(heartbeat->thread, NULL);
    free(heartbeat);
}
