/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The session worker's answers to the front (WORKER_* of protocol.h). */
#ifndef ACHAR_WORKER_SERVE_H
#define ACHAR_WORKER_SERVE_H

#include "kernel/peer/channel.h"
#include "kernel/worker/engine.h"

/* Adds the answer to a request to `out`, and engine->answer_file if there is more to it;
 * -EBADMSG when it cannot be read or is unknown. */
int serve_request(struct engine *engine, const struct frame *request, struct buffer *out,
                  struct error *err) MUST_USE;

#endif
