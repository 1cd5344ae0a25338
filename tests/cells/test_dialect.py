# SPDX-License-Identifier: BSD-3-Clause
"""How cells are compiled where somebody chose: %args, %std, %cc, %include."""
import shutil
import subprocess

import pytest

needs_gcc = pytest.mark.skipif(not shutil.which("gcc"), reason="no gcc")


def test_args_of_main(session):
    session.run('%args one "two words"')
    cell = session.run('#include <stdio.h>\nint main(int argc, char **argv)\n{\n'
                       '    for (int i = 1; i <= argc; i++)\n'
                       '        printf("[%s]", argv[i] ? argv[i] : "end");\n}')
    assert cell.stdout == "[one][two words][end]"


def test_std_c23(session):
    assert session.run("%std c23").is_ok
    assert session.value("bool yes = true; int is_null(void) { return nullptr == 0; }\n"
                         "yes + is_null()") == "2"
    assert session.value("__STDC_VERSION__ > 201710L") == "1"
    assert session.run("%std").stdout == "c23\n"
    session.run("%std default")
    assert session.value("int bool_ = 1; is_null() + bool_") == "2"
    wrong = session.run("%std c42")
    assert wrong.name == "UsageError" and "'c42'" in wrong.message


@needs_gcc
def test_cc_for_a_cell_and_for_all(session):
    is_gcc = "__builtin_classify_type(1.0f), __builtin_strstr(__VERSION__, \"lang\") == 0"
    assert session.value(f"%%cc gcc -O3 -ffast-math\n{is_gcc}") == "1"
    session.run("%cc clang")
    assert session.value(is_gcc) == "0"
    session.run("%cc gcc")
    assert session.value(is_gcc) == "1"
    assert session.run("%cc").stdout == "gcc\n"
    assert session.run("%cc auto").is_ok
    wrong = session.run("%cc gcc -fno-such-flag")
    assert wrong.name == "CompilerError" and "-fno-such-flag" in wrong.message


def test_flags_stay_with_the_definition(session):
    session.value("%%cc -DSIZE_OF_IT=7\nint size_of_it(void) { return SIZE_OF_IT; }\n"
                  "size_of_it()")
    assert session.value("struct t { int a; };\nsize_of_it()") == "7"


def test_include_of_a_c_file(session, tmp_path):
    (tmp_path / "mine.h").write_text("#define TWO 2\n")
    (tmp_path / "mine.c").write_text('#include "mine.h"\n'
                                     "static int helper(int x) { return x * TWO; }\n"
                                     "int twice(int x) { return helper(x); }\n")
    assert session.run("%include mine.c").is_ok
    assert session.value("twice(4)") == "8"
    session.run("static int helper(int x) { return x * 10; }")
    assert session.value("twice(4)") == "40"
    missing = session.run("%include nothere.c")
    assert not missing.is_ok and "nothere.c" in missing.message


THREADS = """#include <pthread.h>
_Thread_local int own = 7;
static int in_thread;
static void *work(void *unused) { in_thread = ++own; return unused; }
int elsewhere(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, work, NULL);
    pthread_join(thread, NULL);
    return in_thread;
}"""


def test_thread_local_variables(session):
    session.run(THREADS)
    session.value("own = 100;")
    assert session.value("elsewhere()") == "8"
    assert session.value("own") == "100"
    assert session.value("int count(void) { static __thread int n = 1; return ++n; }\n"
                         "count() * 10 + count()") == "23"
    session.run("_Thread_local int own = 50;")
    assert session.value("own") == "50" and session.value("elsewhere()") == "51"
    session.run("int own = 3;")  # one for all: those that use it follow
    assert session.value("elsewhere()") == "4" and session.value("own") == "4"
    session.run("_Thread_local int own = 5;")
    refused = session.run("%pickle elsewhere > it.achar")
    assert "'own'" in refused.message and "every thread has its own copy" in refused.message


@needs_gcc
def test_openmp(session):
    assert session.value("#include <omp.h>\nint total = 0;\n"
                         "#pragma omp parallel for reduction(+:total)\n"
                         "for (int i = 0; i < 100; i++)\n    total += i;\ntotal") == "4950"
    assert session.value("int threads(void)\n{\n    int n = 0;\n#pragma omp parallel num_threads(3)\n"
                         "    {\n#pragma omp atomic\n        n++;\n    }\n    return n;\n}\n"
                         "threads()") == "3"


def test_lengths_that_the_cell_computes(session):
    assert session.value("int n = 5;\nint a[n];\na[2] = 3;\ndouble m[n][n + 1];\nm[4][5] = 2.5;\n"
                         "sizeof(a) / sizeof(a[0])") == "5"
    assert session.value("a") == "{0, 0, 3, 0, 0}"
    assert session.value("n = 100;\nm[4][5] + sizeof(m)") == "242.5"
    once = session.run('#include <stdio.h>\nint length(void) { puts("once"); return 3; }\n'
                       "int b[length()];")
    assert once.is_ok and once.stdout == "once\n"
    negative = session.run("int c[2 - n];")
    assert negative.name == "ValueError" and "-98" in negative.message
    # nothing runs when something else is wrong with the cell
    wrong = session.run("n = 1;\nint d[n];\nint e = undeclared;")
    assert "'undeclared'" in wrong.message and session.value("n") == "100"


def test_goto_over_declarations(session):
    assert session.value("int i = 0;\nagain:\ni++;\nint k = i * 2;\nif (i < 3) goto again;\n"
                         "double r = k / 4.0;\nif (r > 0) goto end;\nr = 9;\nend: ;\nr") == "1.5"
    assert "'nowhere'" in session.run("goto nowhere;").message


def test_compound_literals_stay(session):
    session.run("struct point { int x, y; } *p;\nint *numbers, seven = 7;\n"
                "p = &(struct point){1, 2};\nnumbers = (int[]){seven, 8, 9};\n"
                "struct point *q = &(struct point){seven, 4};")
    session.run("int clobber(void) { volatile int x[200]; for (int i = 0; i < 200; i++) x[i] = -1;"
                " return x[3]; }\nclobber();")
    assert session.value("p->x + p->y + numbers[0] + numbers[2] + q->x + q->y") == "30"


def test_lists_that_macros_read(session, tmp_path):
    (tmp_path / "list.def").write_text("X(red, 1)\nX(green, 2)\n")
    assert session.value('enum colour {\n#define X(n, v) n = v,\n#include "list.def"\n#undef X\n};\n'
                         "const char *name(enum colour c)\n{\n    switch (c) {\n"
                         '#define X(n, v) case n: return #n;\n#include "list.def"\n#undef X\n    }\n'
                         '    return "?";\n}\nname(green)') == '"green"'
    assert session.value('int sum = 0;\n#define X(n, v) sum += v;\n#include "list.def"\n#undef X\n'
                         "sum") == "3"


def test_types_completed_later(session):
    session.run("typedef union node *tree;\nstruct later *make(void);")
    session.run("union node { int code; struct later *p; };\nstruct later { int x; };")
    session.run("int get(tree t) { return t->code; }\n"
                "struct later *make(void) { static struct later l = {4}; return &l; }\n"
                "union node node = {7};")
    assert session.value("get(&node) + make()->x") == "11"


def test_attribute_macros_of_earlier_cells(session):
    session.run("#define PACKED __attribute__((packed))\n#define APART __attribute__((noinline))")
    session.run("struct PACKED tight { char c; int i; };")
    assert session.value("sizeof(struct tight)") == "5"
    assert session.value("char APART *first(char *s) { return s; }\nfirst(\"x\")[0] == 'x'") == "1"


def test_what_libtcc_gets_wrong(session):
    assert session.value("signed char c = -1;\nlong widened(void) { return (unsigned short)c; }\n"
                         "widened()") == "65535"
    assert session.value("int in(unsigned long long x)\n{\n    switch (x) {\n"
                         "    case 1000000000000000000ULL ... 9999999999999999999ULL: return 1;\n"
                         "    }\n    return 0;\n}\nin(1000000000000000000ULL)") == "1"
    assert session.run("#include <stdio.h>\nputs(__func__);").stdout == "(cell)\n"


def test_main_runs_with_its_own_cell_only(session):
    run = session.run('#include <stdio.h>\nint helper(int x) { return x; }\n'
                      'int main(void) { printf("%d\\n", (int)helper(2)); }')
    assert run.stdout == "2\n"
    again = session.run("long helper(int x) { return x + 1; }")  # main follows, and does not run
    assert again.is_ok and again.stdout == ""


def test_c23_at_the_top_of_cells(session):
    session.run("%std c23")
    assert session.value("auto x = 3.5;\nconstexpr int N = 4;\n"
                         "static constexpr double table[] = {1.5, 2.5};\nint numbers[N];\n"
                         "sizeof(numbers) + x") == "19.5"
    assert session.value("enum small : unsigned char { FIRST };\nint twice(void) { return N * 2; }\n"
                         "twice() + sizeof(enum small) + (int)table[1]") == "11"
    session.run("auto x = 7;")
    assert session.value("x") == "7"
    session.run("%std default")
    assert session.value("__auto_type y = 2.5;\ny") == "2.5"


@needs_gcc
def test_link_own_files(session, tmp_path):
    (tmp_path / "own.c").write_text("#include <math.h>\nstatic int n;\n"
                                    "int own_count(void) { return ++n; }\n"
                                    "double own_root(double x) { return sqrt(x); }\n")
    (tmp_path / "part.c").write_text("int part_value = 5;\n"
                                     "int part_get(void) { return part_value * 2; }\n")
    subprocess.run(["gcc", "-fPIC", "-c", "part.c"], cwd=tmp_path, check=True)
    subprocess.run(["ar", "rcs", "libpart.a", "part.o"], cwd=tmp_path, check=True)
    assert session.run("%link own.c libpart.a").is_ok
    assert session.value("int own_count(void);\ndouble own_root(double);\nown_count();\n"
                         "own_root(16) + own_count()") == "6.0"
    assert session.value("extern int part_value;\nint part_get(void);\npart_value = 7;\n"
                         "part_get()") == "14"
    assert "'nothere.c'" in session.run("%link nothere.c").message


@needs_gcc
def test_nested_functions(session):
    assert session.value("#include <stdlib.h>\nint base = 10;\nint outer(int x)\n{\n"
                         "    int inner(int y) { return x + y + base; }\n    return inner(5);\n}\n"
                         "outer(1)") == "16"
    # one whose address is taken writes code on the stack
    assert session.value("int calls = 0;\nvoid sort(int *v, int n)\n{\n"
                         "    int compare(const void *a, const void *b)\n    {\n        calls++;\n"
                         "        return *(const int *)a - *(const int *)b;\n    }\n"
                         "    qsort(v, n, sizeof *v, compare);\n}\nint v[] = {3, 1, 2};\nsort(v, 3);\n"
                         "v") == "{1, 2, 3}"
    session.run("long base = 20;")
    assert session.value("outer(1)") == "26"
    refused = session.run("%pickle outer > it.achar")
    assert "'outer'" in refused.message and "only gcc" in refused.message
    wrong = session.run("int bad(int x)\n{\n    int f(int y) { return nowhere + y; }\n    return f(x);\n}")
    assert "In[6]:3" in wrong.message and "nowhere" in wrong.message


def test_options_travel(session):
    session.run("%std c23")
    session.run("int is_null(void *p) { return p == nullptr; }")
    session.run("%std default")
    assert session.value("%call is_null(0)") == "1"


def condition(name):
    return f"#ifdef {name}\n1\n#else\n0\n#endif"


def test_conditions_know_what_the_chosen_flags_define(session):
    assert session.value(condition("__OPTIMIZE__")) == "0"
    session.run("%cc -O2 -mavx2 -ffast-math")
    for name in ("__OPTIMIZE__", "__AVX2__", "__FAST_MATH__"):
        assert session.value(condition(name)) == "1", name
    assert session.value("__OPTIMIZE__") == "1"
    assert session.value("%%cc -O0\n" + condition("__OPTIMIZE__")) == "0"
    assert session.value(condition("__OPTIMIZE__")) == "1"
    session.run("%cc auto")
    assert session.value(condition("__AVX2__")) == "0"


@needs_gcc
def test_conditions_are_the_chosen_compilers(session):
    assert session.value(condition("__clang__")) == "1"
    session.run("%cc gcc")
    assert session.value(condition("__clang__")) == "0"
    assert session.value(condition("__has_feature")) == "0"
    assert session.value("#if __GNUC__ > 4 && __STDC_VERSION__ == 201710L\n1\n#endif") == "1"
    session.run("%cc auto")
    assert session.value(condition("__clang__")) == "1"


@needs_gcc
def test_openmp_is_on_where_it_is_asked_for(session):
    cell = session.run("#ifdef _OPENMP\n#include <omp.h>\n#endif\n#include <stdio.h>\n"
                       "int main(void)\n{\n    int n = 0;\n"
                       "#pragma omp parallel for reduction(+ : n)\n"
                       "    for (int i = 0; i < 10; i++)\n        n += i;\n"
                       "#ifdef _OPENMP\n"
                       '    printf("%d %d %d\\n", n, _OPENMP > 201000, omp_get_num_threads());\n'
                       "#endif\n}")
    assert cell.stdout == "45 1 1\n"


CONSTANTS = """constexpr int n = 3;
constexpr struct pair { int x, y; } pair = {1, 2};
int table[n] = {1, 1'000, 3};
int f(int x) { return x * n + table[1] + pair.y; }"""


def test_constexpr_travels(session):
    session.run("%std c23")
    assert session.run(CONSTANTS).is_ok
    assert session.value("%call f(2) -> y\ny") == "1008"
    session.run("%std default")
    assert session.run("%pickle f > f.achar").is_ok
    session.run("%reset")
    cell = session.run("%unpickle f.achar")
    assert cell.is_ok, cell.traceback
    assert session.value("f(2) + n") == "1011"
    assert session.value("sizeof(int[n])") == "12"


def test_what_c23_alone_can_say_stays_usable(session):
    session.run("%std c23")
    session.run("int any(...) { return 9; }\nbool yes = true;\ntypeof(nullptr) nothing = nullptr;\n"
                "typedef typeof(nullptr) null;\nint is_null(null p) { return p == nullptr; }")
    session.run("%std default")
    assert session.value("any(1, 2) + yes + is_null(0)") == "11"
    assert session.run("int use(void) { return any(3) + (nothing == 0); }").is_ok
    assert session.value("use()") == "10"
    assert session.value("int nullptr = 4;\nnullptr") == "4"  # which is C17 as before


def test_bit_precise_integers_are_shown(session):
    session.run("%std c23")
    assert session.value("_BitInt(77) big = -5wb; unsigned _BitInt(7) small = 99;\n"
                         "big") == "-5"
    assert session.value("small") == "99"
    assert session.value("_BitInt(200) wide = -0x123456789abcdef0123456789abcdefwb; wide") == (
        "-1512366075204170929049582354406559215")
    assert session.value("_BitInt(20) some[3] = {1, -2, 3}; some") == "{1, -2, 3}"
    assert session.value("struct { unsigned _BitInt(3) a; _BitInt(64) b; } s = {7, -1}; s") == (
        "{.a = 7, .b = -1}")
