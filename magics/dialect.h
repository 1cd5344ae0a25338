/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What %std and %cc chose for later cells. */
#ifndef ACHAR_MAGICS_DIALECT_H
#define ACHAR_MAGICS_DIALECT_H

#include "magics/context.h"

/* Tells the session how later cells are compiled: options of dialect_options(), and what
 * the compiler defines by itself where one was chosen. */
void dialect_set(struct magic_context *context, const char *options,
                 const char *compiler);

/* Owned options (pickler/code/cc.h) of a standard and of a compiler with its flags,
 * either may be NULL; NULL when no compiler takes them: the result says why. A standard
 * that only some compiler knows names that compiler. */
char *dialect_options(struct magic_context *context, const char *standard,
                      const char *compiler, struct result *result) MUST_USE;

#endif
