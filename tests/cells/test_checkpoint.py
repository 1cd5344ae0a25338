# SPDX-License-Identifier: BSD-3-Clause
"""A cell that faults leaves the session exactly as it was before the cell."""
import mmap
import os
import signal
import subprocess
import time

import pytest

from waiting import wait_for_output

AS_BEFORE = "The session is as it was before this cell"

SETUP = """#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define LIMIT 10
typedef short number;
struct node { int value; struct node *next; };
struct spare { char byte; };
enum colour { RED, GREEN };
struct node *list, *last;
int counter = 7;
double table[1000];
const char *text = "before";
int twice(int x) { static int calls; calls++; return x * 2 + 0 * calls; }
int (*pointer)(int) = twice;
struct node *push(struct node *next, int value)
{
    struct node *node = malloc(sizeof(*node));
    *node = (struct node){value, next};
    return node;
}
for (int i = 0; i < 100; i++)
    list = push(list, i);
for (int i = 0; i < 1000; i++)
    table[i] = i / 3.0;
last = list;
int sum(void)
{
    int total = 0;
    for (struct node *node = list; node; node = node->next)
        total += node->value;
    return total;
}
double total(void)
{
    double all = 0;
    for (int i = 0; i < 1000; i++)
        all += table[i];
    return all;
}"""

# Everything that a cell can change is changed before the fault.
CHANGES = """
#undef LIMIT
#define LIMIT 99
#define NEW_MACRO 1
typedef double number;
struct spare { double value; };
enum colour { GREEN, RED };
int twice(int x) { return -1; }
int fresh(int x) { return x; }
int other = 5;
counter = 99;
list = 0;
free(last);
for (int i = 0; i < 1000; i++)
    table[i] = -1;
text = "after";
pointer = fresh;
chdir("/");
"""

FAULTS = {
    "write": ("int *p = 0;\n*p = 1;", "SIGSEGV"),
    "jump": ("void (*f)(void) = (void (*)(void))16;\nf();", "SIGSEGV"),
    "division": ("volatile int zero = 0;\nint x = 1 / zero;", "SIGFPE"),
    "abort": ("abort();", "SIGABRT"),
    "assert": ("#include <assert.h>\nassert(counter == 7);", "SIGABRT"),
    "trap": ("__builtin_trap();", "SIG"),
    "recursion": ("int deep(int n) { volatile char a[1000]; a[0] = n; return deep(n + 1) + a[0]; }"
                  "\ndeep(0);", "SIGSEGV"),
    "double free": ("char *block = malloc(10);\nfree(block);\nfree(block);", "DoubleFree"),
    "bad free": ("free(&counter);", "BadFree"),
    "in the library": ("strlen((char *)8);", "SIGSEGV"),
    "in a callback": ("int compare(const void *a, const void *b) { return *(int *)0; }\n"
                      "qsort(table, 1000, sizeof(*table), compare);", "SIGSEGV"),
    "in a thread": ("void *run(void *x) { *(volatile int *)x = 1; return 0; }\npthread_t thread;\n"
                    "pthread_create(&thread, 0, run, 0);\npthread_join(thread, 0);", "SIGSEGV"),
    "kill": ("kill(getpid(), SIGKILL);", "SIGKILL"),
    "_exit": ("_exit(0);", "ExitStatus"),
    "exit in the kernel": ("#include <sys/syscall.h>\nsyscall(SYS_exit_group, 3);", "WorkerExit"),
    "undefined": ("int missing(int);\nmissing(3);", "UndefinedFunction"),
    "heap damage": ("memset(last, 0xff, 4096);\nfree(malloc(20));\nabort();", ""),
}


def workers(session):
    """Process ids of the session worker and its checkpoints."""
    kernel = str(session.manager.provisioner.pid)
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", encoding="utf-8") as file:
                stat = file.read()
        except OSError:
            continue
        command, rest = stat[stat.index("(") + 1:stat.rindex(")")], stat[stat.rindex(")") + 2:]
        if command == "achar-worker" and rest.split()[1] == kernel:
            found.append(int(name))
    return found


def check_state(session):
    assert session.value("counter") == "7"
    assert session.value("text") == '"before"'
    assert session.value("sum()") == "4950"
    assert session.value("total()") == "166500.0"
    assert session.value("LIMIT") == "10"
    assert session.value("sizeof(number)") == "2"
    assert session.value("sizeof(struct spare)") == "1"
    assert session.value("last->value") == "99"
    assert session.value("GREEN") == "1"
    assert session.value("pointer(21)") == "42"
    assert session.value("pointer == twice") == "1"
    for name in ("fresh(1)", "NEW_MACRO", "other"):
        assert session.run(name).name == "CompileError"


# What AddressSanitizer reports by itself.
HEAP_FAULTS = ("double free", "bad free", "heap damage")


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.not_with_asan("it checks the heap itself"))
    if name in HEAP_FAULTS else name for name in FAULTS])
def test_a_fault_leaves_nothing_behind(session, name):
    code, error = FAULTS[name]
    assert session.run(SETUP).is_ok
    folder = session.value("getcwd(0, 0)")
    for _ in range(2):
        cell = session.run(CHANGES + code)
        assert cell.status == "error" and error in cell.name
        assert AS_BEFORE in cell.traceback
        check_state(session)
    assert session.value("getcwd(0, 0)") == folder


def test_a_whole_cell_is_taken_back(session):
    """Its magics and the statements before them too, though they had succeeded."""
    session.run("int a = 1;\nint f(void) { return 1; }")
    cell = session.run("a = 2;\nint b = 3;\nint f(void) { return 2; }\n%time a++;\n"
                       "*(volatile int *)0 = 1;")
    assert cell.name == "SIGSEGV" and AS_BEFORE in cell.traceback
    assert session.value("a * 10 + f()") == "11"
    assert session.run("b").name == "CompileError"
    assert session.value("int b = 5; b") == "5"


def test_a_hundred_faults(session):
    session.value("int counter = 0; int *p;")
    faults = ("*(volatile int *)0 = 1;", "abort();", "_exit(1);", "raise(SIGKILL);")
    session.value("#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>")
    folder = f"/proc/{session.manager.provisioner.pid}/fd"

    def count_files():
        """Without the two of each checkpoint, whose number grows with the cells."""
        session.value("%checkpoint")  # waits for the one of the last cell
        return len(os.listdir(folder)) - 2 * len(workers(session))

    for i in range(100):
        cell = session.run("counter = -1;\n" + faults[i % len(faults)])
        assert cell.status == "error" and AS_BEFORE in cell.traceback
        if i % 10 == 0:
            assert session.value("counter += 1; counter") == str(i // 10 + 1)
        if i == 50:
            n_files = count_files()
    assert session.value("counter") == "10"
    assert len(workers(session)) <= 13  # the worker, its checkpoint, and those of %undo
    # each checkpoint may hold the output of a process that is gone open
    assert count_files() <= n_files + 2 * 11


def wait_gone(pids):
    end = time.monotonic() + 20
    while time.monotonic() < end:
        pids = [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
        if not pids:
            return
        time.sleep(0.02)
    raise AssertionError(f"still there: {pids}")


def wait_for_workers(session, most):
    """Those that are told to end are cleared up after a cell when they have."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        session.value("1")
        if len(workers(session)) <= most:
            return
    raise AssertionError(f"there are {len(workers(session))} of them")


def test_children_of_a_cell_that_faults_end_with_it(session):
    session.value("#include <stdio.h>\n#include <unistd.h>")
    cell = session.run('int child = fork();\nif (!child)\n    for (;;)\n        pause();\n'
                       'printf("%d\\n", child);\n*(volatile int *)0 = 1;')
    assert AS_BEFORE in cell.traceback
    wait_gone([int(cell.stdout)])


def some_faults(session):
    for code in ("int x = 1;", "*(volatile int *)0 = 1;", "x = 2;", "abort();", "x = 3;"):
        session.run(code)
    pids = workers(session)
    assert len(pids) > 2
    return pids


def test_shutdown_leaves_no_process(session):
    pids = some_faults(session)
    cell = session.run("#include <stdio.h>\n#include <unistd.h>\nint child = fork();\n"
                       "if (!child)\n    for (;;)\n        pause();\n"
                       'printf("%d", child);')
    pids.append(int(cell.stdout))
    session.client.shutdown()
    wait_gone(pids)


@pytest.mark.parametrize("meanwhile", [None, "for (;;)\n    ;", "#include <unistd.h>\nsleep(60);"])
def test_a_killed_kernel_leaves_no_process(session, meanwhile):
    pids = some_faults(session)
    if meanwhile:
        session.send(meanwhile)
        time.sleep(0.5)
        pids = sorted(set(pids + workers(session)))
    os.kill(session.manager.provisioner.pid, signal.SIGKILL)
    session.manager.provisioner.process.wait()
    wait_gone(pids)


def wait_dead(pid):
    """Until it is gone or waits to be cleared up."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
                if file.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return
        except OSError:
            return
        time.sleep(0.01)
    raise AssertionError(f"{pid} goes on")


def test_a_process_that_is_killed_between_cells_goes_on(session):
    session.value("int x = 1;\nint f(void) { return 2; }")
    session.value("x = 5; x")
    session.value("%checkpoint")  # waits for it
    worker = next(pid for pid in workers(session) if os.getsid(pid) == pid)  # is no copy
    os.kill(worker, signal.SIGKILL)
    wait_dead(worker)
    cell = session.run("x * 10 + f()")
    assert cell.value == "52" and "ended from outside" in cell.stderr


def test_the_next_process_is_a_whole_one(session):
    """Output, input, interrupts, threads, children and calls work after a rollback."""
    session.value("#include <stdio.h>\n#include <unistd.h>\n#include <sys/wait.h>\n"
                  "#include <pthread.h>\nint n;\nint square(int x) { return x * x + n; }")
    assert AS_BEFORE in session.run("n = 9; *(volatile int *)0 = 1;").traceback
    cell = session.run('printf("out\\n"); fprintf(stderr, "err\\n");')
    assert (cell.stdout, cell.stderr) == ("out\n", "err\n")
    cell = session.run('printf("n? "); scanf("%d", &n); n', answers=["7"])
    assert cell.prompts == ["n? "] and cell.value == "7"
    assert session.value("%call square(5)") == "32"
    assert session.value("int ends; if (!fork()) _exit(4); wait(&ends); ends >> 8") == "4"
    assert session.run('!echo from the shell').stdout == "from the shell\n"
    assert session.run("void *run(void *p) { n = 11; return 0; }\npthread_t t;\n"
                       "pthread_create(&t, 0, run, 0); pthread_join(t, 0);").is_ok
    assert session.value("n") == "11"
    sent = session.send('n++;\nputs("on");\nfflush(stdout);\nfor (;;)\n    n++;')
    wait_for_output(session, sent, "on")
    session.interrupt()
    assert session.finish(sent).name == "Interrupted"
    assert int(session.value("n")) > 11
    assert AS_BEFORE in session.run("n = 0; *(volatile int *)0 = 1;").traceback
    assert int(session.value("n")) > 11


def test_what_is_printed_before_a_fault_comes_and_what_is_after_too(session):
    session.value("#include <stdio.h>")
    cell = session.run('printf("one\\ntwo"); *(volatile int *)0 = 1;')
    assert cell.stdout == "one\ntwo"
    assert session.run('printf("three");').stdout == "three"


@pytest.mark.parametrize("n_interrupts", [1, 2])
def test_a_cell_that_cannot_be_interrupted_is_taken_back(session, n_interrupts):
    session.value("#include <signal.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n"
                  "int x = 1;\nunsigned long all = -1;")
    sent = session.send("x = 2; syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, 0, 8);\n"
                        'write(1, "blocked\\n", 8);\nfor (;;)\n    x++;')
    wait_for_output(session, sent, "blocked")
    for _ in range(n_interrupts):
        session.interrupt()
        time.sleep(0.2)
    cell = session.finish(sent)
    assert cell.name == "Interrupted" and AS_BEFORE in cell.traceback
    assert session.value("x") == "1"


def test_exit_is_no_fault(session):
    session.value("#include <stdlib.h>\nint x = 1;")
    cell = session.run("x = 2; exit(3);")
    assert cell.status == "error" and AS_BEFORE not in cell.traceback
    assert session.value("x") == "2"


def test_written_files_are_named(session):
    session.value('#include <stdio.h>\nFILE *file = fopen("log.txt", "w+");\n'
                  'fputs("first line\\n", file);\nfflush(file);')
    cell = session.run('fputs("second line\\n", file);\nfflush(file);\nabort();\n'
                       "#include <stdlib.h>")
    assert AS_BEFORE in cell.traceback and "log.txt" in cell.traceback
    session.value('fputs("third\\n", file);\nfflush(file);')
    assert session.run("!cat log.txt").stdout.startswith("first line\nthird\n")


OBSTACLES = {
    "a pipe": ("int ends[2];\npipe(ends);", "close(ends[0]);\nclose(ends[1]);"),
    "threads": ("#include <pthread.h>\n#include <stdatomic.h>\nvolatile int stop;\n"
                "void *run(void *p) { while (!stop) usleep(1000); return 0; }\npthread_t t;\n"
                "pthread_create(&t, 0, run, 0);", "stop = 1;\npthread_join(t, 0);"),
    "shares memory": ("#include <sys/mman.h>\nchar *page = mmap(0, 4096, PROT_READ | PROT_WRITE, "
                      "MAP_SHARED | MAP_ANONYMOUS, -1, 0);", "munmap(page, 4096);"),
    "more memory": ("%checkpoint 30MB\n#include <stdlib.h>\n#include <string.h>\n"
                    "char *large = malloc(60 << 20);\nmemset(large, 1, 60 << 20);", "free(large);"),
}


@pytest.mark.parametrize("name", [
    pytest.param(name, marks=pytest.mark.not_with_asan("it keeps what was freed"))
    if name == "more memory" else name for name in OBSTACLES])
def test_what_is_in_the_way_is_said_once(session, name):
    begin, end = OBSTACLES[name]
    session.value("#include <unistd.h>\nint x = 1;")
    assert session.run(begin).is_ok
    cell = session.run("x = 2;")
    assert cell.is_ok and "no checkpoint" in cell.stderr and name in cell.stderr
    assert name in session.run("%checkpoint").stdout
    cell = session.run("x = 3;\n*(volatile int *)0 = 1;")
    assert cell.name == "SIGSEGV" and not cell.stderr
    assert AS_BEFORE not in cell.traceback and "variables keep" in cell.traceback
    assert session.value("x") == "3"
    cell = session.run("%undo")
    assert cell.name == "CannotUndo" and name in cell.message
    assert session.run(end).is_ok
    assert AS_BEFORE in session.run("x = 4;\n*(volatile int *)0 = 1;").traceback
    assert session.value("x") == "3"


def test_openmp_is_not_in_the_way(session):
    session.value("#include <stdio.h>\nint sum;\nint work(int n)\n{\n    int all = 0;\n"
                  "#pragma omp parallel for reduction(+ : all)\n"
                  "    for (int i = 0; i < n; i++)\n        all += i;\n    return all;\n}")
    for _ in range(2):
        assert session.value("sum = work(1000); sum") == "499500"
        cell = session.run("sum = 1;\n*(volatile int *)0 = 1;")
        assert AS_BEFORE in cell.traceback, cell.stderr
        assert session.value("sum") == "499500"


# --- %undo ---

def test_undo_takes_back_all_of_a_cell(session):
    assert session.run(SETUP).is_ok
    assert session.run(CHANGES).is_ok
    assert session.value("counter") == "99" and session.value("fresh(3)") == "3"
    assert session.run("%undo").stdout == "In[4] is undone\n"  # fresh() may change anything
    assert session.run("%undo").stdout == "In[2] is undone\n"
    check_state(session)
    assert session.run(CHANGES).is_ok
    assert session.value("counter") == "99"
    assert session.run("%undo").is_ok
    check_state(session)


def test_undo_of_several_cells(session):
    for i in range(1, 6):
        session.run(f"int v{i} = {i};\nint f(void) {{ return {i}; }}")
    session.value("v5")  # a look changes nothing
    cell = session.run("%undo 3")
    assert cell.stdout == "In[3], In[4] and In[5] are undone\n"
    assert session.value("f() + v2") == "4"
    assert session.run("v3").name == "CompileError"
    assert session.run("%undo").stdout == "In[8] is undone\n"
    assert session.run("%undo 2").stdout == "In[1] and In[2] are undone\n"
    assert session.run("f()").name == "CompileError"
    cell = session.run("%undo")
    assert cell.name == "CannotUndo" and "nothing" in cell.message


def test_undo_beyond_what_is_kept(session):
    session.run("int x;")
    for i in range(14):
        session.run(f"x = {i};")
    assert session.run("%undo 11").name == "UsageError"
    assert session.run("%undo 10").is_ok
    assert session.value("x") == "3"
    assert session.run("%undo").name == "CannotUndo"
    session.value("x")
    wait_for_workers(session, 3)


def test_output_after_an_undo_past_a_program(session):
    session.value("#include <stdio.h>\n#include <stdlib.h>\nint x = 1;")
    assert session.run('x = 2;\nsystem("echo one");').stdout == "one\n"
    session.value("x = 3; x")
    assert session.run("%undo 2").is_ok
    cell = session.run('printf("%d\\n", x);\nfputs("two", stderr);\nsystem("echo three");')
    assert (cell.stdout, cell.stderr) == ("1\nthree\n", "two")
    assert session.run('puts("four");').stdout == "four\n"


def test_undo_brings_a_name_back(session):
    session.value("#define WIDE 3\nint f(void) { return WIDE; }\ntypedef long id;")
    assert session.run("%undef WIDE f id --force").is_ok
    assert session.run("f()").name == "CompileError"
    assert session.run("%undo").is_ok
    assert session.value("f() + WIDE + sizeof(id)") == "14"


def test_undo_of_a_library(session, tmp_path):
    (tmp_path / "six.c").write_text("int six(void) { return 6; }")
    library = tmp_path / "libsix.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "six.c"], check=True)
    assert session.run(f"%link {library}").is_ok
    assert session.value("int six(void);\nsix()") == "6"
    assert session.run("%undo 2").is_ok
    assert session.run("int six(void);\nsix()").name == "UndefinedFunction"
    assert session.run(f"%link {library}").is_ok
    assert session.value("int six(void);\nsix()") == "6"


@pytest.mark.parametrize("fault", ["abort();", "*(volatile int *)0 = 1;"])
def test_a_fault_right_after_undo(session, fault):
    session.value("#include <stdlib.h>\nint x = 1;")
    session.value("x = 2; x")
    for _ in range(2):
        session.value("x = 3; x")
        assert session.run("%undo").is_ok
        assert AS_BEFORE in session.run("x = 4;\n" + fault).traceback
        assert session.value("x") == "2"
    assert session.run("%undo").is_ok
    assert session.value("x") == "1"


def test_undo_after_a_fault_goes_back_past_it(session):
    session.value("int x = 1;")
    session.value("x = 2; x")
    assert AS_BEFORE in session.run("x = 3; *(volatile int *)0 = 1;").traceback
    assert session.run("%undo").stdout == "In[2] is undone\n"
    assert session.value("x") == "1"


def test_a_worker_that_starts_anew_after_undo_knows_only_what_is_left(session):
    session.value("#include <unistd.h>\nint f(void) { return 1; }")
    session.value("int f(void) { return 2; }\nint g(void) { return 3; }\nf()")
    assert session.run("%undo").is_ok
    assert session.run("int ends[2];\npipe(ends);").is_ok  # no checkpoint from here on
    assert session.run("#include <signal.h>\nraise(SIGKILL);").name == "SIGKILL"
    assert session.value("f()") == "1"
    assert session.run("g()").name == "CompileError"


def test_a_session_that_had_to_start_anew_has_nothing_to_take_back(session):
    session.value('#include <stdio.h>\n#include <signal.h>\n#include <unistd.h>\nint x = 1;')
    session.value("x = 2; x")
    assert session.run("%reset variables").is_ok
    assert session.run("%undo").name == "CannotUndo"
    assert session.value("x") == "1"
    session.value("x = 3; x")
    assert session.run("%undo").is_ok
    assert session.run('printf("%d", x);').stdout == "1"
    assert session.run("int ends[2];\npipe(ends);").is_ok
    assert session.run("raise(SIGKILL);").name == "SIGKILL"
    assert session.run("%undo 2").name == "CannotUndo"
    assert session.run('x = 4;\nprintf("%d", x);').stdout == "4"
    assert session.run("%undo").is_ok
    assert session.run('printf("%d", x);').stdout == "1"


# --- huge pages ---

MADV_COLLAPSE = 25


def has_huge_pages():
    """Whether the system gives them on demand (Linux 6.1)."""
    try:
        with mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
            memory.write(b"x" * (8 << 20))
            memory.madvise(MADV_COLLAPSE, 2 << 20, 4 << 20)
    except OSError:
        return False
    return True


def huge_bytes(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        return sum(int(line.split()[1]) << 10 for line in file if line.startswith("AnonHuge"))


@pytest.mark.not_with_asan("its shadow memory is looked at first")
def test_large_data_rests_in_huge_pages(session):
    if not has_huge_pages():
        pytest.skip("the system has no huge pages to give")
    session.run("#include <string.h>\n#include <stdlib.h>\n#include <unistd.h>\nenum { SIZE = 12 << 20 };\n"
                "char *data = malloc(SIZE);\nmemset(data, 1, SIZE);\n"
                "long sum(void) { long n = 0; for (int i = 0; i < SIZE; i++) n += data[i]; "
                "return n; }")
    end = time.monotonic() + 60
    while not (huge := huge_bytes(session.value("getpid()"))) and time.monotonic() < end:
        time.sleep(0.1)
    assert huge > 0
    size = 12 << 20
    assert session.value("sum()") == str(size)
    fault = "for (int i = 0; i < SIZE; i += 100)\n    data[i] = 2;\n*(volatile int *)0 = 1;"
    assert AS_BEFORE in session.run(fault).traceback
    assert session.value("sum()") == str(size)
    assert session.run("memset(data, 3, SIZE / 2);").is_ok
    assert session.value("sum()") == str(2 * size)
    assert AS_BEFORE in session.run(fault).traceback
    assert session.value("sum()") == str(2 * size)
    assert session.run("%undo 3").is_ok  # with two calls of sum()
    assert session.value("sum()") == str(size)


# --- %checkpoint ---

def test_checkpoint_is_shown_and_set(session):
    session.value("int x = 1;")
    shown = session.run("%checkpoint").stdout
    assert "200.0 MB" in shown and "In[1]" in shown and "the next cell has one" in shown
    assert "500.0 MB" in session.run("%checkpoint 500MB").stdout
    assert "off" in session.run("%checkpoint off").stdout
    wait_for_workers(session, 1)
    cell = session.run("x = 2;\n*(volatile int *)0 = 1;")
    assert AS_BEFORE not in cell.traceback and not cell.stderr
    assert session.value("x") == "2"
    assert session.run("%undo").name == "CannotUndo"
    assert "the next cell has one" in session.run("%checkpoint on").stdout
    assert AS_BEFORE in session.run("x = 3;\n*(volatile int *)0 = 1;").traceback
    assert session.value("x") == "2"
    for word in ("what", "-1", "12XB", "0"):
        assert session.run(f"%checkpoint {word}").name == "UsageError"
