/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What was read from the socket is opened where the channel wants it; as long as there is
 * some, has_more() says so, since poll(2) does not. What is written is sealed at once;
 * what then does not fit into the socket is kept, and nothing more taken before it has
 * gone. */
#include "kernel/peer/tls_channel.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define READ_SIZE (384u << 10)  /* sealed bytes of one system call */
#define WRITE_SIZE (512u << 10) /* bytes that are sealed at once */
#define RECORD_SIZE (16u << 10) /* bytes of one record of TLS, at most */

struct sealed {
    struct tls *tls;
    int fd;         /* borrowed: the channel closes it */
    bool is_closed; /* nothing comes any more but what can be opened */
};

/* 1: something came; 0: nothing now; -EPIPE: the end. */
static int receive(struct tls *tls, int fd, size_t size)
{
    ssize_t n = recv(fd, tls_room(tls, size), size, 0);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -EPIPE;
    tls_fed(tls, (size_t)n);
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
    for (;;) {
        int r = tls_shake(tls, err);
        /* Also what says why it has failed. A socket that is new has room for it. */
        int sent = flush(tls, fd);
        if (r != 0)
            return r;
        if (sent == 0)
            sent = receive(tls, fd, SHAKE_READ);
        if (sent == 0)
            return 0;
        if (sent < 0)
            return error_set(err, -EPIPE, "the connection ended in the TLS handshake");
    }
}

static ssize_t read_sealed(void *state, void *to, size_t size)
{
    struct sealed *sealed = state;
    size_t n;
    int r = tls_open(sealed->tls, to, size, &n, NULL);
    if (r == 0 && !sealed->is_closed) {
        sealed->is_closed = receive(sealed->tls, sealed->fd, READ_SIZE) < 0;
        r = tls_open(sealed->tls, to, size, &n, NULL);
    }
    if (r == 1)
        return (ssize_t)n;
    sealed->is_closed |= r < 0;
    errno = r < 0 && r != -EPIPE ? EBADMSG : EAGAIN;
    return sealed->is_closed && errno != EBADMSG ? 0 : -1;
}

/* What parts are still to be sealed. */
struct cursor {
    const struct iovec *parts;
    int n_parts;
    size_t at; /* in the first of them */
};

static size_t left_in_part(const struct cursor *cursor)
{
    return cursor->parts->iov_len - cursor->at;
}

static const char *advance(struct cursor *cursor, size_t size)
{
    const char *data = (const char *)cursor->parts->iov_base + cursor->at;
    cursor->at += size;
    if (!left_in_part(cursor)) {
        cursor->parts++;
        cursor->n_parts--;
        cursor->at = 0;
    }
    return data;
}

/* Parts that fill no record of their own share one. */
static int seal_record(struct tls *tls, struct cursor *cursor, size_t *ret_size)
{
    char record[RECORD_SIZE];
    size_t size = 0;
    while (cursor->n_parts && size < sizeof(record)) {
        size_t n = left_in_part(cursor), room = sizeof(record) - size;
        n = n < room ? n : room;
        if (n)
            memcpy(record + size, advance(cursor, n), n);
        else
            advance(cursor, 0);
        size += n;
    }
    *ret_size = size;
    return tls_seal(tls, record, size, NULL);
}

/* How many bytes were sealed; 0: it cannot be. */
static size_t seal(struct tls *tls, const struct iovec *parts, int n_parts)
{
    struct cursor cursor = {.parts = parts, .n_parts = n_parts};
    size_t done = 0, n = 0;
    int r = 0;
    while (r == 0 && cursor.n_parts && done < WRITE_SIZE) {
        size_t here = left_in_part(&cursor), room = WRITE_SIZE - done;
        if (cursor.n_parts > 1 && here < RECORD_SIZE) {
            r = seal_record(tls, &cursor, &n);
        } else {
            n = here < room ? here : room;
            r = tls_seal(tls, advance(&cursor, n), n, NULL);
        }
        done += n;
    }
    return r == 0 ? done : 0;
}

static int flush_sealed(void *state)
{
    struct sealed *sealed = state;
    int r = flush(sealed->tls, sealed->fd);
    errno = -r;
    return r < 0 ? -1 : 0;
}

static ssize_t write_sealed(void *state, const struct iovec *parts, int n_parts)
{
    struct sealed *sealed = state;
    int r = flush(sealed->tls, sealed->fd);
    size_t n = r == 0 ? seal(sealed->tls, parts, n_parts) : 0;
    if (r == 0 && !n)
        r = -EPIPE;
    if (r == 0 && flush(sealed->tls, sealed->fd) == -EPIPE)
        r = -EPIPE;
    errno = -r;
    return r < 0 ? -1 : (ssize_t)n;
}

static size_t count_unsent(const void *state)
{
    const struct sealed *sealed = state;
    size_t size;
    tls_unsent(sealed->tls, &size);
    return size;
}

static bool has_more(const void *state)
{
    const struct sealed *sealed = state;
    return tls_has_more(sealed->tls) ||
           sealed->is_closed; /* its end is to be read as well */
}

static void free_sealed(void *state)
{
    struct sealed *sealed = state;
    tls_close(sealed->tls);
    flush(sealed->tls, sealed->fd); /* as far as it goes: the peer sees a cut or an end */
    tls_free(sealed->tls);
    free(sealed);
}

static const struct transport transport = {
    .read = read_sealed,
    .write = write_sealed,
    .unsent = count_unsent,
    .flush = flush_sealed,
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
    return channel_new_over(&transport, sealed, fd, fd);
}
