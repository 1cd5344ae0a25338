/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How a pool that was started by somebody else's launcher reaches its front by a
 * connection of its own: over the launcher's stdio both tell each other the hash of a
 * fresh key (POOL_KEY, POOL_DIAL), then the pool connects to one of the front's
 * addresses, and both accept nobody but the other. */
#ifndef ACHAR_POOL_DIAL_H
#define ACHAR_POOL_DIAL_H

#include "kernel/peer/channel.h"

/* *ret is the connection, or NULL when the front cannot be reached (then it has been told
 * why, and both stay with `stdio`). Negative: the front is gone. */
int dial(struct channel *stdio, struct channel **ret, struct error *err) MUST_USE;

/* For who can tell the front something, and not hear of it: `where` is what
 * callback_describe() wrote. Sends `mark`, the hash of a fresh key in hexadecimal and a
 * newline to the descriptor `out`, and connects. Negative: nobody answered, and why. */
int dial_at(const char *where, const char *mark, int out, struct channel **ret,
            struct error *err) MUST_USE;

#endif
