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

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define FRAME_SIZE_MAX (1u << 31) /* bytes of one payload; senders refuse more */
#define FRAME_FDS_MAX 4

struct frame {
    uint16_t kind;
    uint32_t generation, id;
    const char *data; /* borrowed from the channel until the next receive */
    size_t size;
    int fds[FRAME_FDS_MAX]; /* owned by the caller; n_fds of them */
    size_t n_fds;
};

struct channel; /* not thread-safe: one user at a time */

/* Takes both descriptors (they may be the same) and makes them non-blocking. */
struct channel *channel_new(int read_fd, int write_fd) MUST_USE;
void channel_free(struct channel *channel); /* closes the descriptors */
DEFINE_FREEP(struct channel, channel_free)

/* Waits up to some microseconds for something to be readable without going to sleep: an
 * answer that takes no longer is had without the time it takes to wake up. Only where
 * the machine has processors to spare. */
void channel_linger(struct channel *channel, unsigned microseconds);
int channel_fd(const struct channel *channel); /* poll this for POLLIN */

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
int channel_flush(struct channel *channel, struct error *err) MUST_USE;
size_t channel_unsent(const struct channel *channel); /* bytes that are kept */

/* 1: a frame; 0: none within timeout_ms (-1: wait for ever, 0: only look); -EPIPE: the
 * peer closed its end; -EBADMSG: not a frame. */
int channel_receive(struct channel *channel, int timeout_ms, struct frame *ret,
                    struct error *err) MUST_USE;
/* As channel_receive() without waiting, but only says of which kind the frame is. */
int channel_peek(struct channel *channel, uint16_t *ret_kind) MUST_USE;
bool channel_has_frame(const struct channel *channel); /* one is buffered already */
/* After -EPIPE: the peer of a unix socket ended before it had read all that was sent. */
bool channel_was_reset(const struct channel *channel);

#endif
