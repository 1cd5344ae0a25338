/* SPDX-License-Identifier: BSD-3-Clause
 *
 * Texts whose macros make more than anybody has room for are told from those that do not.
 */
#include "kernel/unit/expansion.h"

#include "pickler/base/buffer.h"
#include "tests/unit/check.h"

static bool is_too_much(const char *text)
{
    return expansion_excess(text, strlen(text)) != SIZE_MAX;
}

/* Macros A0 to A11, each `times` its predecessor. */
static void add_powers(struct buffer *out, unsigned times, const char *first)
{
    buffer_format(out, "#define A0 %s\n", first);
    for (unsigned i = 1; i < 12; i++) {
        buffer_format(out, "#define A%u", i);
        for (unsigned k = 0; k < times; k++)
            buffer_format(out, " A%u", i - 1);
        buffer_add_string(out, "\n");
    }
}

static void test_names_in_names(void)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    add_powers(&text, 8, "x");
    buffer_add_string(&text, "int small = A3;\n");
    CHECK(!is_too_much(buffer_string(&text)));
    size_t size = text.size;
    buffer_add_string(&text, "int large = A11;\n");
    CHECK_INT(expansion_excess(text.data, text.size), size + strlen("int large = "));
}

static void test_nothing_is_work_too(void)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    add_powers(&text, 8, "");
    buffer_add_string(&text, "A11\n");
    CHECK(is_too_much(buffer_string(&text)));
}

static void test_uses_in_uses(void)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    buffer_add_string(&text, "#define TWICE(a, b) (a + \\\n a)\n#define ONCE(...) "
                             "(__VA_ARGS__)\n#define REST(a, rest...) rest rest\n");
    size_t size = text.size;
    for (unsigned i = 0; i < 30; i++)
        buffer_add_string(&text, "TWICE(");
    buffer_add_string(&text, "1");
    for (unsigned i = 0; i < 30; i++)
        buffer_add_string(&text, ", 0)");
    CHECK_INT(expansion_excess(text.data, text.size), size);
    text.size = size;
    for (unsigned i = 0; i < 200; i++) /* only `b` is large, and it is dropped */
        buffer_add_string(&text, "TWICE(1, ONCE(");
    for (unsigned i = 0; i < 200; i++)
        buffer_add_string(&text, "))");
    CHECK(!is_too_much(buffer_string(&text)));
    text.size = size;
    for (unsigned i = 0; i < 30; i++)
        buffer_add_string(&text, "REST(0, 1, ");
    for (unsigned i = 0; i < 30; i++)
        buffer_add_string(&text, ")");
    CHECK(is_too_much(buffer_string(&text)));
}

static void test_what_is_no_use(void)
{
    CLEANUP(buffer_clear) struct buffer text = {0};
    add_powers(&text, 8, "x");
    buffer_add_string(&text, "\"A11\" /* A11 */\n#undef A5\nA11\n"
                             "#define LOOP LOOP LOOP OTHER\n#define OTHER LOOP LOOP\n"
                             "#define F(A11) A11 + A11\nLOOP F(1) F\n"
                             "#define UNCLOSED(a) a\n");
    CHECK(!is_too_much(buffer_string(&text)));
    buffer_add_string(&text, "\n#define A5 A4 A4 A4 A4 A4 A4 A4 A4 A4 A4 A4 A4\n");
    CHECK(!is_too_much(buffer_string(&text)));
    buffer_add_string(&text, "#if A11\n#endif\n");
    CHECK(is_too_much(buffer_string(&text)));
    CHECK(!is_too_much("#define UNCLOSED(a) a\nUNCLOSED(1, (2"));
}

int main(void)
{
    test_names_in_names();
    test_nothing_is_work_too();
    test_uses_in_uses();
    test_what_is_no_use();
    return check_status();
}
