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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define SIGN_KEY_SIZE 32

struct sign_key; /* a private key */

void sign_key_free(struct sign_key *key);
DEFINE_FREEP(struct sign_key, sign_key_free)

/* The folder of keys: $ACHAR_KEYS, or $XDG_CONFIG_HOME/achar (~/.config/achar). The
 * private key is key.pem (PKCS #8, mode 0600), trusted public keys are in trusted.txt,
 * one hexadecimal key and a name a line. The own key is always trusted. */
char *sign_folder(void) MUST_USE;

/* Makes key.pem; -EEXIST when there is one. */
int sign_key_make(struct error *err) MUST_USE;
/* Loads key.pem; makes it first when there is none and `make` is true. Refuses a file
 * that others can read. */
int sign_key_load(bool make, struct sign_key **ret, struct error *err) MUST_USE;
void sign_key_public(const struct sign_key *key, uint8_t ret[SIGN_KEY_SIZE]);

/* Public keys as 64 hexadecimal digits. Reading takes either case and nothing else. */
#define SIGN_HEX_SIZE (2 * SIGN_KEY_SIZE + 1)
void sign_key_to_hex(const uint8_t key[SIGN_KEY_SIZE], char ret[SIGN_HEX_SIZE]);
bool sign_key_from_hex(const char *text, uint8_t ret[SIGN_KEY_SIZE]);

/* Adds a key to trusted.txt under a name (no line breaks in it); a key that is there
 * already gets the new name. */
int sign_trust(const uint8_t key[SIGN_KEY_SIZE], const char *name,
               struct error *err) MUST_USE;
/* 1 when the key is trusted: *ret_name is its owned name ("own key" for key.pem); else 0.
 * Fails when the key files cannot be relied on. */
int sign_is_trusted(const uint8_t key[SIGN_KEY_SIZE], char **ret_name,
                    struct error *err) MUST_USE;

int sign_file(const struct sign_key *key, const void *payload, size_t size,
              struct buffer *out, struct error *err) MUST_USE;

/* Finds the payload in a signed file. -EBADMSG: not a payload file, cut short or changed;
 * -EACCES: signed by a key that is not trusted (the text says how to trust it). `signer`
 * (if not NULL) is filled when the signature itself is right. The payload is borrowed. */
int sign_verify(const void *file, size_t size, const void **ret_payload, size_t *ret_size,
                uint8_t signer[SIGN_KEY_SIZE], struct error *err) MUST_USE;

/* As sign_verify(), but any key will do: who signed it is for the caller to judge. For
 * showing a file, never for running it. */
int sign_open(const void *file, size_t size, const void **ret_payload, size_t *ret_size,
              uint8_t signer[SIGN_KEY_SIZE], struct error *err) MUST_USE;

#define SIGN_FILE_SIZE_MAX ((size_t)1 << 32) /* bytes of a file; readers refuse more */

/* Signs and writes the file, replacing an old one in one step. */
int sign_save(const struct sign_key *key, const char *path, const void *payload,
              size_t size, struct error *err) MUST_USE;
/* Reads a whole file of at most SIGN_FILE_SIZE_MAX bytes; nothing is checked yet. */
int sign_read(const char *path, struct buffer *out, struct error *err) MUST_USE;

#endif
