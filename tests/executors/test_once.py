# SPDX-License-Identifier: BSD-3-Clause
"""Elements that share a task with one that fails: each is begun once, and costs no other."""
import collections
import pathlib

import pytest

CODE = """
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>
void note(int i)
{
    char line[16];
    int fd = open("BEGUN", O_WRONLY | O_APPEND | O_CREAT, 0600);
    int size = snprintf(line, sizeof line, "%d\\n", i);
    if (write(fd, line, size) == size) close(fd);
}
int way;
void fail(void)
{
    switch (way) {
    case 0: *(volatile int *)0 = 1; break;
    case 1: raise(SIGKILL); break;
    case 2: abort(); break;
    case 3: syscall(SYS_exit_group, 0); break;
    case 4: { volatile char *p = malloc(16); for (long i = 0; i < 1 << 26; i++) p[i] = 1; } break;
    case 5: exit(0);
    }
}
struct pair { int n; double half; };
struct pair one(int i) { note(i); if (i % 10 == 7) fail(); return (struct pair){i, i / 2.0}; }
char *text(int i) { note(i); if (i % 10 == 7) fail(); char *s = malloc(8); sprintf(s, "%d", i); return s; }
int in[40];
for (int i = 0; i < 40; i++) in[i] = i;
struct pair out[40];
char *texts[40];
double halves[40];
int ints[40];
struct pair none[40];
"""
FAILED = [7, 17, 27, 37]
WAYS = {"fault": 0, "SIGKILL": 1, "abort": 2, "_exit(0)": 3, "wild write": 4, "exit(0)": 5}


@pytest.fixture(scope="module")
def opened(kernelspec, tmp_path_factory):
    from session import Session
    folder = tmp_path_factory.mktemp("once")
    session = Session(folder)
    session.value(CODE.replace("BEGUN", str(folder / "begun")))
    session.value("%executor two = local --workers 2")
    session.begun = folder / "begun"
    yield session
    session.close()


@pytest.fixture
def once(opened):
    opened.begun.unlink(missing_ok=True)
    opened.value("memset(out, 0, sizeof out); memset(halves, 0, sizeof halves);"
                 "memset(ints, 0, sizeof ints); memset(texts, 0, sizeof texts);")
    yield opened


def begun(session):
    return collections.Counter(map(int, pathlib.Path(session.begun).read_text().split()))


def check(session, cell):
    assert not cell.is_ok and "elements 7, 17, 27, 37 failed; 36 of 40" in cell.message.replace(
        "indices", "elements"), cell.message
    assert begun(session) == dict.fromkeys(range(40), 1)


@pytest.mark.parametrize("way", WAYS)
def test_an_element_that_kills_its_worker_costs_no_other_and_none_is_run_twice(once, way):
    once.value(f"way = {WAYS[way]};")
    cell = once.run("%map one in -> out --on two --chunk 8")
    check(once, cell)
    assert once.value("""({ int bad = 0; for (int i = 0; i < 40; i++)
        bad += i % 10 == 7 ? out[i].n || out[i].half : out[i].n != i || out[i].half != i / 2.0;
        bad; })""") == "0"


@pytest.mark.parametrize("way", ["fault", "SIGKILL"])
def test_indices_of_a_loop_too(once, way):
    once.value(f"way = {WAYS[way]};")
    cell = once.run("""%%parfor i 0 40 --out halves,ints --on two --chunk 8
note(i);
if (i % 3 == 0) continue;
ints[i] = 2 * i;
if (i % 10 == 7) fail();
halves[i] = i / 2.0;""")
    # 27 is left out by the loop itself.
    assert "indices 7, 17, 37 failed; 37 of 40" in cell.message, cell.message
    assert begun(once) == dict.fromkeys(range(40), 1)
    assert once.value("""({ int bad = 0; for (int i = 0; i < 40; i++) {
        int left = i % 3 == 0 || i % 10 == 7;
        bad += ints[i] != (left ? 0 : 2 * i) || halves[i] != (left ? 0 : i / 2.0); }
        bad; })""") == "0"


def test_an_element_is_tried_again_alone(once):
    once.value("way = 1;")
    cell = once.run("%map one in -> out --on two --chunk 8 --retries 1")
    assert "elements 7, 17, 27, 37 failed; 36 of 40" in cell.message
    assert begun(once) == {i: 2 if i in FAILED else 1 for i in range(40)}


def test_results_that_hold_pointers_survive_a_fault(once):
    once.value("way = 0;")
    check(once, once.run("%map text in -> texts --on two --chunk 8"))
    assert once.value("texts[39]") == '"39"'


def test_results_that_hold_pointers_are_computed_again_when_the_worker_is_killed(once):
    once.value("way = 1;")
    cell = once.run("%map text in -> texts --on two --chunk 8")
    assert "elements 7, 17, 27, 37 failed; 36 of 40" in cell.message
    assert all(begun(once)[i] == 1 for i in FAILED)
    assert once.value("texts[6]") == '"6"' and once.value("texts[38]") == '"38"'


def test_a_timeout_costs_the_element_that_took_so_long(once):
    once.value("int hang(int i) { note(i); while (i == 3) pause(); return i; }")
    cell = once.run("%map hang in -> ints --on two --chunk 20 --timeout 0.05s")
    assert cell.name == "TimeLimit" and "element 3 failed; 39 of 40" in cell.message
    assert begun(once) == dict.fromkeys(range(40), 1)
    assert once.value("ints[2] + ints[19] + ints[39]") == "60"


def test_what_was_done_is_kept_when_the_job_is_interrupted(once):
    once.value('int stop(int i) { if (i == 20) { puts("begun"); fflush(stdout); for (;;) pause(); }'
               " return i + 1; }")
    from waiting import wait_for_output
    sent = once.send("%map stop in -> ints --on two --chunk 40")
    wait_for_output(once, sent, "begun")
    once.interrupt()
    cell = once.finish(sent)
    assert cell.name == "Interrupted" and "20 of 40" in cell.message, cell.message
    assert once.value("ints[19]") == "20"


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_what_an_exit_handler_does_costs_no_element(once, way):
    once.value(f"way = {way};\n"
               "int leave(int i) { note(i); if (i == 30) atexit(fail); return i * i; }\n"
               "char *spell(int i) { char *s = malloc(8); sprintf(s, \"%d\", leave(i)); return s; }")
    once.value("%map leave in -> ints --on two --chunk 40")
    assert once.value("int wrong = 0; for (int i = 0; i < 40; i++) wrong += ints[i] != i * i; wrong") == "0"
    assert begun(once) == {i: 1 for i in range(40)}
    once.value("%%parfor i 0 40 --on two --chunk 40 --out halves\nhalves[i] = leave(i);")
    assert once.value("wrong = 0; for (int i = 0; i < 40; i++) wrong += halves[i] != i * i; wrong") == "0"
    assert set(begun(once).values()) == {2}
    # Results that are lost with the worker are computed again, but not for ever.
    once.run("%map spell in -> texts --on two --chunk 40")
    assert once.value("wrong = 0; for (int i = 0; i < 30; i++) wrong += !texts[i]; wrong") == "0"
