/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What every file is written with. */
#ifndef ACHAR_BASE_FILE_H
#define ACHAR_BASE_FILE_H

#include <stddef.h>

#include "pickler/base/memory.h"

/* Writes all of it, however many calls that takes; 0 or a negative errno. Safe in signal
 * handlers. */
int write_all(int fd, const void *data, size_t size) MUST_USE;

#endif
