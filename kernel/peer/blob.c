/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/peer/blob.h"

#include <sys/mman.h>

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
    *blob = (struct blob){
        .n_owners = 1, .size = buffer->size, .data = buffer->data, .file = -1};
    *buffer = (struct buffer){0};
    return blob;
}

struct blob *blob_map(int file, size_t size)
{
    void *data = size ? mmap(NULL, size, PROT_READ, MAP_SHARED, file, 0) : NULL;
    if (data == MAP_FAILED) {
        close(file);
        return NULL;
    }
    struct blob *blob = must_alloc(sizeof(*blob));
    *blob = (struct blob){.n_owners = 1, .size = size, .data = data, .file = file};
    return blob;
}

struct blob *blob_slice(struct blob *base, const char *data, size_t size)
{
    struct blob *blob = must_alloc(sizeof(*blob));
    *blob = (struct blob){.n_owners = 1,
                          .size = size,
                          .data = (char *)data,
                          .base = blob_ref(base),
                          .file = -1};
    return blob;
}

static void free_memory(struct blob *blob)
{
    if (blob->base)
        blob_unref(blob->base);
    else if (blob->file < 0)
        free(blob->data);
    else if (blob->size)
        munmap(blob->data, blob->size);
    closep(&blob->file);
}

struct blob *blob_ref(struct blob *blob)
{
    __atomic_add_fetch(&blob->n_owners, 1, __ATOMIC_RELAXED);
    return blob;
}

void blob_unref(struct blob *blob)
{
    if (blob && __atomic_sub_fetch(&blob->n_owners, 1, __ATOMIC_ACQ_REL) == 0) {
        free_memory(blob);
        free(blob);
    }
}
