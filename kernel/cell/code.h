/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A cell as the splitter sees it: its tokens without directives, with those macros
 * expanded that hold braces, semicolons, types or statements, and every bracket with its
 * partner. A token that comes from a macro stands for the whole text of the macro's use.
 */
#ifndef ACHAR_CELL_CODE_H
#define ACHAR_CELL_CODE_H

#include "kernel/cell/words.h"

struct place {
    const char *start, *end; /* in the cell */
    uint32_t line, column;
};

struct code_token {
    enum token_kind kind;
    const char *text;
    size_t size;
    struct word *word;  /* of an identifier, else NULL */
    struct place place; /* tokens of one macro use have the same place */
    size_t match;       /* of an opening bracket: the last token of its group */
};

/* A directive's logical line. */
struct directive {
    struct place place;
    size_t before; /* index of the first lexed token behind it */
};

struct code {
    struct words *words;
    struct code_token *tokens; /* tokens[n_tokens] is a TOKEN_END */
    size_t n_tokens, capacity;
    struct directive *directives;
    size_t n_directives, directives_capacity;
};

/* Problems are added to `cell`; the first one wins, but "invalid" beats "incomplete". */
void code_read(struct code *code, const char *text, size_t size,
               const struct cell_names *names, struct cell *cell);
void code_clear(struct code *code);

/* Expands what has structure in the lexed tokens, applying the directives' macros. */
void code_expand(struct code *code, const struct token *tokens, size_t n);

bool code_token_is(const struct code_token *token, char punctuator);

void cell_problem(struct cell *cell, enum cell_status status, uint32_t line,
                  uint32_t column, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#endif
