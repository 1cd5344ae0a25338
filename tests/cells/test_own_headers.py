# SPDX-License-Identifier: BSD-3-Clause
"""Headers of the user's own, put into cells: what conditions and guards make of them."""
import pytest

def writer(folder):
    return lambda name, text: (folder / name).write_text(text)


def guarded(name, text):
    return f"#ifndef {name}\n#define {name}\n{text}\n#endif\n"


def test_a_header_is_taken_where_its_condition_holds(session, tmp_path):
    write = writer(tmp_path)
    write("inner.h", guarded("INNER_H", "static int inner(int x) { return x + 1; }\nint n;"))
    write("left_out.h", guarded("LEFT_OUT_H", '#include "inner.h"'))
    write("outer.h", guarded("OUTER_H", '#ifdef SMALL\n#include "left_out.h"\n#else\n'
                             '#include "inner.h"\n#endif\n#include "inner.h"\n'
                             "static int outer(int x) { return 10 * inner(x); }"))
    assert session.value('#include "outer.h"\nouter(inner(1))') == "30"
    assert session.value('#define SMALL\n#include "outer.h"\n#include "inner.h"\nn') == "0"


def test_the_first_branch_counts_too(session, tmp_path):
    write = writer(tmp_path)
    write("once.h", "#pragma once\nstruct pair { int a, b; };\nstruct pair p = {1, 2};\n")
    assert session.value('#if 1\n#include "once.h"\n#endif\n#include "once.h"\np.b') == "2"
    assert session.value('p.b = 7;\n#include "once.h"\np.b') == "7"


@pytest.mark.parametrize("text, message", [
    ("#if 1 +\nint a;\n#endif\n", "1:8: expected value in expression"),
    ("#if defined(X\nint a;\n#endif\n", "1:14: missing ')' after 'defined'"),
    ("#if 1\nint a;\n", "1:2: unterminated conditional directive"),
    ("int a;\n#endif\n", "2:2: #endif without #if")])
def test_a_malformed_condition_is_the_headers(session, tmp_path, text, message):
    write = writer(tmp_path)
    write("bad.h", text)
    wrong = session.run('int before = 5;\n#include "bad.h"')
    assert wrong.name == "CompileError" and f"bad.h:{message}" in wrong.message
    assert "In[1]:2:10: note: included from here" in wrong.traceback
    assert not session.run("before").is_ok
    write("bad.h", "int a = 3;\n")
    assert session.value('#include "bad.h"\na') == "3"
