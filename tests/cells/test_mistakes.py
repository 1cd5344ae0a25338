# SPDX-License-Identifier: BSD-3-Clause
"""Mistakes: where they are said to be, and what they leave behind: nothing."""
import pytest


def test_place_and_caret(session):
    session.run("int before = 1;")
    cell = session.run("int x = 1;\nint y = x + missing;\n")
    assert cell.status == "error" and cell.value is None
    assert "In[2]:2:13" in cell.traceback.replace(", line ", ":").replace(" column ", "")
    lines = cell.traceback.splitlines()
    source = next(i for i, line in enumerate(lines) if "int y = x + missing;" in line)
    assert lines[source].index("missing") == lines[source + 1].index("^")
    assert cell.reply["ename"] == cell.name and cell.reply["execution_count"] == 2


def test_nothing_stays_behind(session):
    run = session.value
    run("int kept = 1;\nint f(void) { return 1; }\nstruct s { int a; };")
    cell = session.run("kept = 99;\nint f(void) { return 2; }\nint fresh = 3;\n"
                       "struct s { int a, b; };\n#define FRESH 4\nint bad = nothing;")
    assert not cell.is_ok
    assert run("kept") == "1"
    assert run("f()") == "1"
    assert run("(int)sizeof(struct s)") == "4"
    assert not session.run("fresh").is_ok
    assert not session.run("FRESH").is_ok


@pytest.mark.parametrize("cell, part", [
    ("int f(int x) { return x;", "{"),
    ("return 5;", "return"),
    ("int x = 1 +;", "expression"),
    ('printf("no header\\n");', "printf"),
    ("undefined_function(1);", "undefined_function"),
    ("int x = \"text\" * 2;", "operands"),
    ("#include <no_such_header_at_all.h>", "no_such_header_at_all.h"),
    ("#error stop here", "stop here"),
    ("struct unknown u;", "unknown"),
    ("int declared_only(int);\ndeclared_only(1)", "declared_only"),
    ("}", "}"),
    ("int a[2] = {1, 2, 3}; a = 5;", "a"),
])
def test_is_said(session, cell, part):
    done = session.run(cell)
    assert done.status == "error"
    assert part in done.traceback
    assert session.value("1 + 1") == "2"


def test_a_suggestion(session):
    session.run("int temperature = 20;")
    assert "temperature" in session.run("temperatur + 1").traceback


def test_warnings_do_not_stop_a_cell(session):
    cell = session.run("int *p = 0;\nint f(void) { int unused; return 1; }\nf()")
    assert cell.is_ok and cell.value == "1"


def test_unknown_magic_names_the_nearest(session):
    cell = session.run("%pickel x > y.achar")
    assert not cell.is_ok and "%pickle" in cell.traceback
    cell = session.run("%call f() --onn local")
    assert not cell.is_ok and "--on" in cell.traceback


def test_what_is_queued_behind_an_error_is_aborted(session):
    session.run("#include <unistd.h>")
    first = session.send("usleep(300000);\nint bad = nothing;")
    second = session.send("1 + 1")
    assert session.finish(first).status == "error"
    assert session.finish(second).status == "aborted"
    assert session.value("1 + 1") == "2"


TWICE = "#define TWICE(x) x x\n"


@pytest.mark.parametrize("cell, line", [
    (TWICE + "int y = " + "TWICE(" * 40 + "1" + ")" * 40 + ";", 2),
    (TWICE + "#if " + "TWICE(" * 40 + "1" + ")" * 40 + "\n#endif", 2),
    ("#define A x x x x x x x x x x\n" + "".join(
        f"#define {b} {a} {a} {a} {a} {a} {a} {a} {a}\n" for a, b in zip("ABCDEFGH", "BCDEFGHI"))
     + "int x = I;", 10)])
def test_macros_that_make_too_much(session, cell, line):
    wrong = session.run(cell)
    assert wrong.name == "CompileError" and "10 million tokens" in wrong.message
    assert f":{line}:" in wrong.message
    assert session.value("#ifdef TWICE\n1\n#else\n2\n#endif") == "2"
