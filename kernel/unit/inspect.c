/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is known about a name: its declaration, where it was defined, its text. */
#include <string.h>

#include "kernel/unit/analysis.h"
#include "kernel/unit/draft.h"
#include "pickler/base/lex.h"

/* ---- comments
 * ---------------------------------------------------------------------------- */

static const char *line_before(const char *text, const char *line)
{
    if (line == text)
        return NULL;
    for (line--; line > text && line[-1] != '\n'; line--)
        ;
    return line;
}

static bool ends_with(const char *line, size_t size, const char *end)
{
    while (size && strchr(" \t\r", line[size - 1]))
        size--;
    return size >= 2 && !memcmp(line + size - 2, end, 2);
}

/* The lines of comment right above a line; owned, NULL when there are none. */
static char *comment_above(const char *text, uint32_t number)
{
    const char *line = text, *first = NULL;
    for (uint32_t i = 1; i < number && line; i++) {
        const char *end = strchr(line, '\n');
        line = end ? end + 1 : NULL;
    }
    const char *end = line;
    bool is_inside = false; /* of a comment between slash-star and star-slash */
    while (line && (line = line_before(text, line))) {
        size_t size = strcspn(line, "\n");
        const char *start = line + strspn(line, " \t");
        bool is_line = !strncmp(start, "//", 2);
        is_inside |= ends_with(line, size, "*/");
        if (!is_inside && !is_line)
            break;
        first = line;
        if (is_inside && memmem(line, size, "/*", 2))
            is_inside = false;
    }
    return first && !is_inside ? must_strndup(first, (size_t)(end - first)) : NULL;
}

static void keep_comment(struct analysis *analysis, uint32_t definition, char *text)
{
    while (analysis->n_comments && /* ids of a plan that was not accepted come again */
           analysis->comments[analysis->n_comments - 1].definition >= definition)
        free(analysis->comments[--analysis->n_comments].text);
    if (!text || analysis->n_comments >= COMMENTS_MAX) {
        free(text);
        return;
    }
    GROW(analysis->comments, analysis->n_comments, analysis->comments_capacity);
    analysis->comments[analysis->n_comments++] = (struct comment){definition, text};
}

void comments_keep(struct draft *draft)
{
    for (size_t i = 0; i < draft->plan->n_definitions; i++) {
        const struct definition *definition = draft->plan->definitions[i];
        bool is_own = definition->cell == draft->cell && !definition->is_stale;
        keep_comment(draft->analysis, definition->id,
                     is_own ? comment_above(draft->source, definition->line) : NULL);
    }
}

void comments_prune(struct analysis *analysis)
{
    size_t n = 0;
    for (size_t i = 0; i < analysis->n_comments; i++) {
        if (graph_get(analysis->graph, analysis->comments[i].definition))
            analysis->comments[n++] = analysis->comments[i];
        else
            free(analysis->comments[i].text);
    }
    analysis->n_comments = n;
}

void comments_clear(struct analysis *analysis)
{
    for (size_t i = 0; i < analysis->n_comments; i++)
        free(analysis->comments[i].text);
    free(analysis->comments);
}

static const char *comment_of(const struct analysis *analysis, uint32_t definition)
{
    for (size_t i = 0; i < analysis->n_comments; i++)
        if (analysis->comments[i].definition == definition)
            return analysis->comments[i].text;
    return NULL;
}

/* ---- words
 * --------------------------------------------------------------------------------- */

static bool is_word_character(char c)
{
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || (unsigned char)c >= 0x80;
}

static char *word_at(const char *source, size_t size, size_t cursor, size_t *ret_start)
{
    if (cursor > size)
        cursor = size;
    size_t start = cursor, end = cursor;
    while (start && is_word_character(source[start - 1]))
        start--;
    while (end < size && is_word_character(source[end]))
        end++;
    /* Inside a call the function is meant: f(| */
    if (start == end && start && source[start - 1] == '(') {
        end = start - 1;
        while (end && source[end - 1] == ' ')
            end--;
        start = end;
        while (start && is_word_character(source[start - 1]))
            start--;
    }
    *ret_start = start;
    return must_strndup(source + start, end - start);
}

static const struct definition *find_definition(const struct analysis *analysis,
                                                const char *source, size_t start,
                                                const char *word)
{
    static const char *const tags[] = {"struct ", "union ", "enum ", NULL};
    while (start && source[start - 1] == ' ')
        start--;
    for (size_t i = 0; tags[i]; i++) {
        size_t n = strlen(tags[i]) - 1;
        bool is_tagged = start >= n && !memcmp(source + start - n, tags[i], n);
        CLEANUP(freep) char *name = must_format("%s%s", tags[i], word);
        if (is_tagged)
            return graph_current(analysis->graph, name);
    }
    const struct definition *found = graph_current(analysis->graph, word);
    for (size_t i = 0; !found && tags[i]; i++) {
        CLEANUP(freep) char *name = must_format("%s%s", tags[i], word);
        found = graph_current(analysis->graph, name);
    }
    return found;
}

static char *describe_definition(const struct analysis *analysis,
                                 const struct definition *definition, int detail)
{
    struct buffer out = {0};
    bool is_code = definition->kind == DEFINITION_FUNCTION;
    const char *text = definition->source ? definition->source : definition->declaration;
    if (is_code && !detail && definition->declaration)
        text = definition->declaration;
    const char *comment = comment_of(analysis, definition->id);
    if (comment)
        buffer_add_string(&out, comment);
    buffer_add_string(&out, text ? text : definition->name);
    buffer_add_char(&out, '\n');
    if (definition->kind == DEFINITION_VARIABLE || is_code) {
        const struct type *type = types_get(&analysis->types, definition->type);
        uint64_t size = is_code ? 0 : types_size(&analysis->types, definition->type);
        buffer_format(&out, "\nType:    %s\n", type->spelling);
        if (size)
            buffer_format(&out, "Size:    %llu bytes\n", (unsigned long long)size);
    } else {
        buffer_add_char(&out, '\n');
    }
    buffer_format(&out, "Kind:    %s%s\n", definition_kind_name(definition->kind),
                  is_code && !definition->source ? ", declared only" : "");
    buffer_format(&out, "Defined: In[%u], line %u\n", definition->cell, definition->line);
    if (definition->is_stale)
        buffer_add_string(&out,
                          "Note:    uses an earlier version of something redefined\n");
    return buffer_take(&out);
}

/* ---- what headers declare
 * ------------------------------------------------------------------- */

static bool is_skipped(const struct token *token)
{
    static const char *const words[] = {"extern", "__extension__", "__inline",
                                        "__restrict", "restrict"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (token_is(token, words[i]))
            return true;
    return false;
}

/* __attribute__((...)) and __asm__(...): behind their parentheses. */
static bool skip_attribute(struct lexer *lexer, const struct token *token)
{
    size_t depth = 0;
    if (!token_is(token, "__attribute__") && !token_is(token, "__asm__") &&
        !token_is(token, "__asm"))
        return false;
    do {
        struct token next = lexer_next(lexer);
        if (next.kind == TOKEN_END)
            break;
        depth += token_is(&next, "(");
        depth -= token_is(&next, ")");
    } while (depth);
    return true;
}

static bool is_close(const struct token *last, const struct token *token)
{
    return !last->text || token_is(token, ",") || token_is(token, ";") ||
           token_is(token, ")") || token_is(token, "[") || token_is(token, "]") ||
           token_is(last, "(") || token_is(last, "[") || token_is(last, "*") ||
           (token_is(token, "(") && last->kind == TOKEN_IDENTIFIER &&
            !token_is_keyword(last));
}

/* Each line as deep as its braces are. */
static char *indented(const char *text)
{
    struct buffer out = {0};
    size_t depth = 0;
    while (*text) {
        size_t size = strcspn(text, "\n");
        depth -= *text == '}' && depth;
        buffer_format(&out, "%*s%.*s\n", (int)(4 * depth), "", (int)size, text);
        for (size_t i = 0; i < size; i++) {
            depth += text[i] == '{';
            depth -= i && text[i] == '}' && depth;
        }
        text += size + (text[size] == '\n');
    }
    if (out.size)
        out.data[--out.size] = '\0';
    return buffer_take(&out);
}

/* A prototype as a manual writes it; other declarations as they are. */
static char *tidy(const char *text)
{
    struct buffer out = {0};
    struct lexer lexer = lexer_init(text, strlen(text));
    struct token last = {0}, token;
    if (strchr(text, '{'))
        return indented(text);
    while ((token = lexer_next(&lexer)).kind != TOKEN_END) {
        if (is_skipped(&token) || skip_attribute(&lexer, &token))
            continue;
        if (!is_close(&last, &token))
            buffer_add_char(&out, ' ');
        size_t bare = token.kind == TOKEN_IDENTIFIER && last.text &&
                              !strncmp(token.text, "__", 2) &&
                              strchr(",)[", text[token.text - text + token.size])
                          ? 2
                          : 0;
        buffer_add(&out, token.text + bare, token.size - bare);
        last = token;
    }
    return buffer_take(&out);
}

static char *describe_header(const char *text, bool is_macro, const char *header,
                             const char *place)
{
    CLEANUP(freep)
    char *shown = is_macro ? must_format("#define %s", text) : tidy(text);
    return header ? must_format("%s\n\nHeader:  %s%s\n", shown, header, place)
                  : must_format("%s\n", shown);
}

static char *inspect_included(const struct analysis *analysis, const char *name)
{
    bool is_macro;
    const char *text = library_text(analysis->headers, name, &is_macro);
    if (!text)
        return NULL;
    uint32_t id = headers_include_of(analysis->headers, name);
    const struct definition *include = graph_get(analysis->graph, id);
    if (!include)
        return describe_header(text, is_macro, NULL, NULL);
    CLEANUP(freep)
    char *place = must_format(", included in In[%u]", include->cell);
    return describe_header(text, is_macro, include->name, place);
}

static char *inspect_library(const struct analysis *analysis, const char *name)
{
    bool is_macro;
    const char *header = library_header(analysis->library, name);
    const char *text =
        header ? library_declaration(analysis->library, name, &is_macro) : NULL;
    if (!text)
        return NULL;
    CLEANUP(freep) char *known = must_format("<%s>", header);
    CLEANUP(freep)
    char *place = must_format(", not included yet: #include <%s>", header);
    return describe_header(text, is_macro, known, place);
}

/* "struct stat" where the word before says so. */
static char *tagged_word(const char *source, size_t start, const char *word)
{
    static const char *const tags[] = {"struct ", "union ", "enum "};
    while (start && source[start - 1] == ' ')
        start--;
    for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
        size_t n = strlen(tags[i]) - 1;
        if (start >= n && !memcmp(source + start - n, tags[i], n))
            return must_format("%s%s", tags[i], word);
    }
    return must_strdup(word);
}

char *analysis_inspect(struct analysis *analysis, const char *source, size_t size,
                       size_t cursor, int detail)
{
    size_t start;
    CLEANUP(freep) char *word = word_at(source, size, cursor, &start);
    if (!*word)
        return NULL;
    const struct definition *definition = find_definition(analysis, source, start, word);
    if (definition)
        return describe_definition(analysis, definition, detail);
    CLEANUP(freep) char *name = tagged_word(source, start, word);
    char *text = inspect_included(analysis, name);
    return text ? text : inspect_library(analysis, name);
}
