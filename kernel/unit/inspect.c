/* SPDX-License-Identifier: BSD-3-Clause
 *
 * What is known about a name: its declaration, where it was defined, its text. */
#include <string.h>

#include "kernel/unit/analysis.h"
#include "kernel/unit/draft.h"

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
    const char *macro = headers_macro(analysis->headers, word, strlen(word));
    if (macro)
        return must_format("#define %s\n", macro);
    const char *declaration = headers_declaration(analysis->headers, word);
    return declaration ? must_format("%s\n", declaration) : NULL;
}
