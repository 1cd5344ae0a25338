/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The identity of a payload: SHA-256 of its bytes. */
#include <openssl/evp.h>

#include "pickler/payload/payload.h"

void payload_hash(const void *data, size_t size, uint8_t ret[PAYLOAD_HASH_SIZE])
{
    unsigned n = 0;
    if (!EVP_Digest(data, size, ret, &n, EVP_sha256(), NULL) || n != PAYLOAD_HASH_SIZE)
        abort(); /* SHA-256 cannot fail but for memory */
}
