/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The descriptors that a session's input and output go through: a cell that closes one,
 * or the stream above it, does so for itself only. What a cell redirects stays
 * redirected; what it has not read of its input is not the next cell's. */
#ifndef ACHAR_WORKER_OUTPUT_H
#define ACHAR_WORKER_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

/* Remembers where descriptors 0, 1 and 2 lead; once, before any cell runs. */
void output_init(void);

/* A program was started, or this process was forked: it may print when the cell is done.
 * fork() is noticed by itself. */
void output_note_program(void);

/* A copy of this process goes on: the front reads the pipe `inode` now. Where that is not
 * the one that this copy knows, it needs new ones. */
void output_check(uint64_t inode);

/* Where that has happened since the last call: gives descriptors 1 and 2 new pipes, so
 * that what is printed later is told apart, and *ret the read ends (owned); false,
 * nothing to do. A descriptor that a cell has redirected stays so. */
bool output_renew(int ret[2]);

/* Opens again what the last cell has closed, and drops what it has not read. */
void output_restore(void);

#endif
