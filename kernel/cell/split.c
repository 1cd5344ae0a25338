/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Says what each item is and where it stands. */
#include <string.h>

#include "kernel/cell/splitter.h"

static bool is_plain(const struct code_token *token)
{
    return token->word && token->word->class == WORD_PLAIN;
}

/* `name *name(...) {`: behind the stars at `ahead`. */
static bool is_function_head(const struct splitter *splitter, size_t ahead)
{
    while (code_token_is(splitter_peek(splitter, ahead), '*'))
        ahead++;
    const struct code_token *open = splitter_peek(splitter, ahead + 1);
    return is_plain(splitter_peek(splitter, ahead)) && code_token_is(open, '(') &&
           open->match < splitter->code->n_tokens &&
           code_token_is(&splitter->code->tokens[open->match + 1], '{');
}

/* A first name that must be meant as a type, though it is not known as one. */
static bool looks_like_declaration(const struct splitter *splitter)
{
    static const char *const operators[] = {
        "asm",    "__asm__",  "__asm",  "sizeof", "__extension__", "_Alignof", "__real__",
        "__real", "__imag__", "__imag", NULL};
    const struct code_token *token = splitter_peek(splitter, 0);
    const struct code_token *next = splitter_peek(splitter, 1);
    if (!is_plain(token) || token->word->macro)
        return false;
    for (size_t i = 0; operators[i]; i++)
        if (code_token_is_word(token, operators[i]))
            return false;
    if (code_token_is(next, '*'))
        return is_function_head(splitter, 1);
    return is_plain(next) && token->place.line == next->place.line;
}

/* `asm(".globl f; f: ret");`: labels and directives of the assembler are of the file, a
 * mere instruction is a statement. */
static bool is_file_assembly(const struct splitter *splitter)
{
    const struct code_token *token = splitter_peek(splitter, 0),
                            *open = splitter_peek(splitter, 1);
    bool has_structure = false;
    if ((!code_token_is_word(token, "asm") && !code_token_is_word(token, "__asm__") &&
         !code_token_is_word(token, "__asm")) ||
        !code_token_is(open, '(') || open->match >= splitter->code->n_tokens)
        return false;
    for (const struct code_token *at = open + 1;
         at < &splitter->code->tokens[open->match]; at++) {
        if (code_token_is(at, ':'))
            return false;
        has_structure |= at->size && *at->text == '"' &&
                         (memchr(at->text, ':', at->size) || at->text[1] == '.');
    }
    return has_structure;
}

static enum item_kind skip_item(struct splitter *splitter)
{
    while (code_token_is(splitter_peek(splitter, 0), '[') &&
           code_token_is(splitter_peek(splitter, 1), '['))
        splitter_skip_group(splitter);
    const struct code_token *token = splitter_peek(splitter, 0),
                            *next = splitter_peek(splitter, 1);
    if (code_token_closes(token)) {
        splitter->at++;
        return ITEM_STATEMENT;
    }
    if (code_token_has_class(token, WORD_STATEMENT) || code_token_is(token, '{') ||
        code_token_is(token, ';') ||
        (token->word && token->word->class == WORD_PLAIN && code_token_is(next, ':')) ||
        splitter_at_macro_block(splitter)) {
        splitter_skip_statement(splitter);
        return ITEM_STATEMENT;
    }
    if (is_file_assembly(splitter)) {
        splitter_skip_expression(splitter);
        return ITEM_DECLARATION;
    }
    if (code_token_is_word(token, "_Pragma")) {
        splitter_skip_head(splitter);
        return ITEM_DIRECTIVE;
    }
    if (code_token_is_word(token, "__extension__") && splitter_at_type(splitter, 1)) {
        splitter->at++;
        return splitter_skip_declaration(splitter);
    }
    if (splitter_at_type(splitter, 0) || looks_like_declaration(splitter))
        return splitter_skip_declaration(splitter);
    if (splitter_skip_untyped_function(splitter))
        return ITEM_FUNCTION;
    bool is_whole = splitter_skip_expression(splitter);
    return is_whole || !splitter_at_end(splitter) ? ITEM_STATEMENT : ITEM_VALUE;
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
    const struct code_token *next = splitter_peek(splitter, 0);
    return splitter->at > 0 && next->kind != TOKEN_END &&
           next->place.start == next[-1].place.start;
}

static void split_items(struct splitter *splitter, const char *text)
{
    const struct code *code = splitter->code;
    while (!splitter_at_end(splitter)) {
        const struct place *first = &splitter_peek(splitter, 0)->place;
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
