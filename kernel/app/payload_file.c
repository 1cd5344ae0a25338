/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/app/payload_file.h"

#include <errno.h>

void payload_file_clear(struct payload_file *file)
{
    buffer_clear(&file->bytes);
    payload_free(file->payload);
    free(file->signer_name);
    *file = (struct payload_file){0};
}

static int open_file(const char *path, bool must_trust, struct payload_file *file,
                     struct error *err)
{
    const void *payload = NULL;
    size_t size = 0;
    int r = sign_read(path, &file->bytes, err);
    if (r < 0)
        return r;
    if (must_trust)
        r = sign_verify(file->bytes.data, file->bytes.size, &payload, &size, file->signer,
                        err);
    else
        r = sign_open(file->bytes.data, file->bytes.size, &payload, &size, file->signer,
                      err);
    if (r == 0)
        r = sign_is_trusted(file->signer, &file->signer_name, err);
    return r < 0 ? r : payload_unpack(payload, size, &file->payload, err);
}

int payload_file_open(const char *path, bool must_trust, struct payload_file *ret,
                      struct error *err)
{
    CLEANUP(payload_file_clear) struct payload_file file = {0};
    int r = open_file(path, must_trust, &file, err);
    if (r < 0)
        return r;
    *ret = file;
    file = (struct payload_file){0};
    return 0;
}
