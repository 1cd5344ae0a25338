/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Work that is begun before the text is there that it reads. libclang and libtcc do half
 * of their work before they look at a text for the first time: they fill tables of
 * builtins, targets and macros. Such work runs on a stack of its own, opens
 * ahead_path(), and is left where it reads that file; when the text has come, it goes on
 * from there. No thread is involved. */
#ifndef ACHAR_UNIT_AHEAD_H
#define ACHAR_UNIT_AHEAD_H

#include <stdbool.h>
#include <stddef.h>

#include "pickler/base/memory.h"

#define AHEAD_FOLDER "/proc/self/fd/" /* of the file */

struct ahead;

/* NULL: this cannot be done here, and texts must be read when they are there. */
struct ahead *ahead_new(size_t stack_size) MUST_USE;
/* What waits is given an empty text first. */
void ahead_free(struct ahead *ahead);
DEFINE_FREEP(struct ahead, ahead_free)

/* The file that work() is to open; valid as long as `ahead`. */
const char *ahead_path(const struct ahead *ahead);
/* Runs work(context) until it reads the file. True: it waits there, and `context` must
 * stay. False: it has returned. Not while something waits. */
bool ahead_begin(struct ahead *ahead, void (*work)(void *context), void *context);
bool ahead_is_waiting(const struct ahead *ahead); /* NULL: no */
/* Gives the text to what waits, and returns when that has returned. */
void ahead_finish(struct ahead *ahead, const char *text, size_t size);

#endif
