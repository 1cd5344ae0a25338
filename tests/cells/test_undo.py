# SPDX-License-Identifier: BSD-3-Clause
"""What %undo and a roll-back put back beside memory, and what a person would take back."""

AS_BEFORE = "The session is as it was before this cell"


def test_undo_skips_cells_that_only_show(session):
    session.value("#include <stdlib.h>\nstruct point { int x, y; } v = {1, 2}, *p = &v;\nchar *text = \"abc\";\n"
                  "enum colour { RED, GREEN } c = GREEN;\nint a[3] = {1, 2, 3};")
    session.value("v.x = 7;")
    for shown in ["v", "*p", "p", "text", "c", "a", "p->x + v.y", "&a[1]"]:
        assert session.value(shown)
    assert session.run("%undo").stdout == "In[2] is undone\n"
    assert session.value("v") == "{.x = 1, .y = 2}"
    assert "null pointer" in session.run("v.x = 9;\n*(int *)0 = 1;").message
    assert session.value("p->x") == "1"
    session.value("v = (struct point){v.x = 3, 4}; v")
    assert session.run("%undo").stdout == "In[15] is undone\n"
    session.value("#include <achar.h>\nint n_shown;\nvoid mime_point(const struct point *at, achar_bundle *out) "
                  "{ n_shown++; achar_bundle_text(out, \"text/html\", \"p\"); }")
    session.run("v")  # calls a function of the session
    assert session.value("n_shown") == "1"
    assert session.run("%undo").stdout == "In[18] is undone\n"
    assert session.value("n_shown") == "0"


def test_undo_across_a_migration(session):
    """Values that have moved to a new struct are back in the old one, and so are pointers."""
    session.value("#include <stdlib.h>\nstruct node { int value; struct node *next; };\n"
                  "struct node first = {1}, *list = &first;\n"
                  "list->next = malloc(sizeof *list); *list->next = (struct node){2, &first};\n"
                  "int sum(struct node *n) { return n->value + n->next->value; }")
    session.value("struct node { double weight; struct node *next; int value; };")
    session.value("list->next->weight = 0.5; list->next->value = 40;")
    assert session.value("sum(list)") == "41"
    assert session.run("%undo 3").stdout == "In[2], In[3] and In[4] are undone\n"  # sum() may change anything
    assert session.value("sum(list)") == "3"
    assert session.value("list->next->next == &first") == "1"
    assert session.run("first.weight").name == "CompileError"
    session.value("struct node { int value; struct node *next; char tag; };")
    assert session.value("sum(list) + list->next->tag") == "3"


def test_what_a_process_has_open_is_put_back(session, tmp_path):
    (tmp_path / "data").write_text("0123456789")
    for i in range(20):
        (tmp_path / f"file{i}").touch()
    session.value("#include <dirent.h>\n#include <fcntl.h>\n#include <unistd.h>\n#include <stdio.h>\n"
                  'int fd = open("data", O_RDONLY), folder = open(".", O_RDONLY | O_DIRECTORY);\n'
                  "DIR *opened = fdopendir(folder);\nint count(void) { int n = 0; while (readdir(opened)) n++; return n; }\n"
                  "lseek(fd, 3, SEEK_SET);")
    fault = session.run("count(); lseek(fd, 8, SEEK_SET); fcntl(fd, F_SETFL, O_NONBLOCK);\n*(int *)0 = 1;")
    assert AS_BEFORE in fault.traceback
    assert session.value("(fcntl(fd, F_GETFL) & O_NONBLOCK) != 0") == "0"
    assert session.value("lseek(fd, 0, SEEK_CUR)") == "3"
    assert session.value("count()") == "23"


def test_a_timer_is_an_obstacle(session):
    session.value("#include <signal.h>\n#include <time.h>\ntimer_t timer;\n"
                  "void ring(int number) { }\nsignal(SIGUSR1, ring);\n"
                  "struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};")
    session.value("timer_create(CLOCK_MONOTONIC, &event, &timer);")
    assert "has a timer (timer_create)" in session.run("int x;\nx = 1;").stderr
    session.value("timer_delete(timer);")
    session.value("x = 2;")
    assert AS_BEFORE in session.run("x = 3;\n*(int *)0 = 1;").traceback
