# SPDX-License-Identifier: BSD-3-Clause
"""Interrupts of cells that are anywhere: each ends, and the state is what the error says it is.
tests/unit/test_interrupts.c has the many."""
import time

import programs
import pytest

from session import SECONDS

DEFINE = programs.SETUP + """
#include <poll.h>
#include <regex.h>
#include <semaphore.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <time.h>

int never[2];
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
volatile sig_atomic_t n_handled = 0;

void begin(void)
{
    mark();
    printf("started\\n");
    fflush(stdout);
}

void *sleep_long(void *argument)
{
    for (;;)
        sleep(100);
    return argument;
}

void handle(int number)
{
    n_handled++;
}
"""

CELLS = {
    "loop": "begin();\nfor (;;)\n    zero = 0;",
    "empty loop": "begin();\nfor (;;)\n    ;",
    "loop in a function": "void spin(void)\n{\n    for (;;)\n        zero = 0;\n}\nbegin();\nspin();",
    "loop compiled by cc": "void wide_spin(void)\n{\n    __int128 wide = 0;\n    for (;;)\n        zero = (int)wide;\n}\n"
                           "begin();\nwide_spin();",
    "allocate": "begin();\nfor (;;)\n    free(malloc(100 + zero));",
    "reallocate": "char *grown = NULL;\nbegin();\nfor (size_t i = 0;; i++)\n    grown = realloc(grown, i % 5000 + 1);",
    "print": 'begin();\nfor (;;)\n    printf("again\\n");',
    "sleep": "begin();\nsleep(1000);",
    "usleep loop": "begin();\nfor (;;)\n    usleep(10);",
    "nanosleep": "begin();\nstruct timespec long_time = {1000, 0};\nnanosleep(&long_time, NULL);",
    "pause": "begin();\npause();",
    "read a pipe": "pipe(never);\nbegin();\nread(never[0], word, 1);",
    "fgets of a pipe": 'pipe(never);\nFILE *end = fdopen(never[0], "r");\nchar line[9];\nbegin();\nfgets(line, 9, end);',
    "poll": "begin();\npoll(NULL, 0, -1);",
    "select": "begin();\nselect(0, NULL, NULL, NULL, NULL);",
    "receive": "int pair[2];\nsocketpair(AF_UNIX, SOCK_STREAM, 0, pair);\nbegin();\nrecv(pair[0], word, 1, 0);",
    "join": "pthread_t sleeper;\npthread_create(&sleeper, NULL, sleep_long, NULL);\nbegin();\n"
            "pthread_join(sleeper, NULL);",
    "lock": "pthread_mutex_lock(&lock);\nbegin();\npthread_mutex_lock(&lock);",
    "semaphore": "sem_t none;\nsem_init(&none, 0, 0);\nbegin();\nsem_wait(&none);",
    "wait": "begin();\nif (fork() == 0) {\n    execlp(\"sleep\", \"sleep\", \"1000\", NULL);\n}\nwait(NULL);",
    "system": 'begin();\nsystem("sleep 1000");',
    "sort by the library": "begin();\nchar **words = calloc(1 << 20, sizeof(char *));\n"
                           "for (int i = 0; i < 1 << 20; i++)\n    words[i] = word;\n"
                           "for (;;)\n    qsort(words, 1 << 20, sizeof(char *), "
                           "(int (*)(const void *, const void *))strcoll);",
    "regular expressions": 'begin();\nfor (;;) {\n    regex_t made;\n    regcomp(&made, "(a|b)*c{1,20}(d|e)+", REG_EXTENDED);\n'
                           "    regfree(&made);\n}",
    "compress": "unsigned char *big = calloc(1, 50 << 20), *out = malloc(60 << 20);\nbegin();\nfor (;;) {\n"
                "    uLongf size = 60 << 20;\n    compress2(out, &size, big, 50 << 20, 9);\n}",
    "ignored signal": "signal(SIGINT, SIG_IGN);\nbegin();\nfor (;;)\n    zero = 0;",
    "own handler": "signal(SIGINT, handle);\nbegin();\nfor (;;)\n    zero = 0;",
    "own handler, sleeping": "signal(SIGINT, handle);\nbegin();\nfor (;;)\n    sleep(1000);",
    "blocked signal": "sigset_t some;\nsigemptyset(&some);\nsigaddset(&some, SIGINT);\n"
                      "sigprocmask(SIG_BLOCK, &some, NULL);\nbegin();\nfor (;;)\n    zero = 0;",
    "all signals blocked": "sigset_t all;\nsigfillset(&all);\nsigprocmask(SIG_BLOCK, &all, NULL);\nbegin();\n"
                           "for (;;)\n    zero = 0;",
    "in a handler": "void spin_there(int number)\n{\n    for (;;)\n        zero = 0;\n}\nsignal(SIGUSR1, spin_there);\n"
                    "begin();\nraise(SIGUSR1);",
    "in a callback": "int spin_compare(const void *a, const void *b)\n{\n    for (;;)\n        zero = 0;\n    return 0;\n}\n"
                     "begin();\nint three[3] = {0};\nqsort(three, 3, sizeof(int), spin_compare);",
    "stopped": "begin();\nraise(SIGSTOP);\nfor (;;)\n    zero = 0;",
    "handler of faults": "signal(SIGSEGV, handle);\nbegin();\n*nowhere = 1;",
}


@pytest.fixture(scope="module")
def prepared(shared_session):
    assert shared_session.run("%link libz.so.1").is_ok
    cell = shared_session.run(DEFINE + "\n#include <zlib.h>")
    assert cell.is_ok, cell.traceback
    return shared_session


def wait_until_started(session, sent):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        message = session.client.get_iopub_msg(timeout=SECONDS)
        is_ours = message["parent_header"].get("msg_id") == sent
        if is_ours and "started" in message["content"].get("text", ""):
            return
        assert not is_ours or message["msg_type"] != "error", message["content"]
    raise TimeoutError("the cell did not start")


def check_state(session, n_before, cell):
    state = session.run("show_state();")
    assert state.is_ok, state.traceback
    if "as before" in cell.traceback:
        n = n_before
    elif "was replaced" in cell.traceback:
        n = 0
    else:
        assert "keep what" in cell.traceback
        n = n_before + 1
    assert state.stdout == programs.state(n), cell.traceback


@pytest.mark.parametrize("name", CELLS)
def test_interrupt(prepared, name):
    n_before = int(prepared.run("show_state();").stdout.split()[0])
    sent = prepared.send(CELLS[name])
    wait_until_started(prepared, sent)
    prepared.interrupt()
    cell = prepared.finish(sent)
    assert cell.name == "Interrupted"
    check_state(prepared, n_before, cell)
    assert prepared.run("signal(SIGINT, SIG_DFL);").is_ok
    assert prepared.value("20 + 22") == "42"


def test_handlers_of_the_cell_are_called(prepared):
    sent = prepared.send("n_handled = 0;\nsignal(SIGINT, handle);\nbegin();\nwhile (!n_handled)\n    zero = 0;")
    wait_until_started(prepared, sent)
    prepared.interrupt()
    assert prepared.finish(sent).is_ok
    assert prepared.value("n_handled") == "1"
    prepared.run("signal(SIGINT, SIG_DFL);")


def test_second_interrupt(prepared):
    prepared.run("signal(SIGINT, SIG_IGN);")
    sent = prepared.send("begin();\nfor (;;)\n    zero = 0;")
    wait_until_started(prepared, sent)
    prepared.interrupt()
    prepared.interrupt()
    assert prepared.finish(sent).name == "Interrupted"
    assert prepared.run("signal(SIGINT, SIG_DFL);").is_ok


def test_many(prepared):
    for _ in range(50):
        sent = prepared.send("begin();\nfor (;;)\n    free(malloc(50 + zero));")
        wait_until_started(prepared, sent)
        prepared.interrupt()
        assert prepared.finish(sent).name == "Interrupted"
    assert prepared.run("show_state();").is_ok


def test_an_interrupted_join_can_be_made_again(prepared):
    prepared.run("volatile int may_end = 0;\nvoid *wait_for_it(void *p)\n{\n    while (!may_end)\n"
                 "        usleep(100);\n    return word;\n}\npthread_t late;\n"
                 "pthread_create(&late, NULL, wait_for_it, NULL);")
    sent = prepared.send("begin();\npthread_join(late, NULL);")
    wait_until_started(prepared, sent)
    prepared.interrupt()
    assert "keep what" in prepared.finish(sent).traceback
    assert prepared.value("void *end = NULL;\nmay_end = 1;\npthread_join(late, &end) == 0 && end == word") == "1"
