# SPDX-License-Identifier: BSD-3-Clause
"""%pickle and %unpickle: what travels through a file comes back as it was."""
import pytest

LIST = """
#include <stdlib.h>
struct node { int value; struct node *next; };
struct node *head;
void push(int value)
{
    struct node *node = malloc(sizeof(struct node));
    node->value = value;
    node->next = head;
    head = node;
}
int total(void)
{
    int sum = 0;
    for (struct node *node = head; node; node = node->next)
        sum += node->value;
    return sum;
}
"""

STATES = {
    "scalars": ("int i = -7; double d = 0.1; char c = 'x'; _Bool b = 1; unsigned long u = 1UL << 63;",
                "i d c b u", "i == -7 && d == 0.1 && c == 'x' && b && u == 1UL << 63"),
    "enum": ("enum e { A, B, C }; enum e e = C;", "e", "e == C"),
    "array": ("int a[3][2] = {{1, 2}, {3, 4}, {5, 6}};", "a", "a[2][1] == 6 && a[0][0] == 1"),
    "struct": ("struct p { char c; double d; short s; }; struct p p = {'a', 2.5, 3};", "p",
               "p.c == 'a' && p.d == 2.5 && p.s == 3"),
    "bit-fields": ("struct f { unsigned a : 3; int b : 5; } f = {5, -6};", "f",
                   "f.a == 5 && f.b == -6"),
    "string": ('const char *text = "pickle";', "text", "text[5] == 'e' && !text[6]"),
    "pointer to a global": ("int n = 3; int *p = &n;", "p", "p == &n && *p == 3"),
    "into the middle": ("int a[4] = {1, 2, 3, 4}; int *p = &a[2], *end = a + 4;", "a p end",
                        "p == a + 2 && end == a + 4"),
    "heap": ("#include <stdlib.h>\nint *h = malloc(3 * sizeof(int));\nh[0] = 1; h[1] = 2; h[2] = 3;",
             "h", "h[0] == 1 && h[2] == 3"),
    "shared": ("#include <stdlib.h>\nint *a = malloc(sizeof(int)), *b = a;\n*a = 4;", "a b",
               "a == b && *b == 4"),
    "cycle": ("struct c { struct c *other; int v; }; struct c y, x = {&y, 1};\ny.other = &x; y.v = 2;",
              "x", "x.other->other == &x && x.other->v == 2"),
    "function pointer": ("int f(int x) { return x + 1; }\nint (*p)(int) = f;", "p", "p(1) == 2 && p == f"),
    "null": ("int *none = 0;", "none", "none == 0"),
    "union": ("union u { int i; unsigned char b[4]; } u = {.i = 5};", "u", "u.i == 5"),
    "long double": ("long double l = 1.25L;", "l", "l == 1.25L"),
}


@pytest.fixture
def reader(kernelspec, tmp_path):
    """A second session in the same folder."""
    from session import Session
    opened = Session(tmp_path)
    yield opened
    opened.close()


@pytest.mark.parametrize("name", STATES)
def test_into_another_session(session, reader, name):
    setup, names, holds = STATES[name]
    session.value(setup)
    assert session.value(holds) == "1"
    session.value(f"%pickle {names} > state.achar")
    reader.value("%unpickle state.achar")
    assert reader.value(holds) == "1"


@pytest.mark.parametrize("n", [0, 1, 100, 100000])
def test_list_of_any_depth(session, reader, n):
    session.value(LIST)
    session.value(f"for (int i = 0; i < {n}; i++)\n    push(i % 10);")
    expected = session.value("total()")
    session.value("%pickle total push > list.achar")
    reader.value("%unpickle list.achar")
    assert reader.value("total()") == expected
    reader.value("push(1000);")
    assert reader.value("total()") == str(int(expected) + 1000)


def test_back_into_the_same_session(session):
    session.value(LIST + "push(5); push(6);")
    session.value("%pickle total > list.achar")
    session.value("head = NULL;")
    assert session.value("total()") == "0"
    session.value("%unpickle list.achar")
    assert session.value("total()") == "11"


def test_static_local(session, reader):
    session.value("int tick(void) { static int n = 10; return ++n; }\ntick();")
    session.value("%pickle tick > tick.achar")
    reader.value("%unpickle tick.achar")
    assert reader.value("tick()") == session.value("tick()") == "12"


def test_only_what_is_reachable(session, tmp_path):
    session.value("int used = 1; int unrelated_name = 2;\nint f(void) { return used; }")
    session.value("%pickle f > f.achar")
    data = (tmp_path / "f.achar").read_bytes()
    assert b"used" in data and b"unrelated_name" not in data


def test_same_state_same_bytes(session, tmp_path):
    session.value(LIST + "push(5); push(6);")
    for name in "ab":
        session.value(f"%pickle total > {name}.achar")
    assert (tmp_path / "a.achar").read_bytes() == (tmp_path / "b.achar").read_bytes()


def test_macros_and_types_travel(session, reader):
    session.value("#define FACTOR 3\ntypedef struct { int v; } wrapped;\n"
                  "int scale(wrapped w) { return w.v * FACTOR; }")
    session.value("%pickle scale > scale.achar")
    reader.value("%unpickle scale.achar")
    assert reader.value("scale((wrapped){5})") == "15"


def test_headers_and_libraries_travel(session, reader):
    session.value("%pkg zlib\n#include <zlib.h>\n#include <string.h>\n"
                  'unsigned long sum(const char *t) { return crc32(0, (const void *)t, strlen(t)); }')
    expected = session.value('sum("hello")')
    session.value("%pickle sum > sum.achar")
    reader.value("%unpickle sum.achar")
    assert reader.value('sum("hello")') == expected == "907060870"
