/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Where calls of cell functions go through, and what redefinition leaves behind: for
 * files of this folder only. A trampoline that no name has any more, old storage, and the
 * small code that stands in for what cannot be called stay while something may lead
 * there; collect.h finds out. */
#ifndef ACHAR_CODE_TRAMPOLINE_H
#define ACHAR_CODE_TRAMPOLINE_H

#include "pickler/code/machine.h"
#include "pickler/code/names.h"

#define TRAMPOLINE_SIZE MACHINE_TRAMPOLINE_SIZE

int trampolines_init(struct names *names, struct error *err) MUST_USE;
void trampolines_clear(struct names *names);

/* The `n_taken`th trampoline that no name uses yet, made ready; NULL: there are too many.
 * They are in use when trampolines_commit() says so. */
char *trampoline_take(struct names *names, size_t n_taken);
void trampolines_commit(struct names *names, size_t n_taken);

/* Of all that are in use, by number: */
size_t trampolines_count(const struct names *names);
char *trampoline_at(const struct names *names, size_t i);
char *trampoline_target(const struct names *names, size_t i);
/* SIZE_MAX: the address is none of one. */
size_t trampoline_number(const struct names *names, const void *address);
/* Nothing leads to it: another name may have it. */
void trampoline_give(struct names *names, size_t i);

void trampoline_own(struct names *names, struct name *name);
/* What was stored of it goes on calling the old code, which fits it, but has no name now.
 */
void trampoline_leave(struct names *names, struct name *name);

/* Code that calls `undefined` with `text` (behind `mark`, if not NUL); NULL: no room. */
char *thunk_make(struct names *names, char mark, const char *text);

/* Memory of the arena that is given back when nothing leads to it. */
void names_leave(struct names *names, enum arena_part part, char *start, size_t size);

#endif
