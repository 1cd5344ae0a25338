/* SPDX-License-Identifier: BSD-3-Clause
 *
 * One end of a TLS 1.3 connection: bytes in, bytes out, no descriptors and no waiting.
 * Both ends make a key for one connection, tell each other its hash over a channel that
 * they trust already, and accept nobody else: no certificate authority, no names, no
 * files. The only home of OpenSSL's libssl; linked by front and pool, never where user
 * code runs. */
#ifndef ACHAR_PEER_TLS_H
#define ACHAR_PEER_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define TLS_HASH_SIZE 32 /* SHA-256 of a public key's DER (SubjectPublicKeyInfo) */

struct tls_key; /* a fresh Ed25519 key and a certificate that it has signed itself */

int tls_key_new(struct tls_key **ret, struct error *err) MUST_USE;
void tls_key_free(struct tls_key *key);
DEFINE_FREEP(struct tls_key, tls_key_free)
void tls_key_hash(const struct tls_key *key, uint8_t ret[TLS_HASH_SIZE]);

/* Of 2 * TLS_HASH_SIZE hexadecimal digits, and nothing behind them. */
int tls_hash_read(const char *text, uint8_t ret[TLS_HASH_SIZE]) MUST_USE;
void tls_hash_write(const uint8_t hash[TLS_HASH_SIZE], struct buffer *out);

struct tls;

/* An end that talks only to who holds the private key of which `peer` is the hash. The
 * connecting side is the client. The key is not kept. */
int tls_new(const struct tls_key *key, const uint8_t peer[TLS_HASH_SIZE], bool is_client,
            struct tls **ret, struct error *err) MUST_USE;
void tls_free(struct tls *tls);
DEFINE_FREEP(struct tls, tls_free)

/* Begins (client) or goes on with the handshake; what is to be sent is in tls_unsent().
 * 1: it is done, the peer is who it must be; 0: it needs more from the peer; -EACCES:
 * somebody else; -EBADMSG: not TLS. */
int tls_shake(struct tls *tls, struct error *err) MUST_USE;

/* Bytes from the peer go to tls_room(), which has room for `size`; tls_fed() says how
 * many there are. */
char *tls_room(struct tls *tls, size_t size) MUST_USE;
void tls_fed(struct tls *tls, size_t size);
/* Opens up to `size` of the bytes that were fed. 1: *ret_size of them; 0: none before
 * more is fed; -EPIPE: the peer closed its end; -EBADMSG: somebody changed the bytes on
 * their way. */
int tls_open(struct tls *tls, void *to, size_t size, size_t *ret_size,
             struct error *err) MUST_USE;
bool tls_has_more(const struct tls *tls); /* tls_open() may give something */
/* Adds the bytes, sealed, to tls_unsent(); only after the handshake. */
int tls_seal(struct tls *tls, const void *data, size_t size, struct error *err) MUST_USE;
/* A word to the peer that nothing more will come. */
void tls_close(struct tls *tls);

/* What is to be sent, borrowed until the next call; tls_sent() says how much was. */
const char *tls_unsent(const struct tls *tls, size_t *ret_size);
void tls_sent(struct tls *tls, size_t size);

#endif
