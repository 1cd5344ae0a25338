/* SPDX-License-Identifier: BSD-3-Clause */
#include <time.h>

#include "kernel/cell/cell.h"
#include "kernel/peer/protocol.h"
#include "pickler/base/buffer.h"
#include "tests/unit/check.h"

static bool is_visible(void *context, const char *name, size_t size)
{
    return (size == 1 && *name == 'x') || (size == 5 && memcmp(name, "ready", 5) == 0);
}

static const char *macro(void *context, const char *name, size_t size)
{
    return size == 5 && memcmp(name, "BEGIN", 5) == 0 ? "BEGIN {" : NULL;
}

static const struct cell_names names = {.is_visible = is_visible, .macro = macro};
static const char *const magics[] = {"who", "time", "remote"};

/* Segments as KIND line.column<text>, newlines as ~. */
static char *segments_of(const char *text)
{
    static const char kinds[] = "C%M!?";
    struct cell_segment *segments = NULL;
    size_t n = 0;
    struct buffer out = {0};
    cell_segments(text, strlen(text), &names, magics, 3, &segments, &n);
    for (size_t i = 0; i < n; i++)
        buffer_format(&out, "%c%u.%u<%.*s>", kinds[segments[i].kind], segments[i].line,
                      segments[i].column, (int)segments[i].size,
                      text + segments[i].start);
    free(segments);
    for (size_t i = 0; i < out.size; i++)
        if (out.data[i] == '\n')
            out.data[i] = '~';
    return buffer_take(&out);
}

static void check_segments(const char *text, const char *expected)
{
    CLEANUP(freep) char *actual = segments_of(text);
    if (strcmp(actual, expected) != 0)
        fprintf(stderr, "of <%s>:\n", text);
    CHECK_STRING(actual, expected);
}

static void check_c(const char *text)
{
    CLEANUP(freep) char *copy = must_strdup(text);
    for (char *at = copy; *at; at++)
        *at = *at == '\n' ? '~' : *at;
    CLEANUP(freep) char *expected = must_format("C1.1<%s>", copy);
    check_segments(text, expected);
}

static void test_magics(void)
{
    check_segments("", "");
    check_segments(" \n\n", "");
    check_segments("%who", "%1.1<%who>");
    check_segments("  %who functions  \n", "%1.3<%who functions  >");
    check_segments("int a;\n%who\nint b;\n%time f()",
                   "C1.1<int a;~>%2.1<%who>C3.1<int b;~>"
                   "%4.1<%time f()>");
    check_segments("%who\r\nx;\r\n", "%1.1<%who>C2.1<x;\r~>");
    check_segments("int f(void) { }\n%who", "C1.1<int f(void) { }~>%2.1<%who>");
    check_segments("struct s { int a; };\n%who", "C1.1<struct s { int a; };~>%2.1<%who>");
    check_segments("if (a) { b; }\n%who", "C1.1<if (a) { b; }~>%2.1<%who>");
    check_segments("#include <a.h>\n%who", "C1.1<#include <a.h>~>%2.1<%who>");
    check_segments("#define A \\\n 1\n%who", "C1.1<#define A \\~ 1~>%3.1<%who>");
    check_segments("// c\n%who\n// d", "%2.1<%who>");
    check_segments("%woh\nx;", "%1.1<%woh>C2.1<x;>");
    check_segments("x;\n%%remote a", "C1.1<x;~>%2.1<%%remote a>");
    check_segments("%%remote pool\nint x;\n%who\n", "M1.1<%%remote pool~int x;~%who~>");
    check_segments("// c\n /* d */ %%time", "M2.10<%%time>");
    check_segments("\n\n%%nope\n{", "M3.1<%%nope~{>");
}

/* In a comment, so that the cell is C for other tools. */
static void test_marked(void)
{
    check_segments("//achar:%who", "%1.9<%who>");
    check_segments("x;\n  //achar:%who functions\ny;",
                   "C1.1<x;~>%2.11<%who functions>C3.1<y;>");
    check_segments("// a note\n//achar:%%remote a\nint x;\n", "M2.9<%%remote a~int x;~>");
    check_segments("x;\n/* of\n it */\n// and\n//achar:%who\n//achar:%time 1\n",
                   "C1.1<x;~/* of~ it */~// and~>%5.9<%who>%6.9<%time 1>");
    check_segments("//achar:%woh\nx;", "%1.9<%woh>C2.1<x;>");
    check_segments("x;//achar:%who", "C1.1<x;//achar:%who>");
    check_segments("// \\\n//achar:%who\nx;", "C1.1<// \\~//achar:%who~x;>");
    check_c("x; /* \n//achar:%who\n*/ y;");
    check_c("//achar: %who\n// achar:%who\n//%who\n//achar:who\n//achar:%\nx;");
    check_c("int f(void)\n{\n//achar:%who\n}");
    check_c("x +\n//achar:%who\n3;");
    check_c("puts(\"\\\n//achar:%who\");");
}

static void test_shell(void)
{
    check_segments("!ls -l 'it (\n!echo \"\nx;",
                   "!1.1<!ls -l 'it (>!2.1<!echo \">C3.1<x;>");
    check_segments("! ls", "!1.1<! ls>");
    check_segments("!./a.out\n!/bin/ls\n!$HOME/x",
                   "!1.1<!./a.out>!2.1<!/bin/ls>!3.1<!$HOME/x>");
    check_segments("!if true; then ls; fi", "!1.1<!if true; then ls; fi>");
    check_segments("int y;\n!ls", "C1.1<int y;~>!2.1<!ls>");
}

static void test_help(void)
{
    check_segments("?printf", "?1.1<?printf>");
    check_segments("??x\nx;", "?1.1<??x>C2.1<x;>");
    check_segments("x?", "?1.1<x?>");
    check_segments("x??  \nx;", "?1.1<x??  >C2.1<x;>");
    check_segments("struct point?\n", "?1.1<struct point?>");
    check_segments("%who?", "?1.1<%who?>");
    check_segments("x?\nx = a ? b : c;", "?1.1<x?>C2.1<x = a ? b : c;>");
}

/* C is never taken for a magic. */
static void test_c(void)
{
    check_c("x\n%who");
    check_c("x +\n  3\n%time");
    check_c("int y = x\n%x;");
    check_c("printf(\"%d\\n\",\n%x);");
    check_c("printf(\"\\\n%who\");");
    check_c("/*\n%who\n!ls\n?x\n*/ x;");
    check_c("// \\\n%who\nx;");
    check_c("#define M(a) a \\\n%who\nx;");
    check_c("int f(void) {\n%who\n}");
    check_c("f(1,\n!x);");
    check_c("!x");
    check_c("x;\n!ready && x;");
    check_c("!(x)");
    check_c("!!x");
    check_c("!-x;\n!*x;\n!~x;\n!&x;\n!3;\n!'a';\n!\"a\";\n!.5;");
    check_c("!sizeof(int)");
    check_c("!undeclared(3);");
    check_c("int ok = 0;\n!ok");
    check_c("if (x)\n!x;");
    check_c("int y =\n!x;");
    check_c("x\n? 1\n: 2;");
    check_c("x?\n 1 : 2;");
    check_c("x ?\n f(1) : g(2);");
    check_c("y = x?\n 1\n : 2;");
    check_c("(int){5}\n%x");
    check_c("do { }\n%who");
    check_c("BEGIN x;\n!ls\n}");
    check_c("struct s { int a; }\n%who");
    check_c("int a[] = { 1 }\n%who");
    check_c("%:define A 1");
    check_c("#if X\n%who\n#endif");
}

static void check_large(const char *unit, size_t n)
{
    struct buffer text = {0};
    for (size_t i = 0; i < n; i++)
        buffer_add_string(&text, unit);
    struct cell_segment *segments = NULL;
    size_t n_segments = 0;
    clock_t start = clock();
    cell_segments(text.data, text.size, &names, magics, 3, &segments, &n_segments);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    if (seconds > 1.0)
        fprintf(stderr, "%s: %.1f s\n", unit, seconds);
    CHECK(seconds < 2.0);
    free(segments);
    buffer_clear(&text);
}

static void test_large(void)
{
    check_large("%who\n", 100000);
    check_large("x?\n", 100000);
    check_large("//achar:%who\nx;\n", 50000);
    check_large("x //achar:%who\n", 50000);
    check_large("!ls\nx;\n", 50000);
    check_large("(int){1}\n%", 20000);
    check_large("int f(void) {\n!x;\n", 10000);
    check_large("x;\n", 200000);
}

int main(void)
{
    test_magics();
    test_marked();
    test_shell();
    test_help();
    test_c();
    test_large();
    return check_status();
}
