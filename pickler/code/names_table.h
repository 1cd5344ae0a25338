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

#endif
