# SPDX-License-Identifier: BSD-3-Clause
"""The optimised tier: code that is compiled again and swapped in means the same."""
import shutil

import pytest
from session import Session

COMPILERS = ["gcc", "clang-19"]
OPTIMISED = "int is_optimised(void) { int two = 2; return __builtin_constant_p(two); }"


@pytest.fixture(params=COMPILERS)
def compiled(request, monkeypatch, kernelspec, tmp_path):
    """A session whose cc is gcc or clang."""
    if not shutil.which(request.param):
        pytest.skip(f"there is no {request.param}")
    monkeypatch.setenv("ACHAR_CC", request.param)
    opened = Session(tmp_path)
    yield opened
    opened.close()


def run(session, *cells):
    for code in cells:
        cell = session.run(code)
        assert cell.is_ok, cell.traceback
    return cell


def states(session):
    lines = session.run("%opt").stdout.splitlines()[1:-1]  # behind the level, before the cache
    return dict(line.split(None, 1) for line in lines)


def test_swap(compiled):
    run(compiled, OPTIMISED)
    run(compiled, "%opt now")
    assert states(compiled) == {"is_optimised": "optimised"}
    assert compiled.value("is_optimised()") == "1"


def test_redefined_helper_reaches_every_dependent(compiled):
    run(compiled, "int helper(int x) { return x + 1; }",
        "int middle(int x) { return helper(x) * 10; }",
        "int outer(int x) { return middle(x) + 1; }\nint (*stored)(int) = outer;", "%opt now")
    assert compiled.value("outer(1)") == "21"
    # effective in the cell that redefines it, through two levels and through pointers
    assert compiled.value("int helper(int x) { return x + 2; }\nouter(1)") == "31"
    assert compiled.value("stored(1)") == "31"
    run(compiled, "%opt now")
    assert set(states(compiled).values()) == {"optimised"}
    assert compiled.value("stored(1) * 100 + outer(2)") == "3141"
    assert compiled.value("int middle(int x) { return -x; }\nstored(7)") == "-6"


def test_unrelated_functions_stay(compiled):
    run(compiled, "int a(void) { return 1; }", "int b(void) { return a() + 1; }",
        OPTIMISED, "%opt now", "int a(void) { return 5; }")
    assert compiled.value("is_optimised() * 100 + b()") == "106"


def test_addresses(compiled):
    run(compiled, "int f(int x) { return x; }\nint counter = 3;",
        "int is_f(int (*p)(int)) { return p == f; }\nint (*get(void))(int) { return f; }\n"
        "int *place(void) { return &counter; }\nint (*before)(int) = f;\nint *at = place();",
        "%opt now")
    assert compiled.value("is_f(f) && is_f(before) && is_f(get()) && get() == f") == "1"
    assert compiled.value("place() == at && at == &counter") == "1"
    run(compiled, "int f(int x) { return x + 100; }")
    assert compiled.value("get()(1) + before(1)") == "202"


def test_static_locals(compiled):
    run(compiled, "int next(void) { static int n; return ++n; }\nint twice(void) { next(); "
        "return next(); }")
    assert compiled.value("twice()") == "2"
    run(compiled, "%opt now")
    assert states(compiled) == {"next": "optimised", "twice": "optimised"}
    assert compiled.value("twice() * 10 + next()") == "45"


def test_kinds_of_functions(compiled):
    run(compiled, "#include <stdarg.h>\n#include <setjmp.h>\n#include <stdlib.h>",
        "int sum(int n, ...) { va_list l; int s = 0; va_start(l, n); "
        "while (n--) s += va_arg(l, int); va_end(l); return s; }\n"
        "int six(void) { return sum(3, 1, 2, 3); }",
        "int is_odd(int n);\nint is_even(int n) { return n ? is_odd(n - 1) : 1; }",
        "int is_odd(int n) { return n ? is_even(n - 1) : 0; }",
        "struct mixed { double d; long n; };\n"
        "struct mixed swap(struct mixed m) { return (struct mixed){m.n, (long)m.d}; }",
        "double both(struct mixed m) { m = swap(m); return m.d * 10 + m.n; }",
        "jmp_buf place;\nvoid jump(int n) { longjmp(place, n); }",
        "int jumps(void) { volatile int n = 0; if (setjmp(place) < 3) jump(++n); return n; }",
        "int compare(const void *a, const void *b) { return *(int *)a - *(int *)b; }\n"
        "int least(void) { int a[] = {3, 1, 2}; qsort(a, 3, sizeof(int), compare); return a[0]; }",
        "long fact(int n) { return n < 2 ? 1 : n * fact(n - 1); }",
        "__attribute__((noinline, cold)) int cold(void) { return 9; }")
    code = ("six() == 6 && is_even(10) && !is_odd(4) && both((struct mixed){3, 4}) == 43 && "
            "jumps() == 3 && least() == 1 && fact(10) == 3628800 && cold() == 9")
    assert compiled.value(code) == "1"
    run(compiled, "%opt now")
    assert set(states(compiled).values()) == {"optimised"}
    assert compiled.value(code) == "1"


def test_values_of_macros_and_types_are_those_of_definition(compiled):
    run(compiled, "#define N 3\nint n(void) { return N; }", "#define N 40",
        "int m(void) { return n() + N; }", "%opt now")
    assert compiled.value("m()") == "43"


def test_swap_while_the_cell_runs(compiled):
    """The loop ends when the function it calls has been replaced."""
    run(compiled, "int x = 0;")
    cell = run(compiled, OPTIMISED + "\nlong n = 0;\nwhile (!is_optimised()) n++;\nn > 0")
    assert cell.value == "1"


def test_swap_under_allocation(compiled):
    cell = run(compiled, "#include <stdlib.h>\n" + OPTIMISED +
               "\nint work(void) { for (int i = 0; i < 100; i++) free(malloc(i)); "
               "return is_optimised(); }\nwhile (!work());\nwork()")
    assert cell.value == "1"


def test_what_cannot_be_copied(compiled):
    run(compiled, "int kept(void) { static int n; enum { STEP = 2 }; static int m = STEP; "
        "return n++ + m; }", "int plain(void) { return kept(); }", "%opt now")
    assert compiled.value("plain() * 10 + kept()") == "23"
    assert states(compiled)["plain"] == "optimised"


def test_off_and_levels(compiled):
    run(compiled, "%opt off", OPTIMISED, "%opt now")
    assert compiled.value("is_optimised()") == "0"
    run(compiled, "%opt 3", "%opt now")
    assert compiled.value("is_optimised()") == "1"
    run(compiled, "%opt off")
    assert compiled.value("is_optimised()") == "0"
    cell = compiled.run("%opt 7")
    assert cell.name == "UsageError" and "level" in cell.message
    assert "no function" in compiled.run("%opt now nothing").message


def test_fault_in_optimised_code(compiled):
    run(compiled, "void set(int *p) {\n    if (p == (int *)1)\n        return;\n    *p = 3;\n}",
        "int outer(int *p) {\n    set(p);\n    return 1;\n}", "%opt now")
    cell = compiled.run("outer(0)")
    assert cell.name == "SIGSEGV"
    assert "null pointer" in cell.message
    assert "at set (In[1]:4)" in cell.traceback and "at outer (In[2]:2)" in cell.traceback
    assert compiled.value("int ok;\nouter(&ok) + ok") == "4"


def test_interrupt_of_optimised_code(compiled):
    run(compiled, "volatile long n;\nvoid step(void) { n++; }",
        "void spin(void) { for (;;) step(); }", "%opt now")
    sent = compiled.send("spin();")
    while compiled.client.get_iopub_msg(timeout=30)["msg_type"] != "execute_input":
        pass
    compiled.interrupt()
    assert compiled.finish(sent).name == "Interrupted"
    assert compiled.value("n >= 0") == "1"
    assert compiled.value("spin != 0") == "1"


def test_new_worker_has_optimised_code(compiled):
    run(compiled, OPTIMISED, "%opt now")
    assert compiled.run("#include <stdlib.h>\n#include <signal.h>\nraise(SIGKILL);").name
    run(compiled, "%opt now")
    assert compiled.value("is_optimised()") == "1"


def test_many_functions(session):
    for i in range(300):
        run(session, f"int f{i}(int x) {{ return x + {i}" +
            (f" + f{i - 1}(1)" if i % 10 else "") + "; }")
    run(session, "%opt now")
    found = states(session)
    assert len(found) == 300 and set(found.values()) == {"optimised"}
    assert session.value("f299(0)") == str(sum(range(290, 300)) + 9)
    assert session.value("int f290(int x) { return x; }\nf299(0)") == \
        str(sum(range(291, 300)) + 9)


def test_thread_local_variables(compiled):
    run(compiled, "_Thread_local int own = 3;\nint count(void) { return ++own; }",
        "int twice(void) { count(); return count(); }", "%opt now")
    assert compiled.value("twice()") == "5"
    assert set(states(compiled).values()) == {"optimised"}
    assert compiled.value("own") == "5"


HEAVY = """int optimised = 0;
for (int i = 0; i < rounds; i++)
    for (int k = 0; k < rounds; k++) {
        int two = 2;
        optimised |= __builtin_constant_p(two);
    }
optimised"""


def test_nested_loops_are_compiled_by_cc(compiled):
    run(compiled, "int rounds = 3;")
    assert compiled.value(HEAVY) == "1"
    # not where literal bounds are small, nor when the tier is off
    assert compiled.value(HEAVY.replace("rounds", "10")) == "0"
    run(compiled, "%opt off")
    assert compiled.value(HEAVY) == "0"


def test_heavy_main(compiled):
    code = "#include <stdio.h>\nint main(void) {\n" + \
        HEAVY.replace("rounds", "many").replace("\noptimised", '\nprintf("%d", optimised);') \
        .replace("int optimised", "volatile int many = 2; int optimised") + "return 0; }"
    assert run(compiled, code).stdout == "1"


def test_redefinition_while_it_is_compiled(compiled):
    """What was being compiled when it became old is not swapped in."""
    for i in range(20):
        run(compiled, f"int inner(void) {{ return {i}; }}",
            "int outer(void) { return inner() * 2; }", "%opt now" if i % 5 == 0 else "0")
        assert compiled.value("outer()") == str(2 * i)
    run(compiled, "%opt now")
    assert compiled.value("outer()") == "38"


def test_rolled_back_definitions(compiled):
    """A cell that dies takes its definitions along, and what was made of them."""
    run(compiled, "int version(void) { return 1; }", "int ask(void) { return version(); }",
        "%opt now")
    cell = compiled.run("#include <stdlib.h>\nint version(void) { return 2; }\n"
                        "long n = 0;\nwhile (n < 200000000) n += version();\nabort();")
    assert not cell.is_ok
    first = compiled.value("ask()")
    assert first == compiled.value("version()")
    run(compiled, "int version(void) { return 3; }", "%opt now")
    assert compiled.value("ask()") == "3"


def test_variables_of_every_size(compiled):
    run(compiled, "int list[] = {1, 2, 3};\nchar c = 4;\nstruct { char a[70]; } s = {{5}};\n"
        "const double big[9] = {6};\nint (*p)[3] = &list;",
        "double sum(void) { return list[2] + c + s.a[0] + big[0] + (*p)[0]; }", "%opt now")
    assert states(compiled) == {"sum": "optimised"}
    assert compiled.value("sum()") == "19.0"


def test_reset_while_it_is_compiled(session):
    """What is being compiled belongs to definitions that are no more; new ones may have their
    names and numbers."""
    for n in range(3):
        run(session, *(f"int f{i}(int x) {{ return x + {i + n}; }}" for i in range(8)))
        run(session, "%reset -f", "int g(int x) { return x; }\nint f0(int x) { return g(x) - 1; }")
        run(session, "%opt now")
        assert session.value("f0(5)") == "4"
        assert not session.run("f7(1)").is_ok
        run(session, "%reset -f")


def test_tail_calls_keep_their_line(compiled):
    """A library function that a function ends with faults: the line is there; recursion that
    ends in a call of itself needs no stack."""
    run(compiled, "#include <string.h>",
        "int tail(const char *p) {\n    return strcmp(p, \"\");\n}\n"
        "long down(long n, long sum) { return n ? down(n - 1, sum + n) : sum; }\n"
        "long calls_down(long n) { return down(n, 0); }", "%opt now")
    assert set(states(compiled).values()) == {"optimised"}
    assert compiled.value("calls_down(50000000)") == "1250000025000000"
    cell = compiled.run("tail(0)")
    assert cell.name == "SIGSEGV" and "In[2]:2" in cell.traceback, cell.traceback
