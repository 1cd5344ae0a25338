/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The descriptors that a session's output goes through: a cell that closes one, or the
 * stream above it, does so for itself only. What a cell redirects stays redirected. */
#ifndef ACHAR_WORKER_OUTPUT_H
#define ACHAR_WORKER_OUTPUT_H

/* Remembers where descriptors 1 and 2 lead; once, before any cell runs. */
void output_init(void);

/* Opens again what the last cell has closed. */
void output_restore(void);

#endif
