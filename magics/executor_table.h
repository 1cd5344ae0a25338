/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The executors that have names in a session; "local" is always there. */
#ifndef ACHAR_MAGICS_EXECUTOR_TABLE_H
#define ACHAR_MAGICS_EXECUTOR_TABLE_H

#include "magics/context.h"

#define EXECUTOR_DEFAULT "local"

void executors_init(struct magics *magics);
void executors_clear(struct magics *magics); /* ends every crew */

/* Gives a name to an executor type with options; an older one of that name is ended.
 * Takes the options. */
void executors_define(struct magics *magics, const char *name,
                      const struct executor_type *type, struct executor_option *options,
                      size_t n_options);

/* The executor of that name, NULL: the default; NULL after a mistake. */
struct named_executor *executors_find(struct magics *magics, const char *name,
                                      struct result *result);
/* What a magic that was told `name` means: NULL is the default. Borrowed. */
const char *executors_name(const struct magics *magics, const char *name);
/* Makes it the default; false when there is none of that name, told in the result. */
bool executors_choose(struct magics *magics, const char *name, struct result *result);

/* The crew of an executor, begun when it is not there; its pools may still be to come.
 * NULL after a mistake of the user or an executor that does not begin: the result says
 * which. `name` NULL: the default. */
struct crew *executors_crew(struct magics *magics, const char *name,
                            struct result *result);

#endif
