/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Temporary folders that only their owner can read. A folder is locked as long as the
 * process that made it lives, so what a process that was killed has left is known, and
 * removed by the next. */
#ifndef ACHAR_BASE_FOLDER_H
#define ACHAR_BASE_FOLDER_H

#include <stddef.h>

#include "pickler/base/error.h"
#include "pickler/base/memory.h"

struct folder {
    char *path; /* NULL: none */
    int lock;
};

/* Makes `PLACE/achar-PURPOSE-XXXXXX`; `place` NULL: $TMPDIR, or /tmp. `purpose` is one of
 * those in folder.c. */
int folder_make(struct folder *folder, const char *place, const char *purpose,
                struct error *err) MUST_USE;
/* Removes it with all that is in it; {0} is left. */
void folder_remove(struct folder *folder);

/* Removes what processes that are gone have left in $TMPDIR or /tmp, of this user. */
void folder_sweep(void);

#endif
