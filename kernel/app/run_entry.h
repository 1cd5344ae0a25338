/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The entry that `achar run` gives to a payload of functions and variables: a call with
 * arguments of the command line, converted by the parameters' types, or a look at a
 * variable. */
#ifndef ACHAR_APP_RUN_ENTRY_H
#define ACHAR_APP_RUN_ENTRY_H

#include "pickler/payload/payload.h"

/* Picks the function or variable `name` (NULL: the only one that was pickled) and fills
 * entry, entry_text and value_type. -EINVAL: the name or an argument is wrong. */
int run_entry_make(struct payload *payload, const char *name, char *const *arguments,
                   size_t n, struct error *err) MUST_USE;

#endif
