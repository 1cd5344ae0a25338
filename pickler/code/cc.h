/* SPDX-License-Identifier: BSD-3-Clause
 *
 * clang or gcc as a process: one translation unit in, one relocatable object out. Used
 * where libtcc must not compile a unit or refuses it. Nothing is written to disk. */
#ifndef ACHAR_CODE_CC_H
#define ACHAR_CODE_CC_H

#include <stdbool.h>

#include "pickler/base/buffer.h"
#include "pickler/base/error.h"

#define CC_TIMEOUT_MS 120000
#define CC_MESSAGES_MAX (256u << 10) /* bytes of diagnostics that are kept */

#define CC_OPTIONS_MAX 1024 /* bytes of chosen options */

struct cc_options {
    const char *const *flags; /* more -I, -D, -isystem, ...; may be NULL */
    size_t n_flags;
    /* What a person chose, between blanks: a compiler (a word without '-'), then flags,
     * each may be missing: "gcc -std=gnu2x -O3". NULL: nothing. */
    const char *chosen;
    int wake_fd; /* readable: give up; -1: never */
    /* Functions of the unit may be inlined into each other and called directly. Their
     * addresses stay symbols all the same. */
    bool is_whole;
    bool is_cached;    /* the object may come from the cache, and goes there */
    bool is_only_kept; /* no compiler is run: an object that is not there is refused */
};

/* The names that are looked for in $PATH, in this order; NULL-terminated. */
extern const char *const cc_candidates[];

/* The compiler that will be used: $ACHAR_CC, or the first of clang-19 ... gcc, cc in
 * $PATH. Owned; NULL when there is none. */
char *cc_find(void) MUST_USE;
/* The path of a compiler that was named ("gcc", "/opt/bin/cc"); owned; NULL: none. */
char *cc_find_named(const char *name) MUST_USE;

/* A text with #pragma omp or _OPENMP is compiled with -fopenmp, by gcc where there is
 * one: its library comes with it. 0: *ret_object holds the object. 1: refused, timed out
 * or given up; *ret_messages (owned) is what the compiler said. Negative: it could not be
 * run. */
int cc_compile(const char *text, const struct cc_options *options,
               struct buffer *ret_object, char **ret_messages,
               struct error *err) MUST_USE;

/* *ret (owned) is a #define line for each macro that the chosen compiler and flags
 * define by themselves. Returns as cc_compile() does. */
int cc_macros(const char *chosen, int wake_fd, char **ret, struct error *err) MUST_USE;

/* What the compilers of this kind of machine are told besides, so that plain char is
 * signed everywhere, every function keeps a frame, and nothing of libgcc is called. */
extern const char *const cc_machine_flags[];

#endif
