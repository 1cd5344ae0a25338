/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Many bytes that several owners share and nobody changes: what is to go over several
 * links, or still waits at one, is kept once. Owners may be in several threads. */
#ifndef ACHAR_PEER_BLOB_H
#define ACHAR_PEER_BLOB_H

#include <stddef.h>

#include "pickler/base/buffer.h"

struct blob {
    unsigned n_owners; /* atomic */
    size_t size;
    char *data;
    struct blob *base; /* owned: whose memory it is, NULL: its own */
    int file;          /* what is mapped at `data`, owned; -1: from malloc() */
};

struct blob *blob_new(const void *data, size_t size) MUST_USE; /* copies */
struct blob *blob_take(struct buffer *buffer) MUST_USE;        /* leaves an empty one */
/* What is in the file, mapped; takes it, also on failure: NULL. */
struct blob *blob_map(int file, size_t size) MUST_USE;
/* A part of another one, which stays as long. */
struct blob *blob_slice(struct blob *base, const char *data, size_t size) MUST_USE;
struct blob *blob_ref(struct blob *blob) MUST_USE;
void blob_unref(struct blob *blob); /* NULL: nothing */
DEFINE_FREEP(struct blob, blob_unref)

#endif
