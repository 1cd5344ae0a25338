/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Magics are looked for only where a statement may start: cheaply by brackets and the
 * token before, then for certain by splitting what stands before the line. */
#include <string.h>

#include "kernel/cell/code.h"
#include "kernel/peer/protocol.h"

/* Text read in vain while looking for certainty, as a multiple of the cell's size; behind
 * it the rest of a pathological cell is C. */
#define VAIN_WORK_MAX 8

struct scanner {
    const char *text, *end;
    bool has_marks; /* MAGIC_MARK is somewhere in the text */
    const struct cell_names *names;
    const char *const *magics;
    size_t n_magics;
    struct lexer lexer;
    struct words *words; /* is_mentioned: in the C of the cell so far */
    const char *c_start; /* of the C that is not a segment yet */
    uint32_t c_line;
    const char *statement; /* a statement starts here for certain; at or behind c_start */
    int depth;
    bool may_start; /* by the token before */
    bool has_code;  /* a token of C was met */
    size_t vain_work;
    struct cell_segment *segments;
    size_t n_segments, capacity;
};

static const char *line_end(const struct scanner *scanner, const char *at)
{
    const char *newline = memchr(at, '\n', (size_t)(scanner->end - at));
    return newline ? newline : scanner->end;
}

static bool is_name_start(const char *at, const char *end)
{
    struct lexer lexer = lexer_init(at, (size_t)(end - at));
    return at < end && *at != ' ' && *at != '\t' && *at != '\n' &&
           lexer_next(&lexer).kind == TOKEN_IDENTIFIER;
}

static void add_segment(struct scanner *scanner, int kind, const char *start,
                        const char *end, uint32_t line, uint32_t column)
{
    GROW(scanner->segments, scanner->n_segments, scanner->capacity);
    scanner->segments[scanner->n_segments++] =
        (struct cell_segment){.kind = kind,
                              .line = line,
                              .column = column,
                              .start = (size_t)(start - scanner->text),
                              .size = (size_t)(end - start)};
}

static void add_c(struct scanner *scanner, const char *end)
{
    struct lexer lexer = lexer_init(scanner->c_start, (size_t)(end - scanner->c_start));
    if (lexer_next(&lexer).kind != TOKEN_END || lexer.unterminated)
        add_segment(scanner, SEGMENT_C, scanner->c_start, end, scanner->c_line, 1);
}

static bool is_vain(const struct scanner *scanner)
{
    return scanner->vain_work > VAIN_WORK_MAX * (size_t)(scanner->end - scanner->text);
}

/* Whether the C before `at` is whole, so that a statement may start there. */
static bool is_statement_start(struct scanner *scanner, const char *at)
{
    size_t size = (size_t)(at - scanner->statement);
    if (is_vain(scanner))
        return false;
    struct cell cell;
    cell_split(scanner->statement, size, scanner->names, &cell);
    bool is_whole = cell.status == CELL_COMPLETE &&
                    (!cell.n_items || cell.items[cell.n_items - 1].kind != ITEM_VALUE);
    for (size_t i = 0; is_whole && i < cell.n_items; i++)
        is_whole = cell.items[i].kind != ITEM_VALUE;
    cell_clear(&cell);
    if (is_whole)
        scanner->statement = at;
    else
        scanner->vain_work += size + 1;
    return is_whole;
}

static bool is_known(struct scanner *scanner, const struct token *word)
{
    static const char *const operators[] = {"sizeof",        "_Alignof", "__alignof__",
                                            "__extension__", "_Generic", "__func__",
                                            "true",          "false"};
    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
        if (token_is(word, operators[i]))
            return true;
    if (token_is_keyword(word))
        return false;
    const struct cell_names *names = scanner->names;
    if (names && names->is_visible &&
        names->is_visible(names->context, word->text, word->size))
        return true;
    return words_get(scanner->words, word->text, word->size)->is_mentioned;
}

/* `!command`, unless it can be the C operator with an operand that exists. */
static bool is_shell(struct scanner *scanner, const char *at)
{
    const char *end = line_end(scanner, at);
    struct lexer lexer = lexer_init(at + 1, (size_t)(end - at - 1));
    lexer.starts_line = false;
    struct token token = lexer_next(&lexer);
    if (token.kind == TOKEN_IDENTIFIER)
        return !is_known(scanner, &token) && !(lexer.at < end && *lexer.at == '(');
    if (token.kind == TOKEN_OTHER)
        return true;
    return token.kind == TOKEN_PUNCTUATOR && strchr("./{[<>|:%#@", *token.text);
}

/* Whether `?` before `at` may begin a conditional expression: its colon follows. */
static bool has_colon(struct scanner *scanner, const char *at)
{
    struct lexer lexer = lexer_init(at, (size_t)(scanner->end - at));
    int depth = 0, questions = 1;
    while (questions > 0 && depth >= 0) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END || token_is(&token, ";") || token_is(&token, "{"))
            break;
        if (token.kind == TOKEN_DIRECTIVE)
            lexer_skip_line(&lexer);
        depth += token_is(&token, "(") || token_is(&token, "[");
        depth -= token_is(&token, ")") || token_is(&token, "]");
        if (depth == 0)
            questions += token_is(&token, "?") - token_is(&token, ":");
    }
    scanner->vain_work += (size_t)(lexer.at - at);
    return questions == 0 || is_vain(scanner);
}

/* `name?`, `name??`, `struct name?`, `%name?` alone on a line. */
static bool is_question(struct scanner *scanner, const char *at)
{
    const char *end = line_end(scanner, at);
    struct lexer lexer = lexer_init(at, (size_t)(end - at));
    struct token name = lexer_next(&lexer);
    bool is_magic = token_is(&name, "%");
    if (is_magic || token_is(&name, "struct") || token_is(&name, "union") ||
        token_is(&name, "enum"))
        name = lexer_next(&lexer);
    if (name.kind != TOKEN_IDENTIFIER || lexer.at == end || *lexer.at != '?')
        return false;
    struct token token = lexer_next(&lexer);
    while (token_is(&token, "?"))
        token = lexer_next(&lexer);
    return token.kind == TOKEN_END && (is_magic || !has_colon(scanner, end));
}

static bool is_magic_name(const struct scanner *scanner, const char *at)
{
    struct lexer lexer = lexer_init(at, (size_t)(scanner->end - at));
    struct token token = lexer_next(&lexer);
    for (size_t i = 0; i < scanner->n_magics; i++)
        if (token_is(&token, scanner->magics[i]))
            return true;
    return false;
}

/* The kind of what the line at `at` holds, where a statement may start. */
static int kind_at(struct scanner *scanner, const char *at)
{
    const char *end = scanner->end;
    bool is_first = scanner->n_segments == 0 && !scanner->has_code;
    switch (*at) {
    case '%':
        if (end - at > 2 && at[1] == '%' && is_name_start(at + 2, end))
            return is_first ? SEGMENT_CELL_MAGIC : SEGMENT_LINE_MAGIC;
        if (!is_name_start(at + 1, end))
            return SEGMENT_C;
        return is_magic_name(scanner, at + 1) && is_question(scanner, at)
                   ? SEGMENT_HELP
                   : SEGMENT_LINE_MAGIC;
    case '!':
        return is_shell(scanner, at) ? SEGMENT_SHELL : SEGMENT_C;
    case '?':
        return SEGMENT_HELP;
    }
    return is_question(scanner, at) ? SEGMENT_HELP : SEGMENT_C;
}

/* Cheap: may the line of this token be a magic? */
static bool may_be_magic(const struct scanner *scanner, const struct token *token)
{
    if (!token->starts_line || scanner->depth != 0 || !scanner->may_start)
        return false;
    if (strchr("%!?", *token->text) && *token->text)
        return true;
    if (token->kind != TOKEN_IDENTIFIER)
        return false;
    const char *end = line_end(scanner, token->text);
    while (end > token->text && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    return end > token->text && end[-1] == '?';
}

static bool is_first_on_line(const struct scanner *scanner, const char *at)
{
    while (at > scanner->text && (at[-1] == ' ' || at[-1] == '\t'))
        at--;
    return at == scanner->text || at[-1] == '\n';
}

/* Behind the comment or the byte at `at`, which is between two tokens. */
static const char *skip_comment(const struct scanner *scanner, const char *at)
{
    struct lexer lexer = lexer_init(at, (size_t)(scanner->end - at));
    if (at + 1 < scanner->end && at[0] == '/' && at[1] == '*') {
        const char *closed = memmem(at + 2, (size_t)(scanner->end - at - 2), "*/", 2);
        return closed ? closed + 2 : scanner->end;
    }
    if (at + 1 < scanner->end && at[0] == '/' && at[1] == '/')
        lexer_skip_line(&lexer);
    return lexer.at > at ? lexer.at : at + 1;
}

/* The first line between `from` and `to`, where there is no token, that is a comment with
 * a magic in it; *ret is where the percent sign stands. */
static bool find_mark(const struct scanner *scanner, const char *from, const char *to,
                      struct token *ret)
{
    static const size_t size = sizeof(MAGIC_MARK) - 1;
    uint32_t line = scanner->lexer.line;
    for (const char *at = from; at < to;) {
        if ((size_t)(to - at) > size && !memcmp(at, MAGIC_MARK "%", size + 1) &&
            is_first_on_line(scanner, at)) {
            const char *start = at;
            while (start > scanner->text && start[-1] != '\n')
                start--;
            *ret = (struct token){.text = at + size,
                                  .size = 1,
                                  .line = line,
                                  .column = (uint32_t)(at + size - start) + 1};
            return true;
        }
        const char *next = skip_comment(scanner, at);
        for (; at < next; at++)
            line += *at == '\n';
    }
    return false;
}

/* Ends the C before the magic and goes on behind its line, or at the end of the cell. */
static void take_magic(struct scanner *scanner, const struct token *token, int kind)
{
    const char *end =
        kind == SEGMENT_CELL_MAGIC ? scanner->end : line_end(scanner, token->text);
    add_c(scanner, token->text - (token->column - 1));
    const char *trimmed = end;
    while (trimmed > token->text && trimmed[-1] == '\r')
        trimmed--;
    add_segment(scanner, kind, token->text, trimmed, token->line, token->column);
    uint32_t line = token->line + 1;
    scanner->lexer = lexer_init(scanner->end, 0);
    scanner->c_start = scanner->statement = scanner->end;
    if (end < scanner->end) {
        scanner->lexer = lexer_init(end + 1, (size_t)(scanner->end - end - 1));
        scanner->c_start = scanner->statement = end + 1;
    }
    scanner->lexer.line = scanner->c_line = line;
    scanner->may_start = true;
}

static void see_token(struct scanner *scanner, const struct token *token)
{
    scanner->may_start = false;
    scanner->has_code = true;
    if (token->kind == TOKEN_DIRECTIVE) {
        lexer_skip_line(&scanner->lexer);
        scanner->may_start = true;
    } else if (token->kind == TOKEN_IDENTIFIER) {
        words_get(scanner->words, token->text, token->size)->is_mentioned = true;
    } else if (token->kind == TOKEN_PUNCTUATOR && token->size == 1) {
        if (strchr("([{", *token->text))
            scanner->depth++;
        else if (strchr(")]}", *token->text) && scanner->depth > 0)
            scanner->depth--;
        scanner->may_start = *token->text == ';' || *token->text == '}';
    }
}

/* A magic in a comment between where the scanner is and the token `next`. */
static bool take_marked(struct scanner *scanner, const struct token *next)
{
    struct token magic;
    const char *to = next->kind == TOKEN_END ? scanner->end : next->text;
    if (!scanner->has_marks || scanner->depth != 0 || !scanner->may_start ||
        !find_mark(scanner, scanner->lexer.at, to, &magic) ||
        !is_statement_start(scanner, magic.text - (magic.column - 1)))
        return false;
    int kind = kind_at(scanner, magic.text);
    if (kind == SEGMENT_C)
        return false;
    take_magic(scanner, &magic, kind);
    return true;
}

static void scan(struct scanner *scanner)
{
    for (;;) {
        struct lexer ahead = scanner->lexer;
        struct token token = lexer_next(&ahead);
        if (take_marked(scanner, &token))
            continue;
        scanner->lexer = ahead;
        if (token.kind == TOKEN_END)
            return;
        if (may_be_magic(scanner, &token) && is_statement_start(scanner, token.text)) {
            int kind = kind_at(scanner, token.text);
            if (kind != SEGMENT_C) {
                take_magic(scanner, &token, kind);
                continue;
            }
        }
        see_token(scanner, &token);
    }
}

void cell_segments(const char *text, size_t size, const struct cell_names *names,
                   const char *const *magics, size_t n_magics, struct cell_segment **ret,
                   size_t *ret_n)
{
    struct scanner scanner = {
        .text = text,
        .end = text + size,
        .has_marks = memmem(text, size, MAGIC_MARK, sizeof(MAGIC_MARK) - 1) != NULL,
        .names = names,
        .magics = magics,
        .n_magics = n_magics,
        .lexer = lexer_init(text, size),
        .words = words_new(NULL),
        .c_start = text,
        .c_line = 1,
        .statement = text,
        .may_start = true};
    scan(&scanner);
    add_c(&scanner, scanner.end);
    words_free(scanner.words);
    *ret = scanner.segments;
    *ret_n = scanner.n_segments;
}
