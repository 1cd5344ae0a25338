/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What the headers of C and POSIX declare that a session has not included: for saying
 * which one to include, for inspection and completion. They are indexed when that is
 * first needed. */
#ifndef ACHAR_UNIT_LIBRARY_H
#define ACHAR_UNIT_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

#include "pickler/base/memory.h"

struct headers;
struct library;

struct library *library_new(void) MUST_USE;
void library_free(struct library *library);

/* The header that a name is known by: "stdio.h" for "printf"; NULL: only a list of common
 * names is looked at. */
const char *library_common_header(const char *name);
/* Calls each() with the common names. */
void library_each_common(void (*each)(void *context, const char *name, bool is_macro),
                         void *context);

/* As library_common_header(), of any name; tags as "struct x". */
const char *library_header(struct library *library, const char *name);
/* What it declares the name as, borrowed until the next call; *ret_is_macro: the text is
 * that of a macro, "NAME(a, b) body". NULL: no header declares it. */
const char *library_declaration(struct library *library, const char *name,
                                bool *ret_is_macro);
/* The same of any headers. */
const char *library_text(const struct headers *headers, const char *name,
                         bool *ret_is_macro);
/* Calls each() with the names that start with the prefix. */
void library_each(struct library *library, const char *prefix,
                  void (*each)(void *context, const char *name, bool is_macro),
                  void *context);

#endif
