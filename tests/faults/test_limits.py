# SPDX-License-Identifier: BSD-3-Clause
"""%limit: a time for each cell, memory for the session, for one cell or for all later ones."""
import re

import pytest


@pytest.fixture
def counting(session):
    assert session.run("#include <stdlib.h>\n#include <string.h>\n#include <stdio.h>\n"
                       "#include <unistd.h>\n#include <sys/mman.h>\nlong n = 0;").is_ok
    return session


def test_shown_and_switched_off(session):
    assert session.run("%limit").stdout.split("\n")[:2] == ["time    no limit", "memory  no limit"]
    assert session.run("%limit time 1.5s memory 64MB").is_ok
    assert session.run("%limit").stdout == "time    1.5 s a cell\nmemory  64 MB\n"
    assert session.run("%limit memory off").is_ok
    assert session.run("%limit").stdout == "time    1.5 s a cell\nmemory  no limit\n"
    assert session.run("%limit off").is_ok
    assert "1.5" not in session.run("%limit").stdout


@pytest.mark.parametrize("line, part", [("time soon", "'soon'"), ("time 10", "'10'"), ("time -1s", "'-1s'"),
                                        ("memory 3", "'3'"), ("memory 10KB", "1 MB or more"),
                                        ("speed 3s", "'speed'"), ("time", "a name and a value")])
def test_mistakes(shared_session, line, part):
    cell = shared_session.run(f"%limit {line}")
    assert cell.name == "UsageError" and part in cell.message


def test_a_cell_over_its_time(counting):
    counting.run("%limit time 200ms")
    cell = counting.run("for (;;)\n    n++;")
    assert cell.name == "TimeLimit" and "In[3]:" in cell.traceback
    assert "keep what the cell did" in cell.traceback
    assert int(counting.value("n")) > 0


@pytest.mark.parametrize("cell", ["sleep(100);", 'system("sleep 100");', "for (;;)\n    free(malloc(9));",
                                  "int ends[2];\npipe(ends);\nread(ends[0], &n, 1);"])
def test_waiting_cells_end_too(counting, cell):
    counting.run("n = 5;")
    counting.run("%limit time 100ms")
    assert counting.run(cell).name == "TimeLimit"
    assert counting.value("n") == "5"


def test_one_cell(counting):
    assert counting.run("%%limit time 100ms\nfor (;;)\n    n++;").name == "TimeLimit"
    assert "no limit" in counting.run("%limit").stdout
    assert counting.run("usleep(300000);").is_ok


def test_memory(counting):
    counting.run("%limit memory 64MB")
    assert counting.value("char *some = malloc(20 << 20);\nsome != NULL") == "1"
    assert counting.value("char *more = malloc(80 << 20);\nmore == NULL") == "1"
    assert counting.value("mmap(NULL, 80 << 20, PROT_READ | PROT_WRITE, "
                          "MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED") == "1"
    cell = counting.run("for (;;) {\n    char *block = malloc(1000);\n    memset(block, 1, 1000);\n}")
    assert cell.name == "MemoryLimit" and re.search(r"In\[\d+\]:3", cell.traceback)
    assert "64 MB" in cell.message
    assert counting.value("some != NULL") == "1"  # the cell was rolled back
    counting.run("%limit off")
    assert counting.value("char *large = malloc(80 << 20);\nmemset(large, 1, 80 << 20) != NULL") == "1"


def test_memory_that_is_used_up_is_no_hindrance_to_later_cells(counting):
    counting.run("%limit memory 32MB")
    assert counting.run("while (malloc(100000))\n    n++;").is_ok
    assert 100 < int(counting.value("n")) < 400
    assert counting.value("int twice(int x) { return 2 * x; }\ntwice(21)") == "42"


def test_the_limit_holds_in_a_new_process(counting):
    counting.run("%limit memory 64MB")
    counting.run("n = 1;")
    assert counting.run("kill(getpid(), 9);\n#include <signal.h>").name == "SIGKILL"
    assert counting.value("malloc(80 << 20) == NULL") == "1"
