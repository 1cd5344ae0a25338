/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A channel that may be far, slow or dead: what both ends of a pool's channel do alike,
 * whatever carries it. Both sides beat, and a side that is silent for longer than its
 * lease is dead: the end of a stream says nothing where a launcher stands between.
 * Bodies are cut, so that control frames do not wait behind data, and credit bounds what
 * is on the way, since some launchers buffer without end (see POOL_TERMS).
 *
 * Nothing here waits. Who serves it polls line_poll(), calls line_flush() and
 * line_receive(), and line_tick() when line_due() says. */
#ifndef ACHAR_PEER_LINE_H
#define ACHAR_PEER_LINE_H

#include <poll.h>

#include "kernel/peer/blob.h"
#include "kernel/peer/channel.h"

#define LINE_LEASE_MS 3000
#define LINE_WINDOW (4u << 20)
#define LINE_WINDOW_MAX (1u << 30)
#define LINE_PIECE (256u << 10)
#define LINE_MS_MAX 86400000 /* a day: what a peer may ask for */

struct line_terms {
    unsigned beat_ms;  /* say something at least so often, 0: no beats */
    unsigned lease_ms; /* of the peer, 0: for ever */
    size_t window;     /* 0: bodies stay whole and nothing is counted */
};

struct line;

struct line *line_new(struct channel *channel) MUST_USE; /* takes it */
void line_free(struct line *line);
DEFINE_FREEP(struct line, line_free)

/* From now on; a window is set at most once, before any data. */
void line_agree(struct line *line, const struct line_terms *terms);

bool line_is_control(uint16_t kind);

/* Sends a frame, or keeps what cannot go now. Control frames overtake data. -EPIPE. */
int line_send(struct line *line, uint16_t kind, uint32_t id, const void *data,
              size_t size, struct error *err) MUST_USE;
/* As line_send(), with a descriptor, where the other side is on this machine. Negative:
 * that cannot be, or not now, and nothing was sent. */
int line_send_file(struct line *line, uint16_t kind, uint32_t id,
                   const struct buffer *body, int fd) MUST_USE;
/* As line_send(), of a body that is `head` and then the blob, which is not copied while
 * it waits. */
int line_send_blob(struct line *line, uint16_t kind, uint32_t id,
                   const struct buffer *head, struct blob *blob,
                   struct error *err) MUST_USE;
size_t line_unsent(const struct line *line); /* bytes that are kept */
int line_flush(struct line *line, struct error *err) MUST_USE;
/* Frames are gathered until line_uncork(), so that a burst is one write. */
void line_cork(struct line *line);
int line_uncork(struct line *line, struct error *err) MUST_USE;

/* Frames of data that were received are not credited while it is held: the peer stops
 * after its window. Without a window: do not read instead. */
void line_hold(struct line *line, bool is_held);

/* 1: a frame, whole again; 0: none now; -EPIPE: the peer is gone; -EBADMSG. */
int line_receive(struct line *line, struct frame *ret, struct error *err) MUST_USE;
bool line_has_frame(const struct line *line);
bool line_look(struct line *line); /* the same, of what has come until now */

/* Before poll(2): true when there is something that it may not show. */
bool line_sleep(struct line *line);
/* One descriptor, or two; returns how many. */
size_t line_poll(const struct line *line, struct pollfd ret[2]);
/* Milliseconds until line_tick() is to be called; -1: never. */
int line_due(const struct line *line);
/* Beats when it is time. -ETIMEDOUT: the peer has been silent for its lease, and there
 * is nothing to be read. */
int line_tick(struct line *line, struct error *err) MUST_USE;

struct channel *line_channel(struct line *line); /* borrowed */

#endif
