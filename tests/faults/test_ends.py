# SPDX-License-Identifier: BSD-3-Clause
"""Cells and processes that end, or go on, in ways of their own; processes that are killed from
outside. The kernel lives, and the next cell works with a state that is as promised."""
import os
import signal
import subprocess
import time

import programs
import pytest

# name: (cells, name of the last one's error or "", how often mark() has been called afterwards)
ENDS = {
    "children that fault": (["mark();\nfor (int i = 0; i < 20; i++)\n    if (fork() == 0)\n        *nowhere = i;\n"
                             "while (wait(NULL) > 0)\n    ;"], "", 1),
    "a child that aborts": (['mark();\nint how;\nif (fork() == 0)\n    abort();\nwait(&how);\n'
                             'if (!WIFSIGNALED(how) || WTERMSIG(how) != SIGABRT)\n    exit(9);'], "", 1),
    "a child that damages its heap": (["mark();\nif (fork() == 0) {\n    char *block = malloc(9);\n    free(block);\n"
                                       "    free(block);\n}\nwait(NULL);"], "", 1),
    "a child that goes on with the cell": (["mark();\nif (fork() == 0)\n    count = 77;\nelse\n    wait(NULL);"], "", 1),
    "a child that exits": (["mark();\nint got;\nif (fork() == 0)\n    exit(7);\nwait(&got);\n"
                            "if (WEXITSTATUS(got) != 7)\n    exit(9);"], "", 1),
    "all descriptors closed": (["mark();\nfor (int i = 0; i < 1024; i++)\n    close(i);", "*nowhere = 1;"], "SIGSEGV", None),
    "a fault after all descriptors are closed": (["mark();\nfor (int i = 0; i < 1024; i++)\n    close(i);\n"
                                                  "*nowhere = 1;"], "SIGSEGV", 0),
    "standard descriptors closed": (["mark();\nclose(0);\nclose(1);\nclose(2);\nabort();"], "SIGABRT", 0),
    "all memory": (["mark();\nchar *all = malloc((size_t)1 << 45);\nmemset(all, 1, 100);"], "SIGSEGV", 0),
    "a detached thread that faults": (["void *fault_late(void *p)\n{\n    usleep(1000);\n    *nowhere = 1;\n    return p;\n}",
                                       "mark();\npthread_t t;\npthread_create(&t, NULL, fault_late, NULL);\n"
                                       "pthread_detach(t);\nsleep(100);"], "SIGSEGV", 0),
    "two threads that fault at once": (["void *fault_now(void *p)\n{\n    *nowhere = 1;\n    return p;\n}",
                                        "mark();\npthread_t t[8];\nfor (int i = 0; i < 8; i++)\n"
                                        "    pthread_create(&t[i], NULL, fault_now, NULL);\nsleep(100);"], "SIGSEGV", 0),
    "exit in a thread": (["void *exit_there(void *p)\n{\n    exit(3);\n    return p;\n}",
                          "mark();\npthread_t t;\npthread_create(&t, NULL, exit_there, NULL);\n"
                          "pthread_join(t, NULL);"], "ExitStatus", 0),
    "a thread that ends itself": (["void *end_there(void *p)\n{\n    pthread_exit(p);\n}",
                                   "mark();\npthread_t t;\npthread_create(&t, NULL, end_there, NULL);\n"
                                   "pthread_join(t, NULL);"], "", 1),
    "the cell's thread ends itself": (["mark();\npthread_exit(NULL);"], "", 1),
    "a thread that is cancelled": (["void *wait_there(void *p)\n{\n    sleep(100);\n    return p;\n}",
                                    "mark();\npthread_t t;\npthread_create(&t, NULL, wait_there, NULL);\n"
                                    "pthread_cancel(t);\npthread_join(t, NULL);"], "", 1),
    "exit in a function": (["void leave_now(int n)\n{\n    exit(n);\n}", "mark();\nleave_now(0);\nmark();"], "", 1),
    "a jump out of a handler": (["sigjmp_buf there;\nvoid jump(int n)\n{\n    siglongjmp(there, n);\n}",
                                 "mark();\nsignal(SIGSEGV, jump);\nif (!sigsetjmp(there, 1))\n    *nowhere = 1;\n"
                                 "signal(SIGSEGV, SIG_DFL);", "*nowhere = 1;"], "SIGSEGV", 1),
    "a handler that exits": (["void give_up(int n)\n{\n    exit(n);\n}",
                              "mark();\nsignal(SIGFPE, give_up);\nzero = (int)count / zero;"], "ExitStatus", None),
    "deep recursion that is left by a jump": (["jmp_buf top;\nvoid dive(int n)\n{\n    volatile char room[100];\n"
                                               "    room[0] = 1;\n    if (n == 0)\n        longjmp(top, 1);\n"
                                               "    dive(n - 1);\n    room[1] = room[0];\n}",
                                               "mark();\nif (!setjmp(top))\n    dive(20000);"], "", 1),
    "an alarm": (["mark();\nalarm(1);\nfor (;;)\n    zero = 0;"], "SIGALRM", 0),
    "an alarm while it allocates": (["mark();\nualarm(50000, 0);\nfor (;;)\n    free(malloc(100 + zero));"], "SIGALRM", 0),
    "too much processor time": (["mark();\nsetrlimit(RLIMIT_CPU, &(struct rlimit){1, 2});\nfor (;;)\n    zero = 0;"],
                                "SIGXCPU", 0),
    "too large a file": (["mark();\nsetrlimit(RLIMIT_FSIZE, &(struct rlimit){100, 100});\nFILE *large = tmpfile();\n"
                          "for (int i = 0; i < 100000; i++)\n    fputs(\"text\", large);\nfflush(large);"], "SIGXFSZ", 0),
    "a closed pipe": (["mark();\nint ends[2];\npipe(ends);\nclose(ends[0]);\nif (write(ends[1], word, 1) >= 0)\n"
                       "    exit(9);\nclose(ends[1]);"], "", 1),
    "stack protector": (["%cc gcc -fstack-protector-all", "void guarded(int n)\n{\n    char room[16];\n"
                         "    char *volatile at = room;\n    memset(at, 'A', n);\n    word[0] = at[3];\n}",
                         "mark();\nguarded(40);"],
                        "StackSmashing", 0),
    "a frame that is overwritten": (["__attribute__((stack_protect)) void guarded(int n)\n{\n    __int128 wide = n;\n    char room[16];\n"
                                     "    char *volatile at = room;\n    memset(at, 'A', (int)wide);\n}",
                                     "mark();\nguarded(40);"], "StackSmashing", 0),
    "a heap that the library finds damaged": (["mark();\nsize_t *block = malloc(40);\nblock[-5] = 3;\nfree(block);\n"
                                               "free(malloc(5000));\nfree(malloc(100000));"], "HeapUnderrun", 0),
}


@pytest.mark.parametrize("name", ENDS)
def test_end(session, name):
    cells, error, n_marks = ENDS[name]
    assert session.run(programs.SETUP).is_ok
    for text in cells:
        cell = session.run(text)
    if error is not None:
        assert cell.name == error, cell.traceback
    state = session.run("show_state();")
    assert state.is_ok, state.traceback
    if "was replaced" in cell.traceback:
        n_marks = 0
    if n_marks is not None:
        assert state.stdout == programs.state(n_marks), cell.traceback
    assert session.value("20 + 22") == "42"


def worker_of(session):
    """Process id of the session's worker, which knows it itself."""
    return int(session.value("getpid()"))


def test_killed_while_it_runs(session):
    session.run(programs.SETUP)
    session.run("mark();")
    pid = worker_of(session)
    sent = session.send('mark();\nprintf("started\\n");\nfor (;;)\n    sleep(1);')
    while "started" not in session.client.get_iopub_msg(timeout=30)["content"].get("text", ""):
        pass
    os.kill(pid, signal.SIGKILL)
    cell = session.finish(sent)
    assert cell.name == "SIGKILL" and "kill -9" in cell.message
    assert session.run("show_state();").stdout == programs.state(1)


def test_killed_while_nothing_runs(session):
    session.run(programs.SETUP)
    session.run("mark();")
    pid = worker_of(session)
    os.kill(pid, signal.SIGKILL)
    while subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True,
                         text=True).stdout.strip()[:1] not in ("", "Z"):
        time.sleep(0.01)
    state = session.run("show_state();")
    assert state.is_ok, state.traceback
    is_lost = "has ended while nothing ran" in state.stderr  # before there was a checkpoint
    assert state.stdout == programs.state(0 if is_lost else 1)


def test_terminated_while_it_runs(session):
    session.run(programs.SETUP)
    pid = worker_of(session)
    sent = session.send('mark();\nprintf("started\\n");\nfor (;;)\n    sleep(1);')
    while "started" not in session.client.get_iopub_msg(timeout=30)["content"].get("text", ""):
        pass
    os.kill(pid, signal.SIGTERM)
    cell = session.finish(sent)
    assert cell.name == "SIGTERM" and f"sent by process {os.getpid()}" in cell.message
    assert "In[" in cell.traceback
    assert session.run("show_state();").is_ok


def test_endless_output_can_be_interrupted(session):
    session.run(programs.SETUP)
    sent = session.send('for (;;)\n    puts("again and again and again");')
    time.sleep(0.3)
    session.interrupt()
    assert session.finish(sent).name == "Interrupted"
    assert session.run("show_state();").stdout == programs.state(0)
