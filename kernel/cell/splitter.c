/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/cell/splitter.h"

#include <string.h>

const struct code_token *splitter_peek(const struct splitter *splitter, size_t ahead)
{
    size_t index = splitter->at + ahead, n = splitter->code->n_tokens;
    return &splitter->code->tokens[index < n ? index : n];
}

bool code_token_is_word(const struct code_token *token, const char *text)
{
    return token->word && strlen(text) == token->size &&
           memcmp(token->text, text, token->size) == 0;
}

bool code_token_has_class(const struct code_token *token, enum word_class class)
{
    return token->word && token->word->class == class;
}

bool code_token_opens(const struct code_token *token)
{
    return code_token_is(token, '(') || code_token_is(token, '[') ||
           code_token_is(token, '{');
}

bool code_token_closes(const struct code_token *token)
{
    return code_token_is(token, ')') || code_token_is(token, ']') ||
           code_token_is(token, '}');
}

bool splitter_at_end(const struct splitter *splitter)
{
    return splitter->at >= splitter->code->n_tokens;
}

/* Adds the problem that `what` is missing behind a token. */
static void missing_behind(struct splitter *splitter, size_t index, const char *what)
{
    const struct place *last = &splitter->code->tokens[index].place;
    uint32_t line = last->line, column = last->column;
    for (const char *at = last->start; at < last->end; at++) {
        column++;
        if (*at == '\n') {
            line++;
            column = 1;
        }
    }
    cell_problem(splitter->cell, CELL_INCOMPLETE, line, column, "%s is missing", what);
}

void splitter_missing(struct splitter *splitter, const char *what)
{
    if (splitter->code->n_tokens)
        missing_behind(splitter, splitter->code->n_tokens - 1, what);
}

static bool is_operand(const struct code_token *token)
{
    return token->kind == TOKEN_NUMBER || token->kind == TOKEN_CHARACTER ||
           token->kind == TOKEN_STRING ||
           (token->kind == TOKEN_IDENTIFIER &&
            !code_token_has_class(token, WORD_ATTRIBUTE));
}

/* What ends a line and what starts the next one cannot be one expression. A string may go
 * on with a macro that stands for one, and the other way round. */
static bool is_gap(const struct code_token *last, const struct code_token *next)
{
    bool is_end = code_token_closes(last) ||
                  (is_operand(last) && !code_token_has_class(last, WORD_STATEMENT));
    if (!is_end || !is_operand(next) || next->place.line <= last->place.line)
        return false;
    if (next->kind == TOKEN_STRING)
        return last->kind != TOKEN_STRING && last->kind != TOKEN_IDENTIFIER;
    return last->kind != TOKEN_STRING || next[1].kind != TOKEN_STRING;
}

void splitter_missing_semicolon(struct splitter *splitter, size_t from, bool is_value)
{
    const struct code *code = splitter->code;
    for (size_t i = from; i + 1 < code->n_tokens; i++) {
        const struct code_token *token = &code->tokens[i];
        is_value |= code_token_is(token, '=') || code_token_is(token, ',');
        if (code_token_opens(token))
            i = token->match;
        if (is_value && i + 1 < code->n_tokens &&
            is_gap(&code->tokens[i], &code->tokens[i + 1])) {
            missing_behind(splitter, i, "';'");
            return;
        }
    }
    splitter_missing(splitter, "';'");
}

void splitter_skip_group(struct splitter *splitter)
{
    splitter->at = splitter_peek(splitter, 0)->match + 1;
}

void splitter_skip_head(struct splitter *splitter)
{
    splitter->at++;
    if (code_token_is(splitter_peek(splitter, 0), '('))
        splitter_skip_group(splitter);
}

static bool starts_type_name(const struct code_token *token,
                             const struct code_token *next)
{
    return token->word && token->word->is_type &&
           (next->kind == TOKEN_IDENTIFIER || next->kind == TOKEN_END ||
            code_token_is(next, '*') || code_token_is(next, '(') ||
            code_token_is(next, ';'));
}

bool splitter_at_type(const struct splitter *splitter, size_t ahead)
{
    const struct code_token *token = splitter_peek(splitter, ahead);
    return code_token_has_class(token, WORD_TYPE) ||
           code_token_has_class(token, WORD_TAG) ||
           code_token_has_class(token, WORD_ATTRIBUTE) ||
           starts_type_name(token, splitter_peek(splitter, ahead + 1));
}

bool splitter_skip_expression(struct splitter *splitter)
{
    for (size_t start = splitter->at; !splitter_at_end(splitter);) {
        const struct code_token *token = splitter_peek(splitter, 0);
        if (code_token_opens(token)) {
            splitter_skip_group(splitter);
            continue;
        }
        if (code_token_closes(token))
            return false;
        if (code_token_has_class(token, WORD_STATEMENT) && splitter->at > start)
            return false;
        splitter->at++;
        if (code_token_is(token, ';'))
            return true;
    }
    return false;
}
