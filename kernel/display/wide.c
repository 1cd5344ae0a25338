/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/display/wide.h"

#include <string.h>

#include "kernel/display/literal.h"

#define CODE_MAX 0x10ffffu

bool wide_of(const struct types *types, uint32_t id, struct wide *ret)
{
    static const struct {
        const char *name;
        struct wide wide;
    } list[] = {{"wchar_t", {"L", 4}}, {"char16_t", {"u", 2}}, {"char32_t", {"U", 4}}};
    const struct type *type = types_get(types, id);
    if (!type_is_integer(type) || !type->spelling)
        return false;
    const char *blank = strrchr(type->spelling, ' ');
    const char *name = blank ? blank + 1 : type->spelling; /* without const */
    for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++)
        if (!strcmp(name, list[i].name) && types_size(types, id) == list[i].wide.size) {
            *ret = list[i].wide;
            return true;
        }
    return false;
}

static uint32_t unit_at(const struct wide *wide, const void *text, size_t i)
{
    uint16_t narrow;
    uint32_t unit;
    if (wide->size == sizeof(unit)) {
        memcpy(&unit, (const char *)text + i * sizeof(unit), sizeof(unit));
        return unit;
    }
    memcpy(&narrow, (const char *)text + i * sizeof(narrow), sizeof(narrow));
    return narrow;
}

size_t wide_length(const struct wide *wide, const void *text, size_t n)
{
    size_t i = 0;
    while (i < n && unit_at(wide, text, i))
        i++;
    return i;
}

static bool is_half(uint32_t code, uint32_t first)
{
    return code >= first && code < first + 0x400;
}

/* The character at unit `*i`, of one unit or two. */
static uint32_t next_code(const struct wide *wide, const void *text, size_t n, size_t *i)
{
    uint32_t code = unit_at(wide, text, (*i)++);
    if (wide->size != 2 || !is_half(code, 0xd800) || *i == n)
        return code;
    uint32_t low = unit_at(wide, text, *i);
    if (!is_half(low, 0xdc00))
        return code;
    (*i)++;
    return 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
}

static void add_utf8(struct buffer *out, uint32_t code)
{
    if (code < 0x800) {
        buffer_add_char(out, (char)(0xc0 | code >> 6));
    } else if (code < 0x10000) {
        buffer_add_char(out, (char)(0xe0 | code >> 12));
        buffer_add_char(out, (char)(0x80 | (code >> 6 & 63)));
    } else {
        buffer_add_char(out, (char)(0xf0 | code >> 18));
        buffer_add_char(out, (char)(0x80 | (code >> 12 & 63)));
        buffer_add_char(out, (char)(0x80 | (code >> 6 & 63)));
    }
    buffer_add_char(out, (char)(0x80 | (code & 63)));
}

static void add_code(struct buffer *out, uint32_t code, char quote)
{
    bool is_surrogate = code >= 0xd800 && code < 0xe000;
    if (code < 0x80)
        literal_add_byte(out, (unsigned char)code, quote);
    else if (code < 0xa0 || is_surrogate || code > CODE_MAX)
        buffer_format(out, "\\x%x", code);
    else
        add_utf8(out, code);
}

void wide_add_char(struct buffer *out, const struct wide *wide, const void *text)
{
    buffer_format(out, "%s'", wide->prefix);
    uint32_t code = unit_at(wide, text, 0);
    if (code)
        add_code(out, code, '\'');
    else
        buffer_add_string(out, "\\0");
    buffer_add_char(out, '\'');
}

void wide_add_string(struct buffer *out, const struct wide *wide, const void *text,
                     size_t n)
{
    buffer_format(out, "%s\"", wide->prefix);
    for (size_t i = 0; i < n;)
        add_code(out, next_code(wide, text, n, &i), '"');
    buffer_add_char(out, '"');
}
