# SPDX-License-Identifier: BSD-3-Clause
"""Sessions that redefine the same things for ever: memory stays, and so does everything
that still points into old code.

    ACHAR_SOAK=10000 pytest -s tests/cells/test_redefinition_memory.py
"""
import os
import pathlib

import pytest

CELLS = int(os.environ.get("ACHAR_SOAK", 1200))
KINDS = ["int", "double", "long"]


PROCESSES = ["achar", "achar-analyser", "achar-worker"]


def processes(session):
    """Resident KiB of the front, its analyser and its worker."""
    front = session.manager.provisioner.pid
    tasks = pathlib.Path(f"/proc/{front}/task").iterdir()
    children = {pid for task in tasks for pid in (task / "children").read_text().split()}
    sizes = {}
    for pid in [str(front), *children]:  # checkpoints are workers, too, and come and go
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        except FileNotFoundError:
            continue
        name = status[0].split()[1]
        for line in status:
            if line.startswith("VmRSS") and name in PROCESSES:
                sizes[name] = max(sizes.get(name, 0), int(line.split()[1]))
    return sizes


def cell(i):
    """The same names every time, each time with other bodies, signatures, types, values; now
    and then the optimised tier swaps them in."""
    text = (f"int f(int a) {{ static int n; char *s = \"text {i}\"; return a + {i} + s[0] + n++; }}\n"
            f"int g(int a) {{ return f(a) * {i}; }}\n")
    kind, other = KINDS[i % 3], KINDS[(i + 1) % 3]
    text += ["", f"struct s {{ int a; {kind} b; char name[{i % 13 + 1}]; struct s *next; }};\n",
             f"{kind} v = {i};\n#define M {i}\n",
             f"enum e {{ A{i % 5}, B = {i} }};\ntypedef {other} num;\n",
             f"{kind} changing({other} a{', int b' * (i // 6 % 2)}) {{ return a + {i}; }}\n"
             "void *taken = (void *)changing;\n",
             f"struct bits {{ unsigned low : {i % 17 + 3}; int high : {i % 7 + 2}; }} bits = {{1, 1}};\n"][i % 6]
    return text + ("%opt now f g\n" if i % 40 == 39 else "") + "g(1)"


@pytest.mark.not_with_asan("it keeps what was freed")
def test_memory_stays(session):
    session.value("#include <stdlib.h>\n#define M 1\nint v; enum e { B }; typedef int num; num count = 4;\n"
                  "struct s { int a; struct s *next; }; struct s *head, list[3];\n"
                  "int user(struct s *p) { return p->a; }\n"
                  "for (int i = 0; i < 10; i++) { struct s *n = calloc(1, sizeof *n); n->a = i; "
                  "n->next = head; head = n; }\nlist[2].a = 77;")
    half = {}
    for i in range(CELLS):
        ran = session.run(cell(i))
        assert ran.is_ok, ran.traceback
        if i + 1 in (CELLS // 10, CELLS // 2, CELLS - 1):
            sizes = processes(session)
            print(i + 1, sizes)
            half = half or (sizes if i + 1 == CELLS // 2 else {})
    assert session.value("user(&list[2])") == "77"
    assert session.value("head->next->a + user(head)") == "17"
    last = processes(session)
    growth = {name: last[name] - half[name] for name in PROCESSES}
    assert max(growth.values()) < 1500, growth


def test_what_points_into_old_code(session):
    """String literals of functions that are gone, wherever pointers to them are."""
    run = session.value
    run("#define _GNU_SOURCE\n#include <stdlib.h>\n#include <string.h>\n#include <sys/mman.h>\n"
        "const char *text(void) { return \"the first version\"; }\n"
        "int twice(int x) { return 2 * x; }\n"
        "int (*old)(int) = twice;\n"
        "const char *global = text();\n"
        "struct holder { char tag; const char *s; } __attribute__((packed));\n"
        "struct holder *heap = malloc(sizeof(struct holder)); heap->s = text();\n"
        "const char **mapped = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);\n"
        "*mapped = text() + 4;\n"
        "char *name(void) { return \"ACHAR_TEST=in the environment\"; }\nputenv(name());\n"
        "char *rest = 0; char line[] = \"a b\"; strtok(line, \" \");")
    run("long twice(long a, long b) { return a + b; }")
    for i in range(600):
        run(f"const char *text(void) {{ return \"version {i}\"; }}\n"
            f"char *name(void) {{ return \"N={i}\"; }}")
    assert run("text()") == '"version 599"'
    assert run("global") == '"the first version"'
    assert run("heap->s") == '"the first version"'
    assert run("*mapped") == '"first version"'
    assert run('getenv("ACHAR_TEST")') == '"in the environment"'
    assert run("old(21)") == "42"
    assert run("twice(1, 2)") == "3"
