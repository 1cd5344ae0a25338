/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every file is written with, and read at a place. */
#ifndef ACHAR_BASE_FILE_H
#define ACHAR_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "pickler/base/memory.h"

/* Writes all of it, however many calls that takes; 0 or a negative errno. Safe in signal
 * handlers. */
int write_all(int fd, const void *data, size_t size) MUST_USE;

/* The same at a place of a file, whose own position stays. */
int write_all_at(int fd, const void *data, size_t size, uint64_t offset) MUST_USE;
int read_all_at(int fd, void *to, size_t size,
                uint64_t offset) MUST_USE; /* -EIO: it ends before */

#endif
