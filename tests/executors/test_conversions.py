# SPDX-License-Identifier: BSD-3-Clause
"""Elements and values as C has them: stored as by assignment, with all that they point to."""

HEADERS = "#include <stdint.h>\n#include <stddef.h>\n#include <string.h>\n"


def test_map_stores_a_typedef(session):
    session.value(HEADERS + "uint32_t hash(int x) { return x * 31u; }\n"
                            "int in[3] = {1, 2, 3}; uint32_t out[3]; unsigned plain[3];")
    assert session.value("%map hash in -> out\nout") == "{31, 62, 93}"
    assert session.value("%map hash in -> plain\nplain") == "{31, 62, 93}"
    assert session.value("%map hash in -> fresh\nfresh") == "{31, 62, 93}"


def test_map_of_strings_to_size_t(session):
    session.value(HEADERS + "size_t length(const char *s) { return strlen(s); }\n"
                            'const char *words[] = {"a", "bcd"}; size_t out[2];')
    assert session.value("%map length words -> out\nout") == "{1, 3}"


def test_map_converts_numbers(session):
    session.value("double half(int x) { return x / 2.0; }\n"
                  "int in[3] = {1, 2, 3}; float small[3]; int whole[3];")
    assert session.value("%map half in -> small\nsmall") == "{0.5, 1.0, 1.5}"
    assert session.value("%map half in -> whole\nwhole") == "{0, 1, 1}"


def test_map_of_rows(session):
    session.value("int rows[2][3] = {{1, 2, 3}, {4, 5, 6}}; int sums[2];\n"
                  "int sum(int *row) { return row[0] + row[1] + row[2]; }")
    assert session.value("%map sum rows -> sums\nsums") == "{6, 15}"


def test_map_of_function_pointers_by_typedef(session):
    session.value("typedef int (*step)(int); int up(int x) { return x + 1; }\n"
                  "step pick(int x) { return x ? up : 0; }\n"
                  "int in[2] = {0, 1}; step out[2];\n%map pick in -> out")
    assert session.value("out") == "{NULL, &up}"


def test_call_converts_numbers(session):
    session.value(HEADERS + "size_t size = 7; size_t get(void) { return size; }\n"
                            "int in[3]; uint64_t wide; double real; char small;")
    for target in ("in[1]", "wide", "real", "small"):
        session.value(f"%call get() -> {target}")
    assert session.value("in[1] + (int)wide + (int)real + small") == "28"


def test_what_cannot_be_stored_is_said_before_it_runs(session):
    session.value('#include <stdio.h>\nstruct p { int x; };\n'
                  'struct p f(int n) { puts("ran"); return (struct p){n}; }\n'
                  "int in[2], out[2], one;")
    assert session.run("int two[2], three[3];\n%call three -> two").name == "TypeError"
    for code in ("%map f in -> out", "%call f(1) -> one"):
        cell = session.run(code)
        assert cell.name == "TypeError" and "ran" not in cell.stdout
        assert "'struct p'" in cell.message and "'int'" in cell.message


def test_map_mistakes_show_the_users_text(session):
    session.value("struct p { int x; }; struct p in[2]; int out[2];\n"
                  "int by_pointer(struct p *p) { return p->x; }\n"
                  "int two(struct p p, int n) { return p.x + n; }")
    for name, says in (("by_pointer", "'by_pointer' cannot be called with an element"),
                       ("two", "'two' cannot be called with an element"),
                       ("nosuch", "'nosuch'")):
        cell = session.run(f"%map {name} in -> out")
        assert cell.status == "error" and says in cell.message
        assert "typeof" not in cell.message + cell.traceback


def test_map_over_elements_that_point_to_globals(session):
    """What only the elements reach goes with the function: variables, tables, functions."""
    session.value("""
struct shape;
struct ops { double (*area)(struct shape *); };
struct shape { const struct ops *ops; double w, h, *unit; };
double unit = 10;
double rect(struct shape *s) { return s->w * s->h * *s->unit; }
double tri(struct shape *s) { return s->w * s->h * *s->unit / 2; }
const struct ops rects = {rect}, tris = {tri};
struct shape shapes[2] = {{&rects, 2, 3, &unit}, {&tris, 2, 3, &unit}};
double area(struct shape s) { return s.ops->area(&s); }
double out[2];
""")
    assert session.value("%map area shapes -> out\nout") == "{60.0, 30.0}"
    session.value("unit = 100;\ndouble rect(struct shape *s) { return -*s->unit; }")
    assert session.value("%map area shapes -> out\nout") == "{-100.0, 300.0}"


def test_map_over_function_pointers(session):
    session.value("int one(void) { return 1; } int two(void) { return 2; }\n"
                  "int (*list[2])(void) = {one, two}; int out[2];\n"
                  "int call(int (*f)(void)) { return f(); }")
    assert session.value("%map call list -> out\nout") == "{1, 2}"


def test_strings_of_libraries_travel_as_text(session):
    session.value("#include <string.h>\n#include <time.h>\n"
                  "time_t start = 86400; struct tm day; day = *gmtime(&start);\n"
                  "int month(void) { return day.tm_mon + (int)strlen(day.tm_zone); }")
    assert session.value("%call month()") == "3"
    here = session.value("strerror(2)")
    assert session.value("%call strerror(2)") == here == '"No such file or directory"'


def test_tables_of_libraries_do_not_travel(session):
    session.value("#include <ctype.h>\nconst unsigned short *table = *__ctype_b_loc();\n"
                  "int digit(int c) { return table[c] & _ISdigit; }")
    cell = session.run("%call digit('1')")
    assert cell.name == "CannotPickle" and "table points to memory" in cell.message


def test_values_of_types_that_nothing_else_mentions(session):
    session.value("int filler; typedef struct { int a; } T; enum e { A, B }; struct s { int x; };")
    assert session.value("%call (T){1}") == "{.a = 1}"
    assert session.value("%call (struct s){2}") == "{.x = 2}"
    assert session.value("%call (enum e)1") == "B"
    assert session.value("%%remote\n(struct s){3}") == "{.x = 3}"
