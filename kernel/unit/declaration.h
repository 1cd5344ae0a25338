/* SPDX-License-Identifier: BSD-3-Clause
 *
 * The parts of one declaration or function definition, by its tokens alone: specifiers, a
 * record or enum defined among them, and each declarator with its initialiser. It is
 * known before anything is parsed, so that what a cell defines can be left out of what
 * stands before it, and it gives the places where text is cut and renamed. All offsets
 * are bytes of the text that was read. */
#ifndef ACHAR_UNIT_DECLARATION_H
#define ACHAR_UNIT_DECLARATION_H

#include "kernel/cell/cell.h"
#include "pickler/base/buffer.h"

struct span {
    size_t start, size; /* size 0: there is none */
};

struct declarator {
    struct span text; /* from the first * or ( to before = or , or ; */
    struct span name;
    struct span initialiser; /* without the = */
    bool is_function;        /* the name is followed by ( */
    bool is_confirmed;       /* libclang, too, found this name declared here */
};

struct declaration {
    struct span specifiers;
    struct span record;  /* "struct x { ... }" with its attributes, when it has a body */
    struct span keyword; /* its "struct", "union" or "enum", also without a body */
    struct span tag;     /* its name */
    struct span body;    /* of a function: from { to } */
    bool is_typedef, is_static, is_extern, is_old_style;
    struct declarator *declarators;
    size_t n_declarators;
    char *
        *names; /* all that becomes visible at file scope: "x", "struct s", enumerators */
    size_t n_names;
};

void declaration_parse(const char *text, size_t size, const struct cell_names *names,
                       struct declaration *ret);
void declaration_clear(struct declaration *declaration);

#define TAG_KINDS 3
/* The tag "struct x" as another kind of tag, which would be in its way: owned; NULL when
 * the name is no tag's. */
char *tag_of_kind(const char *name, unsigned kind) MUST_USE;

/* Appends the tokens of a part of the text, separated by blanks, without those listed in
 * `without` (NULL-terminated, may be NULL): one line, no comments. */
void declaration_flat(const char *text, struct span part, const char *const *without,
                      struct buffer *out);
/* True when both texts have the same tokens. */
bool tokens_equal(const char *a, size_t a_size, const char *b, size_t b_size);
/* True when an identifier of the text is `word`. */
bool tokens_mention(const char *text, size_t size, const char *word);
/* True when one of the tokens is wanted. */
bool tokens_have(const char *text, size_t size,
                 bool (*is_wanted)(const struct token *token));

#endif
