/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The receiving end of WORKER_DISPLAY. */
#ifndef ACHAR_PEER_DISPLAY_H
#define ACHAR_PEER_DISPLAY_H

#include "kernel/peer/bundle.h"
#include "kernel/peer/channel.h"

/* Reads the packed bundle behind the frame, unchecked but for its size. */
int display_bytes(const struct frame *frame, struct buffer *ret,
                  struct error *err) MUST_USE;
/* Reads the bundle behind the frame, whatever a process that runs user code has put
 * there. */
int display_receive(const struct frame *frame, struct bundle *ret,
                    struct error *err) MUST_USE;
/* It has been shown: closes the frame's descriptors, so that the sender goes on. */
void display_done(struct frame *frame);

#endif
