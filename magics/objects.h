/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Object files, archives and C files of one's own as one shared library. */
#ifndef ACHAR_MAGICS_OBJECTS_H
#define ACHAR_MAGICS_OBJECTS_H

#include "magics/context.h"

/* "x.o", "x.a", "x.c": what the compiler makes a library of. */
bool objects_is_one(const char *name);

/* Compiles and links the files among the words; *ret (owned) is the library, which stays
 * until objects_clear(), or NULL: the result says why there is none. */
int objects_build(struct magic_context *context, const char *const *words, size_t n,
                  char **ret, struct result *result, struct error *err) MUST_USE;
void objects_clear(struct magics *magics);

#endif
