/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ed25519 signatures on payload files (RFC 8032, by OpenSSL). A file is
 *
 *     "ACHAR\0" | u16 version | 32 public key | 64 signature | u64 size | payload
 *
 * and the signature covers everything before it and everything after it. It is checked
 * before anything behind it is parsed. */
#ifndef ACHAR_PAYLOAD_SIGN_H
#define ACHAR_PAYLOAD_SIGN_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define SIGN_KEY_SIZE 32

struct sign_key; /* a private key */

void sign_key_free(struct sign_key *key);
DEFINE_FREEP(struct sign_key, sign_key_free)

/* The folder of keys: $ACHAR_KEYS, or $XDG_CONFIG_HOME/achar (~/.config/achar). The private
 * key is key.pem (PKCS #8, mode 0600), trusted public keys are in trusted.txt, one
 * hexadecimal key and a name a line. The own key is always trusted. */
char *sign_folder(void) MUST_USE;

/* Makes key.pem; -EEXIST when there is one. */
int sign_key_make(struct error *err) MUST_USE;
/* Loads key.pem; makes it first when there is none and `make` is true. Refuses a file
 * that others can read. */
int sign_key_load(bool make, struct sign_key **ret, struct error *err) MUST_USE;
void sign_key_public(const struct sign_key *key, uint8_t ret[SIGN_KEY_SIZE]);

int sign_file(const struct sign_key *key, const void *payload, size_t size,
              struct buffer *out, struct error *err) MUST_USE;

/* Finds the payload in a signed file. -EBADMSG: not a payload file, cut short or changed;
 * -EACCES: signed by a key that is not trusted (the text says how to trust it). `signer`
 * (if not NULL) is filled when the signature itself is right. The payload is borrowed. */
int sign_verify(const void *file, size_t size, const void **ret_payload, size_t *ret_size,
                uint8_t signer[SIGN_KEY_SIZE], struct error *err) MUST_USE;

#endif
