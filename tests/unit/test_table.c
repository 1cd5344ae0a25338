/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Values as tables, places in variables, wide strings and rare numbers. */
#include "kernel/display/table.h"

#include <stddef.h>
#include <stdlib.h>
#include <uchar.h>
#include <wchar.h>

#include "kernel/display/place.h"
#include "tests/unit/display_world.h"

static void test_wide_strings(void)
{
    uint32_t w = make(TYPE_INT, "wchar_t", 0), s = make(TYPE_USHORT, "char16_t", 0);
    uint32_t u = make(TYPE_UINT, "const char32_t", 0);
    SHOWS(w, (wchar_t){L'\u00e9'}, "L'\u00e9' (233)");
    SHOWS(w, (wchar_t){0}, "L'\\0' (0)");
    SHOWS(w, (wchar_t){0x110000}, "L'\\x110000' (1114112)");
    SHOWS(array_of(w, 4), L"a\"\u6f22", "L\"a\\\"\u6f22\"");
    SHOWS(array_of(w, 2), L"ab", "L\"ab\"");
    SHOWS(array_of(s, 4), u"x\U0001f600", "u\"x\U0001f600\"");
    SHOWS(array_of(s, 2), ((uint16_t[]){0xd83d, 'y'}), "u\"\\xd83dy\"");
    SHOWS(array_of(u, 4), U"\t\U0001f600\x1", "U\"\\t\U0001f600\\001\"");
    SHOWS(array_of(make(TYPE_INT, "int", 0), 2), L"a", "{97, 0}");
    const wchar_t *text = L"wide";
    SHOWS(pointer_to(w, "wchar_t *"), text, "L\"wide\"");
    text = (wchar_t *)8;
    SHOWS(pointer_to(w, "wchar_t *"), text, "(wchar_t *) 0x8 (unreadable)");
    wchar_t long_text[1101] = {0};
    for (int i = 0; i < 1100; i++)
        long_text[i] = L'x';
    text = long_text;
    CLEANUP(buffer_clear) struct buffer out = {0};
    CHECK_INT(
        display_value(&world, &types, pointer_to(w, "wchar_t *"), &text, NULL, &out), 0);
    CHECK(out.size == 1000 + 6 && !strcmp(out.data + 1002, "\"..."));
}

static void test_rare_numbers(void)
{
    uint32_t half = make(TYPE_OTHER, "_Float16", 0);
    SHOWS(half, (uint16_t){0x3e00}, "1.5");
    SHOWS(half, (uint16_t){0x2e66}, "0.1");
    SHOWS(half, (uint16_t){0xfc00}, "-inf");
    SHOWS(half, (uint16_t){0x0001}, "6e-08");
    SHOWS(half, (uint16_t){0x8000}, "-0.0");
#ifndef __clang__
    SHOWS(make(TYPE_OTHER, "const __float128", 0), (__float128){0.1f128}, "0.1");
    SHOWS(make(TYPE_OTHER, "_Float128", 0), (__float128){1.0f128 / 3},
          "0.3333333333333333333333333333333333");
#endif
    SHOWS(make(TYPE_OTHER, "v8", 0), (int){0}, "(v8) {...}");
}

static void test_places(void)
{
    struct line {
        struct {
            int x, y;
        } ends[2];
        double width;
    };
    uint32_t end = make(TYPE_STRUCT, "struct end", 0);
    add_field(end, "x", int_type, 0, -1);
    add_field(end, "y", int_type, 4, -1);
    set_size(end, 8);
    uint32_t line = make(TYPE_STRUCT, "struct line", 0), ends = array_of(end, 2);
    uint32_t d = make(TYPE_DOUBLE, "double", 0);
    add_field(line, "ends", ends, 0, -1);
    add_field(line, "width", d, offsetof(struct line, width), -1);
    set_size(line, sizeof(struct line));
    static const struct {
        int target;
        uint64_t offset;
        const char *place;
    } cases[] = {{0, 0, ""},           {1, 0, ".ends"},       {2, 8, ".ends[1]"},
                 {3, 0, ".ends[0].x"}, {3, 12, ".ends[1].y"}, {4, 16, ".width"},
                 {5, 0, ""},           {5, 8, ".ends[1]"},    {5, 12, ".ends[1].y"},
                 {3, 2, NULL},         {4, 0, NULL},          {4, 24, NULL}};
    uint32_t targets[] = {line, ends, end, int_type, d, 0};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CLEANUP(buffer_clear) struct buffer out = {0};
        bool is_there =
            place_add(&out, &types, line, targets[cases[i].target], cases[i].offset);
        CHECK_STRING(is_there ? buffer_string(&out) : NULL, cases[i].place);
    }
}

static void check_table(uint32_t type, const void *address, const char *expected,
                        int line)
{
    CLEANUP(buffer_clear) struct buffer out = {0};
    bool is_table = display_table(&world, &types, type, address, &out);
    if (!CHECK(is_table == (expected != NULL)) ||
        (expected && !CHECK(strstr(buffer_string(&out), expected))))
        fprintf(stderr, "  in line %d: %s\n", line, buffer_string(&out));
}

static void test_tables(void)
{
    struct row {
        int n;
        const char *text;
    } rows[70] = {{1, "a&b"}, {2, NULL}};
    uint32_t text = pointer_to(make(TYPE_CHAR, "char", 0), "char *");
    uint32_t row = make(TYPE_STRUCT, "struct row", 0);
    add_field(row, "n", int_type, 0, -1);
    add_field(row, "text", text, offsetof(struct row, text), -1);
    set_size(row, sizeof(struct row));
    check_table(array_of(row, 2), rows,
                "<tr><th>0</th><td>1</td><td style=\"text-align: left\">\"a&amp;b\"</td>",
                __LINE__);
    check_table(array_of(row, 70), rows,
                "<tr><th>49</th><td>0</td><td style=\"text-align: left\">NULL</td></tr>\n"
                "<tr><th>⋮</th><td>⋮</td><td>⋮</td></tr>\n<tr><th>60</th>",
                __LINE__);
    check_table(array_of(row, 70), rows, "<p>70 rows, 2 columns</p>", __LINE__);
    check_table(row, rows, NULL, __LINE__);
    struct row *p = rows;
    check_table(pointer_to(row, "struct row *"), &p, NULL, __LINE__); /* of one row */
    the_block = (struct value_block){.start = (char *)rows, .size = sizeof(rows)};
    check_table(pointer_to(row, "struct row *"), &p, "<p>70 rows", __LINE__);
    the_block.is_freed = true;
    check_table(pointer_to(row, "struct row *"), &p, NULL, __LINE__);
    the_block = (struct value_block){0};
    p = (struct row *)8;
    check_table(pointer_to(row, "struct row *"), &p, NULL, __LINE__);

    int matrix[2][30] = {{1, 2}};
    uint32_t wide_row = array_of(int_type, 30);
    check_table(array_of(wide_row, 2), matrix, "<th>19</th><th>…</th><th>26</th>",
                __LINE__);
    check_table(array_of(wide_row, 2), matrix, "<tr><th>0</th><td>1</td><td>2</td>",
                __LINE__);
    check_table(array_of(int_type, 3), matrix, NULL, __LINE__);
    check_table(array_of(array_of(make(TYPE_CHAR, "char", 0), 3), 2), "ab\0cd", NULL,
                __LINE__);
    check_table(array_of(row, 2), (void *)16, NULL, __LINE__);
    rows[0].text = "é234567890123456789012345678901234567890123456789012345678901234567"
                   "890123456789012345678901234567890123456789012345678é";
    check_table(array_of(row, 2), rows, "…</td>", __LINE__);
}

int main(void)
{
    types_init(&types);
    int_type = make(TYPE_INT, "int", 0);
    table_type = array_of(int_type, 4);
    test_wide_strings();
    test_rare_numbers();
    test_places();
    test_tables();
    types_clear(&types);
    return check_status();
}
