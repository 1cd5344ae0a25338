/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Accepted digests stand in a ring; chains through the ring find one by its first bytes,
 * which are as good as random. */
#include "kernel/wire/signer.h"

#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdint.h>
#include <string.h>

#define DIGEST_SIZE 32
#define CHAINS 65536
#define NONE UINT32_MAX

struct memory_slot {
    unsigned char digest[DIGEST_SIZE];
    uint32_t next; /* in the same chain, or NONE */
};

struct signer {
    EVP_MAC_CTX *mac;          /* NULL without a key */
    struct memory_slot *slots; /* SIGNATURE_MEMORY */
    uint32_t *chains;          /* CHAINS */
    size_t n_accepted;
};

static uint32_t chain_of(const unsigned char *digest)
{
    return (uint32_t)digest[0] << 8 | digest[1];
}

int signer_new(const char *key, struct signer **ret, struct error *err)
{
    CLEANUP(signer_freep) struct signer *signer = must_alloc(sizeof(*signer));
    if (!*key) {
        *ret = TAKE(signer);
        return 0;
    }
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    signer->mac = hmac ? EVP_MAC_CTX_new(hmac) : NULL;
    EVP_MAC_free(hmac);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string("digest", (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    if (!signer->mac ||
        !EVP_MAC_init(signer->mac, (const unsigned char *)key, strlen(key), parameters))
        return error_set(err, -ENOTSUP, "OpenSSL offers no HMAC-SHA256");
    signer->slots = must_alloc(SIGNATURE_MEMORY * sizeof(*signer->slots));
    signer->chains = must_alloc(CHAINS * sizeof(*signer->chains));
    memset(signer->chains, 0xFF, CHAINS * sizeof(*signer->chains));
    *ret = TAKE(signer);
    return 0;
}

void signer_free(struct signer *signer)
{
    if (!signer)
        return;
    EVP_MAC_CTX_free(signer->mac);
    free(signer->slots);
    free(signer->chains);
    free(signer);
}

static void digest_parts(struct signer *signer, const struct span *parts, size_t n,
                         unsigned char digest[DIGEST_SIZE])
{
    size_t size = 0;
    int ok = EVP_MAC_init(signer->mac, NULL, 0, NULL);
    for (size_t i = 0; ok && i < n; i++)
        ok = EVP_MAC_update(signer->mac, parts[i].data, parts[i].size);
    ok = ok && EVP_MAC_final(signer->mac, digest, &size, DIGEST_SIZE);
    assert(ok && size == DIGEST_SIZE);
    if (!ok) /* never accept or emit what was not computed */
        abort();
}

static void to_hex(const unsigned char digest[DIGEST_SIZE], char ret[SIGNATURE_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        ret[2 * i] = digits[digest[i] >> 4];
        ret[2 * i + 1] = digits[digest[i] & 15];
    }
    ret[SIGNATURE_SIZE] = 0;
}

void signer_sign(struct signer *signer, const struct span *parts, size_t n,
                 char ret[SIGNATURE_SIZE + 1])
{
    ret[0] = 0;
    if (!signer->mac)
        return;
    unsigned char digest[DIGEST_SIZE];
    digest_parts(signer, parts, n, digest);
    to_hex(digest, ret);
}

static bool was_accepted(const struct signer *signer, const unsigned char *digest)
{
    uint32_t i = signer->chains[chain_of(digest)];
    while (i != NONE && memcmp(signer->slots[i].digest, digest, DIGEST_SIZE) != 0)
        i = signer->slots[i].next;
    return i != NONE;
}

static void forget(struct signer *signer, uint32_t slot)
{
    uint32_t *link = &signer->chains[chain_of(signer->slots[slot].digest)];
    while (*link != slot)
        link = &signer->slots[*link].next;
    *link = signer->slots[slot].next;
}

static void remember(struct signer *signer, const unsigned char *digest)
{
    uint32_t slot = (uint32_t)(signer->n_accepted % SIGNATURE_MEMORY);
    if (signer->n_accepted >= SIGNATURE_MEMORY)
        forget(signer, slot);
    signer->n_accepted++;
    memcpy(signer->slots[slot].digest, digest, DIGEST_SIZE);
    signer->slots[slot].next = signer->chains[chain_of(digest)];
    signer->chains[chain_of(digest)] = slot;
}

enum signature_check signer_check(struct signer *signer, const struct span *parts,
                                  size_t n, struct span signature)
{
    if (!signer->mac)
        return SIGNATURE_GOOD;
    if (signature.size != SIGNATURE_SIZE)
        return SIGNATURE_WRONG;
    unsigned char digest[DIGEST_SIZE];
    char expected[SIGNATURE_SIZE + 1];
    digest_parts(signer, parts, n, digest);
    to_hex(digest, expected);
    if (CRYPTO_memcmp(expected, signature.data, SIGNATURE_SIZE) != 0)
        return SIGNATURE_WRONG;
    if (was_accepted(signer, digest))
        return SIGNATURE_REPLAYED;
    remember(signer, digest);
    return SIGNATURE_GOOD;
}
