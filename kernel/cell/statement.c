/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/cell/splitter.h"

/* Behind the colon of `case`, not that of a conditional expression. */
static void skip_case(struct splitter *splitter)
{
    int depth = 0;
    for (splitter->at++; !splitter_at_end(splitter);) {
        const struct code_token *token = splitter_peek(splitter, 0);
        if (code_token_opens(token)) {
            splitter_skip_group(splitter);
            continue;
        }
        if (code_token_closes(token) || code_token_is(token, ';'))
            return;
        splitter->at++;
        if (code_token_is(token, '?'))
            depth++;
        else if (code_token_is(token, ':') && depth-- == 0)
            return;
    }
}

static void push_open(struct splitter *splitter, char what)
{
    GROW(splitter->open, splitter->n_open, splitter->open_capacity);
    splitter->open[splitter->n_open++] = what;
}

/* The head of a statement that holds another one; false when there is none. */
static bool skip_opening(struct splitter *splitter)
{
    const struct code_token *token = splitter_peek(splitter, 0);
    if (code_token_is_word(token, "if") || code_token_is_word(token, "for") ||
        code_token_is_word(token, "while") || code_token_is_word(token, "switch")) {
        if (code_token_is_word(token, "if"))
            push_open(splitter, 'i');
        splitter_skip_head(splitter);
        return true;
    }
    if (code_token_is_word(token, "do")) {
        push_open(splitter, 'd');
        splitter->at++;
        return true;
    }
    if (code_token_is_word(token, "case")) {
        skip_case(splitter);
        return true;
    }
    bool may_be_label = code_token_is_word(token, "default") ||
                        (token->word && token->word->class == WORD_PLAIN);
    if (may_be_label && code_token_is(splitter_peek(splitter, 1), ':')) {
        splitter->at += 2;
        return true;
    }
    return false;
}

/* Ends the statements that end with the one just read. True when `else` follows and with
 * it another statement. */
static bool close_statements(struct splitter *splitter)
{
    while (splitter->n_open) {
        char what = splitter->open[--splitter->n_open];
        const struct code_token *token = splitter_peek(splitter, 0);
        if (what == 'i' && code_token_is_word(token, "else")) {
            splitter->at++;
            return true;
        }
        if (what != 'd')
            continue;
        if (token->kind == TOKEN_END)
            splitter_missing(splitter, "'while' behind 'do'");
        if (!code_token_is_word(token, "while"))
            continue;
        splitter_skip_head(splitter);
        if (code_token_is(splitter_peek(splitter, 0), ';'))
            splitter->at++;
        else if (splitter_at_end(splitter))
            splitter_missing(splitter, "';'");
    }
    return false;
}

bool splitter_at_macro_block(const struct splitter *splitter)
{
    const struct code_token *token = splitter_peek(splitter, 0),
                            *next = splitter_peek(splitter, 1);
    if (!token->word || !code_token_is(next, '(') ||
        next->match >= splitter->code->n_tokens)
        return false;
    return code_token_is(&splitter->code->tokens[next->match + 1], '{') &&
           words_macro(splitter->code->words, token->word);
}

static void skip_simple_statement(struct splitter *splitter)
{
    const struct code_token *token = splitter_peek(splitter, 0);
    size_t from = splitter->at;
    if (splitter_at_end(splitter))
        splitter_missing(splitter, "a statement");
    else if (code_token_is(token, '{'))
        splitter_skip_group(splitter);
    else if (code_token_is(token, ';'))
        splitter->at++;
    else if (splitter_at_macro_block(splitter)) {
        splitter->at++;
        splitter_skip_group(splitter);
        splitter_skip_group(splitter);
    } else if (!splitter_skip_expression(splitter) && splitter_at_end(splitter))
        splitter_missing_semicolon(splitter, from, true);
}

void splitter_skip_statement(struct splitter *splitter)
{
    const struct code_token *token = splitter_peek(splitter, 0);
    if (code_token_is_word(token, "else")) {
        cell_problem(splitter->cell, CELL_INVALID, token->place.line, token->place.column,
                     "'else' without 'if'");
        splitter->at++;
    }
    splitter->n_open = 0;
    do {
        while (skip_opening(splitter))
            ;
        skip_simple_statement(splitter);
    } while (close_statements(splitter));
}
