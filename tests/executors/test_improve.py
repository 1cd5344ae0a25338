# SPDX-License-Identifier: BSD-3-Clause
"""Code of payloads that cc compiles again while their tasks run."""
import shutil

import pytest

from session import Session

WAITING = """
#include <time.h>
int is_optimised(void) { int two = 2; return __builtin_constant_p(two); }
int wait_for_it(int seconds)
{
    time_t end = time(0) + seconds;
    for (long i = 1; !is_optimised(); i++)
        if (i % 100000 == 0 && time(0) > end)
            return 0;
    return 1;
}
"""
FAULTING = """
#include <stdio.h>
int deep(int *p) { return *p / 3; }
int middle(int *p)
{
    puts("middle");
    return deep(p) + 1;
}
int outer(int *p)
{
    wait_for_it(100);
    return middle(p);
}
"""


@pytest.fixture(params=["gcc", "clang-19"])
def compiled(request, monkeypatch, kernelspec, tmp_path):
    """A session whose pools' cc is gcc or clang, with nothing compiled before."""
    if not shutil.which(request.param):
        pytest.skip(f"there is no {request.param}")
    monkeypatch.setenv("ACHAR_CC", request.param)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    opened = Session(tmp_path)
    yield opened
    opened.close()


def patient_value(session, code):
    """What nobody hurries takes long on a busy machine."""
    cell = session.run(code, 120)
    assert cell.is_ok, cell.traceback
    return cell.value


def test_a_signal_handler_is_not_helped(compiled):
    """It may have interrupted the allocator; what it interrupted is helped after it."""
    compiled.value(WAITING + "#include <signal.h>\nint helped;\n"
                   "void on(int number) { helped = wait_for_it(2); }\n"
                   "int in_both(void)\n{\n    signal(SIGALRM, on);\n    raise(SIGALRM);\n"
                   "    return 10 * helped + wait_for_it(100);\n}")
    assert patient_value(compiled, "%call in_both()") == "1"


def test_a_call_that_runs_is_helped(compiled):
    compiled.value(WAITING)
    assert patient_value(compiled, "%call wait_for_it(100)") == "1"
    # another payload, the same code
    assert patient_value(compiled, "%call wait_for_it(99)") == "1"


def test_elements_of_a_map(compiled):
    compiled.value(WAITING)
    compiled.value("""
        int in[60], out[60];
        for (int i = 0; i < 60; i++) in[i] = i;
        int slow(int x) { wait_for_it(100); return 2 * x + is_optimised(); }
        int sum(void) { int s = 0; for (int i = 0; i < 60; i++) s += out[i] == 2 * i + 1; return s; }
    """)
    patient_value(compiled, "%map slow in -> out --chunk 1")
    assert compiled.value("sum()") == "60"


def test_not_where_it_is_off(compiled):
    compiled.value(WAITING)
    compiled.value("%opt off")
    assert compiled.value("%call wait_for_it(1)") == "0"


def test_inlined_functions_are_in_the_traceback(compiled):
    compiled.value(WAITING)
    compiled.value(FAULTING)
    cell = compiled.run("%call outer(0)", 120)
    assert cell.name == "SIGSEGV"
    for frame in ("at deep (In[2]:3)", "at middle (In[2]:7)", "at outer (In[2]:12)"):
        assert frame in cell.traceback, cell.traceback
