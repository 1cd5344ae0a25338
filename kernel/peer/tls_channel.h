/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Frames over TLS: a channel whose bytes are sealed (tls.h), over a connected socket. */
#ifndef ACHAR_PEER_TLS_CHANNEL_H
#define ACHAR_PEER_TLS_CHANNEL_H

#include "kernel/peer/channel.h"
#include "kernel/peer/tls.h"

/* Goes on with the handshake as far as that goes without waiting: 1: it is done; 0: wait
 * until `fd` (non-blocking) is readable; negative: the peer is gone (-EPIPE), somebody
 * else, or speaks something else. */
int tls_channel_shake(struct tls *tls, int fd, struct error *err) MUST_USE;

/* After the handshake; takes both. */
struct channel *tls_channel_new(struct tls *tls, int fd) MUST_USE;

#endif
