/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The descriptors that a session's input and output go through: a cell that closes one,
 * or the stream above it, does so for itself only. What a cell redirects stays
 * redirected; what it has not read of its input is not the next cell's. */
#ifndef ACHAR_WORKER_OUTPUT_H
#define ACHAR_WORKER_OUTPUT_H

/* Remembers where descriptors 0, 1 and 2 lead; once, before any cell runs. */
void output_init(void);

/* Opens again what the last cell has closed, and drops what it has not read. */
void output_restore(void);

#endif
