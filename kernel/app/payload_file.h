/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A payload file as the commands open it: the signature before everything else. */
#ifndef ACHAR_APP_PAYLOAD_FILE_H
#define ACHAR_APP_PAYLOAD_FILE_H

#include "pickler/payload/payload.h"
#include "pickler/payload/sign.h"

struct payload_file {
    struct buffer bytes; /* of the whole file */
    struct payload *payload;
    uint8_t signer[SIGN_KEY_SIZE];
    char *signer_name; /* NULL when the signer is not trusted */
};

/* With must_trust a file by a key that is not trusted is refused (-EACCES), before it is
 * parsed; without, its signature must be right all the same. */
int payload_file_open(const char *path, bool must_trust, struct payload_file *ret,
                      struct error *err) MUST_USE;
void payload_file_clear(struct payload_file *file);

#endif
