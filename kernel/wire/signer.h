/* SPDX-License-Identifier: BSD-3-Clause
 *
 * HMAC-SHA256 of messages, and the memory of the signatures that were accepted, so that a
 * message is accepted once. One thread. */
#ifndef ACHAR_WIRE_SIGNER_H
#define ACHAR_WIRE_SIGNER_H

#include <stdbool.h>
#include <stddef.h>

#include "pickler/base/error.h"
#include "pickler/base/memory.h"

#define SIGNATURE_SIZE 64      /* hexadecimal digits */
#define SIGNATURE_MEMORY 65536 /* accepted signatures remembered, the newest */

struct span {
    const void *data; /* borrowed */
    size_t size;
};

enum signature_check { SIGNATURE_GOOD, SIGNATURE_WRONG, SIGNATURE_REPLAYED };

struct signer;

/* With the key "" nothing is signed and everything is accepted. */
int signer_new(const char *key, struct signer **ret, struct error *err) MUST_USE;
void signer_free(struct signer *signer);
DEFINE_FREEP(struct signer, signer_free)

/* The signature of the parts in order; "" without a key. */
void signer_sign(struct signer *signer, const struct span *parts, size_t n,
                 char ret[SIGNATURE_SIZE + 1]);
/* Compares in constant time; remembers what it accepts. */
enum signature_check signer_check(struct signer *signer, const struct span *parts,
                                  size_t n, struct span signature);

#endif
