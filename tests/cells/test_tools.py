# SPDX-License-Identifier: BSD-3-Clause
"""Magics that look at what cells do: times, checkers, code, programs."""
import re
import time

import pytest

FIB = "int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }"


# ---- %timeit

def test_timeit_runs_the_loops_it_says(session):
    session.value("long n;")
    cell = session.run("%timeit -n 25 -r 4 n++;")
    assert re.fullmatch(r"[\d.]+ (ns|us|ms) ± [\d.]+ (ns|us|ms) per loop, best [\d.]+ (ns|us|ms) "
                        r"\(mean ± std. dev. of 4 runs, 25 loops each\)\n", cell.stdout)
    assert session.value("n") == "100"


def test_timeit_chooses_the_loops(session):
    session.value("long n;")
    cell = session.run("%timeit -r1 n++")
    loops = int(re.search(r"of 1 run, ([\d,]+) loops", cell.stdout)[1].replace(",", ""))
    assert loops > 1000
    assert int(session.value("n")) > loops  # those that were tried before it


def test_timeit_has_a_setup_and_its_own_variables(session):
    session.value("long ups, rounds;")
    cell = session.run("%%timeit -n10 -r3 ups++; long from = 5;\nlong to = from + 1;\nrounds += to;")
    assert cell.is_ok, cell.traceback
    assert session.value("ups") == "3"
    assert session.value("rounds") == str(6 * 30)
    assert session.run("from").name == "CompileError"


@pytest.mark.parametrize("code, message", [
    ("%timeit", "takes a statement"),
    ("%timeit -n 0 1 + 1", "'0' is no number of loops"),
    ("%timeit -r x 1 + 1", "'x' is no number of runs"),
    ("%timeit -n5 break;", "was left before its end"),
])
def test_timeit_used_wrongly(session, code, message):
    cell = session.run(code)
    assert cell.name == "UsageError" and message in cell.message


def test_timeit_shows_mistakes_where_they_are(session):
    cell = session.run("1;\n %timeit -n5 nothing + 1;")
    assert "In[1]:2:14" in cell.message
    assert "2 |  %timeit -n5 nothing + 1;\n      |              ^~~~~~~" in cell.traceback


def test_timeit_faults_and_interrupts(session):
    session.value("int kept = 3;")
    cell = session.run("%%timeit int *p = 0;\n\n*p = 1;")
    assert cell.name == "SIGSEGV" and "In[2]:3" in cell.message
    sent = session.send("%timeit for (;;) kept = 4;")
    time.sleep(0.5)
    session.interrupt()
    assert session.finish(sent).name == "Interrupted"
    assert session.value("1 + 1") == "2"


# ---- %expand

def test_expand(session):
    session.value("#include <stdio.h>\n#define SQUARE(x) ((x) * (x))\nint unrelated;")
    assert session.run("%expand SQUARE(1 + EOF) // so").stdout == "((1 + (-1)) * (1 + (-1)))\n"
    cell = session.run("%%expand\n#include <limits.h>\n#define TWICE SQUARE(2) +\n\n"
                       "int n = TWICE INT_MAX; // TWICE\nint line = __LINE__;")
    assert cell.stdout == "int n = ((2) * (2)) + 2147483647;\nint line = 6;\n"
    assert session.run("TWICE 1").name == "CompileError"  # it has defined nothing


def test_expand_follows_a_redefined_macro(session):
    session.value("#define N 1\nint n = N;")
    session.value("#define N 2")
    assert session.run("%expand n + N").stdout == "n + 2\n"
    session.value("#undef N")
    assert session.run("%expand n + N").stdout == "n + N\n"


@pytest.mark.parametrize("code, message", [
    ("%expand", "takes C text"),
    ("%%expand\n\n#error wrong here", "In[1]:3: #error wrong here"),
    ("%%expand\n#include <not/there.h>", "'not/there.h'"),
])
def test_expand_of_what_cannot_be(session, code, message):
    cell = session.run(code)
    assert cell.status == "error" and message in cell.message
