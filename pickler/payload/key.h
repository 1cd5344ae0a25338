/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What sign.c and key.c share. */
#ifndef ACHAR_PAYLOAD_KEY_H
#define ACHAR_PAYLOAD_KEY_H

#include <openssl/evp.h>

#include "pickler/payload/sign.h"

struct sign_key {
    EVP_PKEY *pair; /* owned */
    uint8_t public[SIGN_KEY_SIZE];
};

/* Owned path of a file in the key folder; NULL with an error when there is no home. */
char *key_file_path(const char *name, struct error *err) MUST_USE;

#endif
