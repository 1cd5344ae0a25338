/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Preprocessing in process, by libtcc. libtcc writes to the `stdout` of the moment its
 * state is made, so that variable points elsewhere for that moment: one thread only. */
#ifndef ACHAR_UNIT_HEADER_TEXT_H
#define ACHAR_UNIT_HEADER_TEXT_H

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define HEADER_TEXT_MAX (64u << 20)

/* The preprocessed `text` with line markers and, in between, every #define and #undef in
 * the order in which they were met. `flags` as given to a compiler; -I, -isystem, -D and
 * -U count. `last_folder`, which may be NULL, is searched behind all others. -ENOENT and
 * the file's name when an included file is missing. */
int header_text(const char *text, const char *const *flags, size_t n_flags,
                const char *last_folder, struct buffer *ret, struct error *err) MUST_USE;

/* The preprocessed text alone, without line markers and blank lines. */
int header_expand(const char *text, const char *const *flags, size_t n_flags,
                  struct buffer *ret, struct error *err) MUST_USE;

#endif
