/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the shell thread says, on its way to the thread that owns the sockets: one queue
 * in order, bounded, with small pieces of streams joined.
 *
 * Streams go out at most OUTBOX_FLUSHES_PER_SECOND times a second; what is not a stream
 * takes all before it along at once. Streams and displays keep below the rate at which
 * Jupyter's servers drop output (meter.h), and wait here meanwhile: there is room for
 * all that a cell may show, so that the cell itself does not wait. When hurry is set (an
 * interrupt) the oldest text that waits is skipped, and the rest goes out at once. */
#ifndef ACHAR_WIRE_OUTBOX_H
#define ACHAR_WIRE_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "kernel/wire/message.h"

#define OUTBOX_FLUSHES_PER_SECOND 50
#define OUTBOX_FIRST_DELAY_US                                                            \
    2000                 /* for output after a silence: pieces of one printf             \
                          */
#define OUTBOX_RUN_MAX 8 /* changes between stdout and stderr in a flush */
#define OUTBOX_CHUNK_SIZE (64u << 10) /* bytes of text in a message, about */
#define OUTBOX_STREAM_MAX (10u << 20) /* bytes of text that wait; more blocks */
#define OUTBOX_SETTLED_MAX                                                               \
    (256u << 10)                    /* of them, when a cell begins or is interrupted */
#define OUTBOX_ITEMS_MAX 256        /* messages that wait; more block */
#define OUTBOX_SIZE_MAX (16u << 20) /* bytes of messages that wait; more block */

struct outbox;

/* `wake` is called, on the shell thread, when something is there to be sent. */
struct outbox *outbox_new(struct sender *sender, void (*wake)(void *context),
                          void *context) MUST_USE;
void outbox_free(struct outbox *outbox);
DEFINE_FREEP(struct outbox, outbox_free)

/* Shell thread. Takes the message; a paced one is held back by the limits above. */
void outbox_post(struct outbox *outbox, struct message *message, bool is_paced);
/* Shell thread. `text` is valid UTF-8. */
void outbox_stream(struct outbox *outbox, const char *parent_text, bool is_stderr,
                   const char *text, size_t size);
/* Shell thread: waits until little text is left of what was printed so far. */
void outbox_settle(struct outbox *outbox);
/* Any thread. */
void outbox_set_hurry(struct outbox *outbox, bool is_hurry);
/* Bytes of text skipped since the last call. */
uint64_t outbox_take_skipped(struct outbox *outbox);
/* Any thread; nothing blocks any more, and what is posted later is dropped. */
void outbox_close(struct outbox *outbox);

/* Socket thread, `now` in us of any steady clock: the next message (owned), or NULL and
 * in *ret_due when to ask again, -1 for never. */
struct message *outbox_next(struct outbox *outbox, int64_t now,
                            int64_t *ret_due) MUST_USE;

#endif
