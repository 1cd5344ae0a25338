# SPDX-License-Identifier: BSD-3-Clause
"""What cannot travel is refused by name and path, and no file is written."""
import pytest

BLOCKED = {
    "open file": ('#include <stdio.h>\nstruct cfg { FILE *log; } cfg;\n'
                  'cfg.log = fopen("/dev/null", "w");\nvoid f(void) { fputs("x", cfg.log); }',
                  ["cfg.log", "FILE"]),
    "freed memory": ("#include <stdlib.h>\nint *gone = malloc(4);\nfree(gone);\n"
                     "int f(void) { return *gone; }", ["gone", "freed"]),
    "stack": ("int *local;\nvoid set(void) { int x = 1; local = &x; }\nset();\n"
              "int f(void) { return *local; }", ["local"]),
    "untyped pointer": ("#include <stdlib.h>\nint n;\nvoid *anything = (void *)12345;\n"
                        "void *f(void) { return anything; }", ["anything"]),
    "union with a pointer": ("union u { int *p; long n; } u = {.n = 77777};\n"
                             "long f(void) { return u.n; }", ["u"]),
    "declared only": ("int elsewhere(int);\nint f(void) { return elsewhere(1); }", ["elsewhere"]),
}


@pytest.mark.parametrize("name", BLOCKED)
def test_refused(session, tmp_path, name):
    setup, parts = BLOCKED[name]
    assert session.run(setup).is_ok
    cell = session.run("%pickle f > f.achar")
    assert cell.status == "error"
    for part in parts:
        assert part in cell.traceback
    assert not (tmp_path / "f.achar").exists()


def test_all_blockers_at_once(session):
    session.run('#include <stdio.h>\nFILE *one, *two;\none = fopen("/dev/null", "r");\n'
                'two = fopen("/dev/null", "r");\nint f(void) { return one == two; }')
    text = session.run("%pickle f > f.achar").traceback
    assert "one" in text and "two" in text


def test_standard_streams_travel(session):
    session.run("#include <stdio.h>\nFILE *out = stdout;\nvoid f(void) { fputs(\"hi\\n\", out); }")
    cell = session.run("%pickle f > f.achar")
    assert cell.is_ok, cell.traceback


def test_unknown_name(session):
    cell = session.run("int sample = 1;\n%pickle smaple > f.achar")
    assert not cell.is_ok and "smaple" in cell.traceback
