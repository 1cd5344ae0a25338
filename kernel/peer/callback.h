/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where pools and ranks call back: a listening socket of this kernel, and whoever
 * connects to it. Only those whose keys were pinned get through; the others are hung up
 * on. Nothing here waits. */
#ifndef ACHAR_PEER_CALLBACK_H
#define ACHAR_PEER_CALLBACK_H

#include "kernel/peer/channel.h"
#include "kernel/peer/tls.h"

struct callback;

/* `interface`: the name of an interface of this machine, or one of its addresses; NULL:
 * all of them. */
int callback_check(const char *interface, struct error *err) MUST_USE;
/* For one pool, whose key is known. */
int callback_new(const char *interface, const uint8_t peer[TLS_HASH_SIZE],
                 struct callback **ret, struct error *err) MUST_USE;
/* For many, at most `n_callers` at once, who say first whose key they hold (the plain
 * TLS_HASH_SIZE bytes of its hash, ahead of TLS) and wait until that one is pinned. */
int callback_new_for_many(const char *interface, size_t n_callers, struct callback **ret,
                          struct error *err) MUST_USE;
void callback_free(struct callback *callback);
DEFINE_FREEP(struct callback, callback_free)

/* Adds the body of a POOL_DIAL: our key, and where we may be reached. */
void callback_offer(const struct callback *callback, struct buffer *out);
/* Of many: lets one connection of the holder of this key through. */
void callback_pin(struct callback *callback, const uint8_t peer[TLS_HASH_SIZE]);
/* Of many: nobody is pinned, and nobody waits. */
void callback_unpin_all(struct callback *callback);
/* The same as callback_offer(), as a word without spaces, for a command line: our key's
 * hash in hexadecimal, the port and the addresses, with commas between. */
void callback_describe(const struct callback *callback, struct buffer *out);
int callback_fd(const struct callback *callback); /* readable: callback_accept() */
/* The pool's channel, owned; NULL while it has not come. */
struct channel *callback_accept(struct callback *callback) MUST_USE;

#endif
