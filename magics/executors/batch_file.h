/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The folder of a batch job, which the kernel writes and `achar run --batch` on a node
 * reads:
 *
 *     batch.achar   signed: "achar batch 1", payload, parts (what each is, and the
 * SHA-256 of its argument), and a memo of who has submitted it in.N          the argument
 * of part N, unless it is empty out.N         what part N has printed: (u8 stream, u32
 * size, bytes)... result.N      {outcome, b values}, as in a POOL_RESULT; it appears
 * whole, and once
 *
 * Numbers are little-endian. Only its user can read the folder. */
#ifndef ACHAR_EXECUTORS_BATCH_FILE_H
#define ACHAR_EXECUTORS_BATCH_FILE_H

#include "kernel/peer/outcome.h"
#include "pickler/payload/payload.h"
#include "pickler/payload/sign.h"

#define BATCH_PARTS_MAX 1000000
#define BATCH_TASKS_MAX 1000 /* of one array, as Slurm has it unless told otherwise */

struct batch_part {
    uint64_t from, count;            /* elements */
    uint8_t hash[PAYLOAD_HASH_SIZE]; /* of the argument */
    bool has_argument;
};

struct batch_file {
    struct buffer bytes; /* of the whole file; what follows is borrowed from it */
    uint8_t signer[SIGN_KEY_SIZE];
    const void *payload, *memo;
    size_t payload_size, memo_size;
    struct batch_part *parts;
    size_t n_parts;
};

int batch_file_save(const char *folder, const struct sign_key *key, const void *payload,
                    size_t payload_size, const struct batch_part *parts, size_t n_parts,
                    const void *memo, size_t memo_size, struct error *err) MUST_USE;
/* The signature is checked before anything is parsed; `signer` NULL: by a trusted key,
 * else by that one and no other. */
int batch_file_open(const char *folder, const uint8_t *signer, struct batch_file *ret,
                    struct error *err) MUST_USE;
void batch_file_clear(struct batch_file *file);

int batch_argument_save(const char *folder, size_t part, const void *data, size_t size,
                        struct error *err) MUST_USE;
/* -EBADMSG when it is not the one that was signed. */
int batch_argument_read(const char *folder, const struct batch_file *file, size_t part,
                        struct buffer *ret, struct error *err) MUST_USE;

bool batch_has_result(const char *folder, size_t part);
/* The first result of a part stays: -EEXIST when there is one. */
int batch_result_save(const char *folder, size_t part, const struct outcome *outcome,
                      const void *values, size_t size, struct error *err) MUST_USE;
/* `bytes` holds the values, borrowed. -ENOENT: not there yet. */
int batch_result_read(const char *folder, size_t part, struct buffer *bytes,
                      struct outcome *ret, const void **ret_values, size_t *ret_size,
                      struct error *err) MUST_USE;

#endif
