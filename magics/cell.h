/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A whole cell as the front end sent it: C text, magics, shell lines, help, in order. */
#ifndef ACHAR_MAGICS_CELL_H
#define ACHAR_MAGICS_CELL_H

#include "kernel/session/session.h"

struct magics; /* the session's executors and other state of magics */

int magics_new(struct session *session, struct magics **ret, struct error *err) MUST_USE;
void magics_free(struct magics *magics);
DEFINE_FREEP(struct magics, magics_free)

/* Cells that are not counted get numbers from here on: every cell's number names its text
 * and its definitions. */
#define CELL_UNCOUNTED 1000000

/* Runs everything in the cell up to the first error. */
int magics_run_cell(struct magics *magics, uint32_t cell, const char *source,
                    const struct session_events *events, struct result *result,
                    struct error *err) MUST_USE;

/* The names for segmenting and completion; NULL-terminated, borrowed for ever. */
const char *const *magics_names(size_t *n);

#endif
