/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Better code for functions of a unit of libtcc's that has no trampolines: a second
 * object defines them again, and the first bytes of the old ones become jumps to it. So
 * the next call of each, from wherever it comes, runs the new one, and the address that
 * it is known by stays what it was. For processes that define nothing again (payloads);
 * sessions swap (swap.h). */
#ifndef ACHAR_CODE_REDIRECT_H
#define ACHAR_CODE_REDIRECT_H

#include "pickler/code/names.h"

/* Loads the object and leads the functions that it and the names define to it. Its
 * variables are the names', unless it defines them itself. -EINVAL: it has constructors.
 * On failure nothing has changed. The unit is borrowed. */
int redirect_load(struct names *names, const void *object, size_t size, struct unit **ret,
                  struct error *err) MUST_USE;

/* False while the address lies in what redirect_load() would write, behind a function's
 * first byte: who goes on there would be in the middle of the jump. It allocates nothing.
 */
bool redirect_may_resume(const struct names *names, const void *address);

#endif
