/* SPDX-License-Identifier: BSD-3-Clause
 *
 * libtcc made ready for the next unit before it is there, as kernel/unit/ahead.h has it.
 * libtcc does one thing at a time in a process: so does this. */
#ifndef ACHAR_UNIT_EARLY_COMPILE_H
#define ACHAR_UNIT_EARLY_COMPILE_H

#include "pickler/code/compile.h"

/* To be called when there is nothing else to do. */
void early_compile_begin(void);
/* tcc_compile() without flags, by what was begun if something was. */
int early_compile(const char *text, struct compiled *ret, struct error *err) MUST_USE;
/* Before libtcc is used otherwise. */
void early_compile_drop(void);

#endif
