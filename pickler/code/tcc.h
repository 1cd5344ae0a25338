/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The compiler that answers at once: libtcc, in this process, from text to an ELF object
 * in memory. Its own linker is never used: it misreads variables of other units and ends
 * the process on errors. The only file that talks to libtcc. */
#ifndef ACHAR_CODE_TCC_H
#define ACHAR_CODE_TCC_H

#include "pickler/code/compile.h"

/* `flags` (-I, -D, ...; may be NULL) are added to ours. A text that does not compile is a
 * success with !ret->is_ok; an implicit function declaration is such an error. */
int tcc_compile(const char *text, const char *const *flags, size_t n_flags,
                struct compiled *ret, struct error *err) MUST_USE;

/* Texts with labels are compiled twice, others may be given to tcc_compile_file(). */
bool tcc_has_labels(const char *text);
/* The same without flags. The file is opened and read from its start to its end when
 * everything else is ready. */
int tcc_compile_file(const char *path, struct compiled *ret, struct error *err) MUST_USE;

/* What can be done before the next text without flags is there; it is held, with a
 * descriptor, until that text or tcc_drop(). */
void tcc_prepare(void);
void tcc_drop(void);

#endif
