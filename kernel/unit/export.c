/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Statements of a cell as a person would write them in a function of a program. */
#include "kernel/unit/export.h"

#include <string.h>

#define INDENT "    "

/* Every line is indented, but for what continues one: it may be inside a string. */
static void add_lines(struct buffer *out, const char *text, size_t size)
{
    bool is_continued = false;
    for (size_t at = 0; at < size;) {
        const char *newline = memchr(text + at, '\n', size - at);
        size_t end = newline ? (size_t)(newline - text) : size;
        if (!is_continued && end > at && text[at] != '#')
            buffer_add_string(out, INDENT);
        buffer_add(out, text + at, end - at);
        buffer_add_char(out, '\n');
        is_continued = end > at && text[end - 1] == '\\';
        at = end + 1;
    }
}

void export_statement(struct buffer *out, const struct piece *piece)
{
    add_lines(out, piece->text, piece->size);
}

void export_value(struct buffer *out, const struct value *value,
                  const struct piece *piece)
{
    CLEANUP(freep)
    char *text = must_format(value->kind == VALUE_NONE ? "%.*s;" : "(void)(%.*s);",
                             (int)piece->size, piece->text);
    add_lines(out, text, strlen(text));
}

void export_macro(struct buffer *out, const struct piece *piece)
{
    struct span name = piece_macro_name(piece);
    buffer_format(out, "#undef %.*s\n", (int)name.size, piece->text + name.start);
    if (piece_is_directive(piece, "define"))
        buffer_format(out, "%.*s\n", (int)piece->size, piece->text);
}

void export_initialiser(struct buffer *out, const struct entity *entity)
{
    const char *name = entity->definition->name, *type = entity->type_text;
    const char *text = entity->initialiser + strspn(entity->initialiser, " \t\n");
    CXType canonical = clang_getCanonicalType(clang_getCursorType(entity->cursor));
    bool is_array = canonical.kind == CXType_ConstantArray;
    CLEANUP(freep) char *statement = NULL;
    if (is_array && *text == '{')
        statement = must_format("__builtin_memcpy(&%s, &(%s)%s, sizeof(%s));", name, type,
                                text, name);
    else if (is_array) /* of a record that a call returns, ... */
        statement =
            must_format("__builtin_memcpy(&%s, %s, sizeof(%s));", name, text, name);
    else
        statement = *text == '{' ? must_format("%s = (%s)%s;", name, type, text)
                                 : must_format("%s = %s;", name, text);
    add_lines(out, statement, strlen(statement));
}
