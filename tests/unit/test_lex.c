/* SPDX-License-Identifier: BSD-3-Clause */
#include "pickler/base/lex.h"

#include "pickler/base/buffer.h"
#include "tests/unit/check.h"

/* Every token as KIND:TEXT@LINE.COLUMN, separated by blanks. */
static char *tokens_of(const char *text, char *ret_unterminated)
{
    static const char kinds[] = "EINSCPDO";
    struct lexer lexer = lexer_init(text, strlen(text));
    struct buffer out = {0};
    for (;;) {
        struct token token = lexer_next(&lexer);
        if (token.kind == TOKEN_END)
            break;
        buffer_format(&out, "%s%c:%.*s@%u.%u", out.size ? " " : "", kinds[token.kind],
                      (int)token.size, token.text, token.line, token.column);
    }
    if (ret_unterminated)
        *ret_unterminated = lexer.unterminated;
    return buffer_take(&out);
}

static void check_tokens(const char *text, const char *expected)
{
    CLEANUP(freep) char *actual = tokens_of(text, NULL);
    CHECK_STRING(actual, expected);
}

static char unterminated_in(const char *text)
{
    char unterminated;
    free(tokens_of(text, &unterminated));
    return unterminated;
}

static void test_kinds(void)
{
    check_tokens("", "");
    check_tokens("int x = 3;", "I:int@1.1 I:x@1.5 P:=@1.7 N:3@1.9 P:;@1.10");
    check_tokens("a->b...c<<=d>>1",
                 "I:a@1.1 P:->@1.2 I:b@1.4 P:...@1.5 I:c@1.8 P:<<=@1.9 "
                 "I:d@1.12 P:>>@1.13 N:1@1.15");
    check_tokens("a+++b", "I:a@1.1 P:++@1.2 P:+@1.4 I:b@1.5");
    check_tokens("1e+5 0x1p-3 .5 1.", "N:1e+5@1.1 N:0x1p-3@1.6 N:.5@1.13 N:1.@1.16");
    check_tokens("L\"a\" u8\"b\" U'c' x\"d\"",
                 "S:L\"a\"@1.1 S:u8\"b\"@1.6 C:U'c'@1.12 I:x@1.17 S:\"d\"@1.18");
    check_tokens("$a \xc3\xa9t\xc3\xa9 b$c",
                 "I:$a@1.1 I:\xc3\xa9t\xc3\xa9@1.4 I:b$c@1.10");
    check_tokens("@ ` \\ x", "O:@@1.1 O:`@1.3 O:\\@1.5 I:x@1.7");
    check_tokens("\"a\\\"b\" '\\''", "S:\"a\\\"b\"@1.1 C:'\\''@1.8");
}

static void test_lines(void)
{
    check_tokens("a // b \\\n c\nd", "I:a@1.1 I:d@3.1");
    check_tokens("a /* x\n y */ b", "I:a@1.1 I:b@2.7");
    check_tokens("a \\\n b", "I:a@1.1 I:b@2.2");
    check_tokens("\"a\\\nb\" c", "S:\"a\\\nb\"@1.1 I:c@2.4");
    check_tokens("a\r\n\tb", "I:a@1.1 I:b@2.2");
    check_tokens("#x\n # y # z", "D:#@1.1 I:x@1.2 D:#@2.2 I:y@2.4 P:#@2.6 I:z@2.8");
    check_tokens("a \\\n# b", "I:a@1.1 P:#@2.1 I:b@2.3");
}

static void test_unterminated(void)
{
    CHECK(unterminated_in("\"abc\" 'd' /* e */") == 0);
    CHECK(unterminated_in("/* abc") == '*');
    CHECK(unterminated_in("/*") == '*');
    CHECK(unterminated_in("/*/") == '*');
    CHECK(unterminated_in("\"abc\nx") == '"');
    CHECK(unterminated_in("'a") == '\'');
    CHECK(unterminated_in("\"a\\") == '"');
    check_tokens("\"abc\nx", "S:\"abc@1.1 I:x@2.1");
}

static void test_skip_line(void)
{
    const char *text = "#define A \"/*\" \\\n 2 /* x\n y */ z\nint x;";
    struct lexer lexer = lexer_init(text, strlen(text));
    CHECK(lexer_next(&lexer).kind == TOKEN_DIRECTIVE);
    lexer_skip_line(&lexer);
    struct token token = lexer_next(&lexer);
    CHECK(token_is(&token, "int") && token.line == 4 && token.starts_line);
    text = "#error don't /* this\n*/ x";
    lexer = lexer_init(text, strlen(text));
    lexer_skip_line(&lexer);
    CHECK(lexer.line == 2 && lexer.unterminated == 0);
}

static bool is_keyword(const char *text)
{
    struct lexer lexer = lexer_init(text, strlen(text));
    struct token token = lexer_next(&lexer);
    return token_is_keyword(&token);
}

static void test_keywords(void)
{
    static const char *const yes[] = {
        "if",  "while",         "_Alignas", "__attribute__", "typeof", "__extension__",
        "int", "_Thread_local", "sizeof"};
    static const char *const no[] = {"i",         "iff",  "x",    "bool",  "whil",
                                     "_Alignas1", "main", "NULL", "\"if\""};
    for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
        CHECK(is_keyword(yes[i]));
    for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
        CHECK(!is_keyword(no[i]));
}

int main(void)
{
    test_kinds();
    test_lines();
    test_unterminated();
    test_skip_line();
    test_keywords();
    return check_status();
}
