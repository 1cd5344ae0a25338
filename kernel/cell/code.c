/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/cell/code.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The #if groups that are open. */
struct conditional {
    uint32_t line, column;
};

struct reader {
    struct code *code;
    struct cell *cell;
    struct lexer lexer;
    struct token *tokens;
    size_t n_tokens, capacity;
    struct conditional *conditionals;
    size_t n_conditionals, conditionals_capacity;
};

void cell_problem(struct cell *cell, enum cell_status status, uint32_t line,
                  uint32_t column, const char *format, ...)
{
    if (cell->status == CELL_INVALID ||
        (cell->status == CELL_INCOMPLETE && status == CELL_INCOMPLETE))
        return;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    free(cell->problem);
    cell->problem = must_strdup(text);
    cell->status = status;
    cell->problem_line = line;
    cell->problem_column = column;
}

bool code_token_is(const struct code_token *token, char punctuator)
{
    return token->kind == TOKEN_PUNCTUATOR && token->size == 1 &&
           *token->text == punctuator;
}

static void open_conditional(struct reader *reader, const struct token *at)
{
    GROW(reader->conditionals, reader->n_conditionals, reader->conditionals_capacity);
    reader->conditionals[reader->n_conditionals++] =
        (struct conditional){.line = at->line, .column = at->column};
}

/* Keeps track of #if, which must have its #endif. */
static void read_conditional(struct reader *reader, const struct token *at,
                             const struct token *name)
{
    if (name->size >= 2 && memcmp(name->text, "if", 2) == 0) {
        open_conditional(reader, at);
        return;
    }
    bool is_end = token_is(name, "endif");
    bool is_else = name->size >= 4 && (memcmp(name->text, "else", 4) == 0 ||
                                       memcmp(name->text, "elif", 4) == 0);
    if (!is_end && !is_else)
        return;
    if (reader->n_conditionals)
        reader->n_conditionals -= is_end;
    else
        cell_problem(reader->cell, CELL_INVALID, at->line, at->column,
                     "'#%.*s' without '#if'", (int)name->size, name->text);
}

static void read_directive(struct reader *reader, const struct token *at)
{
    struct lexer *lexer = &reader->lexer, ahead = *lexer;
    struct token name = lexer_next(&ahead);
    if (name.starts_line)
        name.size = 0; /* the null directive */
    read_conditional(reader, at, &name);
    lexer_skip_line(lexer);
    const char *end = lexer->at;
    while (end > at->text && strchr(" \t\r\n", end[-1]))
        end--;
    struct code *code = reader->code;
    GROW(code->directives, code->n_directives, code->directives_capacity);
    code->directives[code->n_directives++] = (struct directive){
        .place = {.start = at->text, .end = end, .line = at->line, .column = at->column},
        .before = reader->n_tokens};
}

static void read_tokens(struct reader *reader)
{
    for (;;) {
        struct token token = lexer_next(&reader->lexer);
        if (token.kind == TOKEN_END)
            return;
        if (token.kind == TOKEN_DIRECTIVE) {
            read_directive(reader, &token);
            continue;
        }
        GROW(reader->tokens, reader->n_tokens, reader->capacity);
        reader->tokens[reader->n_tokens++] = token;
    }
}

static void report_reader(const struct reader *reader)
{
    const struct lexer *lexer = &reader->lexer;
    uint32_t line = lexer->unterminated_line, column = lexer->unterminated_column;
    if (lexer->unterminated == '*')
        cell_problem(reader->cell, CELL_INCOMPLETE, line, column,
                     "the comment is not closed");
    else if (lexer->unterminated == '"')
        cell_problem(reader->cell, CELL_INVALID, line, column,
                     "the string is not closed");
    else if (lexer->unterminated)
        cell_problem(reader->cell, CELL_INVALID, line, column,
                     "the character constant is not closed");
    if (reader->n_conditionals) {
        const struct conditional *open =
            &reader->conditionals[reader->n_conditionals - 1];
        cell_problem(reader->cell, CELL_INCOMPLETE, open->line, open->column,
                     "'#if' without '#endif'");
    }
}

/* The open brackets, innermost last. */
struct brackets {
    size_t *open;
    size_t n_open, capacity;
    size_t n_of[128]; /* by the opener's character */
};

static char opener_of(char closer)
{
    return closer == ')' ? '(' : closer == ']' ? '[' : '{';
}

static void close_bracket(struct code *code, struct brackets *brackets, size_t index,
                          struct cell *cell)
{
    struct code_token *closer = &code->tokens[index];
    char opener = opener_of(*closer->text);
    if (!brackets->n_of[(unsigned char)opener]) {
        cell_problem(cell, CELL_INVALID, closer->place.line, closer->place.column,
                     "'%c' without '%c'", *closer->text, opener);
        return;
    }
    for (;;) {
        size_t open = brackets->open[--brackets->n_open];
        struct code_token *token = &code->tokens[open];
        brackets->n_of[(unsigned char)*token->text]--;
        if (*token->text == opener) {
            token->match = index;
            return;
        }
        cell_problem(cell, CELL_INVALID, token->place.line, token->place.column,
                     "'%c' is not closed before '%c'", *token->text, *closer->text);
        token->match = index - 1;
    }
}

static void match_brackets(struct code *code, struct cell *cell)
{
    struct brackets brackets = {0};
    for (size_t i = 0; i < code->n_tokens; i++) {
        struct code_token *token = &code->tokens[i];
        if (token->kind != TOKEN_PUNCTUATOR || token->size != 1)
            continue;
        if (strchr("([{", *token->text)) {
            GROW(brackets.open, brackets.n_open, brackets.capacity);
            brackets.open[brackets.n_open++] = i;
            brackets.n_of[(unsigned char)*token->text]++;
            token->match = code->n_tokens - 1;
        } else if (strchr(")]}", *token->text)) {
            close_bracket(code, &brackets, i, cell);
        }
    }
    if (brackets.n_open) {
        struct code_token *open = &code->tokens[brackets.open[brackets.n_open - 1]];
        cell_problem(cell, CELL_INCOMPLETE, open->place.line, open->place.column,
                     "'%c' is not closed", *open->text);
    }
    free(brackets.open);
}

void code_read(struct code *code, const char *text, size_t size,
               const struct cell_names *names, struct cell *cell)
{
    *code = (struct code){.words = words_new(names)};
    struct reader reader = {.code = code, .cell = cell, .lexer = lexer_init(text, size)};
    read_tokens(&reader);
    report_reader(&reader);
    code_expand(code, reader.tokens, reader.n_tokens);
    match_brackets(code, cell);
    free(reader.tokens);
    free(reader.conditionals);
}

void code_clear(struct code *code)
{
    words_free(code->words);
    free(code->tokens);
    free(code->directives);
    *code = (struct code){0};
}
