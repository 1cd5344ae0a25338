/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Text of the wire: UTF-8 from pieces, code points and bytes. */
#include "tests/unit/check.h"

#include "kernel/wire/text.h"

#define BAD "\xEF\xBF\xBD"

/* The same result for every way to cut the text in two. */
static void check_clean(const char *text, const char *expected)
{
    size_t size = strlen(text);
    for (size_t cut = 0; cut <= size; cut++) {
        struct text_cleaner cleaner = {0};
        struct buffer out = {0};
        text_cleaner_add(&cleaner, text, cut, &out);
        text_cleaner_add(&cleaner, text + cut, size - cut, &out);
        text_cleaner_end(&cleaner, &out);
        CHECK_STRING(buffer_string(&out), expected);
        buffer_clear(&out);
    }
}

static void test_clean(void)
{
    check_clean("", "");
    check_clean("plain", "plain");
    check_clean("\xC3\xA9\xE2\x82\xAC\xF0\x9D\x84\x9E",
                "\xC3\xA9\xE2\x82\xAC\xF0\x9D\x84\x9E");
    check_clean("a\xFF"
                "b",
                "a" BAD "b");
    check_clean("\xC0\x80", BAD BAD);                 /* overlong */
    check_clean("\xED\xA0\x80", BAD BAD BAD);         /* a surrogate */
    check_clean("\xF4\x90\x80\x80", BAD BAD BAD BAD); /* above U+10FFFF */
    check_clean("\xF0\x9D\x84", BAD);                 /* cut by the end */
    check_clean("\xF0\x9D"
                "A",
                BAD "A"); /* cut by another character */
    check_clean("\xC3\xC3\xA9", BAD "\xC3\xA9");
    check_clean("\x80\xBF", BAD BAD);
}

static void test_whole(void)
{
    CLEANUP(freep) char *none = text_valid(NULL);
    CLEANUP(freep) char *some = text_valid("x\xE2\x82");
    CHECK_STRING(none, "");
    CHECK_STRING(some, "x" BAD);
}

static void test_points(void)
{
    static const char text[] = "a\xC3\xA9\xF0\x9D\x84\x9Ez";
    static const size_t offsets[] = {0, 1, 3, 7, 8};
    size_t size = strlen(text);
    for (size_t i = 0; i < 5; i++) {
        CHECK_INT(text_offset(text, size, i), offsets[i]);
        CHECK_INT(text_count_points(text, offsets[i]), i);
    }
    CHECK_INT(text_offset(text, size, 99), size);
    CHECK_INT(text_offset("", 0, 0), 0);
}

int main(void)
{
    test_clean();
    test_whole();
    test_points();
    return check_status();
}
