# SPDX-License-Identifier: BSD-3-Clause
"""%call, %map and %%remote on the executor `local`."""
import os
import signal
import subprocess

import pytest

from session import Session
from waiting import eventually, is_alive, kernel_pid, processes_below, wait_for_output

GRAPH = """
#include <stdlib.h>
struct node { double value; struct node *left, *right; };
struct node *make(int depth)
{
    struct node *node = calloc(1, sizeof(struct node));
    node->value = depth * 0.1;
    if (depth) {
        node->left = make(depth - 1);
        node->right = make(depth - 1);
    }
    return node;
}
double sum(struct node *node)
{
    return node ? node->value + sum(node->left) + sum(node->right) : 0;
}
struct node *root;
root = make(10);
int table[4] = {1, 2, 3, 4};
struct pair { int a; double b; } pair = {3, 0.5};
double all(void)
{
    double total = sum(root) + pair.a * pair.b;
    for (int i = 0; i < 4; i++)
        total += table[i];
    return total;
}
"""


def test_call_gives_the_same_answer(session):
    session.value(GRAPH)
    here = session.value("all()")
    assert session.value("%call all()") == here
    session.value("double answer;\n%call all() -> answer --on local")
    assert session.value("answer == all()") == "1"


def test_call_shows_structs(session):
    session.value("struct p { int x, y; };\nstruct p f(int n) { return (struct p){n, n + 1}; }")
    assert session.value("%call f(4)") == "{.x = 4, .y = 5}"


def test_call_makes_a_new_variable(session):
    session.value("int f(int x) { return x * 2; }")
    session.run("%call f(21) -> fresh")
    assert session.value("fresh") == "42"


def test_call_streams_output(session, tmp_path):
    session.value('#include <stdio.h>\n#include <unistd.h>\nint f(const char *go) { puts("one"); '
                  'fflush(stdout); while (access(go, F_OK)) usleep(1000); puts("two"); return 3; }')
    sent = session.send(f'%call f("{tmp_path}/go")')
    assert wait_for_output(session, sent, "one\n") == "one\n"
    (tmp_path / "go").touch()
    cell = session.finish(sent)
    assert cell.value == "3" and cell.stdout == "two\n"


def test_call_runs_elsewhere(session):
    session.value("#include <unistd.h>\nint f(void) { return getpid(); }")
    assert session.value("%call f()") != session.value("f()")


def test_an_error_comes_back_typed(session):
    session.value("int f(int *p)\n{\n    return *p;\n}\nint *nowhere;")
    cell = session.run("%call f(nowhere)")
    assert cell.status == "error" and "SIGSEGV" in cell.traceback
    assert "In[1]" in cell.traceback and "f" in cell.traceback
    assert session.value("1 + 1") == "2"


def test_globals_of_a_call_stay_there(session):
    session.value("int n = 0;\nint f(void) { return ++n; }")
    assert [session.value("%call f()") for _ in range(3)] == ["1"] * 3
    assert session.value("n") == "0"


def test_redefinition_reaches_the_workers(session):
    session.value("int f(void) { return 1; }")
    assert session.value("%call f()") == "1"
    session.value("int f(void) { return 2; }")
    assert session.value("%call f()") == "2"


def test_map(session):
    session.value("double half(double x) { return x / 2; }\ndouble xs[1000], ys[1000];\n"
                  "for (int i = 0; i < 1000; i++)\n    xs[i] = i;")
    session.value("%map half xs -> ys --on local")
    assert session.value("int wrong = 0;\nfor (int i = 0; i < 1000; i++)\n"
                         "    wrong += ys[i] != i / 2.0;\nwrong") == "0"


def test_map_over_heap_and_structs(session):
    session.value("#include <stdlib.h>\nstruct in { int a, b; };\nstruct out { int sum, product; };\n"
                  "struct out f(struct in i) { return (struct out){i.a + i.b, i.a * i.b}; }\n"
                  "struct in *xs = malloc(10 * sizeof(struct in));\n"
                  "for (int i = 0; i < 10; i++)\n    xs[i] = (struct in){i, i + 1};")
    cell = session.run("%map f xs -> ys --on local")
    assert cell.is_ok, cell.traceback
    assert session.value("ys[9]") == "{.sum = 19, .product = 90}"


def test_map_where_one_element_fails(session):
    session.value("#include <stdlib.h>\nint f(int x)\n{\n    if (x == 7)\n        abort();\n"
                  "    return x + 1;\n}\nint xs[20], ys[20];\n"
                  "for (int i = 0; i < 20; i++)\n    xs[i] = i;")
    cell = session.run("%map f xs -> ys")
    assert cell.status == "error" and "7" in cell.traceback
    assert session.value("ys[6] * 1000 + ys[8]") == "7009"


def test_map_whose_results_differ_in_size(session):
    """Large ones come another way than those before and behind them, which wait."""
    session.value("#include <stdlib.h>\n#include <string.h>\nchar *fill(int i)\n{\n"
                  "    int n = i % 3 == 1 ? 90000 : 10;\n    char *s = malloc(n + 1);\n"
                  "    memset(s, 'a' + i % 20, n);\n    s[n] = 0;\n    return s;\n}\n"
                  "int from[600];\nfor (int i = 0; i < 600; i++)\n    from[i] = i;\nchar *texts[600];")
    session.value("%map fill from -> texts --chunk 1")
    assert session.value("int bad = 0;\nfor (int i = 0; i < 600; i++)\n"
                         "    bad += strlen(texts[i]) != (i % 3 == 1 ? 90000 : 10) || *texts[i] != 'a' + i % 20;"
                         "\nbad") == "0"


@pytest.mark.parametrize("chunk", [1, 7])
def test_map_of_many_small_tasks(session, chunk):
    """Also in place, where results come home while elements are still to go."""
    session.value("#include <stdlib.h>\nint f(int x)\n{\n    if (x == 1234 || x == 2001)\n"
                  "        abort();\n    return 3 * x + 1;\n}\nint xs[3000];\n"
                  "for (int i = 0; i < 3000; i++)\n    xs[i] = i;")
    cell = session.run(f"%map f xs -> xs --chunk {chunk}", seconds=120)
    assert cell.status == "error" and "elements 1234, 2001 failed" in cell.traceback
    assert "2998 of 3000 are done" in cell.traceback
    assert session.value("int wrong = 0;\nfor (int i = 0; i < 3000; i++)\n"
                         "    wrong += xs[i] != (i == 1234 || i == 2001 ? i : 3 * i + 1);\nwrong") == "0"


def test_parfor_of_many_small_tasks(session):
    session.value("int squares[2000], odd[2000];")
    cell = session.run("%%parfor i 0 2000 --out squares,odd --chunk 1\n"
                       "squares[i] = i * i;\nodd[i] = i % 2;", seconds=120)
    assert cell.is_ok, cell.traceback
    assert session.value("int wrong = 0;\nfor (int i = 0; i < 2000; i++)\n"
                         "    wrong += squares[i] != i * i || odd[i] != i % 2;\nwrong") == "0"


def test_a_killed_worker_loses_no_other_task(session):
    """One job worker is killed with SIGKILL in the middle; everything else arrives."""
    session.value('#include <stdio.h>\n#include <unistd.h>\nint f(int x)\n{\n'
                  '    usleep(20000);\n    printf("pid %d\\n", getpid());\n    fflush(stdout);\n'
                  '    usleep(20000);\n    return x + 1;\n}\n'
                  "int xs[60], ys[60];\nfor (int i = 0; i < 60; i++)\n    xs[i] = i;")
    sent = session.send("%map f xs -> ys")
    killed = False
    while not killed:
        message = session.client.get_iopub_msg(timeout=20)
        if message["msg_type"] == "stream" and "pid " in message["content"]["text"]:
            pid = int(message["content"]["text"].split("pid ")[-1].split()[0])
            try:
                os.kill(pid, signal.SIGKILL)
                killed = True
            except ProcessLookupError:
                pass
    cell = session.finish(sent, seconds=60)
    wrong = int(session.value("int wrong = 0;\nfor (int i = 0; i < 60; i++)\n"
                              "    wrong += ys[i] != i + 1;\nwrong"))
    assert wrong == 0 if cell.is_ok else wrong <= 1


def test_remote_brings_changed_state_home(session):
    session.value("#include <stdio.h>\n#include <stdlib.h>\nint n = 1;\nint *heap = malloc(8);\n"
                  "heap[0] = 5; heap[1] = 6;")
    cell = session.run('%%remote local\nn = 10;\nheap[1] = n + 1;\nprintf("there %d\\n", n);')
    assert cell.is_ok, cell.traceback
    assert cell.stdout == "there 10\n"
    assert session.value("n * 100 + heap[1]") == "1011"
    assert session.value("heap[0]") == "5"


def test_remote_failure_changes_nothing(session):
    session.value("#include <stdlib.h>\nint n = 1;")
    assert not session.run("%%remote\nn = 2;\nabort();").is_ok
    assert session.value("n") == "1"


def test_interrupt_cancels(session):
    session.value('#include <stdio.h>\nint f(void) { puts("begun"); for (;;)\n    ; }')
    sent = session.send("%call f()")
    wait_for_output(session, sent, "begun")
    session.interrupt()
    cell = session.finish(sent)  # the call itself never ends
    assert cell.status == "error"
    session.value("int g(void) { return 4; }")
    assert session.value("%call g()") == "4"


def test_slow_elements_come_home_early(session):
    session.value("#include <unistd.h>\nint f(int x) { usleep(400000); return x + 1; }\n"
                  "int xs[400], ys[400];")
    sent, n_done = session.send("%map f xs -> ys"), 0
    while n_done < 2:  # the progress bar counts "[#...] 2/400 ..."
        message = session.client.get_iopub_msg(timeout=60)
        if "data" in message["content"]:
            n_done = int(message["content"]["data"]["text/plain"].split("/")[0].split()[-1])
    session.interrupt()
    assert session.finish(sent).name == "Interrupted"
    assert session.value("ys[0] + ys[1]") == "2"


def test_remote_below_the_first_line(session):
    for code in ("int x;\n%%remote\nx = 1;", "%remote"):
        assert "%%remote [NAME] on the cell's first line" in session.run(code).message


@pytest.mark.parametrize("magic, part", [
    ("%call f(1) --on nowhere", "nowhere"), ("%call", "%call"), ("%call f(", "f"),
    ("%call missing()", "missing"), ("%map f xs", "->"), ("%executor a = nonsense", "nonsense"),
    ("%executor a = local --wrokers=2", "workers"),
    ("%executor a = local --workers=x", "workers"),
])
def test_wrong_arguments(session, magic, part):
    session.value("int f(int x) { return x; }\nint xs[2], ys[2];")
    cell = session.run(magic)
    assert cell.status == "error" and part in cell.traceback


def test_named_executor(session):
    session.value("int f(int x) { return x + 1; }")
    session.value("%executor two = local --workers=2")
    assert session.value("%call f(1) --on two") == "2"


def test_no_process_stays_behind(kernelspec, tmp_path):
    from session import Session
    opened = Session(tmp_path)
    opened.value("int f(void) { return 1; }\n%call f()")
    family = processes_below(kernel_pid(opened))
    assert len(family) >= 3
    opened.close()
    eventually(lambda: not any(map(is_alive, family)))


def test_map_over_a_function_that_exits(session):
    session.run("#include <stdlib.h>\nint leave(int x) { if (x == 2) exit(0); return x; }\n"
                "int from[4] = {0, 1, 2, 3}, to[4];")
    cell = session.run("%map leave from -> to")
    assert not cell.is_ok and "exit(0)" in cell.message
    assert session.value("to[3]") == "3"


SLOW = """#include <fcntl.h>
#include <unistd.h>
int six(void) { return 6; }
__attribute__((constructor)) static void start(void)
{
    if (!access("%s", F_OK)) { close(creat("%s", 0600)); sleep(60); }
}
"""


def test_interrupt_while_a_payload_is_loaded(session, tmp_path):
    library, slow, begun = (tmp_path / name for name in ("libslow.so", "slow", "begun"))
    (tmp_path / "slow.c").write_text(SLOW % (slow, begun))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "slow.c"], check=True)
    assert session.run(f"%link {library}\nint twice(int x) {{ return 2 * x; }}").is_ok
    slow.touch()
    sent = session.send("%call twice(6)")
    eventually(begun.exists)
    session.interrupt()
    cell = session.finish(sent, seconds=20)
    assert cell.name == "Interrupted", cell.message
    assert session.value("twice(6)") == "12"

VECTOR = """#include <achar.h>
#include <stdio.h>
typedef struct vector { double x, y; } vector;
vector twice(double x) { return (vector){x, 2 * x}; }
vector *made(double x) { vector *v = malloc(sizeof *v); *v = twice(x); return v; }
void mime_vector(const vector *it, achar_bundle *out)
{
    achar_bundle_format(out, "text/html", "<i>%g</i>", it->x);
}
"""


def test_a_value_looks_as_the_session_says(session):
    session.run("#include <stdlib.h>\n" + VECTOR)
    for call in ("twice(3)", "made(3)"):
        cell = session.run(f"%call {call}")
        assert cell.is_ok, cell.traceback
        assert cell.data["text/html"] == "<i>3</i>", call
    assert session.run("%call twice(3)").value == "{.x = 3.0, .y = 6.0}"
    session.run("%call twice(4) --async later")
    session.run("%wait later")
    assert session.run("%result later").data["text/html"] == "<i>4</i>"
    session.run("vector two[2];\ndouble xs[2] = {5, 6};\n%map twice xs -> two")
    assert session.run("two[1]").data["text/html"] == "<i>6</i>"


def test_display_in_a_task_looks_as_the_session_says(session):
    session.run("#include <stdlib.h>\n" + VECTOR)
    cell = session.run("%%remote\nvector v = twice(2);\ndisplay(v);")
    assert cell.displays[0]["text/html"] == "<i>2</i>"
    # Only the value of 'way' leads to a function that displays one.
    session.run("void show(void) { vector v = twice(7); display(v); }\nvoid (*way)(void);\nway = show;")
    assert session.run("%%remote\nway();").displays[0]["text/html"] == "<i>7</i>"


def test_how_a_value_looks_is_no_hindrance(session):
    """What the function needs cannot travel; the value is shown as any other."""
    session.run("#include <stdlib.h>\n" + VECTOR)
    session.run('FILE *notes = tmpfile();\nvoid mime_vector(const vector *it, achar_bundle *out)\n'
                '{\n    fprintf(notes, "%g\\n", it->x);\n    achar_bundle_text(out, "text/html", "here");\n}')
    assert session.run("twice(1)").data["text/html"] == "here"
    assert session.run("%call twice(3)").data == {"text/plain": "{.x = 3.0, .y = 6.0}"}
    session.run('void mime_vector(const vector *it, achar_bundle *out)\n{\n    *(volatile int *)0 = 1;\n}')
    cell = session.run("%call twice(3)")
    assert cell.name == "SIGSEGV" and "mime_vector" in cell.traceback, cell.traceback


LOOPS = ("int nested(int n) { int s = 0; for (int i = 0; i < n; i++)\n"
         "    for (int k = 0; k < n; k++) s += i ^ k;\n    return s; }\n"
         "int single(int n) { int s = 0; for (int i = 0; i < n; i++) s += i; return s; }")


def test_loops_in_loops_are_compiled_by_cc(kernelspec, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    session = Session(tmp_path)

    def objects_of(line):
        before = set(tmp_path.glob("cache/achar/objects/*"))
        session.value(line)
        return len(set(tmp_path.glob("cache/achar/objects/*")) - before)

    try:
        session.value(LOOPS)
        session.value("%opt wait")
        assert objects_of("%call single(4)") == 0
        assert objects_of("%call nested(4)") == 1
        session.value("#include <achar.h>\nstruct look { int n; }; struct look seen;\n"
                      "void mime_look(const struct look *l, achar_bundle *out) { (void)l; (void)out; }")
        session.value("%opt wait")
        assert objects_of("%%remote\nfor (int i = 0; i < 2000; i++)\n"
                          "    for (int k = 0; k < 2000; k++) seen.n += i ^ k;\nseen") == 1
        session.value("%opt off")
        assert objects_of("%call nested(5) + 1") == 0
    finally:
        session.close()


def test_loops_in_loops_run_where_there_is_no_cc(kernelspec, tmp_path, monkeypatch):
    monkeypatch.setenv("ACHAR_CC", str(tmp_path / "none"))
    session = Session(tmp_path)
    try:
        session.value(LOOPS)
        assert session.value("%call nested(4)") == "24"
    finally:
        session.close()
