/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where one pool calls back: a listening socket of this kernel, and whoever connects to
 * it. Only the pool whose key was pinned gets through; the others are hung up on. Nothing
 * here waits. */
#ifndef ACHAR_EXECUTORS_CALLBACK_H
#define ACHAR_EXECUTORS_CALLBACK_H

#include "kernel/peer/channel.h"
#include "kernel/peer/tls.h"

struct callback;

/* `interface`: the name of an interface of this machine, or one of its addresses; NULL:
 * all of them. */
int callback_check(const char *interface, struct error *err) MUST_USE;
int callback_new(const char *interface, const uint8_t peer[TLS_HASH_SIZE],
                 struct callback **ret, struct error *err) MUST_USE;
void callback_free(struct callback *callback);
DEFINE_FREEP(struct callback, callback_free)

/* Adds the body of a POOL_DIAL: our key, and where we may be reached. */
void callback_offer(const struct callback *callback, struct buffer *out);
int callback_fd(const struct callback *callback); /* readable: callback_accept() */
/* The pool's channel, owned; NULL while it has not come. */
struct channel *callback_accept(struct callback *callback) MUST_USE;

#endif
