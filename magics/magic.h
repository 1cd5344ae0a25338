/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A magic: a line `%name ...` or a cell `%%name ...`. One a file, listed in table.c; the
 * table feeds dispatch, %lsmagic, completion and the reference in the README. */
#ifndef ACHAR_MAGICS_MAGIC_H
#define ACHAR_MAGICS_MAGIC_H

#include "kernel/session/session.h"

struct magic_context; /* the session, its executors, the cell; magics/context.h */

struct magic_option {
    const char *name;  /* "on" for --on; one letter: "n" for -n, before all else */
    const char *value; /* placeholder in the help ("NAME"); NULL: takes none */
    const char *help;
};

struct magic_arguments {
    const char *text;   /* all after the options, trimmed; borrowed */
    const char **words; /* the same, split at blanks outside quotes and brackets */
    size_t n_words;
    const char *
        *options;       /* value, or "" for a flag, or NULL; in order of magic->options */
    const char *body;   /* of a cell magic; NULL for a line magic */
    uint32_t body_line; /* 1-based line of the cell where the body starts */
    uint32_t column;    /* 1-based column of the cell where the text starts */
};

struct magic {
    const char *name;
    bool is_line, is_cell;
    const char *usage;                  /* "EXPR [-> LVALUE]" */
    const char *summary;                /* one line */
    const struct magic_option *options; /* ends with {NULL}; NULL: none */
    size_t min_words, max_words;        /* checked by the dispatcher */
    /* The arguments are checked against the table before. A mistake of the user goes into
     * `result`. */
    int (*run)(struct magic_context *context, const struct magic_arguments *arguments,
               struct result *result, struct error *err);
};

extern const struct magic *const magic_table[]; /* NULL-terminated, sorted by name */

#endif
