/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What code of libtcc needs at run time. Apart from the compiler, which also runs where
 * such code never does. */
#ifndef ACHAR_CODE_TCC_HELPER_H
#define ACHAR_CODE_TCC_HELPER_H

/* Functions that libtcc's code calls by itself ("__va_arg", "__floatundidf", "alloca",
 * ...); NULL for other names. */
void *tcc_helper(const char *name);

#endif
