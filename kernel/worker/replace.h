/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Library functions that cells get from us: those that would end the process (exit,
 * abort, a failed assert, ...) end the cell. */
#ifndef ACHAR_WORKER_REPLACE_H
#define ACHAR_WORKER_REPLACE_H

#include <stdbool.h>
#include <stddef.h>

/* NULL: the library's own is fine. */
void *replace_find(const char *name);

/* Functions that the cell has given to atexit(), last first; each runs once. */
void replace_run_exit_handlers(void);
bool replace_has_exit_handlers(void);

/* Those that have not run yet; borrowed. */
void (*const *replace_exit_handlers(size_t *ret_n))(void);

/* Called for a function that is declared but not defined, or ("!why") could not follow
 * what it uses; as names_hooks.undefined. */
void replace_undefined(const char *name);

#endif
