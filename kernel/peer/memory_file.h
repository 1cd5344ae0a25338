/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Bytes that go from process to process of one machine as a descriptor: a file in memory
 * that is sealed, so that nobody can change it or make a reader of it fault, not even who
 * has written it. */
#ifndef ACHAR_PEER_MEMORY_FILE_H
#define ACHAR_PEER_MEMORY_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "pickler/base/memory.h"

#define MEMORY_FILE_MIN ((size_t)256 << 10) /* less goes as bytes of a frame */

/* A descriptor; -errno. */
int memory_file_make(const struct iovec *parts, int n_parts) MUST_USE;
/* It is such a file, of at least this size. */
bool memory_file_is_sealed(int fd, size_t size);
/* To be read; NULL: it is no such file of at least this size, or cannot be mapped. */
void *memory_file_map(int fd, size_t size) MUST_USE;
void memory_file_unmap(void *data, size_t size); /* NULL: nothing */

#endif
