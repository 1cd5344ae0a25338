/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Echoes what comes in on the heartbeat socket, on a thread of its own that does nothing
 * else, so that it always answers. */
#ifndef ACHAR_WIRE_HEARTBEAT_H
#define ACHAR_WIRE_HEARTBEAT_H

#include "pickler/base/error.h"
#include "pickler/base/memory.h"

struct heartbeat;

int heartbeat_new(void *zmq, const char *endpoint, struct heartbeat **ret,
                  struct error *err) MUST_USE;
/* Shuts the whole zmq context down (its sockets can only be closed afterwards). */
void heartbeat_free(struct heartbeat *heartbeat);
DEFINE_FREEP(struct heartbeat, heartbeat_free)

#endif
