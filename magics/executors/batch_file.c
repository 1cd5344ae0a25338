/* SPDX-License-Identifier: BSD-3-Clause */
#include "magics/executors/batch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "pickler/base/file.h"
#include "pickler/base/pack.h"

#define MAGIC "achar batch 1"
#define RESULT_SIZE_MAX ((off_t)1 << 31)

static char *path_of(const char *folder, const char *kind, size_t part)
{
    return must_format("%s/%s.%zu", folder, kind, part);
}

int batch_file_save(const char *folder, const struct sign_key *key, const void *payload,
                    size_t payload_size, const struct batch_part *parts, size_t n_parts,
                    const void *memo, size_t memo_size, struct error *err)
{
    CLEANUP(buffer_clear) struct buffer body = {0};
    CLEANUP(freep) char *path = must_format("%s/batch.achar", folder);
    pack_string(&body, MAGIC);
    pack_bytes(&body, payload, payload_size);
    pack_u64(&body, n_parts);
    for (size_t i = 0; i < n_parts; i++) {
        pack_u64(&body, parts[i].from);
        pack_u64(&body, parts[i].count);
        pack_bytes(&body, parts[i].hash, parts[i].has_argument ? PAYLOAD_HASH_SIZE : 0);
    }
    pack_bytes(&body, memo, memo_size);
    return sign_save(key, path, body.data, body.size, err);
}

void batch_file_clear(struct batch_file *file)
{
    buffer_clear(&file->bytes);
    free(file->parts);
    *file = (struct batch_file){0};
}

static int check_signature(struct batch_file *file, const uint8_t *signer,
                           const void **ret, size_t *ret_size, struct error *err)
{
    if (!signer)
        return sign_verify(file->bytes.data, file->bytes.size, ret, ret_size,
                           file->signer, err);
    int r =
        sign_open(file->bytes.data, file->bytes.size, ret, ret_size, file->signer, err);
    if (r == 0 && memcmp(file->signer, signer, SIGN_KEY_SIZE) != 0)
        r = error_set(err, -EACCES,
                      "it was signed by another key than the one that submitted the job");
    return r;
}

static bool parse(struct batch_file *file, const void *data, size_t size)
{
    struct unpack in = unpack_init(data, size);
    CLEANUP(freep) char *magic = unpack_string(&in);
    file->payload = unpack_bytes(&in, &file->payload_size);
    size_t n = unpack_count(&in);
    if (in.failed || !magic || strcmp(magic, MAGIC) != 0 || n > BATCH_PARTS_MAX)
        return false;
    file->parts = must_alloc((n + 1) * sizeof(*file->parts));
    for (; file->n_parts < n; file->n_parts++) {
        struct batch_part *part = &file->parts[file->n_parts];
        size_t hash_size;
        part->from = unpack_u64(&in);
        part->count = unpack_u64(&in);
        const void *hash = unpack_bytes(&in, &hash_size);
        if (in.failed || (hash_size != 0 && hash_size != PAYLOAD_HASH_SIZE))
            return false;
        part->has_argument = hash_size != 0;
        if (hash_size)
            memcpy(part->hash, hash, hash_size);
    }
    file->memo = unpack_bytes(&in, &file->memo_size);
    return unpack_done(&in);
}

int batch_file_open(const char *folder, const uint8_t *signer, struct batch_file *ret,
                    struct error *err)
{
    CLEANUP(batch_file_clear) struct batch_file file = {0};
    CLEANUP(freep) char *path = must_format("%s/batch.achar", folder);
    const void *data = NULL;
    size_t size = 0;
    int r = sign_read(path, &file.bytes, err);
    struct error why = {0};
    if (r == 0 && (r = check_signature(&file, signer, &data, &size, &why)) < 0)
        return error_set(err, r, "'%s': %s", path, why.text);
    if (r == 0 && !parse(&file, data, size))
        r = error_set(err, -EBADMSG, "'%s' is not the file of a batch job", path);
    if (r < 0)
        return r;
    *ret = file;
    file = (struct batch_file){0};
    return 0;
}

/* ---- whole files ---- */

/* Writes beside the place, then moves into it; is_first: only if nothing is there. */
static int save(const char *path, bool is_first, const void *data, size_t size,
                struct error *err)
{
    CLEANUP(freep) char *draft = must_format("%s.XXXXXX", path);
    CLEANUP(closep) int fd = mkostemp(draft, O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, -errno, "cannot write '%s'", path);
    int r = write_all(fd, data, size);
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    if (r == 0 && (is_first ? link(draft, path) : rename(draft, path)) < 0)
        r = -errno;
    if (r < 0 || is_first)
        unlink(draft);
    return r < 0 ? error_errno(err, r, "cannot write '%s'", path) : 0;
}

static int load(const char *path, struct buffer *ret, struct error *err)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0)
        return error_errno(err, -errno, "cannot read '%s'", path);
    if (info.st_size > RESULT_SIZE_MAX)
        return error_set(err, -EFBIG, "'%s' is larger than 2 GiB", path);
    buffer_reserve(ret, (size_t)info.st_size);
    while (ret->size < (size_t)info.st_size) {
        ssize_t n = read(fd, ret->data + ret->size, (size_t)info.st_size - ret->size);
        if (n <= 0)
            return error_errno(err, n ? -errno : -EIO, "cannot read '%s'", path);
        ret->size += (size_t)n;
    }
    return 0;
}

int batch_argument_save(const char *folder, size_t part, const void *data, size_t size,
                        struct error *err)
{
    CLEANUP(freep) char *path = path_of(folder, "in", part);
    return save(path, false, data, size, err);
}

int batch_argument_read(const char *folder, const struct batch_file *file, size_t part,
                        struct buffer *ret, struct error *err)
{
    uint8_t hash[PAYLOAD_HASH_SIZE];
    CLEANUP(freep) char *path = path_of(folder, "in", part);
    if (!file->parts[part].has_argument)
        return 0;
    int r = load(path, ret, err);
    if (r < 0)
        return r;
    payload_hash(ret->data, ret->size, hash);
    if (memcmp(hash, file->parts[part].hash, sizeof(hash)) != 0)
        return error_set(err, -EBADMSG, "'%s' was changed since it was signed", path);
    return 0;
}

bool batch_has_result(const char *folder, size_t part)
{
    CLEANUP(freep) char *path = path_of(folder, "result", part);
    return access(path, F_OK) == 0;
}

int batch_result_save(const char *folder, size_t part, const struct outcome *outcome,
                      const void *values, size_t size, struct error *err)
{
    CLEANUP(freep) char *path = path_of(folder, "result", part);
    CLEANUP(buffer_clear) struct buffer body = {0};
    outcome_pack(outcome, &body);
    pack_bytes(&body, values, size);
    return save(path, true, body.data, body.size, err);
}

int batch_result_read(const char *folder, size_t part, struct buffer *bytes,
                      struct outcome *ret, const void **ret_values, size_t *ret_size,
                      struct error *err)
{
    CLEANUP(freep) char *path = path_of(folder, "result", part);
    int r = load(path, bytes, err);
    if (r < 0)
        return r;
    struct unpack in = unpack_init(bytes->data, bytes->size);
    r = outcome_unpack(&in, ret, err);
    if (r < 0)
        return r;
    *ret_values = unpack_bytes(&in, ret_size);
    if (unpack_done(&in))
        return 0;
    outcome_clear(ret);
    return error_set(err, -EBADMSG, "'%s' cannot be read", path);
}
