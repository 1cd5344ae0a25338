/* SPDX-License-Identifier: BSD-3-Clause
 *
 * How names are found: by their text, and variables by their storage. For names.c and
 * lookup.c.
 */
#ifndef ACHAR_CODE_NAMES_TABLE_H
#define ACHAR_CODE_NAMES_TABLE_H

#include "pickler/code/names.h"

/* Takes the name, which must be new. */
void names_add(struct names *names, struct name *name);
void names_add_variable(struct names *names, struct name *name);
/* Before its storage changes; one that is not in the table is ignored. */
void names_remove_variable(struct names *names, const struct name *name);

/* Of the first library symbol that is not below an address. */
size_t names_library_position(const struct names *names, const char *address);

/* libraries.c: what a name means outside of cells, NULL: nothing; what code hands to
 * __tls_get_addr() for a thread-local variable there, kept with the names. */
void *library_find(const struct names *names, const char *text);
/* It is of a file that was opened by its path, and may be opened again. */
bool library_is_ones_own(const struct names *names, const char *text);
const struct thread_index *library_thread(struct names *names, const char *text);
void libraries_clear(struct names *names);

#endif
