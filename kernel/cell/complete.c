/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What a console asks at every Enter: is this all, or is there more to come? */
#include <string.h>

#include "kernel/cell/code.h"
#include "kernel/peer/protocol.h"

#define INDENT_STEP 4
#define INDENT_MAX 200

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

static bool ends_with_backslash(const char *text, size_t size)
{
    while (size && is_blank(text[size - 1]))
        size--;
    return size && text[size - 1] == '\\';
}

static bool is_type_word(const struct code_token *token)
{
    return token->word && (token->word->is_type || token->word->class == WORD_TYPE ||
                           token->word->class == WORD_TAG);
}

/* `(int)` with its operand still to come; not `sizeof (int)`, `f(int)`. */
static bool ends_with_cast(const struct code *code)
{
    size_t last = code->n_tokens - 1;
    if (!code_token_is(&code->tokens[last], ')'))
        return false;
    for (size_t i = last; i-- > 0;)
        if (code_token_is(&code->tokens[i], '(') && code->tokens[i].match == last)
            return is_type_word(&code->tokens[i + 1]) &&
                   (i == 0 || !code->tokens[i - 1].word);
    return false;
}

static bool wants_operand(const struct code *code)
{
    static const char *const words[] = {"sizeof", "_Alignof", "__alignof__",
                                        "__extension__", "_Generic"};
    const struct code_token *last = &code->tokens[code->n_tokens - 1];
    for (size_t i = 0; last->word && i < sizeof(words) / sizeof(*words); i++)
        if (strlen(words[i]) == last->size &&
            memcmp(words[i], last->text, last->size) == 0)
            return true;
    if (last->kind != TOKEN_PUNCTUATOR)
        return false;
    if (last->size == 2 &&
        (memcmp(last->text, "++", 2) == 0 || memcmp(last->text, "--", 2) == 0))
        return false;
    return last->size > 1 || !strchr(")]};", *last->text);
}

/* Judges what cell_split() calls whole. */
static enum cell_status judge_end(const struct code *code, const struct cell *cell)
{
    if (!code->n_tokens || !cell->n_items)
        return CELL_COMPLETE;
    bool has_value = false;
    for (size_t i = 0; i < cell->n_items; i++)
        has_value |= cell->items[i].kind == ITEM_VALUE;
    if (has_value && (wants_operand(code) || ends_with_cast(code)))
        return CELL_INCOMPLETE;
    return CELL_COMPLETE;
}

static char *indent_after(const char *text, size_t size, const struct code *code,
                          const struct cell *cell)
{
    while (size && is_blank(text[size - 1]))
        size--;
    const char *line = size ? memrchr(text, '\n', size) : NULL;
    line = line ? line + 1 : text;
    size_t indent = 0;
    while (line + indent < text + size && (line[indent] == ' ' || line[indent] == '\t'))
        indent++;
    const struct code_token *last =
        code->n_tokens ? &code->tokens[code->n_tokens - 1] : NULL;
    bool opens = last && last->kind == TOKEN_PUNCTUATOR && last->size == 1 &&
                 last->place.end == text + size && strchr("{([:", *last->text);
    bool waits = cell->problem && strstr(cell->problem, "a statement");
    indent =
        (indent < INDENT_MAX ? indent : INDENT_MAX) + (opens || waits ? INDENT_STEP : 0);
    return must_format("%*s", (int)indent, "");
}

static enum cell_status judge(const char *text, size_t size,
                              const struct cell_names *names, char **ret_indent)
{
    struct cell cell, ignored = {0};
    struct code code;
    cell_split(text, size, names, &cell);
    code_read(&code, text, size, names, &ignored);
    enum cell_status status = cell.status;
    if (ends_with_backslash(text, size))
        status = CELL_INCOMPLETE;
    else if (code.n_tokens == 1 && code.tokens[0].word && code.tokens[0].word->is_type)
        status = CELL_INVALID; /* a typedef's name alone: the compiler will say so */
    else if (status == CELL_COMPLETE)
        status = judge_end(&code, &cell);
    *ret_indent = status == CELL_INCOMPLETE ? indent_after(text, size, &code, &cell)
                                            : must_strdup("");
    cell_clear(&cell);
    cell_clear(&ignored);
    code_clear(&code);
    return status;
}

enum cell_status cell_is_complete(const char *text, size_t size,
                                  const struct cell_names *names, char **ret_indent)
{
    struct cell_segment *segments = NULL;
    size_t n = 0;
    cell_segments(text, size, names, NULL, 0, &segments, &n);
    /* magics become blanks, so that places and lines stay */
    CLEANUP(freep) char *copy = must_strndup(text, size);
    bool has_c = n == 0;
    for (size_t i = 0; i < n; i++) {
        has_c |= segments[i].kind == SEGMENT_C;
        if (segments[i].kind != SEGMENT_C)
            memset(copy + segments[i].start, ' ', segments[i].size);
    }
    free(segments);
    size_t start = strspn(text, " \t\r\n");
    bool is_lone_sign = start < size && (text[start] == '%' || text[start] == '?') &&
                        !memchr(text + start, '\n', size - start);
    if (!has_c || is_lone_sign) {
        *ret_indent = must_strdup("");
        return CELL_COMPLETE;
    }
    return judge(copy, size, names, ret_indent);
}
