/* SPDX-License-Identifier: BSD-3-Clause
 *
 * clang or gcc as a process: one translation unit in, one relocatable object out. Used
 * where libtcc must not compile a unit or refuses it. Nothing is written to disk. */
#ifndef ACHAR_CODE_CC_H
#define ACHAR_CODE_CC_H

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define CC_TIMEOUT_MS 120000
#define CC_MESSAGES_MAX (256u << 10) /* bytes of diagnostics that are kept */

struct cc_options {
    const char *const *flags; /* more -I, -D, -isystem, ...; may be NULL */
    size_t n_flags;
    int wake_fd; /* readable: give up; -1: never */
};

/* The compiler that will be used: $ACHAR_CC, or the first of clang-19 ... gcc, cc in
 * $PATH. Owned; NULL when there is none. */
char *cc_find(void) MUST_USE;

/* 0: *ret_object holds the object. 1: refused, timed out or given up; *ret_messages
 * (owned) is what the compiler said. Negative: it could not be run. */
int cc_compile(const char *text, const struct cc_options *options,
               struct buffer *ret_object, char **ret_messages,
               struct error *err) MUST_USE;

#endif
