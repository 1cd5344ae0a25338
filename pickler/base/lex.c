/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/base/lex.h"

#include <stdlib.h>
#include <string.h>

struct lexer lexer_init(const char *text, size_t size)
{
    return (struct lexer){.at = text,
                          .end = text + size,
                          .line = 1,
                          .line_start = text,
                          .starts_line = true};
}

static bool is_identifier_byte(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '$' || c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

/* The bytes of a backslash-newline at `at`, 0 when there is none. */
static size_t splice_size(const char *at, const char *end)
{
    if (end - at >= 2 && at[0] == '\\' && at[1] == '\n')
        return 2;
    if (end - at >= 3 && at[0] == '\\' && at[1] == '\r' && at[2] == '\n')
        return 3;
    return 0;
}

static void new_line(struct lexer *lexer, const char *start)
{
    lexer->line++;
    lexer->line_start = start;
}

static bool skip_splice(struct lexer *lexer)
{
    size_t size = splice_size(lexer->at, lexer->end);
    if (!size)
        return false;
    lexer->at += size;
    new_line(lexer, lexer->at);
    return true;
}

static uint32_t column_at(const struct lexer *lexer)
{
    return (uint32_t)(lexer->at - lexer->line_start) + 1;
}

static void set_unterminated(struct lexer *lexer, char what, uint32_t line,
                             uint32_t column)
{
    lexer->unterminated = what;
    lexer->unterminated_line = line;
    lexer->unterminated_column = column;
}

static void skip_block_comment(struct lexer *lexer)
{
    uint32_t line = lexer->line, column = column_at(lexer);
    lexer->at += 2;
    while (lexer->at < lexer->end) {
        char c = *lexer->at++;
        if (c == '\n') {
            new_line(lexer, lexer->at);
        } else if (c == '*' && lexer->at < lexer->end && *lexer->at == '/') {
            lexer->at++;
            return;
        }
    }
    set_unterminated(lexer, '*', line, column);
}

/* Stops at the newline, which still belongs to the line. */
static void skip_line_comment(struct lexer *lexer)
{
    while (lexer->at < lexer->end && *lexer->at != '\n')
        if (!skip_splice(lexer))
            lexer->at++;
}

static bool at_comment(const struct lexer *lexer, char second)
{
    return lexer->end - lexer->at >= 2 && lexer->at[0] == '/' && lexer->at[1] == second;
}

static void skip_blanks(struct lexer *lexer)
{
    while (lexer->at < lexer->end) {
        char c = *lexer->at;
        if (c == '\n') {
            lexer->at++;
            new_line(lexer, lexer->at);
            lexer->starts_line = true;
        } else if (is_blank(c)) {
            lexer->at++;
        } else if (at_comment(lexer, '*')) {
            skip_block_comment(lexer);
        } else if (at_comment(lexer, '/')) {
            skip_line_comment(lexer);
        } else if (!skip_splice(lexer)) {
            return;
        }
    }
}

/* Behind the closing quote, or at the end of the line that lacks one. */
static bool skip_quoted(struct lexer *lexer)
{
    char quote = *lexer->at++;
    while (lexer->at < lexer->end && *lexer->at != '\n') {
        if (skip_splice(lexer))
            continue;
        char c = *lexer->at++;
        if (c == quote)
            return true;
        if (c == '\\' && lexer->at < lexer->end && *lexer->at != '\n')
            lexer->at++;
    }
    return false;
}

static enum token_kind lex_quoted(struct lexer *lexer)
{
    char quote = *lexer->at;
    uint32_t line = lexer->line, column = column_at(lexer);
    if (!skip_quoted(lexer))
        set_unterminated(lexer, quote, line, column);
    return quote == '"' ? TOKEN_STRING : TOKEN_CHARACTER;
}

static bool is_string_prefix(const char *text, size_t size)
{
    return (size == 1 && (*text == 'L' || *text == 'u' || *text == 'U')) ||
           (size == 2 && text[0] == 'u' && text[1] == '8');
}

static enum token_kind lex_identifier(struct lexer *lexer)
{
    const char *start = lexer->at;
    while (lexer->at < lexer->end && is_identifier_byte((unsigned char)*lexer->at))
        lexer->at++;
    if (lexer->at < lexer->end && (*lexer->at == '"' || *lexer->at == '\'') &&
        is_string_prefix(start, (size_t)(lexer->at - start)))
        return lex_quoted(lexer);
    return TOKEN_IDENTIFIER;
}

/* A preprocessing number: wider than what C makes a number of, as in the standard. */
static enum token_kind lex_number(struct lexer *lexer)
{
    lexer->at++;
    while (lexer->at < lexer->end) {
        char c = *lexer->at, before = lexer->at[-1];
        bool is_sign = (c == '+' || c == '-') &&
                       (before == 'e' || before == 'E' || before == 'p' || before == 'P');
        bool is_separator = c == '\'' && lexer->end - lexer->at > 1 && /* 1'000 */
                            is_identifier_byte((unsigned char)lexer->at[1]);
        if (!is_identifier_byte((unsigned char)c) && c != '.' && !is_sign &&
            !is_separator)
            break;
        lexer->at++;
    }
    return TOKEN_NUMBER;
}

static size_t punctuator_size(const char *at, const char *end)
{
    size_t left = (size_t)(end - at);
    char a = at[0], b = left > 1 ? at[1] : '\0', c = left > 2 ? at[2] : '\0';
    if (a == '.' && b == '.' && c == '.')
        return 3;
    if ((a == '<' || a == '>') && b == a)
        return c == '=' ? 3 : 2;
    if (b == '=' && strchr("<>=!+-*/%&|^", a))
        return 2;
    if (b == a && strchr("+-&|#", a))
        return 2;
    if (a == '-' && b == '>')
        return 2;
    return strchr("()[]{};:,.?~!<>=+-*/%&|^#", a) ? 1 : 0;
}

static enum token_kind lex_punctuator(struct lexer *lexer)
{
    size_t size = *lexer->at ? punctuator_size(lexer->at, lexer->end) : 0;
    lexer->at += size ? size : 1;
    return size ? TOKEN_PUNCTUATOR : TOKEN_OTHER;
}

static enum token_kind lex_kind(struct lexer *lexer, bool starts_line)
{
    char c = *lexer->at;
    if (is_digit(c) || (c == '.' && lexer->end - lexer->at > 1 && is_digit(lexer->at[1])))
        return lex_number(lexer);
    if (is_identifier_byte((unsigned char)c))
        return lex_identifier(lexer);
    if (c == '"' || c == '\'')
        return lex_quoted(lexer);
    if (c == '#' && starts_line) {
        lexer->at++;
        return TOKEN_DIRECTIVE;
    }
    return lex_punctuator(lexer);
}

struct token lexer_next(struct lexer *lexer)
{
    skip_blanks(lexer);
    struct token token = {.kind = TOKEN_END,
                          .text = lexer->at,
                          .line = lexer->line,
                          .column = column_at(lexer),
                          .starts_line = lexer->starts_line};
    if (lexer->at == lexer->end)
        return token;
    lexer->starts_line = false;
    token.kind = lex_kind(lexer, token.starts_line);
    token.size = (size_t)(lexer->at - token.text);
    return token;
}

void lexer_skip_line(struct lexer *lexer)
{
    while (lexer->at < lexer->end) {
        char c = *lexer->at;
        if (c == '\n') {
            lexer->at++;
            new_line(lexer, lexer->at);
            break;
        }
        if (c == '"' || c == '\'')
            skip_quoted(lexer); /* an apostrophe in #error text closes nothing */
        else if (at_comment(lexer, '*'))
            skip_block_comment(lexer);
        else if (at_comment(lexer, '/'))
            skip_line_comment(lexer);
        else if (!skip_splice(lexer))
            lexer->at++;
    }
    lexer->starts_line = true;
}

bool token_is(const struct token *token, const char *text)
{
    return strlen(text) == token->size && memcmp(token->text, text, token->size) == 0;
}

/* Sorted by byte value. */
static const char *const keywords[] = {
    "_Alignas",      "_Alignof",    "_Atomic",     "_Bool",          "_Complex",
    "_Generic",      "_Imaginary",  "_Noreturn",   "_Static_assert", "_Thread_local",
    "__alignof",     "__alignof__", "__asm",       "__asm__",        "__attribute",
    "__attribute__", "__auto_type", "__complex__", "__const",        "__const__",
    "__extension__", "__imag__",    "__inline",    "__inline__",     "__int128",
    "__label__",     "__real__",    "__restrict",  "__restrict__",   "__signed",
    "__signed__",    "__thread",    "__typeof",    "__typeof__",     "__volatile",
    "__volatile__",  "asm",         "auto",        "break",          "case",
    "char",          "const",       "continue",    "default",        "do",
    "double",        "else",        "enum",        "extern",         "float",
    "for",           "goto",        "if",          "inline",         "int",
    "long",          "register",    "restrict",    "return",         "short",
    "signed",        "sizeof",      "static",      "struct",         "switch",
    "typedef",       "typeof",      "union",       "unsigned",       "void",
    "volatile",      "while",
};

static int compare_keyword(const void *key, const void *element)
{
    const struct token *token = key;
    const char *keyword = *(const char *const *)element;
    int order = strncmp(token->text, keyword, token->size);
    return order ? order : (keyword[token->size] ? -1 : 0);
}

bool token_is_keyword(const struct token *token)
{
    return token->kind == TOKEN_IDENTIFIER && token->size >= 2 && token->size <= 14 &&
           bsearch(token, keywords, sizeof(keywords) / sizeof(*keywords),
                   sizeof(*keywords), compare_keyword);
}
