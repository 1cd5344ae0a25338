/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Ed25519 signs one run of bytes: the header up to the signature, then everything behind
 * it, put together here. */
#include "pickler/payload/sign.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "pickler/payload/key.h"
#include "pickler/payload/payload.h"
#include "pickler/payload/store.h"

#define MAGIC "ACHAR" /* with its NUL */
#define MAGIC_SIZE 6
#define VERSION_AT MAGIC_SIZE
#define KEY_AT (VERSION_AT + 2)
#define SIGNATURE_AT (KEY_AT + SIGN_KEY_SIZE)
#define SIGNATURE_SIZE 64
#define SIZE_AT (SIGNATURE_AT + SIGNATURE_SIZE)
#define PAYLOAD_AT (SIZE_AT + 8)

static void put_number(uint8_t *at, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t get_number(const uint8_t *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

/* Owned copy of the file without the signature; NULL when there is no memory. */
static uint8_t *signed_bytes(const uint8_t *file, size_t size)
{
    uint8_t *bytes = malloc(size - SIGNATURE_SIZE);
    if (!bytes)
        return NULL;
    memcpy(bytes, file, SIGNATURE_AT);
    memcpy(bytes + SIGNATURE_AT, file + SIZE_AT, size - SIZE_AT);
    return bytes;
}

static int sign_bytes(const struct sign_key *key, uint8_t *file, size_t size,
                      struct error *err)
{
    CLEANUP(freep) uint8_t *bytes = signed_bytes(file, size);
    EVP_MD_CTX *context = bytes ? EVP_MD_CTX_new() : NULL;
    size_t n = SIGNATURE_SIZE;
    bool ok = context && EVP_DigestSignInit(context, NULL, NULL, NULL, key->pair) == 1 &&
              EVP_DigestSign(context, file + SIGNATURE_AT, &n, bytes,
                             size - SIGNATURE_SIZE) == 1 &&
              n == SIGNATURE_SIZE;
    EVP_MD_CTX_free(context);
    return ok ? 0 : error_set(err, -ENOMEM, "cannot sign the payload");
}

int sign_file(const struct sign_key *key, const void *payload, size_t size,
              struct buffer *out, struct error *err)
{
    if (size > SIGN_FILE_SIZE_MAX - PAYLOAD_AT)
        return error_set(err, -EFBIG, "the payload has %zu bytes, more than a file may",
                         size);
    size_t start = out->size;
    buffer_reserve(out, PAYLOAD_AT + size);
    uint8_t header[PAYLOAD_AT] = {0};
    memcpy(header, MAGIC, MAGIC_SIZE);
    put_number(header + VERSION_AT, PAYLOAD_VERSION, 2);
    memcpy(header + KEY_AT, key->public, SIGN_KEY_SIZE);
    put_number(header + SIZE_AT, size, 8);
    buffer_add(out, header, sizeof(header));
    buffer_add(out, payload, size);
    int r = sign_bytes(key, (uint8_t *)out->data + start, out->size - start, err);
    if (r < 0) {
        out->size = start;
        out->data[start] = '\0';
    }
    return r;
}

/* -1: cannot tell (no memory). */
static int is_signature_right(const uint8_t *file, size_t size)
{
    CLEANUP(freep) uint8_t *bytes = signed_bytes(file, size);
    EVP_PKEY *key =
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, file + KEY_AT, SIGN_KEY_SIZE);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int r = -1;
    if (bytes && key && context &&
        EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1)
        r = EVP_DigestVerify(context, file + SIGNATURE_AT, SIGNATURE_SIZE, bytes,
                             size - SIGNATURE_SIZE) == 1;
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return r;
}

/* What must be read before the signature can be checked; nothing of it is believed. */
static int check_frame(const uint8_t *file, size_t size, struct error *err)
{
    if (size < MAGIC_SIZE || memcmp(file, MAGIC, MAGIC_SIZE) != 0)
        return error_set(err, -EBADMSG,
                         "it is not a payload file: it does not start with '" MAGIC "'");
    if (size < PAYLOAD_AT)
        return error_set(
            err, -EBADMSG,
            "the payload file is cut short: %zu bytes are less than a header", size);
    uint64_t version = get_number(file + VERSION_AT, 2);
    if (version != PAYLOAD_VERSION)
        return error_set(err, -EBADMSG,
                         "the payload file has format version %u; this achar reads %u",
                         (unsigned)version, PAYLOAD_VERSION);
    uint64_t payload = get_number(file + SIZE_AT, 8);
    if (payload > size - PAYLOAD_AT)
        return error_set(
            err, -EBADMSG,
            "the payload file is cut short or was changed: it announces %llu bytes of "
            "payload and holds %zu",
            (unsigned long long)payload, size - PAYLOAD_AT);
    if (payload < size - PAYLOAD_AT)
        return error_set(err, -EBADMSG,
                         "the payload file was changed: %llu bytes follow its end",
                         (unsigned long long)(size - PAYLOAD_AT - payload));
    return 0;
}

int sign_open(const void *data, size_t size, const void **ret_payload, size_t *ret_size,
              uint8_t signer[SIGN_KEY_SIZE], struct error *err)
{
    const uint8_t *file = data;
    int r = check_frame(file, size, err);
    if (r < 0)
        return r;
    r = is_signature_right(file, size);
    if (r < 0)
        return error_set(err, -ENOMEM, "cannot check the signature");
    if (r == 0)
        return error_set(
            err, -EBADMSG,
            "the signature is wrong: the payload file was changed or damaged after it "
            "was signed");
    if (signer)
        memcpy(signer, file + KEY_AT, SIGN_KEY_SIZE);
    *ret_payload = file + PAYLOAD_AT;
    *ret_size = size - PAYLOAD_AT;
    return 0;
}

int sign_verify(const void *file, size_t size, const void **ret_payload, size_t *ret_size,
                uint8_t signer[SIGN_KEY_SIZE], struct error *err)
{
    uint8_t key[SIGN_KEY_SIZE];
    const void *payload = NULL;
    size_t payload_size = 0;
    CLEANUP(freep) char *name = NULL;
    int r = sign_open(file, size, &payload, &payload_size, key, err);
    if (r < 0)
        return r;
    if (signer)
        memcpy(signer, key, SIGN_KEY_SIZE);
    r = sign_is_trusted(key, &name, err);
    if (r < 0)
        return r;
    if (r == 0) {
        char hex[SIGN_HEX_SIZE];
        sign_key_to_hex(key, hex);
        return error_set(
            err, -EACCES,
            "it is signed by the key %s, which is not trusted here; if you know whose "
            "it is: achar key --trust %s NAME",
            hex, hex);
    }
    *ret_payload = payload;
    *ret_size = payload_size;
    return 0;
}

int sign_save(const struct sign_key *key, const char *path, const void *payload,
              size_t size, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer file = {0};
    int r = sign_file(key, payload, size, &file, err);
    return r < 0 ? r : store_write(path, file.data, file.size, 0644, false, err);
}

int sign_read(const char *path, struct buffer *out, struct error *err)
{
    return store_read(path, SIGN_FILE_SIZE_MAX, 0, out, err);
}
