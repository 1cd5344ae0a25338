/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Finds where items end. Brackets are jumped over by their partner and statements are
 * followed with a stack of their own, so that no nesting is too deep and all is linear.
 */
#include "kernel/cell/code.h"

#include <string.h>

struct splitter {
    struct code *code;
    struct cell *cell;
    size_t at; /* the next token */
    size_t next_directive;
    size_t capacity; /* of cell->items */
    char *open;      /* statements that wait for an inner one: 'i'f, 'd'o; owned */
    size_t n_open, open_capacity;
};

static const struct code_token *peek(const struct splitter *splitter, size_t ahead)
{
    size_t index = splitter->at + ahead, n = splitter->code->n_tokens;
    return &splitter->code->tokens[index < n ? index : n];
}

static bool word_is(const struct code_token *token, const char *text)
{
    return token->word && strlen(text) == token->size &&
           memcmp(token->text, text, token->size) == 0;
}

static bool has_class(const struct code_token *token, enum word_class class)
{
    return token->word && token->word->class == class;
}

static bool is_opener(const struct code_token *token)
{
    return code_token_is(token, '(') || code_token_is(token, '[') ||
           code_token_is(token, '{');
}

static bool is_closer(const struct code_token *token)
{
    return code_token_is(token, ')') || code_token_is(token, ']') ||
           code_token_is(token, '}');
}

static bool at_end(const struct splitter *splitter)
{
    return splitter->at >= splitter->code->n_tokens;
}

static void missing(struct splitter *splitter, const char *what)
{
    const struct code *code = splitter->code;
    if (!code->n_tokens)
        return;
    const struct place *last = &code->tokens[code->n_tokens - 1].place;
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

static void skip_group(struct splitter *splitter)
{
    splitter->at = peek(splitter, 0)->match + 1;
}

/* An attribute, typeof or the like with its parentheses. */
static void skip_attribute(struct splitter *splitter)
{
    splitter->at++;
    if (code_token_is(peek(splitter, 0), '('))
        skip_group(splitter);
}

static bool starts_type_name(const struct code_token *token,
                             const struct code_token *next)
{
    return token->word && token->word->is_type &&
           (next->kind == TOKEN_IDENTIFIER || next->kind == TOKEN_END ||
            code_token_is(next, '*') || code_token_is(next, '(') ||
            code_token_is(next, ';'));
}

static bool starts_type(const struct splitter *splitter, size_t ahead)
{
    const struct code_token *token = peek(splitter, ahead);
    return has_class(token, WORD_TYPE) || has_class(token, WORD_TAG) ||
           has_class(token, WORD_ATTRIBUTE) ||
           starts_type_name(token, peek(splitter, ahead + 1));
}

/* Up to and with the `;`. False when it is not there. */
static bool skip_expression(struct splitter *splitter)
{
    for (size_t start = splitter->at; !at_end(splitter);) {
        const struct code_token *token = peek(splitter, 0);
        if (is_opener(token)) {
            skip_group(splitter);
            continue;
        }
        if (is_closer(token))
            return false;
        if (has_class(token, WORD_STATEMENT) && splitter->at > start)
            return false;
        splitter->at++;
        if (code_token_is(token, ';'))
            return true;
    }
    return false;
}

/* Behind the colon of `case`, not that of a conditional expression. */
static void skip_case(struct splitter *splitter)
{
    int depth = 0;
    for (splitter->at++; !at_end(splitter);) {
        const struct code_token *token = peek(splitter, 0);
        if (is_opener(token)) {
            skip_group(splitter);
            continue;
        }
        if (is_closer(token) || code_token_is(token, ';'))
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
static bool skip_head(struct splitter *splitter)
{
    const struct code_token *token = peek(splitter, 0);
    if (word_is(token, "if") || word_is(token, "for") || word_is(token, "while") ||
        word_is(token, "switch")) {
        if (word_is(token, "if"))
            push_open(splitter, 'i');
        skip_attribute(splitter);
        return true;
    }
    if (word_is(token, "do")) {
        push_open(splitter, 'd');
        splitter->at++;
        return true;
    }
    if (word_is(token, "case")) {
        skip_case(splitter);
        return true;
    }
    bool may_be_label =
        word_is(token, "default") || (token->word && token->word->class == WORD_PLAIN);
    if (may_be_label && code_token_is(peek(splitter, 1), ':')) {
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
        const struct code_token *token = peek(splitter, 0);
        if (what == 'i' && word_is(token, "else")) {
            splitter->at++;
            return true;
        }
        if (what != 'd')
            continue;
        if (token->kind == TOKEN_END)
            missing(splitter, "'while' behind 'do'");
        if (!word_is(token, "while"))
            continue;
        skip_attribute(splitter);
        if (code_token_is(peek(splitter, 0), ';'))
            splitter->at++;
        else if (at_end(splitter))
            missing(splitter, "';'");
    }
    return false;
}

/* A call of a macro that could not be expanded, with a block behind it. */
static bool is_macro_block(struct splitter *splitter)
{
    const struct code_token *token = peek(splitter, 0), *next = peek(splitter, 1);
    if (!token->word || !code_token_is(next, '(') ||
        next->match >= splitter->code->n_tokens)
        return false;
    return code_token_is(&splitter->code->tokens[next->match + 1], '{') &&
           words_macro(splitter->code->words, token->word);
}

static void skip_simple_statement(struct splitter *splitter)
{
    const struct code_token *token = peek(splitter, 0);
    if (at_end(splitter))
        missing(splitter, "a statement");
    else if (code_token_is(token, '{'))
        skip_group(splitter);
    else if (code_token_is(token, ';'))
        splitter->at++;
    else if (is_macro_block(splitter)) {
        splitter->at++;
        skip_group(splitter);
        skip_group(splitter);
    } else if (!skip_expression(splitter) && at_end(splitter))
        missing(splitter, "';'");
}

static void skip_statement(struct splitter *splitter)
{
    const struct code_token *token = peek(splitter, 0);
    if (word_is(token, "else")) {
        cell_problem(splitter->cell, CELL_INVALID, token->place.line, token->place.column,
                     "'else' without 'if'");
        splitter->at++;
    }
    splitter->n_open = 0;
    do {
        while (skip_head(splitter))
            ;
        skip_simple_statement(splitter);
    } while (close_statements(splitter));
}

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
    while (!at_end(splitter)) {
        const struct code_token *token = peek(splitter, 0);
        if (code_token_is(token, '{') && last_end == splitter->at) {
            skip_group(splitter);
            return ITEM_FUNCTION;
        }
        if (is_opener(token))
            skip_group(splitter);
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
        missing(splitter, "';'");
    return ITEM_DECLARATION;
}

static void skip_tag(struct splitter *splitter)
{
    splitter->at++;
    while (has_class(peek(splitter, 0), WORD_ATTRIBUTE))
        skip_attribute(splitter);
    if (peek(splitter, 0)->word && !has_class(peek(splitter, 0), WORD_TYPE))
        splitter->at++;
    if (code_token_is(peek(splitter, 0), '{'))
        skip_group(splitter);
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
    const struct code_token *token = peek(splitter, 0);
    *ret = ITEM_DECLARATION;
    if (is_behind_list(splitter, declaration) && starts_type(splitter, 0) &&
        is_name_list(splitter, declaration->list - 1)) {
        *ret = skip_old_function(splitter, declaration->list - 1);
        return true;
    }
    if (has_class(token, WORD_TAG)) {
        skip_tag(splitter);
    } else if (has_class(token, WORD_ATTRIBUTE)) {
        skip_attribute(splitter);
    } else if (code_token_is(token, '(')) {
        declaration->list = splitter->at + 1;
        skip_group(splitter);
    } else if (code_token_is(token, '{')) {
        skip_group(splitter);
        *ret = ITEM_FUNCTION;
        return declaration->list && !declaration->has_value;
    } else if (code_token_is(token, '[')) {
        skip_group(splitter);
    } else if (is_closer(token)) {
        return true;
    } else {
        declaration->has_value |= code_token_is(token, '=');
        declaration->is_typedef |= word_is(token, "typedef");
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
           (next->kind == TOKEN_PUNCTUATOR || has_class(next, WORD_ATTRIBUTE));
}

static void note_typedef_names(struct splitter *splitter, size_t from)
{
    struct code_token *tokens = splitter->code->tokens;
    bool found = false;
    for (size_t i = from; i < splitter->at; i++) {
        const struct code_token *token = &tokens[i];
        bool is_nested = code_token_is(token, '(') && !found &&
                         (code_token_is(token + 1, '*') || code_token_is(token + 1, '('));
        if (has_class(token, WORD_ATTRIBUTE) && code_token_is(token + 1, '('))
            i = tokens[i + 1].match;
        else if (has_class(token, WORD_TAG) && tokens[i + 1].word)
            i++;
        else if (is_opener(token) && !is_nested)
            i = token->match;
        else if (code_token_is(token, ','))
            found = false;
        else if (!found && is_declared_name(token)) {
            token->word->is_type = true;
            found = true;
        }
    }
}

static enum item_kind skip_declaration(struct splitter *splitter)
{
    struct declaration declaration = {0};
    size_t from = splitter->at;
    enum item_kind kind = ITEM_DECLARATION;
    while (!at_end(splitter)) {
        if (!step_declaration(splitter, &declaration, &kind))
            continue;
        if (declaration.is_typedef)
            note_typedef_names(splitter, from);
        return kind;
    }
    missing(splitter,
            declaration.list && !declaration.has_value ? "a body or ';'" : "';'");
    return ITEM_DECLARATION;
}

/* `f(...) {`, a function without a type. */
static bool skip_untyped_function(struct splitter *splitter)
{
    const struct code_token *token = peek(splitter, 0), *next = peek(splitter, 1);
    if (!token->word || token->word->class != WORD_PLAIN || !code_token_is(next, '(') ||
        words_macro(splitter->code->words, token->word))
        return false;
    size_t start = splitter->at, list = start + 1;
    splitter->at = next->match + 1;
    if (code_token_is(peek(splitter, 0), '{')) {
        skip_group(splitter);
        return true;
    }
    if (is_name_list(splitter, list) && starts_type(splitter, 0) &&
        skip_old_function(splitter, list) == ITEM_FUNCTION)
        return true;
    splitter->at = start;
    return false;
}

/* `name name`, the first of which must be meant as a type. */
static bool looks_like_declaration(const struct splitter *splitter)
{
    const struct code_token *token = peek(splitter, 0), *next = peek(splitter, 1);
    return token->word && next->word && token->word->class == WORD_PLAIN &&
           next->word->class == WORD_PLAIN && token->place.line == next->place.line &&
           !token->word->macro && !word_is(token, "asm") && !word_is(token, "__asm__") &&
           !word_is(token, "__asm") && !word_is(token, "sizeof") &&
           !word_is(token, "__extension__") && !word_is(token, "_Alignof");
}

static enum item_kind skip_item(struct splitter *splitter)
{
    while (code_token_is(peek(splitter, 0), '[') && code_token_is(peek(splitter, 1), '['))
        skip_group(splitter);
    const struct code_token *token = peek(splitter, 0), *next = peek(splitter, 1);
    if (is_closer(token)) {
        splitter->at++;
        return ITEM_STATEMENT;
    }
    if (has_class(token, WORD_STATEMENT) || code_token_is(token, '{') ||
        code_token_is(token, ';') ||
        (token->word && token->word->class == WORD_PLAIN && code_token_is(next, ':')) ||
        is_macro_block(splitter)) {
        skip_statement(splitter);
        return ITEM_STATEMENT;
    }
    if (word_is(token, "_Pragma")) {
        skip_attribute(splitter);
        return ITEM_DIRECTIVE;
    }
    if (word_is(token, "__extension__") && starts_type(splitter, 1)) {
        splitter->at++;
        return skip_declaration(splitter);
    }
    if (starts_type(splitter, 0) || looks_like_declaration(splitter))
        return skip_declaration(splitter);
    if (skip_untyped_function(splitter))
        return ITEM_FUNCTION;
    bool is_whole = skip_expression(splitter);
    return is_whole || !at_end(splitter) ? ITEM_STATEMENT : ITEM_VALUE;
}

static void add_item(struct splitter *splitter, const char *text, enum item_kind kind,
                     const struct place *first, const struct place *last)
{
    struct cell *cell = splitter->cell;
    GROW(cell->items, cell->n_items, splitter->capacity);
    cell->items[cell->n_items++] =
        (struct item){.kind = kind,
                      .start = (size_t)(first->start - text),
                      .size = (size_t)(last->end - first->start),
                      .line = first->line,
                      .column = first->column};
}

static void add_directives(struct splitter *splitter, const char *text,
                           const char *before)
{
    const struct code *code = splitter->code;
    for (; splitter->next_directive < code->n_directives; splitter->next_directive++) {
        const struct place *place = &code->directives[splitter->next_directive].place;
        if (before && place->start > before)
            return;
        add_item(splitter, text, ITEM_DIRECTIVE, place, place);
    }
}

static enum item_kind join_kinds(enum item_kind a, enum item_kind b)
{
    bool is_file_scope = (a == ITEM_DECLARATION || a == ITEM_FUNCTION) &&
                         (b == ITEM_DECLARATION || b == ITEM_FUNCTION);
    return is_file_scope ? ITEM_DECLARATION : ITEM_STATEMENT;
}

/* Whether the next item begins inside a macro use that the last token is of, too. */
static bool is_inside_use(const struct splitter *splitter)
{
    const struct code_token *next = peek(splitter, 0);
    return splitter->at > 0 && next->kind != TOKEN_END &&
           next->place.start == next[-1].place.start;
}

static void split_items(struct splitter *splitter, const char *text)
{
    const struct code *code = splitter->code;
    while (!at_end(splitter)) {
        const struct place *first = &peek(splitter, 0)->place;
        add_directives(splitter, text, first->start);
        size_t start = splitter->at;
        enum item_kind kind = skip_item(splitter);
        while (is_inside_use(splitter)) {
            size_t before = splitter->at;
            /* `int x` and the `;` behind the macro are one item */
            kind = join_kinds(kind, skip_item(splitter));
            if (splitter->at == before)
                splitter->at++;
        }
        if (splitter->at == start)
            splitter->at++;
        const struct place *last = &code->tokens[splitter->at - 1].place;
        add_item(splitter, text, kind, first, last);
        while (splitter->next_directive < code->n_directives &&
               code->directives[splitter->next_directive].place.start < last->end)
            splitter->next_directive++;
    }
    add_directives(splitter, text, NULL);
}

void cell_split(const char *text, size_t size, const struct cell_names *names,
                struct cell *ret)
{
    *ret = (struct cell){.status = CELL_COMPLETE};
    struct code code;
    code_read(&code, text, size, names, ret);
    struct splitter splitter = {.code = &code, .cell = ret};
    split_items(&splitter, text);
    free(splitter.open);
    code_clear(&code);
}

void cell_clear(struct cell *cell)
{
    free(cell->items);
    free(cell->problem);
    *cell = (struct cell){0};
}
