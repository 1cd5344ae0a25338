# SPDX-License-Identifier: BSD-3-Clause
"""What a cell may contain."""
import pytest


@pytest.mark.parametrize("cell, value", [
    ("1 + 2", "3"),
    ("int a = 1; a += 4;\na", "5"),
    ("int twice(int x) { return 2 * x; }\nint thrice(int x) { return twice(x) + x; }\nthrice(4)",
     "12"),
    ("int n = 3;\nn++;\nint m = n * 2;\nm--;\nm", "7"),
    ("for (int i = 0; i < 3; i++)\n    ;\n#include <limits.h>\nCHAR_BIT", "8"),
    ("#include <math.h>\ndouble r = sqrt(16);\nr", "4.0"),
    ("int k = 2;\nint squares[3] = {k, k * k, k * k * k};\nsquares[2]", "8"),
    ("typedef struct pair { int a, b; } pair_t;\npair_t p = {3, 4};\np.a * p.b", "12"),
    ("#define SQUARE(x) ((x) * (x))\nSQUARE(2 + 3)", "25"),
    ("enum suit { CLUBS, HEARTS };\nenum suit s = HEARTS;\ns == HEARTS", "1"),
    ("static int hidden(int x) { return x + 1; }\nhidden(1)", "2"),
    ("int count(void) { static int n; return ++n; }\ncount();\ncount();\ncount()", "3"),
    ("int sum(int n, ...);\n#include <stdarg.h>\nint sum(int n, ...) { va_list l; int s = 0;"
     " va_start(l, n); while (n--) s += va_arg(l, int); va_end(l); return s; }\nsum(3, 1, 2, 3)",
     "6"),
    ("int x = 5;\nint *p = &x;\n*p = 6;\nx", "6"),
    ("-1", "-1"),
    ("(void)0;\n42", "42"),
    ("int y = 1; if (y) { y = 10; } else y = 20;\ny", "10"),
    ("union number { int i; float f; };\nunion number u = {.i = 7};\nu.i", "7"),
    ("_Bool yes = 5;\nyes", "true"),
    ("int even(int n);\nint odd(int n) { return n ? even(n - 1) : 0; }\n"
     "int even(int n) { return n ? odd(n - 1) : 1; }\neven(10)", "1"),
    ("double _Complex z = 3.0;\n(int)__real__ z", "3"),
    ("_Static_assert(sizeof(int) == 4, \"int\");\n1", "1"),
    ("struct list { struct list *next; int v; };\nstruct list b = {0, 2}, a = {&b, 1};\n"
     "a.next->v", "2"),
])
def test_one_cell(session, cell, value):
    assert session.value(cell) == value


def test_later_cells_see_earlier_ones(shared_session):
    run = shared_session.value
    run("#include <stdio.h>\n#include <string.h>")
    run("struct box { int w, h; };\n#define TWO 2")
    run("int area(struct box b) { return b.w * b.h; }")
    run("struct box box = {3, TWO};")
    assert run("area(box)") == "6"
    assert run("strlen(\"four\")") == "4"


def test_main_runs(session):
    cell = session.run('#include <stdio.h>\nint main(int argc, char **argv)\n{\n'
                       '    printf("%d\\n", argc);\n    return 0;\n}')
    assert cell.is_ok and cell.stdout == "1\n"


def test_main_can_be_defined_again(session):
    for text in ("one", "two"):
        cell = session.run(f'#include <stdio.h>\nint main(void) {{ puts("{text}"); }}')
        assert cell.stdout == text + "\n"


def test_empty_cells(shared_session):
    for text in ("", "\n\n", "// only a comment", "/* and\n another */", ";"):
        cell = shared_session.run(text)
        assert cell.is_ok and cell.value is None, text


def test_c_is_never_taken_for_a_magic(shared_session):
    run = shared_session.value
    assert run("int time_of = 17, who = 5;\nint rest = time_of\n%who;\nrest") == "2"
    assert run("int flag = 0;\n!flag") == "1"


def test_utf8(session):
    assert session.run('#include <stdio.h>\nputs("अचार ✓");').stdout == "अचार ✓\n"


def test_a_header_beside_the_notebook(session, tmp_path):
    (tmp_path / "mine.h").write_text("static inline int mine(int x) { return x + 100; }\n")
    assert session.value('#include "mine.h"\nmine(1)') == "101"


def test_an_initialiser_that_libtcc_refuses_changes_nothing_later(session):
    """What libtcc refuses at file scope must not make later compound literals static."""
    session.run("#include <uchar.h>")
    session.value('const char16_t *text = u"abc"; text[1]')
    session.run("int fresh(void) { int *p = (int[]){7}; return ++*p; }")
    assert session.value("fresh() + fresh()") == "16"
