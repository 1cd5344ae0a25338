/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How much memory code of cells may have. The system's limit on data holds while such
 * code runs only, so that nothing of ours runs into it; malloc() and mmap() then fail as
 * they do where memory runs out. */
#ifndef ACHAR_WORKER_LIMIT_H
#define ACHAR_WORKER_LIMIT_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Once, before any cell: what the process has now does not count. */
void limit_init(void);

/* 0: none. */
void limit_set(uint64_t bytes);

/* From now on, in a process that runs nothing else; 0: none. */
void limit_keep(uint64_t bytes);

/* Around code of cells. */
void limit_begin(void);
void limit_end(void);

/* Whether a SIGSEGV is the use of a pointer that malloc() has refused since
 * limit_begin(); `text` gets how much was asked for, and *ret_is_limit whether a limit is
 * set. For signal handlers. */
bool limit_is_cause(const siginfo_t *info, char *text, size_t size, bool *ret_is_limit);

#endif
