/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames between our own processes over a stream socket or a pair of pipes:
 *
 *     u32 size of what follows | u16 kind | u16 descriptors | u32 generation | u32 id |
 * payload
 *
 * little-endian. `generation` is that of the peer the message is for or from: an answer
 * of a process that has been replaced is recognised and dropped. `id` pairs an answer
 * with its request. Descriptors may ride on a frame where the stream is a unix socket. */
#ifndef ACHAR_PEER_CHANNEL_H
#define ACHAR_PEER_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define FRAME_SIZE_MAX (1u << 31) /* bytes of one payload; senders refuse more */
#define FRAME_FDS_MAX 5

struct frame {
    uint16_t kind;
    uint32_t generation, id;
    const char *data; /* borrowed from the channel until the next receive */
    size_t size;
    int fds[FRAME_FDS_MAX]; /* owned by the caller; n_fds of them */
    size_t n_fds;
};

struct channel; /* not thread-safe: one user at a time */

/* What carries the bytes when it is not the descriptors themselves, for example TLS over
 * a socket. All calls are non-blocking; a stream that is broken in whatever way ends as
 * one that was closed does. A transport never sees where a frame begins: a write may be
 * cut anywhere and is then repeated from there, perhaps from another address and longer
 * (OpenSSL: SSL_MODE_ENABLE_PARTIAL_WRITE and SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER). It is
 * given whole bursts: one write should become one segment, so set TCP_NODELAY. */
struct transport {
    /* As read(2): bytes; 0: the end; -1 and errno EAGAIN: nothing now; -1: broken. */
    ssize_t (*read)(void *state, void *to, size_t size);
    /* As writev(2), not 0; -1 and errno EAGAIN: no room now; -1 and EPIPE: broken. It may
     * keep what it has taken, within limits, if there is unsent(). */
    ssize_t (*write)(void *state, const struct iovec *parts, int n_parts);
    /* Bytes that it keeps; NULL: never any. flush() sends them as far as there is room:
     * 0; -1 and errno as write(). */
    size_t (*unsent)(const void *state);
    int (*flush)(void *state);
    /* Bytes can be read that poll(2) does not show, since they were read ahead. NULL:
     * never. */
    bool (*has_more)(const void *state);
    /* What channel_sleep() does; then room for what is unsent shows as something to be
     * read. NULL: poll(2) shows all there is. */
    bool (*sleep)(void *state, bool has_unsent);
    /* Descriptors, in order, each before the frame that it belongs to is written; false:
     * not now. And those that have come, as many as there is room for. NULL: there is no
     * way for them. */
    bool (*send_fds)(void *state, const int *fds, size_t n);
    size_t (*take_fds)(void *state, int *fds, size_t n_max);
    /* Ends the stream (close_notify), as far as that goes without waiting, and frees the
     * state; the descriptors are closed by the channel afterwards. */
    void (*free)(void *state);
};

/* Takes both descriptors (they may be the same) and makes them non-blocking: a socket, a
 * pair of pipes, or terminals, which are set raw. */
struct channel *channel_new(int read_fd, int write_fd) MUST_USE;
/* The descriptors are what poll(2) is asked; takes them and the state. */
struct channel *channel_new_over(const struct transport *transport, void *state,
                                 int read_fd, int write_fd) MUST_USE;
void channel_free(struct channel *channel); /* closes the descriptors */
DEFINE_FREEP(struct channel, channel_free)

/* Memory for what is received, so that frames of up to so many bytes find it. */
void channel_reserve(struct channel *channel, size_t size);

/* Through shared memory: both sides are ours, of the same build. */
bool channel_is_near(const struct channel *channel);
/* Before poll(2): true when there is something to be read or room for what is unsent,
 * which it may not show. */
bool channel_sleep(struct channel *channel);
short channel_events(const struct channel *channel); /* what to poll channel_fd() for */

/* Waits up to some microseconds for something to be readable without going to sleep: an
 * answer that takes no longer is had without the time it takes to wake up. Only where
 * the machine has processors to spare beside those of the `n_busy` processes of ours that
 * work meanwhile. */
void channel_linger(struct channel *channel, unsigned microseconds, unsigned n_busy);
int channel_fd(const struct channel *channel);       /* poll this for POLLIN */
int channel_write_fd(const struct channel *channel); /* and this for POLLOUT */

/* Ignores what comes before `mark`: what a shell, a prologue or a launcher prints. At
 * most CHANNEL_NOISE_MAX bytes; the first CHANNEL_NOISE_KEPT are kept for a person. */
#define CHANNEL_NOISE_MAX (1u << 20)
#define CHANNEL_NOISE_KEPT 2048
void channel_expect(struct channel *channel, const char *mark);
const char *channel_noise(const struct channel *channel); /* borrowed text, "": none */
/* Sends the bytes as they are, ahead of frames. */
int channel_send_mark(struct channel *channel, const char *mark,
                      struct error *err) MUST_USE;
/* A larger payload from the peer is a broken channel. FRAME_SIZE_MAX at first. */
void channel_limit(struct channel *channel, uint32_t size_max);

/* Sends the whole frame, waiting for room as long as it takes (while it waits it reads
 * ahead, so two peers that send at once cannot lock up). -EPIPE: the peer is gone. */
int channel_send(struct channel *channel, uint16_t kind, uint32_t generation, uint32_t id,
                 const void *data, size_t size, struct error *err) MUST_USE;
int channel_send_fds(struct channel *channel, uint16_t kind, uint32_t generation,
                     uint32_t id, const void *data, size_t size, const int *fds,
                     size_t n_fds, struct error *err) MUST_USE;

/* A small frame (FRAME_SMALL_MAX) written to a unix socket by one system call, for
 * threads that share the socket without owning its channel. Frames of several such
 * threads do not mix; with channel_send() they may. */
#define FRAME_SMALL_MAX 1024
int channel_send_small(int fd, uint16_t kind, uint32_t generation, uint32_t id,
                       const void *data, size_t size, const int *fds,
                       size_t n_fds) MUST_USE;

/* As channel_send(), but never waits: what there is no room for is kept and goes out, in
 * order, with channel_flush() when channel_fd() is writable. For a process that serves
 * several peers; it bounds channel_unsent() by not taking more work. */
int channel_post(struct channel *channel, uint16_t kind, uint32_t generation, uint32_t id,
                 const void *data, size_t size, struct error *err) MUST_USE;
/* As channel_post(), but a small frame is kept even if there is room, to go out together
 * with others: the caller flushes before it waits. */
int channel_queue(struct channel *channel, uint16_t kind, uint32_t generation,
                  uint32_t id, const void *data, size_t size, struct error *err) MUST_USE;
/* As channel_post(), of a payload that lies in pieces. */
#define FRAME_PARTS_MAX 2
struct frame_parts {
    uint16_t kind;
    uint32_t generation, id;
    struct iovec parts[FRAME_PARTS_MAX];
    int n_parts;
    const int *fds; /* they go at once; -EAGAIN: that cannot be, and nothing was sent */
    size_t n_fds;
};
int channel_post_parts(struct channel *channel, const struct frame_parts *frame,
                       struct error *err) MUST_USE;
int channel_flush(struct channel *channel, struct error *err) MUST_USE;
size_t channel_unsent(const struct channel *channel); /* bytes that are kept */

/* 1: a frame; 0: none within timeout_ms (-1: wait for ever, 0: only look); -EPIPE: the
 * peer closed its end; -EBADMSG: not a frame. */
int channel_receive(struct channel *channel, int timeout_ms, struct frame *ret,
                    struct error *err) MUST_USE;
/* As channel_receive() without waiting, but only says of which kind the frame is. */
int channel_peek(struct channel *channel, uint16_t *ret_kind) MUST_USE;
/* One is buffered already, or bytes are that poll(2) does not show. */
bool channel_has_frame(const struct channel *channel);
/* The peer itself, and no launcher's programs, is at the other end: it may answer sooner
 * than a process wakes up. */
bool channel_is_direct(const struct channel *channel);
/* One is here, or the peer's end; where the channel is direct, of what has come until
 * now. */
bool channel_look(struct channel *channel);
/* After -EPIPE: the peer of a unix socket ended before it had read all that was sent. */
bool channel_was_reset(const struct channel *channel);

#endif
