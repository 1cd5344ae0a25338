# SPDX-License-Identifier: BSD-3-Clause
"""Magics that look at what cells do: times, checkers, code, programs."""
import re
import shutil
import subprocess
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


def test_timeit_leaves_no_names_behind(session):
    session.run("int n = 0;")
    session.run("%timeit -n 5 -r 2 n++;")
    assert session.run("%who").stdout.split() == session.run("%who n").stdout.split()


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


# ---- %export

COMPILERS = [name for name in ("gcc", "clang-19", "clang") if shutil.which(name)]

CELLS = [
    """#include <stdio.h>
#include <stdlib.h>
#include <math.h>
#define N 4
typedef struct point { double x, y; } point;
enum colour { RED, GREEN = 5 };
point corners[] = {{0, 0}, {3, 4}};
static const char *const names[] = {"zero", "one"};""",
    """static inline double length(const point *p) { return hypot(p->x, p->y); }
// a comment
for (int i = 0; i < 2; i++)
    printf("%s %g\\n", names[i], length(&corners[i]));""",
    """int *squares = malloc(N * sizeof(int));
for (int i = 0; i < N; i++)
    squares[i] = i * i;
int next(void) { static int n = 5; return n++; }
const int first = next();
const point here = {length(&corners[1]), next()};
int many[] = {next(), next(), 3};
enum colour colour = first > 4 ? GREEN : RED;
printf("%d %d %g %d\\n", first, many[1], here.y, colour);""",
    "%time squares[0] = first;\n#define N 7\nprintf(\"%d %d\\n\", N, squares[0]);\n#undef N",
    "length(&corners[1])",
    """int twice(int x);
int use(int x) { return twice(x); }
int twice(int x) { return 2 * x; }
int (*function)(int) = use;
#define SHOW(what) printf("%s = %d\\n", #what, what)
SHOW(function(4)); puts("one \\
two");""",
    "!test 1 = 1",
    "if (colour == GREEN)\n    puts(\"green\");\nelse {\n    puts(\"red\");\n}",
]


def run_program(compiler, path):
    program = path.with_suffix("." + compiler)
    subprocess.run([compiler, "-std=gnu17", "-Werror", path, "-o", program, "-lm"], check=True)
    return subprocess.run([program], stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("compiler", COMPILERS)
def test_exported_program_prints_what_the_cells_did(session, tmp_path, compiler):
    printed = ""
    for code in CELLS:
        cell = session.run(code)
        assert cell.is_ok, cell.traceback
        printed += re.sub(r"time: .*\n", "", cell.stdout)
    session.run("puts(\"failed\");\n*(int *)0 = 1;")
    assert printed.count("\n") == 7
    cell = session.run("%export program.c")
    assert cell.is_ok, cell.traceback
    assert "program.c: 8 cells" in cell.stdout
    path = tmp_path / "program.c"
    assert run_program(compiler, path) == printed
    text = path.read_text()
    assert "// !test 1 = 1" in text and "#line" not in text and "achar" not in text


def test_export_of_some_cells_and_names(session, tmp_path):
    for code in ("#include <stdio.h>", "int a(void) { return 1; }", "int b(void) { return 2; }",
                 "printf(\"%d\\n\", a());", "int c(void) { return b(); }"):
        assert session.run(code).is_ok
    assert session.run("%export some.c --cells 4-5").is_ok
    text = (tmp_path / "some.c").read_text()
    assert "a(void)" in text and "c(void)" in text
    assert run_program("cc", tmp_path / "some.c") == "1\n"
    assert session.run("%export names.c c").is_ok
    text = (tmp_path / "names.c").read_text()
    assert "b(void)" in text and "a(void)" not in text


def test_export_with_a_main_of_its_own(session, tmp_path):
    session.value("#include <stdio.h>\nint n = 1;\nn = 5;")
    session.run("int main(void) { printf(\"main %d\\n\", n); return 0; }")
    assert session.run("%export main.c").is_ok
    assert run_program("cc", tmp_path / "main.c") == "main 5\n"


@pytest.mark.parametrize("arguments, name, message", [
    ("", "UsageError", "FILE.c"),
    ("x.c --cells 99", "UsageError", "In[99] has not run to its end"),
    ("x.c --cells 1,,2", "UsageError", "is no list of cells"),
    ("x.c nothing", "NameError", "'nothing' is not defined"),
    ("/not/there/x.c", "ExportError", "No such file"),
])
def test_export_refused(session, arguments, name, message):
    session.value("int n;")
    cell = session.run(f"%export {arguments}")
    assert cell.name == name and message in cell.message


# ---- %%asan, %%ubsan, %%valgrind

LIBRARY = """#include <stdio.h>
#include <stdlib.h>
#include <limits.h>
int counter = 3;
int *make(int n) { return malloc(n * sizeof(int)); }
void fill(int *p, int n)
{
    for (int i = 0; i <= n; i++)
        p[i] = counter;
}"""


@pytest.fixture
def library(session):
    assert session.run(LIBRARY).is_ok
    assert session.run("counter = 40;").is_ok
    return session


def test_asan_finds_an_overrun(library):
    cell = library.run("%%asan\nprintf(\"%d\\n\", counter);\nint *p = make(4);\nfill(p, 4);\nputs(\"no\");")
    assert cell.stdout == "40\n"
    assert cell.name == "AddressSanitizer"
    assert cell.message == ("heap-buffer-overflow: write of 4 bytes, 0 bytes after a block of "
                            "16 bytes in In[1]:9")
    for line in ("at fill (In[1]:9)", "    9 |         p[i] = counter;", "at (cell) (In[3]:4)",
                 "allocated in", "at make (In[1]:5)", "    3 | int *p = make(4);"):
        assert line in cell.traceback
    assert "0x" not in cell.traceback
    assert library.run("p").name == "CompileError"  # the session is as it was
    assert library.value("counter") == "40"


@pytest.mark.parametrize("code, message", [
    ("int *p = make(2);\nfree(p);\np[1] = 2;",
     "heap-use-after-free: write of 4 bytes, 4 bytes inside a block of 8 bytes in In[3]:4"),
    ("int local[3];\nlocal[counter - 37] = 1;",
     "global-buffer-overflow: write of 4 bytes, 0 bytes after the variable 'local' in In[3]:3"),
    ("{ int local[3];\nlocal[counter - 37] = 1; }",
     "stack-buffer-overflow: write of 4 bytes, behind the variable 'local' in In[3]:3"),
    ("make(5);", "leak of 20 bytes in 1 block, allocated in In[1]:5"),
    ("int *p = make(1);\nfree(p);\nfree(p);",
     "attempting double-free, 0 bytes inside a block of 4 bytes in In[3]:4"),
    ("int main(void)\n{\n    int *p = make(1);\n    return p[1];\n}",
     "heap-buffer-overflow: read of 4 bytes, 0 bytes after a block of 4 bytes in In[3]:5"),
])
def test_asan(library, code, message):
    assert library.run("%%asan\n" + code).message == message


def test_asan_of_sound_code(library):
    cell = library.run("%%asan\nint *p = make(4);\nfill(p, 3);\nprintf(\"%d\\n\", p[3]);\nfree(p);")
    assert cell.is_ok, cell.traceback
    assert cell.stdout == "40\nAddressSanitizer: nothing found\n"


def test_ubsan_goes_on_after_a_finding(library):
    cell = library.run("%%ubsan\nint big = INT_MAX;\n  big += counter;\nprintf(\"%d\\n\", big);\n"
                       "int shifted = 1 << counter;")
    assert cell.stdout == f"{-2 ** 31 + 39}\n"
    assert cell.name == "UndefinedBehaviorSanitizer"
    assert cell.message == ("signed integer overflow: 2147483647 + 40 cannot be represented in type "
                            "'int' in In[3]:3 (and 1 more)")
    assert "3 |   big += counter;\n            |       ^" in cell.traceback
    assert "shift exponent 40 is too large" in cell.traceback


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed")
def test_valgrind(library):
    cell = library.run("%%valgrind\nint *p = make(4);\nfill(p, 4);\nif (make(1)[0])\n    puts(\"set\");")
    assert cell.name == "Valgrind"
    assert cell.message.startswith("Invalid write of size 4, 0 bytes after a block of size 16 alloc'd "
                                   "in In[1]:9")
    assert "Conditional jump or move depends on uninitialised value(s) in In[3]:4" in cell.traceback
    assert "4 bytes in 1 blocks are definitely lost" in cell.traceback


def test_checked_programs_have_the_arguments(library):
    library.run("%args one 'two words'")
    cell = library.run("%%asan\nint main(int argc, char **argv)\n{\n    for (int i = 1; i < argc; i++)\n"
                       "        puts(argv[i]);\n    return argc - 3;\n}")
    assert cell.stdout == "one\ntwo words\nAddressSanitizer: nothing found\n", cell.traceback


def test_checked_programs_end_as_they_do(library):
    cell = library.run("%%asan\nexit(3);")
    assert cell.name == "ExitStatus" and "3" in cell.message
    cell = library.run("%%asan\nnot_there();")
    assert cell.name == "CompileError" and "In[4]:2" in cell.message
    assert library.run("%%asan x").name == "UsageError"


def test_checked_program_says_which_values_it_lacks(library):
    library.value("int *numbers = make(3); int first = numbers[0];")
    cell = library.run("%%asan\nprintf(\"%d %d\\n\", first, numbers == NULL);")
    assert cell.stdout.startswith("0 1\n") and "'numbers'" in cell.stderr


def test_checked_program_is_interrupted(library):
    sent = library.send("%%asan\nputs(\"on\");\nfor (;;)\n    ;")
    time.sleep(1.5)
    library.interrupt()
    assert library.finish(sent).name == "Interrupted"
    assert library.value("counter") == "40"


def test_missing_checker_says_what_to_install(kernelspec, tmp_path, monkeypatch):
    from session import Session
    monkeypatch.setenv("PATH", str(tmp_path))
    opened = Session(tmp_path)
    try:
        cell = opened.run("%%valgrind\n1;")
        assert cell.name == "ToolMissing" and "install it (Debian: valgrind)" in cell.message
        cell = opened.run("%%asan\n1;")
        assert cell.name == "ToolMissing" and "install gcc" in cell.message
    finally:
        opened.close()


# ---- %asm

ASM = """#include <stdio.h>
int total;
int half(int x) { return x / 2; }
int add(int x)
{
    total++;
    printf("%d\\n", total);
    return half(x) + 1;
}"""

needs_objdump = pytest.mark.skipif(not shutil.which("objdump"), reason="objdump is not installed")


def check_listing(text):
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("In[1]:6")] == ["In[1]:6 |     total++;"]
    assert any(re.match(r" +0:  ", line) for line in lines)
    for name in ("total", "printf", "half"):
        assert any(re.match(r" +[0-9a-f]+:  ", line) and name in line for line in lines), name
    assert re.search(r":  ret", text)


@needs_objdump
def test_asm(session):
    session.value(ASM)
    check_listing(session.run("%asm add").stdout)


@needs_objdump
def test_asm_at_a_level(session):
    session.value(ASM)
    check_listing(session.run("%asm -O1 add").stdout)


@needs_objdump
def test_asm_follows_a_redefinition(session):
    session.value("int f(void) { return 1234; }")
    session.value("int f(void) { return 0x5678; }")
    text = session.run("%asm f").stdout
    assert "$0x5678" in text and "In[2]:1" in text


@needs_objdump
@pytest.mark.parametrize("arguments, name, message", [
    ("", "UsageError", "FUNCTION"),
    ("totl", "NameError", "'totl' is no function of this session"),
    ("total", "NameError", "no function with a body"),
    ("hafl", "NameError", "did you mean 'half'?"),
    ("-O99x add", "CompileError", "99x"),
])
def test_asm_refused(session, arguments, name, message):
    session.value(ASM)
    cell = session.run(f"%asm {arguments}")
    assert cell.name == name and message in cell.message


def page(cell):
    return cell.reply["payload"][0]["data"]["text/plain"]


def test_what_is_not_included_is_known(session):
    assert page(session.run("?printf")) == (
        "int printf(const char *format, ...);\n\nHeader:  <stdio.h>, not included yet: #include <stdio.h>\n")
    assert "__time_t tv_sec;" in page(session.run("?struct timespec"))
    assert "<regex.h>" in page(session.run("?regcomp"))
    session.run("#include <stdio.h>")
    assert page(session.run("?printf")).endswith("Header:  <stdio.h>, included in In[4]\n")
    assert session.run("?no_such_name").name == "NameError"
    session.client.complete("pthread_mutex_lo")
    assert session.client.get_shell_msg(timeout=30)["content"]["matches"] == ["pthread_mutex_lock"]
    cell = session.run("regex_t r; regcomp(&r, \"a\", 0);")
    assert "add #include <regex.h>" in cell.traceback
