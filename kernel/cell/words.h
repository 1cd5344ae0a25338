/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The identifiers of one cell, each once: what part they play at the start of an item,
 * and the macro they stand for. The cell's own typedefs and #defines are added as it is
 * read. */
#ifndef ACHAR_CELL_WORDS_H
#define ACHAR_CELL_WORDS_H

#include "kernel/cell/cell.h"

enum word_class {
    WORD_PLAIN,
    WORD_TYPE,      /* int, const, static, typedef, ... */
    WORD_TAG,       /* struct, union, enum */
    WORD_ATTRIBUTE, /* may be followed by parentheses that are no parameter list */
    WORD_STATEMENT, /* if, for, return, ... */
};

struct macro {
    bool has_arguments, is_variadic;
    bool has_structure; /* braces, ;, types or statements that the splitter must see */
    struct word **parameters;
    size_t n_parameters;
    struct token *body; /* into `text` */
    size_t n_body;
    char *text;
};

struct word {
    const char *text; /* into the cell or a macro's text */
    size_t size;
    uint32_t hash;
    enum word_class class;
    bool is_type;        /* a typedef's name */
    bool is_expanding;   /* its macro is being expanded: not again */
    bool macro_is_known; /* `macro` is set, to NULL when there is none */
    bool is_mentioned;   /* for its user; this table leaves it alone */
    struct macro *macro; /* owned */
};

struct words;

struct words *
words_new(const struct cell_names *names) MUST_USE; /* names: borrowed or NULL */
void words_free(struct words *words);
DEFINE_FREEP(struct words, words_free)

struct word *words_get(struct words *words, const char *text, size_t size);
/* The macro a word stands for now, or NULL. */
struct macro *words_macro(struct words *words, struct word *word);
/* `text` follows "#define"; "NAME(a, b) body". */
void words_define(struct words *words, const char *text, size_t size);
void words_undefine(struct words *words, const char *text, size_t size);

#endif
