/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Shared libraries by the names that people give them. */
#ifndef ACHAR_MAGICS_LIBRARIES_H
#define ACHAR_MAGICS_LIBRARIES_H

#include "magics/context.h"

/* Finds and opens a library by what a person calls it: a path or a name with ".so" stays
 * as it is; "z" and "-lz" become the soname of the dynamic linker's cache ("libz.so.1"),
 * or a file in one of the folders. One that is not there is an error that names it. */
int library_link(struct magic_context *context, const char *name,
                 const char *const *folders, size_t n_folders, struct result *result,
                 struct error *err) MUST_USE;

void libraries_forget(struct magics *magics); /* what files were when they were linked */

/* What of a compiler's flags a session can use: -I and -D, libraries behind -l in the
 * folders behind -L, and shared libraries by their files. */
int library_use(struct magic_context *context, const char *flags, struct result *result,
                struct error *err) MUST_USE;

#endif
