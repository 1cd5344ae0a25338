/* SPDX-License-Identifier: BSD-3-Clause
 *
 * A position in a cell's tokens and the steps over what stands there. Brackets are jumped
 * over by their partner and statements are followed with a stack of their own, so that no
 * nesting is too deep and all is linear. */
#ifndef ACHAR_CELL_SPLITTER_H
#define ACHAR_CELL_SPLITTER_H

#include "kernel/cell/code.h"

struct splitter {
    struct code *code;
    struct cell *cell;
    size_t at; /* the next token */
    size_t next_directive;
    size_t capacity; /* of cell->items */
    char *open;      /* statements that wait for an inner one: 'i'f, 'd'o; owned */
    size_t n_open, open_capacity;
};

const struct code_token *splitter_peek(const struct splitter *splitter, size_t ahead);
bool splitter_at_end(const struct splitter *splitter);
/* Whether a type stands `ahead` tokens from here. */
bool splitter_at_type(const struct splitter *splitter, size_t ahead);
/* Adds the problem that the text ends without `what`. */
void splitter_missing(struct splitter *splitter, const char *what);
/* The same for a semicolon, which may be missing earlier: from token `from` on, where one
 * line ends and the next begins with values that nothing joins. `is_value`: an expression
 * stands there, not the types and names of a declaration. */
void splitter_missing_semicolon(struct splitter *splitter, size_t from, bool is_value);

void splitter_skip_group(struct splitter *splitter); /* at an opening bracket */
/* An attribute, typeof, if, ... with its parentheses, if any. */
void splitter_skip_head(struct splitter *splitter);
/* Up to and with the `;`. False when it is not there. */
bool splitter_skip_expression(struct splitter *splitter);
void splitter_skip_statement(struct splitter *splitter);
/* A call of a macro that could not be expanded, with a block behind it. */
bool splitter_at_macro_block(const struct splitter *splitter);
enum item_kind splitter_skip_declaration(struct splitter *splitter);
/* `f(...) {`, a function without a type; false and no step when there is none. */
bool splitter_skip_untyped_function(struct splitter *splitter);

bool code_token_is_word(const struct code_token *token, const char *text);
bool code_token_has_class(const struct code_token *token, enum word_class class);
bool code_token_opens(const struct code_token *token);
bool code_token_closes(const struct code_token *token);

#endif
