/* SPDX-License-Identifier: BSD-3-Clause
 *
 * All addresses are tried at once; the first whose peer proves to be the front is taken.
 * The pool has nothing else to do yet, so this waits. */
#include "kernel/pool/dial.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "kernel/peer/protocol.h"
#include "kernel/peer/tls_channel.h"
#include "pickler/base/clock.h"
#include "pickler/base/pack.h"

#define OFFER_MS 30000  /* the front answers at once, or is busy starting many */
#define CONNECT_MS 5000 /* an address that nobody answers at */
#define SHAKE_MS 5000
#define PINNED_MS 15000 /* until the front has heard of our key from a launcher */

struct dialing {
    struct tls_key *key;
    uint8_t peer[TLS_HASH_SIZE];
    bool says_hash;                        /* ahead of TLS: the front expects many */
    struct pollfd fds[DIAL_ADDRESSES_MAX]; /* connections that begin; fd -1: none */
    char *addresses[DIAL_ADDRESSES_MAX];
    size_t n;
    const char *address; /* the one taken; borrowed */
    struct error why;    /* what went wrong first */
};

static void clear(struct dialing *dialing)
{
    for (size_t i = 0; i < dialing->n; i++) {
        if (dialing->fds[i].fd >= 0)
            close(dialing->fds[i].fd);
        free(dialing->addresses[i]);
    }
    tls_key_free(dialing->key);
}

static int begin(const char *address, uint64_t port)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[16];
    snprintf(service, sizeof(service), "%u", (unsigned)port);
    if (getaddrinfo(address, service, &hints, &found) != 0) {
        errno = EINVAL;
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) < 0 &&
        errno != EINPROGRESS) {
        int code = errno;
        close(fd);
        errno = code;
        fd = -1;
    }
    freeaddrinfo(found);
    return fd;
}

/* Takes the address. */
static void add(struct dialing *dialing, char *address, uint64_t port)
{
    int fd = begin(address, port);
    if (fd < 0)
        error_errno(&dialing->why, -errno, "'%s'", address);
    dialing->fds[dialing->n] = (struct pollfd){.fd = fd, .events = POLLOUT};
    dialing->addresses[dialing->n++] = address;
}

static int read_offer(struct dialing *dialing, const struct frame *frame,
                      struct error *err)
{
    struct unpack in = unpack_init(frame->data, frame->size);
    size_t size;
    const void *peer = unpack_bytes(&in, &size);
    if (in.failed || size != TLS_HASH_SIZE || frame->kind != POOL_DIAL)
        return error_set(err, -EBADMSG, "the front's offer cannot be read");
    memcpy(dialing->peer, peer, TLS_HASH_SIZE);
    uint64_t n = unpack_max(&in, DIAL_ADDRESSES_MAX);
    for (uint64_t i = 0; i < n; i++) {
        CLEANUP(freep) char *address = unpack_string(&in);
        uint64_t port = unpack_max(&in, UINT16_MAX);
        if (in.failed || !address)
            return error_set(err, -EBADMSG, "the front's offer cannot be read");
        add(dialing, TAKE(address), port);
    }
    return 0;
}

static bool say_hash(const struct dialing *dialing, int fd)
{
    uint8_t hash[TLS_HASH_SIZE];
    tls_key_hash(dialing->key, hash);
    return send(fd, hash, sizeof(hash), MSG_NOSIGNAL) == sizeof(hash);
}

/* The connection that has been made, secured; NULL when the peer is not the front. */
static struct channel *shake(struct dialing *dialing, int *fd)
{
    CLEANUP(tls_freep) struct tls *tls = NULL;
    int64_t end = clock_ms() + (dialing->says_hash ? PINNED_MS : SHAKE_MS);
    if (tls_new(dialing->key, dialing->peer, true, &tls, &dialing->why) < 0 ||
        (dialing->says_hash && !say_hash(dialing, *fd)))
        return NULL;
    for (;;) {
        int r = tls_channel_shake(tls, *fd, &dialing->why);
        if (r < 0)
            return NULL;
        if (r == 1) {
            struct channel *channel = tls_channel_new(TAKE(tls), *fd);
            *fd = -1;
            return channel;
        }
        int64_t left = end - clock_ms();
        struct pollfd wait = {.fd = *fd, .events = POLLIN};
        if (left <= 0 || (poll(&wait, 1, (int)left) == 0)) {
            error_set(&dialing->why, -ETIMEDOUT, "no answer in the TLS handshake");
            return NULL;
        }
    }
}

static struct channel *try(struct dialing *dialing, size_t i)
{
    int *fd = &dialing->fds[i].fd, code = 0;
    socklen_t size = sizeof(code);
    getsockopt(*fd, SOL_SOCKET, SO_ERROR, &code, &size);
    struct channel *channel = NULL;
    if (code)
        error_errno(&dialing->why, -code, "'%s'", dialing->addresses[i]);
    else
        channel = shake(dialing, fd);
    if (channel)
        dialing->address = dialing->addresses[i];
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return channel;
}

static bool is_any_left(const struct dialing *dialing)
{
    for (size_t i = 0; i < dialing->n; i++)
        if (dialing->fds[i].fd >= 0)
            return true;
    return false;
}

static struct channel *reach(struct dialing *dialing)
{
    int64_t end = clock_ms() + CONNECT_MS, left;
    while (is_any_left(dialing) && (left = end - clock_ms()) > 0) {
        if (poll(dialing->fds, dialing->n, (int)left) <= 0)
            continue;
        for (size_t i = 0; i < dialing->n; i++) {
            struct channel *channel = dialing->fds[i].fd >= 0 && dialing->fds[i].revents
                                          ? try(dialing, i)
                                          : NULL;
            if (channel)
                return channel;
        }
    }
    error_set(&dialing->why, -ETIMEDOUT,
              dialing->n ? "nobody answers at any address" : "no address was offered");
    return NULL;
}

static int exchange(struct dialing *dialing, struct channel *stdio, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    uint8_t hash[TLS_HASH_SIZE];
    struct frame frame;
    int r = tls_key_new(&dialing->key, err);
    if (r < 0)
        return r;
    tls_key_hash(dialing->key, hash);
    pack_bytes(&body, hash, sizeof(hash));
    r = channel_send(stdio, POOL_KEY, 0, 0, body.data, body.size, err);
    if (r == 0)
        r = channel_receive(stdio, OFFER_MS, &frame, err);
    if (r == 0)
        return error_set(err, -ETIMEDOUT, "the front does not answer");
    return r < 0 ? r : read_offer(dialing, &frame, err);
}

int dial(struct channel *stdio, struct channel **ret, struct error *err)
{
    CLEANUP(clear) struct dialing dialing = {0};
    CLEANUP(buffer_clear) struct buffer body = {0};
    int r = exchange(&dialing, stdio, err);
    if (r < 0)
        return r;
    CLEANUP(channel_freep) struct channel *channel = reach(&dialing);
    pack_string(&body, dialing.address);
    pack_string(&body, channel ? NULL : dialing.why.text);
    r = channel_send(stdio, POOL_DIALLED, 0, 0, body.data, body.size, err);
    if (r < 0)
        return r;
    *ret = TAKE(channel);
    return 0;
}

/* ---- without an answer ---- */

/* "HASH,PORT,ADDRESS,..." */
static int read_where(struct dialing *dialing, const char *where, struct error *err)
{
    size_t size = strcspn(where, ",");
    char *at = NULL;
    unsigned long port = 0;
    CLEANUP(freep) char *hash = must_strndup(where, size);
    if (tls_hash_read(hash, dialing->peer) == 0 && where[size])
        port = strtoul(where + size + 1, &at, 10);
    if (!at || *at != ',' || !port || port > UINT16_MAX)
        return error_set(err, -EINVAL, "'%s' does not say where to connect to", where);
    while (*at == ',' && dialing->n < DIAL_ADDRESSES_MAX) {
        size = strcspn(++at, ",");
        add(dialing, must_strndup(at, size), port);
        at += size;
    }
    return 0;
}

static int say_mark(const struct dialing *dialing, const char *mark, int out,
                    struct error *err)
{
    CLEANUP(buffer_clear) struct buffer line = {0};
    uint8_t hash[TLS_HASH_SIZE];
    tls_key_hash(dialing->key, hash);
    buffer_add_string(&line, mark);
    tls_hash_write(hash, &line);
    buffer_add_string(&line, "\n");
    /* Whole, or others that write there would come between. */
    return write(out, line.data, line.size) == (ssize_t)line.size
               ? 0
               : error_errno(err, -errno, "cannot write to the launcher");
}

int dial_at(const char *where, const char *mark, int out, struct channel **ret,
            struct error *err)
{
    CLEANUP(clear) struct dialing dialing = {.says_hash = true};
    int r = tls_key_new(&dialing.key, err);
    if (r == 0)
        r = say_mark(&dialing, mark, out, err);
    if (r == 0)
        r = read_where(&dialing, where, err);
    if (r < 0)
        return r;
    struct channel *channel = reach(&dialing);
    if (!channel)
        return error_set(err, -EHOSTUNREACH, "%s", dialing.why.text);
    *ret = channel;
    return 0;
}
