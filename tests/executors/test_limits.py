# SPDX-License-Identifier: BSD-3-Clause
"""Limits and places of tasks on the executor `local`."""
import os
import time

import pytest

MEMORY = """
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
int fill(long bytes)
{
    char *block = malloc(bytes);
    memset(block, 1, bytes);
    return block[bytes - 1];
}
/* No process has much of it, all together have. */
int family(int n, long bytes)
{
    for (int i = 0; i < n; i++)
        if (fork() == 0) {
            fill(bytes);
            sleep(60);
            _exit(0);
        }
    while (wait(0) > 0)
        ;
    return 1;
}
"""


def test_a_task_that_hangs_is_ended(session):
    session.value("#include <signal.h>\nint hang(int x)\n{\n    signal(SIGINT, SIG_IGN);\n"
                  "    for (;;)\n        ;\n}\nint next(int x) { return x + 1; }")
    session.value("%executor short = local --workers=1 --timeout=0.5")
    cell = session.run("%call hang(1) --on short")
    assert cell.name == "TimeLimit" and "--timeout=0.5" in cell.message
    assert session.value("%call next(1) --on short") == "2"


def test_one_of_many_tasks_hangs(session):
    session.value("int f(int x)\n{\n    while (x == 7)\n        ;\n    return x + 1;\n}\n"
                  "int from[40], to[40];\nfor (int i = 0; i < 40; i++)\n    from[i] = i;")
    session.value("%executor short = local --timeout=1")
    cell = session.run("%map f from -> to --on short")
    assert not cell.is_ok and "7" in cell.message + cell.traceback
    assert "--timeout=1" in cell.message + cell.traceback
    assert session.value("int wrong = 0;\nfor (int i = 0; i < 40; i++)\n"
                         "    wrong += i != 7 && to[i] != i + 1;\nwrong") == "0"


@pytest.mark.not_with_asan("its malloc() ends the process where another returns NULL")
def test_memory_of_a_task(session):
    session.value(MEMORY)
    session.value("%executor small = local --workers=1 --memory=64M")
    cell = session.run("%call fill(1L << 30) --on small")
    assert not cell.is_ok and "--memory=64M" in cell.message, cell.message
    assert session.value("%call fill(1L << 20) --on small") == "1"


def test_memory_of_what_a_task_starts(session):
    session.value(MEMORY)
    session.value("%executor small = local --workers=1 --memory=64M")
    cell = session.run("%call family(4, 32L << 20) --on small")
    assert cell.name == "MemoryLimit" and "--memory=64M" in cell.message
    assert session.value("%call fill(1L << 20) --on small") == "1"


LEAVE = """
/* As family(), in sessions of their own and without a parent. */
int leave(int n, long bytes)
{
    for (int i = 0; i < n; i++)
        if (fork() == 0) {
            setsid();
            if (fork() == 0) {
                execlp("perl", "achar-stray", "-e", "$x = 'a' x (32 << 20); sleep 60", NULL);
                _exit(1);
            }
            _exit(0);
        }
    sleep(n ? 60 : 0);
    return bytes;
}
int leave_one(void)
{
    if (fork() == 0) {
        setsid();
        execlp("sleep", "achar-stray", "60", NULL);
    }
    return 1;
}
"""


def strays():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                found += [pid] if file.read().startswith(b"achar-stray") else []
        except OSError:
            pass
    return found


def test_what_leaves_the_group_counts_and_ends_with_the_task(session):
    session.value(MEMORY + LEAVE)
    session.value("%executor small = local --workers=1 --memory=64M")
    cell = session.run("%call leave(4, 32L << 20) --on small")
    assert cell.name == "MemoryLimit" and "--memory=64M" in cell.message
    assert session.value("%call leave(0, 5) --on small") == "5"
    assert session.value("%call leave_one() --on small") == "1"
    assert session.value("%call fill(1L << 20) --on small") == "1"
    end = time.monotonic() + 10
    while strays():
        assert time.monotonic() < end, "a process that a task has started outlives it"
        time.sleep(0.05)


def test_tasks_are_bound_to_processors(session):
    session.value("#include <stdio.h>\n#include <string.h>\nint processors(void)\n{\n"
                  "    char line[256];\n    int several = -1;\n"
                  '    FILE *file = fopen("/proc/self/status", "r");\n'
                  "    while (fgets(line, sizeof(line), file))\n"
                  '        if (!strncmp(line, "Cpus_allowed_list:", 18))\n'
                  '            several = strpbrk(line + 18, ",-") != NULL;\n'
                  "    fclose(file);\n    return several < 0 ? -1 : several ? 2 : 1;\n}")
    session.value("%executor bound = local --pin")
    assert [session.value("%call processors() --on bound") for _ in range(4)] == ["1"] * 4


@pytest.mark.parametrize("option, part", [
    ("--timeout=soon", "seconds"), ("--timeout=0", "seconds"), ("--memory=much", "512M"),
    ("--memory=2GB", "512M"), ("--memory=10", "1M"), ("--pin=first", "0-3"),
    ("--pin=1023", "of this machine"), ("--pin=1-", "0-3")])
def test_what_is_no_limit_is_said(session, option, part):
    cell = session.run(f"%executor bad = local {option}")
    assert cell.status == "error" and option in cell.message and part in cell.message
