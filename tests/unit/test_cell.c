/* SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/cell/cell.h"

#include <time.h>

#include "pickler/base/buffer.h"
#include "tests/unit/check.h"

static bool is_type(void *context, const char *name, size_t size)
{
    return (size == 1 && *name == 'T') || (size == 4 && memcmp(name, "FILE", 4) == 0);
}

static const char *macro(void *context, const char *name, size_t size)
{
    static const char *const macros[] = {
        "FOREACH(i,n) for(int i=0;i<(n);i++)",
        "BEGIN {",
        "END }",
        "SQ(x) ((x)*(x))",
        "EXPORT",
        "LIST(t) struct t##_list { t *at; }; static t t##_head(struct t##_list *l) { }",
        "INT int",
        "stdin stdin",
        "NULL ((void*)0)",
        "UNLESS(c) if (!(c))",
        "LOOP LOOP2",
        "LOOP2 LOOP {",
        "VAR(t, n) t n = 0",
        "CHECK_(x) do { if (!(x)) fail(#x); } while (0)",
    };
    for (size_t i = 0; i < sizeof(macros) / sizeof(*macros); i++)
        if (strncmp(macros[i], name, size) == 0 && strchr("( ", macros[i][size]))
            return macros[i];
    return NULL;
}

static const struct cell_names names = {.is_type = is_type, .macro = macro};

/* Items as KIND<text>, newlines as ~. */
static char *items_of(const char *text)
{
    static const char kinds[] = "#DFSV";
    struct cell cell;
    struct buffer out = {0};
    cell_split(text, strlen(text), &names, &cell);
    for (size_t i = 0; i < cell.n_items; i++)
        buffer_format(&out, "%c<%.*s>", kinds[cell.items[i].kind],
                      (int)cell.items[i].size, text + cell.items[i].start);
    if (cell.status != CELL_COMPLETE)
        buffer_format(&out, " %s %u.%u: %s",
                      cell.status == CELL_INVALID ? "invalid" : "incomplete",
                      cell.problem_line, cell.problem_column, cell.problem);
    cell_clear(&cell);
    for (size_t i = 0; i < out.size; i++)
        if (out.data[i] == '\n')
            out.data[i] = '~';
    return buffer_take(&out);
}

static void check_items(const char *text, const char *expected)
{
    CLEANUP(freep) char *actual = items_of(text);
    if (strcmp(actual, expected) != 0)
        fprintf(stderr, "of <%s>:\n", text);
    CHECK_STRING(actual, expected);
}

static void test_kinds(void)
{
    check_items("", "");
    check_items(" // only this\n/* and that */", "");
    check_items("int x = 3; x", "D<int x = 3;>V<x>");
    check_items("x = 3; y++;\nprintf(\"%d\", x)", "S<x = 3;>S<y++;>V<printf(\"%d\", x)>");
    check_items("#include <a.h>\nint f(void) { return 1; }\nf();",
                "#<#include <a.h>>F<int f(void) { return 1; }>S<f();>");
    check_items("static int a, *b = &a, c[] = {1, 2}, (*f)(int) = g;",
                "D<static int a, *b = &a, c[] = {1, 2}, (*f)(int) = g;>");
    check_items("struct s { int x; } v = { 1 }; struct s f(int a) { }",
                "D<struct s { int x; } v = { 1 };>F<struct s f(int a) { }>");
    check_items("T *p; T(q); T = 3; T * 2;", "D<T *p;>D<T(q);>S<T = 3;>D<T * 2;>");
    check_items("typedef struct { int x; } P, *Q; P p; Q q; P * r; x * y;",
                "D<typedef struct { int x; } P, *Q;>D<P p;>D<Q q;>D<P * r;>S<x * y;>");
    check_items("typedef int (*cb)(int a, T b); cb f; a * b;",
                "D<typedef int (*cb)(int a, T b);>D<cb f;>S<a * b;>");
    check_items("typedef T F(int n); F * f; n * f;",
                "D<typedef T F(int n);>D<F * f;>S<n * f;>");
    check_items(
        "typedef struct list list; struct list { list *next; }; list * l;",
        "D<typedef struct list list;>D<struct list { list *next; };>D<list * l;>");
    check_items("foo_t x; foo_t f(void) { }", "D<foo_t x;>F<foo_t f(void) { }>");
    check_items("foo_t **f(void) { } foo * f(x);",
                "F<foo_t **f(void) { }>S<foo * f(x);>");
    check_items("__extension__ typedef long L; __extension__ ({ 1; })",
                "D<__extension__ typedef long L;>V<__extension__ ({ 1; })>");
    check_items("_Static_assert(1, \"a\"); _Pragma(\"once\") x",
                "D<_Static_assert(1, \"a\");>#<_Pragma(\"once\")>V<x>");
    check_items("asm(\"nop\"); -x; (void)f(); !x",
                "S<asm(\"nop\");>S<-x;>S<(void)f();>V<!x>");
    check_items("[[nodiscard]] int f(void);", "D<[[nodiscard]] int f(void);>");
}

static void test_functions(void)
{
    check_items("int f(a, b) int a; char *b; { return a; } x",
                "F<int f(a, b) int a; char *b; { return a; }>V<x>");
    check_items("f(a) T a; { } main() { }", "F<f(a) T a; { }>F<main() { }>");
    check_items("int f(a) struct { int x; } *a; { }",
                "F<int f(a) struct { int x; } *a; { }>");
    check_items("int f(a) int a;\nint g(void) { }",
                "D<int f(a) int a;>F<int g(void) { }>");
    check_items(
        "__attribute__((noinline)) static int f(void) __attribute__((cold)) { }",
        "F<__attribute__((noinline)) static int f(void) __attribute__((cold)) { }>");
    check_items("int f(int); int (*g(int a))(int) { }",
                "D<int f(int);>F<int (*g(int a))(int) { }>");
    check_items("struct __attribute__((packed)) s { int x; } f(void) { }",
                "F<struct __attribute__((packed)) s { int x; } f(void) { }>");
    check_items("int f(void) {\n#if A\n return 1;\n#else\n return 2;\n#endif\n}\nx",
                "F<int f(void) {~#if A~ return 1;~#else~ return 2;~#endif~}>V<x>");
}

static void test_statements(void)
{
    check_items("if (a) b; else if (c) { d; } else e; f",
                "S<if (a) b; else if (c) { d; } else e;>V<f>");
    check_items("if (a) if (b) c; else d; else e; f;",
                "S<if (a) if (b) c; else d; else e;>S<f;>");
    check_items("do x++; while (x < 3); do { } while (0); y",
                "S<do x++; while (x < 3);>S<do { } while (0);>V<y>");
    check_items("do if (a) b; else c; while (d); e",
                "S<do if (a) b; else c; while (d);>V<e>");
    check_items("for (int i = 0; i < 3; i++) a[i] = 0; { int z; } ;",
                "S<for (int i = 0; i < 3; i++) a[i] = 0;>S<{ int z; }>S<;>");
    check_items("again: x++; if (x) goto again; y",
                "S<again: x++;>S<if (x) goto again;>V<y>");
    check_items("switch (x) { case 1: default: break; } case 1 ? 2 : 3: y;",
                "S<switch (x) { case 1: default: break; }>S<case 1 ? 2 : 3: y;>");
    check_items("return 3; x = a ? b : c; (x)", "S<return 3;>S<x = a ? b : c;>V<(x)>");
    check_items("x = 3 return 2;", "S<x = 3>S<return 2;>");
    check_items("x\n#undef A\n", "V<x>#<#undef A>");
}

static void test_macros(void)
{
    check_items("FOREACH(i, 3) x += i; FOREACH(i, 3) { } y",
                "S<FOREACH(i, 3) x += i;>S<FOREACH(i, 3) { }>V<y>");
    check_items("BEGIN x++; END y", "S<BEGIN x++; END>V<y>");
    check_items("EXPORT int f(void) { } EXPORT\nint x;",
                "F<EXPORT int f(void) { }>D<EXPORT~int x;>");
    check_items("x; EXPORT", "S<x;>S<EXPORT>");
    check_items("LIST(T) LIST(T); x", "D<LIST(T)>D<LIST(T)>S<;>V<x>");
    check_items("INT x = 3; INT f(void) { }", "D<INT x = 3;>F<INT f(void) { }>");
    check_items("SQ(3) + stdin * NULL", "V<SQ(3) + stdin * NULL>");
    check_items("UNLESS(a) b; else c; d", "S<UNLESS(a) b; else c;>V<d>");
    check_items("LOOP x; } y", "V<LOOP x; } y>");
    check_items("VAR(int, x); VAR(T, y);", "D<VAR(int, x);>D<VAR(T, y);>");
    check_items("CHECK_(a); if (b) CHECK_(c); else d; e",
                "S<CHECK_(a);>S<if (b) CHECK_(c); else d;>V<e>");
    check_items(
        "#define DEF(n) int n(void) { return 0; }\nDEF(a)\nDEF(b)\n#undef DEF\nDEF(c)",
        "#<#define DEF(n) int n(void) { return 0; }>F<DEF(a)>F<DEF(b)>#<#undef "
        "DEF>V<DEF(c)>");
    check_items(
        "#define EACH(X) X(a) X(b)\n#define VAR_(n) int n;\nEACH(VAR_)\nint f(void) { }",
        "#<#define EACH(X) X(a) X(b)>#<#define VAR_(n) int n;>D<EACH(VAR_)>"
        "F<int f(void) { }>");
    check_items("#define MY T\nMY * x;", "#<#define MY T>D<MY * x;>");
}

static void test_directives(void)
{
    check_items("#define A \\\n 1\n# /* x */\nx;", "#<#define A \\~ 1>#<# /* x */>S<x;>");
    check_items("#ifdef A\nint a;\n#elif B\nint b;\n#endif",
                "#<#ifdef A>D<int a;>#<#elif B>D<int b;>#<#endif>");
    check_items("#if A\nx;", "#<#if A>S<x;> incomplete 1.1: '#if' without '#endif'");
    check_items("x;\n #endif", "S<x;>#<#endif> invalid 2.2: '#endif' without '#if'");
}

static void test_problems(void)
{
    check_items("int f() {\n if (x) {\n return 0;\n}",
                "F<int f() {~ if (x) {~ return 0;~}>"
                " incomplete 1.9: '{' is not closed");
    check_items("x = (3", "V<x = (3> incomplete 1.5: '(' is not closed");
    check_items("if (x > 3 {\n y;\n}",
                "S<if (x > 3 {~ y;~}> incomplete 1.4: '(' is not closed");
    check_items(
        "int f() { if (x > 3 { } }",
        "F<int f() { if (x > 3 { } }> invalid 1.14: '(' is not closed before '}'");
    check_items("x = 3));", "S<x = 3>S<)>S<)>S<;> invalid 1.6: ')' without '('");
    check_items("}", "S<}> invalid 1.1: '}' without '{'");
    check_items("char *s = \"abc",
                "D<char *s = \"abc> invalid 1.11: the string is not closed");
    check_items("x = 'a;\ny;",
                "S<x = 'a;~y;> invalid 1.5: the character constant is not closed");
    check_items("x; /* y", "S<x;> incomplete 1.4: the comment is not closed");
    check_items("#define A /* y",
                "#<#define A /* y> incomplete 1.11: the comment is not closed");
    check_items("if (x)", "S<if (x)> incomplete 1.7: a statement is missing");
    check_items("int x = 3", "D<int x = 3> incomplete 1.10: ';' is missing");
    check_items("int x = 3\nx + 1", "D<int x = 3~x + 1> incomplete 1.10: ';' is missing");
    check_items("int a[] = {1, 2}\nint b = 3 +\n4",
                "D<int a[] = {1, 2}~int b = 3 +~4> incomplete 1.17: ';' is missing");
    check_items(
        "char *s = \"a\"\n\"b\" X\n\"c\"\nputs(s)",
        "D<char *s = \"a\"~\"b\" X~\"c\"~puts(s)> incomplete 3.4: ';' is missing");
    check_items("int x = y\n* 2 -\nz",
                "D<int x = y~* 2 -~z> incomplete 3.2: ';' is missing");
    check_items("return x\n  3", "S<return x~  3> incomplete 1.9: ';' is missing");
    check_items("else x;", "S<else x;> invalid 1.1: 'else' without 'if'");
    check_items("do x++;", "S<do x++;> incomplete 1.8: 'while' behind 'do' is missing");
}

/* A unit of text repeated. */
static char *repeated(const char *before, const char *unit, size_t n, const char *behind)
{
    struct buffer out = {0};
    buffer_add_string(&out, before);
    for (size_t i = 0; i < n; i++)
        buffer_add_string(&out, unit);
    buffer_add_string(&out, behind);
    return buffer_take(&out);
}

static void check_large(const char *before, const char *unit, size_t n,
                        const char *behind, enum cell_status status, size_t n_items)
{
    CLEANUP(freep) char *text = repeated(before, unit, n, behind);
    struct cell cell;
    clock_t start = clock();
    cell_split(text, strlen(text), &names, &cell);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (seconds > 1.0)
        fprintf(stderr, "%s: %.1f s\n", unit, seconds);
    CHECK(seconds < 2.0);
    CHECK_INT(cell.status, status);
    if (n_items)
        CHECK_INT(cell.n_items, n_items);
    cell_clear(&cell);
}

static void test_large(void)
{
    CLEANUP(freep) char *closers = repeated("", ")", 10000, ";");
    check_large("x = ", "(", 10000, closers, CELL_COMPLETE, 1);
    check_large("x = ", "-", 20000, "1", CELL_COMPLETE, 1);
    check_large("x = ", "- ", 20000, "1", CELL_COMPLETE, 1);
    check_large("", "{", 100000, "", CELL_INCOMPLETE, 1);
    check_large("", "}", 100000, "", CELL_INVALID, 100000);
    check_large("", "([", 50000, "}", CELL_INVALID, 0);
    check_large("", "if(a)", 100000, "b;", CELL_COMPLETE, 1);
    check_large("", "if(a)b;else ", 80000, "b;", CELL_COMPLETE, 1);
    check_large("", "do ", 100000, "", CELL_INCOMPLETE, 1);
    check_large("", "x++;\n", 100000, "", CELL_COMPLETE, 100000);
    check_large("", "f(a)int a;\n", 60000, "", CELL_COMPLETE, 0);
    check_large("", "int f(a)int a;\n", 60000, "", CELL_COMPLETE, 0);
    check_large("", "FOREACH(FOREACH(", 50000, "", CELL_INCOMPLETE, 0);
    check_large("int x", ",x", 200000, ";", CELL_COMPLETE, 1);
    check_large("", "#if A\n", 100000, "", CELL_INCOMPLETE, 100000);
    check_large("", "a:", 200000, "", CELL_INCOMPLETE, 1);
}

static void test_macro_bomb(void)
{
    struct buffer out = {0};
    buffer_add_string(&out, "#define M0 {}\n");
    for (int i = 1; i < 60; i++)
        buffer_format(&out, "#define M%d M%d M%d\n", i, i - 1, i - 1);
    buffer_add_string(&out, "M59\nx;");
    struct cell cell;
    clock_t start = clock();
    cell_split(out.data, out.size, NULL, &cell);
    CHECK((double)(clock() - start) / CLOCKS_PER_SEC < 2.0);
    CHECK(cell.n_items >= 61);
    cell_clear(&cell);
    buffer_clear(&out);
}

static const struct {
    const char *text;
    enum cell_status status;
} complete_cases[] = {
    {"int x = 3;", CELL_COMPLETE},
    {"x", CELL_COMPLETE},
    {"x + 1", CELL_COMPLETE},
    {"printf(\"a\")", CELL_COMPLETE},
    {"int x = 3", CELL_INCOMPLETE},
    {"int f(int a) {", CELL_INCOMPLETE},
    {"int f(int a) {\n return 1;\n}", CELL_COMPLETE},
    {"int f(int a)", CELL_INCOMPLETE},
    {"int f(int a);", CELL_COMPLETE},
    {"if (x)", CELL_INCOMPLETE},
    {"if (x) y++;", CELL_COMPLETE},
    {"if (x) { y++; } else", CELL_INCOMPLETE},
    {"if (x) { y++; } else {", CELL_INCOMPLETE},
    {"if (x) y++; else if (z)", CELL_INCOMPLETE},
    {"for (int i = 0; i < 3; i++)", CELL_INCOMPLETE},
    {"for (int i = 0; i < 3; i++) {\n  a[i] = 0;\n}", CELL_COMPLETE},
    {"while (1", CELL_INCOMPLETE},
    {"do {\n x++;\n}", CELL_INCOMPLETE},
    {"do x++; while (x < 3)", CELL_INCOMPLETE},
    {"do x++; while (x < 3);", CELL_COMPLETE},
    {"switch (x) {\ncase 1:", CELL_INCOMPLETE},
    {"/* comment", CELL_INCOMPLETE},
    {"/* comment */", CELL_COMPLETE},
    {"// foo", CELL_COMPLETE},
    {"// foo \\", CELL_INCOMPLETE},
    {"char *s = \"abc", CELL_INVALID},
    {"char *s = \"abc\\", CELL_INCOMPLETE},
    {"#define A 1 \\", CELL_INCOMPLETE},
    {"#define A 1", CELL_COMPLETE},
    {"#if 1", CELL_INCOMPLETE},
    {"#if 1\nint x;\n#endif", CELL_COMPLETE},
    {"#ifdef A\nx;\n#else", CELL_INCOMPLETE},
    {"struct S { int a; }", CELL_INCOMPLETE},
    {"struct S { int a; };", CELL_COMPLETE},
    {"struct S", CELL_INCOMPLETE},
    {"typedef struct {", CELL_INCOMPLETE},
    {"enum E { A, B", CELL_INCOMPLETE},
    {"int a[] = { 1, 2,", CELL_INCOMPLETE},
    {"x = (3", CELL_INCOMPLETE},
    {"x = 3 +", CELL_INCOMPLETE},
    {"x ?", CELL_INCOMPLETE},
    {"f(1,", CELL_INCOMPLETE},
    {"SQ(3", CELL_INCOMPLETE},
    {"SQ(3)", CELL_COMPLETE},
    {"FOREACH(i, 3)", CELL_INCOMPLETE},
    {"FOREACH(i, 3) x += i;", CELL_COMPLETE},
    {"FOREACH(i, 3) {", CELL_INCOMPLETE},
    {"BEGIN x++;", CELL_INCOMPLETE},
    {"}", CELL_INVALID},
    {"x = 3));", CELL_INVALID},
    {"lab:", CELL_INCOMPLETE},
    {"return 1;", CELL_COMPLETE},
    {"T *p", CELL_INCOMPLETE},
    {"T", CELL_INVALID},
    {"int", CELL_INCOMPLETE},
    {"static", CELL_INCOMPLETE},
    {"", CELL_COMPLETE},
    {"int x;\n\n", CELL_COMPLETE},
    {"x = \\", CELL_INCOMPLETE},
    {"'a", CELL_INVALID},
    {"struct S { int a; } s = { 1 }", CELL_INCOMPLETE},
    {"int f(a) int a; { return a; }", CELL_COMPLETE},
    {"int f(a) int a;", CELL_COMPLETE},
    {"__attribute__((noinline)) int f(void)", CELL_INCOMPLETE},
    {"void (*fp)(int) = 0;", CELL_COMPLETE},
    {"({ int a = 1; a; })", CELL_COMPLETE},
    {"x.", CELL_INCOMPLETE},
    {"x ->", CELL_INCOMPLETE},
    {"x++", CELL_COMPLETE},
    {"!x", CELL_COMPLETE},
    {"*", CELL_INCOMPLETE},
    {"sizeof", CELL_INCOMPLETE},
    {"else x;", CELL_INVALID},
    {"(int)", CELL_INCOMPLETE},
    {"_Generic(x, int: 1, default: 2)", CELL_COMPLETE},
    {"asm(\"nop\")", CELL_COMPLETE},
    {"%who", CELL_COMPLETE},
    {"%", CELL_COMPLETE},
    {"  %time f(", CELL_COMPLETE},
    {"!ls (", CELL_COMPLETE},
    {"?f", CELL_COMPLETE},
    {"f?", CELL_COMPLETE},
    {"%%remote pool\nint f() {", CELL_COMPLETE},
    {"// a comment\n%%time\nx +", CELL_COMPLETE},
    {"%who\nint f() {", CELL_INCOMPLETE},
    {"!echo it's\nx;", CELL_COMPLETE},
    {"int f() {\n!x", CELL_INCOMPLETE},
    {"x = (int)", CELL_INCOMPLETE},
    {"x = sizeof(int)", CELL_COMPLETE},
    {"f(sizeof(T))", CELL_COMPLETE},
    {"x == ", CELL_INCOMPLETE},
};

static void test_complete(void)
{
    for (size_t i = 0; i < sizeof(complete_cases) / sizeof(*complete_cases); i++) {
        const char *text = complete_cases[i].text;
        CLEANUP(freep) char *indent = NULL;
        enum cell_status status = cell_is_complete(text, strlen(text), &names, &indent);
        if (status != complete_cases[i].status)
            fprintf(stderr, "of <%s>:\n", text);
        CHECK_INT(status, complete_cases[i].status);
        CHECK(indent);
    }
}

static void check_indent(const char *text, const char *expected)
{
    CLEANUP(freep) char *indent = NULL;
    CHECK_INT(cell_is_complete(text, strlen(text), &names, &indent), CELL_INCOMPLETE);
    CHECK_STRING(indent, expected);
}

static void test_indent(void)
{
    check_indent("int f(void) {", "    ");
    check_indent("int f(void) {\n    if (x) {\n", "        ");
    check_indent("int f(void) {\n    x;\n", "    ");
    check_indent("if (x)", "    ");
    check_indent("x = y +", "");
    check_indent("switch (x) {\ncase 1:", "    ");
}

int main(void)
{
    test_complete();
    test_indent();
    test_kinds();
    test_functions();
    test_statements();
    test_macros();
    test_directives();
    test_problems();
    test_large();
    test_macro_bomb();
    return check_status();
}
