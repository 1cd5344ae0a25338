# SPDX-License-Identifier: BSD-3-Clause
"""The value of a last expression, shown by its type."""
import re

import pytest

SETUP = """
enum colour { RED, GREEN = 5, BLUE };
struct point { int x, y; };
struct line { struct point from, to; const char *name; };
int numbers[4] = {1, 2, 3, 4};
struct line line = {{0, 1}, {2, 3}, "edge"};
"""


@pytest.mark.parametrize("expression, value", [
    ("1 == 1", "1"), ("(_Bool)1", "true"), ("'x'", "120"), ("(char)'x'", "'x' (120)"),
    ("(char)'\\n'", "'\\n' (10)"), ("(unsigned char)200", "200"), ("1.5f", "1.5"), ("0.1", "0.1"),
    ("1e300 * 1e10", "inf"), ("-0.0", "-0.0"), ("18446744073709551615UL", "18446744073709551615"),
    ("-9223372036854775807L - 1", "-9223372036854775808"), ("1.0L / 4", "0.25"),
    ("BLUE", "6"), ("(enum colour)5", "GREEN"), ("(enum colour)99", "(enum colour)99"),
    ('"text"', '"text"'), ('(char *)0', "NULL"), ('"a\\"b\\n"', '"a\\"b\\n"'),
    ("numbers", "{1, 2, 3, 4}"), ("line.to", "{.x = 2, .y = 3}"),
    ("line", '{.from = {.x = 0, .y = 1}, .to = {.x = 2, .y = 3}, .name = "edge"}'),
])
def test_value(shared_session, expression, value):
    shared_session.run(SETUP)
    assert shared_session.value(expression) == value


def test_pointers(shared_session):
    shared_session.run(SETUP)
    assert "{.x = 0, .y = 1}" in shared_session.value("&line.from")
    assert "0x10" in shared_session.value("(int *)16")


def test_function_is_named(shared_session):
    shared_session.run("int shown(int x) { return x; }")
    assert "shown" in shared_session.value("shown")


def test_void_has_no_value(shared_session):
    cell = shared_session.run("(void)1")
    assert cell.is_ok and cell.value is None


def test_no_value_with_a_semicolon(shared_session):
    assert shared_session.run("1 + 1;").value is None


def test_long_values_are_cut(shared_session):
    text = shared_session.value("int many[100000];\nmany")
    assert len(text) < 70000 and "more" in text


EVERY_TYPE = """
#include <stdio.h>
#include <stdlib.h>
#include <uchar.h>
#include <wchar.h>
struct inner { int a; struct { int x, y; }; union { int i; float f; }; } inner = {1, {2, 3}, {4}};
union choice { int i; unsigned char b[4]; } choice = {0x01020304};
struct bits { unsigned a : 3; int b : 5; _Bool c : 1; unsigned long d : 40; int : 4;
              enum { NO, YES } e : 2; } bits = {5, -3, 1, 1UL << 39, YES};
enum mode { READ = 1, WRITE = 2, RUN = 4, ALL = 7 };
enum mode modes[6] = {0, 1, 3, 7, 8, 9};
char full[3] = {'a', 'b', 'c'};
wchar_t *wide = L"a\\u00e9\\U0001f600\\n";
wchar_t wides[2][4] = {L"ab", L"cdef"};
struct named { wchar_t name[8]; const wchar_t *more; } named = {L"n", L"m"};
long double precise = 0.1L;
struct nothing {} nothing;
struct __attribute__((packed)) tight { char c; int i; } tight = {'x', 7};
struct deep { struct { struct { struct { int x; } c; } b; } a; } deep = {{{{9}}}};
int numbers[4] = {1, 2, 3, 4}, cube[2][1][2] = {{{1, 2}}, {{3}}};
struct node { int v; struct node *next; } third = {3}, second = {2, &third}, first = {1, &second};
struct tree { const char *key; struct tree *left, *right; } leaf = {"l"}, root = {"r", &leaf, &leaf};
struct flexible { int n; double d[]; } *flexible = malloc(sizeof *flexible + 2 * sizeof(double));
flexible->n = 2;
int own(int x) { return x; }
int (*table[4])(int) = {own, abs, 0, (int (*)(int))16};
int *freed = malloc(80000), *heap = malloc(3 * sizeof *heap);
free(freed);
const volatile int *volatile qualified = &numbers[1];
signed char small = -5;
const struct node *at = &second;
float floats[3] = {0.1f, 16777216, 1e-45f};
double doubles[5] = {-1 / 0.0, -0.0, 5e-324, 1e22, 1.0 / 3};
char *texts[3] = {"one", "tw\\"o\\n\\x01", 0};
FILE *none;
"""


@pytest.fixture(scope="module")
def every_type(kernelspec, tmp_path_factory):
    from session import Session
    opened = Session(tmp_path_factory.mktemp("types"))
    cell = opened.run(EVERY_TYPE)
    assert cell.is_ok, cell.traceback
    yield opened
    opened.close()


@pytest.mark.parametrize("expression, value", [
    ("inner", "{.a = 1, .x = 2, .y = 3, .i = 4, .f = 6e-45}"),
    ("choice", "{.i = 16909060, .b = {4, 3, 2, 1}}"),
    ("bits", "{.a = 5, .b = -3, .c = true, .d = 549755813888, .e = YES}"),
    ("modes", "{(enum mode)0, READ, READ | WRITE, ALL, (enum mode)8, READ | 8}"),
    ("full", '"abc"'), ("wide", 'L"aé😀\\n"'), ("wides", '{L"ab", L"cdef"}'),
    ("named", '{.name = L"n", .more = L"m"}'), ("(wchar_t)233", "L'é' (233)"),
    ("precise", "0.1"), ("nothing", "{}"), ("tight", "{.c = 'x', .i = 7}"),
    ("deep", "{.a = {.b = {.c = {.x = 9}}}}"), ("cube", "{{{1, 2}}, {{3, 0}}}"),
    ("first", "{.v = 1, .next = &second -> {.v = 2, .next = &third -> {.v = 3, .next = NULL}}}"),
    ("root", '{\n    .key = "r",\n    .left = &leaf -> {.key = "l", .left = NULL, .right = NULL},\n'
             '    .right = &leaf (shown above)\n}'),
    ("*flexible", "{.n = 2, .d = {}}"),
    ("table", "{&own, &abs, NULL, 0x10}"), ("own", "&own"), ("puts", "&puts"),
    ("&numbers[2]", "&numbers[2] -> 3"), ("numbers + 4", "&numbers[4] (one past the end)"),
    ("&numbers", "&numbers -> {1, 2, 3, 4}"), ("(void *)&numbers[1]", "(void *) &numbers[1]"),
    ("&inner.y", "&inner.y -> 3"), ("qualified", "&numbers[1] -> 2"), ("at", "&second -> {.v = 2, .next = &third -> {.v = 3, .next = NULL}}"), ("small", "-5"),
    ("floats", "{0.1, 16777216.0, 1e-45}"),
    ("doubles", "{-inf, -0.0, 5e-324, 1e+22, 0.3333333333333333}"),
    ("texts", '{"one", "tw\\"o\\n\\001", NULL}'), ("&texts[0]", '&texts[0] -> "one"'),
    ("(char *)8", "(char *) 0x8 (unreadable)"), ("(int *)16", "(int *) 0x10 (unreadable)"),
    ("stdout", "stdout"), ("none", "NULL"), ("div(7, 2)", "{.quot = 3, .rem = 1}"),
])
def test_every_type(every_type, expression, value):
    assert every_type.value(expression) == value


@pytest.mark.parametrize("expression, value", [
    ("freed", r"\(int \*\) 0x[0-9a-f]+ \(freed\)"),
    ("heap", r"\(int \*\) 0x[0-9a-f]+ -> \{0, 0, 0\}"),
    ("heap + 1", r"\(int \*\) 0x[0-9a-f]+ -> \{0, 0\}"),
    ("heap + 3", r"\(int \*\) 0x[0-9a-f]+ \(one past the end\)"),
    ("(void *)heap", r"\(void \*\) 0x[0-9a-f]+ \(12 bytes\)"),
    ("flexible", r"\(struct flexible \*\) 0x[0-9a-f]+ -> \{.n = 2, .d = \{0.0, 0.0\}\}"),
])
def test_pointers_into_the_heap(every_type, expression, value):
    assert re.fullmatch(value, every_type.value(expression))


@pytest.mark.parametrize("definition, value", [
    ("double _Complex z = 1.5 - 2.0i;", "1.5 - 2.0*I"),
    ("__int128 z = (__int128)1 << 100;", "1267650600228229401496703205376"),
    ("unsigned __int128 z = -1;", "340282366920938463463374607431768211455"),
    ("_Float16 z = 1.5;", "1.5"), ("__float128 z = 0.1Q;", "0.1"), ("_Atomic int z = 5;", "5"),
    ("int z __attribute__((vector_size(16))) = {1, 2, 3};", "{1, 2, 3, 0}"),
    ('#include <uchar.h>\nchar16_t *z = u"é😀";', 'u"é😀"'),
    ('#include <uchar.h>\nchar32_t z[3] = U"é😀";', 'U"é😀"'),
])
def test_types_of_other_compilers(shared_session, definition, value):
    assert shared_session.value(definition + "\nz") == value


def test_cycles_end(shared_session):
    shared_session.run("""
        struct ring { int v; struct ring *next; } b, a = {1, &b};
        b = (struct ring){2, &a};""")
    assert shared_session.value("&a") == (
        "&a -> {.v = 1, .next = &b -> {.v = 2, .next = &a (shown above)}}")
    text = shared_session.value("""
        #include <stdlib.h>
        struct ring *list = 0;
        for (int i = 0; i < 100000; i++) {
            struct ring *more = malloc(sizeof *more);
            *more = (struct ring){i, list};
            list = more;
        }
        list""")
    assert text.count(".v = ") == 6 and len(text) < 2000


def test_wide_trees_are_bounded(shared_session):
    text = shared_session.value("""
        #include <stdlib.h>
        struct bush { struct bush *all[10]; };
        struct bush *grow(int depth)
        {
            struct bush *bush = calloc(1, sizeof *bush);
            for (int i = 0; depth && i < 10; i++)
                bush->all[i] = grow(depth - 1);
            return bush;
        }
        grow(5)""")
    assert len(text) <= 65536 + 3
