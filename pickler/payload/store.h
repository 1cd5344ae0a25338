/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Small files read and written whole: keys, trusted.txt, payload files. */
#ifndef ACHAR_PAYLOAD_STORE_H
#define ACHAR_PAYLOAD_STORE_H

#include <stdbool.h>
#include <sys/types.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

/* Writes beside `path` and renames over it; with is_new it never replaces a file:
 * -EEXIST. */
int store_write(const char *path, const void *data, size_t size, mode_t mode, bool is_new,
                struct error *err) MUST_USE;

/* Reads a regular file of at most `max` bytes. `forbidden` mode bits, or an owner other
 * than this user and root when they are not 0, are refused with -EPERM. -ENOENT: no file.
 */
int store_read(const char *path, size_t max, mode_t forbidden, struct buffer *out,
               struct error *err) MUST_USE;

/* Makes a folder and those above it, mode 0700. */
int store_make_folder(const char *path, struct error *err) MUST_USE;

#endif
