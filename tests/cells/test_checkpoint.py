# SPDX-License-Identifier: BSD-3-Clause
"""A cell that faults leaves the session exactly as it was before the cell."""
import os
import signal
import time

import pytest

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
    "heap damage": ("memset(last, 0xff, 4096);\nfree(malloc(20));\nabort();", "SIG"),
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


@pytest.mark.parametrize("name", FAULTS)
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
