/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Reads declarations the way a C parser does up to the declarator's name, and skips by
 * brackets from there. */
#include "kernel/unit/declaration.h"

#include <string.h>

struct reader {
    const char *text;
    struct token *tokens; /* without directive lines; the last one is TOKEN_END */
    size_t n, capacity, at;
    const struct cell_names *names;
    struct declaration *ret;
    size_t names_capacity, declarators_capacity;
};

static const char *const storage_words[] = {
    "typedef",    "static",    "extern",       "register",     "auto",
    "inline",     "__inline",  "__inline__",   "_Noreturn",    "_Thread_local",
    "__thread",   "const",     "volatile",     "restrict",     "__restrict",
    "__const",    "__const__", "__restrict__", "__volatile__", "__extension__",
    "__signed__", NULL};
static const char *const type_words[] = {
    "void",        "char",       "short",      "int",         "long",
    "float",       "double",     "signed",     "unsigned",    "_Bool",
    "_Complex",    "__int128",   "_Float128",  "_Float64",    "_Float32",
    "__auto_type", "_Decimal32", "_Decimal64", "_Decimal128", NULL};
static const char *const bracket_words[] = {"__attribute__", "__attribute", "_Alignas",
                                            "alignas",       "__asm__",     "asm",
                                            "__asm",         "__declspec",  NULL};
static const char *const typeof_words[] = {
    "typeof", "typeof_unqual", "__typeof__", "__typeof", "_Atomic", "_BitInt", NULL};
static const char *const tag_words[] = {"struct", "union", "enum", NULL};

static bool is_one_of(const struct token *token, const char *const *words)
{
    if (token->kind != TOKEN_IDENTIFIER)
        return false;
    for (; *words; words++)
        if (token_is(token, *words))
            return true;
    return false;
}

static const struct token *peek(const struct reader *reader, size_t ahead)
{
    size_t at = reader->at + ahead;
    return &reader->tokens[at < reader->n ? at : reader->n - 1];
}

static void tokenize(struct reader *reader, size_t size)
{
    struct lexer lexer = lexer_init(reader->text, size);
    struct token token;
    do {
        token = lexer_next(&lexer);
        if (token.kind == TOKEN_DIRECTIVE) {
            lexer_skip_line(&lexer);
            continue;
        }
        GROW(reader->tokens, reader->n, reader->capacity);
        reader->tokens[reader->n++] = token;
    } while (token.kind != TOKEN_END);
}

static size_t offset(const struct reader *reader, const struct token *token)
{
    return (size_t)(token->text - reader->text);
}

static size_t end_of_previous(const struct reader *reader)
{
    const struct token *token = &reader->tokens[reader->at - 1];
    return offset(reader, token) + token->size;
}

static int bracket(const struct token *token)
{
    if (token->kind != TOKEN_PUNCTUATOR || token->size != 1)
        return 0;
    if (strchr("([{", *token->text))
        return 1;
    return strchr(")]}", *token->text) ? -1 : 0;
}

/* At an opening bracket: behind its partner. */
static void skip_brackets(struct reader *reader)
{
    int depth = 0;
    for (; peek(reader, 0)->kind != TOKEN_END; reader->at++) {
        depth += bracket(peek(reader, 0));
        if (depth <= 0) {
            reader->at++;
            return;
        }
    }
}

static void skip_word_with_brackets(struct reader *reader)
{
    reader->at++;
    if (token_is(peek(reader, 0), "("))
        skip_brackets(reader);
}

static void add_name(struct reader *reader, const char *prefix, const struct token *token)
{
    struct declaration *ret = reader->ret;
    GROW(ret->names, ret->n_names, reader->names_capacity);
    ret->names[ret->n_names++] =
        must_format("%s%.*s", prefix, (int)token->size, token->text);
}

static const char *tag_prefix(const struct token *keyword)
{
    return token_is(keyword, "enum")    ? "enum "
           : token_is(keyword, "union") ? "union "
                                        : "struct ";
}

/* A macro that stands for attributes: `struct PACKED name {`. */
static void skip_attribute_macro(struct reader *reader)
{
    if (peek(reader, 0)->kind != TOKEN_IDENTIFIER)
        return;
    size_t before = reader->at;
    skip_word_with_brackets(reader);
    if (peek(reader, 0)->kind != TOKEN_IDENTIFIER || !token_is(peek(reader, 1), "{"))
        reader->at = before;
}

/* Names of the tags and enumerators between the tokens [from, to). */
static void add_inner_names(struct reader *reader, size_t from, size_t to)
{
    size_t at = reader->at;
    for (size_t i = from; i < to; i++) {
        reader->at = i;
        if (!is_one_of(peek(reader, 0), tag_words))
            continue;
        const struct token *keyword = peek(reader, 0);
        reader->at++;
        while (is_one_of(peek(reader, 0), bracket_words))
            skip_word_with_brackets(reader);
        skip_attribute_macro(reader);
        const struct token *tag = peek(reader, 0);
        if (tag->kind == TOKEN_IDENTIFIER)
            reader->at++;
        while (reader->at < to && is_one_of(peek(reader, 0), bracket_words))
            skip_word_with_brackets(reader);
        if (token_is(keyword, "enum") && token_is(peek(reader, 0), ":"))
            while (reader->at < to && !token_is(peek(reader, 0), "{"))
                reader->at++;
        if (!token_is(peek(reader, 0), "{"))
            continue;
        if (tag->kind == TOKEN_IDENTIFIER)
            add_name(reader, tag_prefix(keyword), tag);
        if (!token_is(keyword, "enum"))
            continue;
        int depth = 0;
        for (; reader->at < to; reader->at++) {
            const struct token *token = peek(reader, 0);
            bool is_separator = token_is(token, "{") || token_is(token, ",");
            depth += bracket(token);
            if (depth == 0)
                break;
            if (is_separator && depth == 1 && peek(reader, 1)->kind == TOKEN_IDENTIFIER)
                add_name(reader, "", peek(reader, 1));
        }
    }
    reader->at = at;
}

/* At struct, union or enum. */
static void read_tag(struct reader *reader)
{
    struct declaration *ret = reader->ret;
    size_t first = reader->at;
    const struct token *keyword = peek(reader, 0);
    reader->at++;
    while (is_one_of(peek(reader, 0), bracket_words))
        skip_word_with_brackets(reader);
    skip_attribute_macro(reader);
    const struct token *tag = NULL;
    if (peek(reader, 0)->kind == TOKEN_IDENTIFIER) {
        tag = peek(reader, 0);
        reader->at++;
    }
    if (token_is(peek(reader, 0), ":")) /* the type under an enum */
        while (peek(reader, 0)->kind != TOKEN_END && !token_is(peek(reader, 0), "{") &&
               !token_is(peek(reader, 0), ";"))
            reader->at++;
    bool has_body = token_is(peek(reader, 0), "{");
    if (has_body)
        skip_brackets(reader);
    size_t after_body = reader->at;
    while (has_body && is_one_of(peek(reader, 0), bracket_words))
        skip_word_with_brackets(reader);
    if (has_body)
        add_inner_names(reader, first, after_body);
    else if (tag && token_is(peek(reader, 0), ";"))
        add_name(reader, tag_prefix(keyword), tag);
    if (ret->keyword.size)
        return;
    ret->keyword = (struct span){offset(reader, keyword), keyword->size};
    if (tag)
        ret->tag = (struct span){offset(reader, tag), tag->size};
    if (has_body) {
        ret->record.start = ret->keyword.start;
        ret->record.size = end_of_previous(reader) - ret->record.start;
    }
}

static bool is_type_name(const struct reader *reader, const struct token *token)
{
    const struct cell_names *names = reader->names;
    return names && names->is_type &&
           names->is_type(names->context, token->text, token->size);
}

/* An identifier among the specifiers: a type's name, an attribute macro, or already the
 * declarator. */
static bool is_specifier(const struct reader *reader, bool has_type)
{
    const struct token *next = peek(reader, 1);
    if (next->kind == TOKEN_IDENTIFIER)
        return !is_one_of(next, bracket_words) ||
               (!has_type && is_type_name(reader, peek(reader, 0)));
    if (has_type) /* nothing is declared in front of a star */
        return token_is(next, "*");
    return token_is(next, "*") || is_type_name(reader, peek(reader, 0)) ||
           token_is(next, ";");
}

static void read_specifiers(struct reader *reader)
{
    struct declaration *ret = reader->ret;
    bool has_type = false;
    for (;;) {
        const struct token *token = peek(reader, 0);
        if (token->kind != TOKEN_IDENTIFIER)
            break;
        if (is_one_of(token, storage_words)) {
            ret->is_typedef |= token_is(token, "typedef");
            ret->is_static |= token_is(token, "static");
            ret->is_extern |= token_is(token, "extern");
            reader->at++;
        } else if (is_one_of(token, type_words)) {
            has_type = true;
            reader->at++;
        } else if (is_one_of(token, bracket_words)) {
            skip_word_with_brackets(reader);
        } else if (is_one_of(token, typeof_words)) {
            has_type |= token_is(peek(reader, 1), "(");
            skip_word_with_brackets(reader);
        } else if (is_one_of(token, tag_words)) {
            has_type = true;
            read_tag(reader);
        } else if (is_specifier(reader, has_type)) {
            has_type = true;
            reader->at++;
        } else {
            break;
        }
    }
    if (reader->at)
        ret->specifiers.size = end_of_previous(reader) - ret->specifiers.start;
}

/* The identifier that a declarator declares; NULL when there is none. */
static const struct token *find_name(struct reader *reader)
{
    for (;;) {
        const struct token *token = peek(reader, 0);
        if (is_one_of(token, bracket_words)) {
            skip_word_with_brackets(reader);
        } else if (token_is(token, "*") || token_is(token, "(") ||
                   is_one_of(token, storage_words)) {
            reader->at++;
        } else if (token->kind == TOKEN_IDENTIFIER &&
                   peek(reader, 1)->kind == TOKEN_IDENTIFIER &&
                   !is_one_of(peek(reader, 1), bracket_words) && reader->at &&
                   token_is(peek(reader, 0) - 1, "*")) {
            reader->at++; /* a qualifier macro behind * */
        } else {
            return token->kind == TOKEN_IDENTIFIER ? token : NULL;
        }
    }
}

/* To before a comma, semicolon, = or function body at depth 0. */
static void skip_declarator(struct reader *reader, size_t first, bool stops_at_equal)
{
    int depth = 0;
    for (size_t i = first; i < reader->at; i++)
        depth += bracket(&reader->tokens[i]);
    for (; peek(reader, 0)->kind != TOKEN_END; reader->at++) {
        const struct token *token = peek(reader, 0);
        if (depth == 0 &&
            (token_is(token, ",") || token_is(token, ";") ||
             (stops_at_equal && (token_is(token, "=") || token_is(token, "{")))))
            return;
        depth += bracket(token);
        if (depth < 0)
            return;
    }
}

static struct span span_from(const struct reader *reader, size_t first)
{
    if (reader->at <= first)
        return (struct span){0, 0};
    size_t start = offset(reader, &reader->tokens[first]);
    return (struct span){start, end_of_previous(reader) - start};
}

/* Behind `f(a, b)`: declarations of the parameters, and then the body. */
static bool is_at_parameters(const struct reader *reader)
{
    const struct token *first = peek((struct reader *)reader, 0);
    int depth = 0;
    if (first->kind != TOKEN_IDENTIFIER || is_one_of(first, bracket_words))
        return false;
    for (size_t i = reader->at; i < reader->n; i++) {
        const struct token *token = &reader->tokens[i];
        if (depth == 0 && token_is(token, "{"))
            return i > reader->at && token_is(token - 1, ";");
        if (depth == 0 && token_is(token, "="))
            return false;
        depth += bracket(token);
    }
    return false;
}

static bool read_declarator(struct reader *reader)
{
    struct declaration *ret = reader->ret;
    struct declarator declarator = {0};
    size_t first = reader->at;
    const struct token *name = find_name(reader);
    if (!name)
        return false;
    declarator.name = (struct span){offset(reader, name), name->size};
    reader->at++;
    bool is_enclosed = first + 1 < reader->at &&
                       token_is(&reader->tokens[reader->at - 2], "(") &&
                       token_is(peek(reader, 0), ")") && token_is(peek(reader, 1), "(");
    declarator.is_function = token_is(peek(reader, 0), "(") || is_enclosed;
    size_t list = reader->at;
    if (declarator.is_function && !is_enclosed)
        skip_brackets(reader);
    if (is_enclosed || !declarator.is_function || !is_at_parameters(reader)) {
        reader->at = list;
        skip_declarator(reader, first, true);
    }
    declarator.text = span_from(reader, first);
    if (token_is(peek(reader, 0), "=")) {
        size_t value = ++reader->at;
        skip_declarator(reader, value, false);
        declarator.initialiser = span_from(reader, value);
    }
    add_name(reader, "", name);
    GROW(ret->declarators, ret->n_declarators, reader->declarators_capacity);
    ret->declarators[ret->n_declarators++] = declarator;
    return true;
}

/* `int f(a, b) int a; long b; { ... }`: the declarator ends with the parameter list. */
static void read_old_style(struct reader *reader)
{
    size_t brace = reader->at;
    while (brace < reader->n && !token_is(&reader->tokens[brace], "{"))
        brace++;
    if (brace >= reader->n)
        return;
    reader->at = brace;
    reader->ret->is_old_style = true;
    size_t first = reader->at;
    skip_brackets(reader);
    reader->ret->body = span_from(reader, first);
}

void declaration_parse(const char *text, size_t size, const struct cell_names *names,
                       struct declaration *ret)
{
    struct reader reader = {.text = text, .names = names, .ret = ret};
    memset(ret, 0, sizeof(*ret));
    tokenize(&reader, size);
    ret->specifiers.start = offset(&reader, peek(&reader, 0));
    if (token_is(peek(&reader, 0), "_Static_assert") ||
        token_is(peek(&reader, 0), "static_assert")) {
        free(reader.tokens);
        return;
    }
    read_specifiers(&reader);
    while (read_declarator(&reader) && token_is(peek(&reader, 0), ","))
        reader.at++;
    bool may_have_body = ret->n_declarators == 1;
    if (may_have_body && token_is(peek(&reader, 0), "{")) {
        size_t first = reader.at;
        skip_brackets(&reader);
        ret->body = span_from(&reader, first);
    } else if (may_have_body && is_at_parameters(&reader)) {
        read_old_style(&reader);
    } else if (may_have_body && token_is(peek(&reader, 0), ";") &&
               peek(&reader, 1)->kind != TOKEN_END) {
        read_old_style(&reader);
    }
    free(reader.tokens);
}

void declaration_clear(struct declaration *declaration)
{
    for (size_t i = 0; i < declaration->n_names; i++)
        free(declaration->names[i]);
    free(declaration->names);
    free(declaration->declarators);
    memset(declaration, 0, sizeof(*declaration));
}

char *tag_of_kind(const char *name, unsigned kind)
{
    const char *tag = strchr(name, ' ');
    return tag ? must_format("%s%s", tag_words[kind], tag) : NULL;
}

void declaration_flat(const char *text, struct span part, const char *const *without,
                      struct buffer *out)
{
    struct lexer lexer = lexer_init(text + part.start, part.size);
    bool is_first = true;
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return;
        if (token.kind == TOKEN_DIRECTIVE) {
            lexer_skip_line(&lexer);
            continue;
        }
        if (without && is_one_of(&token, without))
            continue;
        if (!is_first)
            buffer_add_char(out, ' ');
        buffer_add(out, token.text, token.size);
        is_first = false;
    }
}

bool tokens_equal(const char *a, size_t a_size, const char *b, size_t b_size)
{
    struct lexer a_lexer = lexer_init(a, a_size), b_lexer = lexer_init(b, b_size);
    for (;;) {
        struct token x = lexer_next(&a_lexer), y = lexer_next(&b_lexer);
        if (x.kind != y.kind || x.size != y.size || memcmp(x.text, y.text, x.size) != 0)
            return false;
        if (x.kind == TOKEN_END)
            return true;
    }
}

bool tokens_mention(const char *text, size_t size, const char *word)
{
    struct lexer lexer = lexer_init(text, size);
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return false;
        if (token.kind == TOKEN_IDENTIFIER && token_is(&token, word))
            return true;
    }
}

bool tokens_have(const char *text, size_t size,
                 bool (*is_wanted)(const struct token *token))
{
    struct lexer lexer = lexer_init(text, size);
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            return false;
        if (is_wanted(&token))
            return true;
    }
}
