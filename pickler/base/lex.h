/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Tokens of C text, without preprocessing: enough to cut cells, to find the identifiers a
 * text mentions, and to hash definitions by tokens. Never fails; bad bytes are tokens. */
#ifndef ACHAR_BASE_LEX_H
#define ACHAR_BASE_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum token_kind {
    TOKEN_END,
    TOKEN_IDENTIFIER, /* keywords too */
    TOKEN_NUMBER,
    TOKEN_STRING, /* with its prefix; unterminated ones set lexer.unterminated */
    TOKEN_CHARACTER,
    TOKEN_PUNCTUATOR,
    TOKEN_DIRECTIVE, /* the `#` that starts a directive line */
    TOKEN_OTHER,
};

struct token {
    enum token_kind kind;
    const char *text; /* borrowed from the source */
    size_t size;
    uint32_t line, column; /* 1-based, column in bytes */
    bool starts_line;      /* first token of its (logical) line */
};

struct lexer {
    const char *at, *end;
    uint32_t line;
    const char *line_start;
    bool starts_line;
    char unterminated; /* '*' comment, '"' string, '\'' character, 0 none */
    uint32_t unterminated_line, unterminated_column; /* where the last such one starts */
};

struct lexer lexer_init(const char *text, size_t size);
struct token lexer_next(struct lexer *lexer);
/* Moves behind the current logical line (backslash-newlines joined). */
void lexer_skip_line(struct lexer *lexer);
bool token_is(const struct token *token, const char *text);
bool token_is_keyword(const struct token *token); /* of C17 and the usual GNU ones */

#endif
