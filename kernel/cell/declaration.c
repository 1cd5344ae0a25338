/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/cell/splitter.h"

/* An old function definition's parameter list: names and commas. */
static bool is_name_list(const struct splitter *splitter, size_t open)
{
    const struct code_token *tokens = splitter->code->tokens;
    if (tokens[open].match == open + 1)
        return false;
    for (size_t i = open + 1; i < tokens[open].match; i++)
        if (!code_token_is(&tokens[i], ',') &&
            (!tokens[i].word || tokens[i].word->class != WORD_PLAIN))
            return false;
    return true;
}

/* At the parameter declarations behind the list of an old function definition. Moves
 * behind its body, or behind the first `;` when there is none. */
static enum item_kind skip_old_function(struct splitter *splitter, size_t open)
{
    const struct code_token *tokens = splitter->code->tokens;
    size_t first_end = 0, last_end = 0, declarations_left = 1;
    for (size_t i = open; i < tokens[open].match; i++)
        declarations_left += code_token_is(&tokens[i], ',');
    while (!splitter_at_end(splitter)) {
        const struct code_token *token = splitter_peek(splitter, 0);
        if (code_token_is(token, '{') && last_end == splitter->at) {
            splitter_skip_group(splitter);
            return ITEM_FUNCTION;
        }
        if (code_token_opens(token))
            splitter_skip_group(splitter);
        else
            splitter->at++;
        if (!code_token_is(token, ';'))
            continue;
        last_end = splitter->at;
        first_end = first_end ? first_end : last_end;
        if (declarations_left-- == 0)
            break;
    }
    if (first_end)
        splitter->at = first_end;
    else
        splitter_missing(splitter, "';'");
    return ITEM_DECLARATION;
}

static void skip_tag(struct splitter *splitter)
{
    splitter->at++;
    while (code_token_has_class(splitter_peek(splitter, 0), WORD_ATTRIBUTE))
        splitter_skip_head(splitter);
    if (splitter_peek(splitter, 0)->word &&
        !code_token_has_class(splitter_peek(splitter, 0), WORD_TYPE))
        splitter->at++;
    if (code_token_is(splitter_peek(splitter, 0), '{'))
        splitter_skip_group(splitter);
}

struct declaration {
    bool is_typedef;
    bool has_value; /* `=` was met */
    size_t list;    /* index + 1 of the last `(` that may open a parameter list */
};

static bool is_behind_list(const struct splitter *splitter,
                           const struct declaration *declaration)
{
    return declaration->list && !declaration->has_value &&
           splitter->at == splitter->code->tokens[declaration->list - 1].match + 1;
}

/* Looks at one token of a declaration; true when it ends the item, as `*ret`. */
static bool step_declaration(struct splitter *splitter, struct declaration *declaration,
                             enum item_kind *ret)
{
    const struct code_token *token = splitter_peek(splitter, 0);
    *ret = ITEM_DECLARATION;
    if (is_behind_list(splitter, declaration) && splitter_at_type(splitter, 0) &&
        is_name_list(splitter, declaration->list - 1)) {
        *ret = skip_old_function(splitter, declaration->list - 1);
        return true;
    }
    if (code_token_has_class(token, WORD_TAG)) {
        skip_tag(splitter);
    } else if (code_token_has_class(token, WORD_ATTRIBUTE)) {
        splitter_skip_head(splitter);
    } else if (code_token_is(token, '(')) {
        declaration->list = splitter->at + 1;
        splitter_skip_group(splitter);
    } else if (code_token_is(token, '{')) {
        splitter_skip_group(splitter);
        *ret = ITEM_FUNCTION;
        return declaration->list && !declaration->has_value;
    } else if (code_token_is(token, '[')) {
        splitter_skip_group(splitter);
    } else if (code_token_closes(token)) {
        return true;
    } else {
        declaration->has_value |= code_token_is(token, '=');
        declaration->is_typedef |= code_token_is_word(token, "typedef");
        if (code_token_is(token, ','))
            declaration->list = 0;
        splitter->at++;
        return code_token_is(token, ';');
    }
    return false;
}

/* The name that a declarator of a typedef gives: the first identifier that is not
 * followed by another one. */
static bool is_declared_name(const struct code_token *token)
{
    const struct code_token *next = token + 1;
    bool is_type = code_token_is(next, '*') ||
                   (code_token_is(next, '(') && code_token_is(next + 1, '*'));
    return token->word && token->word->class == WORD_PLAIN && !is_type &&
           (next->kind == TOKEN_PUNCTUATOR || code_token_has_class(next, WORD_ATTRIBUTE));
}

static void note_typedef_names(struct splitter *splitter, size_t from)
{
    struct code_token *tokens = splitter->code->tokens;
    bool found = false;
    for (size_t i = from; i < splitter->at; i++) {
        const struct code_token *token = &tokens[i];
        bool is_nested = code_token_is(token, '(') && !found &&
                         (code_token_is(token + 1, '*') || code_token_is(token + 1, '('));
        if (code_token_has_class(token, WORD_ATTRIBUTE) && code_token_is(token + 1, '('))
            i = tokens[i + 1].match;
        else if (code_token_has_class(token, WORD_TAG) && tokens[i + 1].word)
            i++;
        else if (code_token_opens(token) && !is_nested)
            i = token->match;
        else if (code_token_is(token, ','))
            found = false;
        else if (!found && is_declared_name(token)) {
            token->word->is_type = true;
            found = true;
        }
    }
}

enum item_kind splitter_skip_declaration(struct splitter *splitter)
{
    struct declaration declaration = {0};
    size_t from = splitter->at;
    enum item_kind kind = ITEM_DECLARATION;
    while (!splitter_at_end(splitter)) {
        if (!step_declaration(splitter, &declaration, &kind))
            continue;
        if (declaration.is_typedef)
            note_typedef_names(splitter, from);
        return kind;
    }
    if (declaration.list && !declaration.has_value)
        splitter_missing(splitter, "a body or ';'");
    else
        splitter_missing_semicolon(splitter, from, false);
    return ITEM_DECLARATION;
}

bool splitter_skip_untyped_function(struct splitter *splitter)
{
    const struct code_token *token = splitter_peek(splitter, 0),
                            *next = splitter_peek(splitter, 1);
    if (!token->word || token->word->class != WORD_PLAIN || !code_token_is(next, '(') ||
        words_macro(splitter->code->words, token->word))
        return false;
    size_t start = splitter->at, list = start + 1;
    splitter->at = next->match + 1;
    if (code_token_is(splitter_peek(splitter, 0), '{')) {
        splitter_skip_group(splitter);
        return true;
    }
    if (is_name_list(splitter, list) && splitter_at_type(splitter, 0) &&
        skip_old_function(splitter, list) == ITEM_FUNCTION)
        return true;
    splitter->at = start;
    return false;
}
