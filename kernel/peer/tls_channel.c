/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is read from the socket is opened at once, so that poll(2) and `plain` together
 * tell whether there is more. What is written is sealed once and counts as written when
 * its last byte has gone: the channel repeats the same bytes until then. */
#include "kernel/peer/tls_channel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define READ_SIZE (256u << 10)  /* sealed bytes of one system call */
#define WRITE_SIZE (256u << 10) /* bytes that are sealed at once */

struct sealed {
    struct tls *tls;
    int fd; /* borrowed: the channel closes it */
    struct buffer raw, plain;
    size_t taken;    /* of `plain` */
    size_t n_sealed; /* bytes that are on their way, not yet reported as written */
    bool is_closed;  /* nothing comes any more but what is in `plain` */
};

/* 1: something came; 0: nothing now; -EPIPE: the end. */
static int receive(struct tls *tls, int fd, struct buffer *raw, size_t size)
{
    buffer_reserve(raw, size);
    ssize_t n = recv(fd, raw->data, size, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -EPIPE;
    tls_feed(tls, raw->data, (size_t)n);
    return n ? 1 : -EPIPE;
}

/* 0: all has gone; -EAGAIN: no room for the rest; -EPIPE. */
static int flush(struct tls *tls, int fd)
{
    size_t size;
    for (const char *data; (data = tls_unsent(tls, &size));) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
        if (n >= 0)
            tls_sent(tls, (size_t)n);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return -EAGAIN;
        else if (errno != EINTR)
            return -EPIPE;
    }
    return 0;
}

#define SHAKE_READ (8u << 10) /* no more than a handshake's message */

int tls_channel_shake(struct tls *tls, int fd, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer raw = {0};
    for (;;) {
        int r = tls_shake(tls, err);
        /* Also what says why it has failed. A socket that is new has room for it. */
        int sent = flush(tls, fd);
        if (r != 0)
            return r;
        if (sent == 0)
            sent = receive(tls, fd, &raw, SHAKE_READ);
        if (sent == 0)
            return 0;
        if (sent < 0)
            return error_set(err, -EPIPE, "the connection ended in the TLS handshake");
    }
}

static size_t hand_out(struct sealed *sealed, void *to, size_t size)
{
    size_t here = sealed->plain.size - sealed->taken;
    size = size < here ? size : here;
    memcpy(to, sealed->plain.data + sealed->taken, size);
    sealed->taken += size;
    if (sealed->taken == sealed->plain.size)
        sealed->taken = sealed->plain.size = 0;
    return size;
}

static ssize_t read_sealed(void *state, void *to, size_t size)
{
    struct sealed *sealed = state;
    if (!sealed->plain.size && !sealed->is_closed) {
        int r = receive(sealed->tls, sealed->fd, &sealed->raw, READ_SIZE);
        sealed->is_closed |= r < 0;
        /* Also after the handshake: it may have read ahead. */
        r = tls_open(sealed->tls, &sealed->plain, NULL);
        sealed->is_closed |= r < 0;
    }
    if (sealed->plain.size)
        return (ssize_t)hand_out(sealed, to, size);
    if (sealed->is_closed)
        return 0;
    errno = EAGAIN;
    return -1;
}

static bool seal(struct sealed *sealed, const struct iovec *parts, int n_parts)
{
    for (int i = 0; i < n_parts && sealed->n_sealed < WRITE_SIZE; i++) {
        size_t room = WRITE_SIZE - sealed->n_sealed;
        size_t size = parts[i].iov_len < room ? parts[i].iov_len : room;
        if (tls_seal(sealed->tls, parts[i].iov_base, size, NULL) < 0)
            return false;
        sealed->n_sealed += size;
    }
    return true;
}

static ssize_t write_sealed(void *state, const struct iovec *parts, int n_parts)
{
    struct sealed *sealed = state;
    int r = 0;
    if (!sealed->n_sealed && !seal(sealed, parts, n_parts))
        r = -EPIPE;
    if (r == 0)
        r = flush(sealed->tls, sealed->fd);
    if (r < 0) {
        errno = -r;
        return -1;
    }
    ssize_t n = (ssize_t)sealed->n_sealed;
    sealed->n_sealed = 0;
    return n;
}

static bool has_more(const void *state)
{
    const struct sealed *sealed = state;
    return sealed->plain.size || sealed->is_closed; /* its end is to be read as well */
}

static void free_sealed(void *state)
{
    struct sealed *sealed = state;
    if (!sealed->n_sealed) { /* not in the middle of a record */
        tls_close(sealed->tls);
        flush(sealed->tls, sealed->fd);
    }
    tls_free(sealed->tls);
    buffer_clear(&sealed->raw);
    buffer_clear(&sealed->plain);
    free(sealed);
}

static const struct transport transport = {
    .read = read_sealed,
    .write = write_sealed,
    .has_more = has_more,
    .free = free_sealed,
};

struct channel *tls_channel_new(struct tls *tls, int fd)
{
    struct sealed *sealed = must_alloc(sizeof(*sealed));
    sealed->tls = tls;
    sealed->fd = fd;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    /* Not to be waited for: bytes that came with the last of the handshake. */
    sealed->is_closed = tls_open(tls, &sealed->plain, NULL) < 0;
    return channel_new_over(&transport, sealed, fd, fd);
}
