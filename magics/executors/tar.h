/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A tar archive (POSIX.1-1988 ustar) of regular files, the same bytes for the same files:
 * no times, no owners. */
#ifndef ACHAR_EXECUTORS_TAR_H
#define ACHAR_EXECUTORS_TAR_H

#include <stdbool.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define TAR_NAME_MAX 99

/* -ENAMETOOLONG. Folders are made by who unpacks. */
int tar_add(struct buffer *tar, const char *name, const void *data, size_t size,
            bool is_executable, struct error *err) MUST_USE;
/* The content of a file of this machine; -EFBIG above `max` bytes in the whole archive.
 */
int tar_add_file(struct buffer *tar, const char *name, const char *path,
                 bool is_executable, size_t max, struct error *err) MUST_USE;
void tar_end(struct buffer *tar);

#endif
