/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Files on disk that end with the process, however it ends. */
#ifndef ACHAR_BASE_NAMELESS_H
#define ACHAR_BASE_NAMELESS_H

#include "pickler/base/memory.h"

const char *temporary_folder(void); /* $TMPDIR, or /tmp; borrowed */
/* A file without a name there, to be read and written; -errno. */
int nameless_file(void) MUST_USE;

#endif
