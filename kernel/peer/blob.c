/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/blob.h"

struct blob *blob_new(const void *data, size_t size)
{
    struct buffer copy = {0};
    if (size)
        buffer_add(&copy, data, size);
    return blob_take(&copy);
}

struct blob *blob_take(struct buffer *buffer)
{
    struct blob *blob = must_alloc(sizeof(*blob));
    *blob = (struct blob){.n_owners = 1, .size = buffer->size, .data = buffer->data};
    *buffer = (struct buffer){0};
    return blob;
}

struct blob *blob_ref(struct blob *blob)
{
    __atomic_add_fetch(&blob->n_owners, 1, __ATOMIC_RELAXED);
    return blob;
}

void blob_unref(struct blob *blob)
{
    if (blob && __atomic_sub_fetch(&blob->n_owners, 1, __ATOMIC_ACQ_REL) == 0) {
        free(blob->data);
        free(blob);
    }
}
