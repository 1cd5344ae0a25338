# SPDX-License-Identifier: BSD-3-Clause
"""Whatever a cell does, heartbeat and control answer meanwhile and the next cell works."""
import fcntl
import os
import pathlib
import signal
import subprocess
import time

import pytest

from session import Session

MACRO_BOMB = "#define A0 x x x x x x x x x x\n" + "".join(
    f"#define A{i} A{i - 1} A{i - 1} A{i - 1} A{i - 1} A{i - 1} A{i - 1} A{i - 1} A{i - 1}\n"
    for i in range(1, 12)) + "int y = A11;"

HOSTILE = {
    "unary minuses": "int x = " + "- " * 20000 + "1;",
    "macro bomb": MACRO_BOMB,
    "parentheses": "int x = " + "(" * 10000 + "1" + ")" * 10000 + ";",
    "braces": "void f(void) " + "{" * 10000 + "}" * 10000,
    "null bytes": "int x\0 = 1;",
    "long line": "int x = 1" + " + 1" * 20000 + ";",
}

FAULTS = {
    "segfault": ("int *p = 0;\n*p = 1;", "SIGSEGV"),
    "exit": ("#include <stdlib.h>\nexit(3);", "exit"),
    "_exit": ("#include <unistd.h>\n_exit(4);", "exit"),
    "abort": ("#include <stdlib.h>\nabort();", "SIGABRT"),
    "division": ("volatile int zero = 0;\nint x = 1 / zero;", "SIGFPE"),
    "recursion": ("int deep(int n) { volatile char a[1000]; a[0] = n; return deep(n + 1) + a[0]; }"
                  "\ndeep(0)", "SIGSEGV"),
    "killed": ("#include <signal.h>\nraise(SIGKILL);", "SIGKILL"),
    "closed descriptors": ("#include <unistd.h>\nfor (int i = 0; i < 200; i++)\n    close(i);\n"
                           "int *q = 0;\n*q = 1;", ""),
}


def assert_alive(session):
    assert session.client.hb_channel.is_beating()
    assert session.value("20 + 22") == "42"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text(session, name):
    sent = session.send(HOSTILE[name])
    session.client.control_channel.send(
        session.client.session.msg("kernel_info_request", {}))
    reply = session.client.get_control_msg(timeout=5)
    assert reply["msg_type"] == "kernel_info_reply"
    session.finish(sent, seconds=60)
    assert_alive(session)


@pytest.mark.parametrize("name", FAULTS)
def test_fault(session, name):
    code, part = FAULTS[name]
    session.run("int f(int x) { return x + 1; }")
    cell = session.run(code)
    assert cell.status == "error"
    assert part in cell.name + cell.message + cell.traceback
    assert_alive(session)
    assert session.value("f(1)") == "2"


def test_fault_names_cell_and_line(session):
    session.run("void poke(int *p)\n{\n    *p = 1;\n}")
    cell = session.run("int *nowhere = 0;\npoke(nowhere);")
    assert "SIGSEGV" in cell.traceback and "poke" in cell.traceback
    assert "In[1]" in cell.traceback and "3" in cell.traceback


def test_output_before_a_fault_is_complete(session):
    cell = session.run('#include <stdio.h>\nprintf("almost");\nint *p = 0;\n*p = 1;')
    assert cell.stdout == "almost"


@pytest.mark.parametrize("loop", ["for (;;)\n    ;", "#include <unistd.h>\nfor (;;)\n    sleep(1);",
                                  "#include <stdlib.h>\nfor (;;)\n    free(malloc(10));",
                                  '#include <stdio.h>\nfor (;;)\n    printf("again and again\\n");'])
def test_endless_loop(session, loop):
    session.run("int kept = 5;")
    sent = session.send(loop)
    time.sleep(0.7)
    session.interrupt()
    cell = session.finish(sent)
    assert cell.status == "error"
    assert_alive(session)
    assert session.value("kept") in ("5", "0")  # kept, unless the worker had to be replaced


def test_interrupt_keeps_state(session):
    session.run("int i = 0;")
    sent = session.send("for (;;)\n    i++;")
    time.sleep(0.5)
    session.interrupt()
    assert session.finish(sent).name == "Interrupted"
    assert int(session.value("i")) > 1000


def test_interrupt_while_nothing_runs(session):
    session.interrupt()
    time.sleep(0.3)  # it comes on another channel than the cell
    assert_alive(session)


def test_definitions_are_kept_where_there_is_no_checkpoint(session):
    session.run("#include <unistd.h>\nint ends[2];\npipe(ends);")
    session.run("#include <signal.h>\n#include <unistd.h>\n#include <ctype.h>\n"
                "int seven(void) { return 7; }\nint start = 35;\nstart = 0;\n"
                "kill(getpid(), SIGKILL);")
    assert session.value("seven() + start") == "42"
    assert session.value("toupper('a')") == "65"


def test_code_that_kills_whatever_loads_it_is_left_out(session):
    cell = session.run("#include <stdlib.h>\n#include <signal.h>\n#include <unistd.h>\n"
                       "__attribute__((constructor)) static void first(void)\n"
                       "{ kill(getpid(), SIGKILL); }\nint other = 3;")
    assert cell.status == "ok" or cell.name == "SIGKILL"
    assert session.value("1 + 1") == "2"


def test_closed_output_comes_back_with_the_next_cell(session):
    session.value("#include <stdio.h>\n#include <unistd.h>")
    session.run("fclose(stdout);")
    assert session.run('printf("one\\n");').stdout == "one\n"
    session.run("close(1); close(2);")
    assert session.run('printf("two\\n"); fprintf(stderr, "three\\n");').stdout == "two\n"
    assert session.run('fprintf(stderr, "three\\n");').stderr == "three\n"


def test_redirected_output_stays_redirected(session):
    session.value("#include <stdio.h>\n#include <unistd.h>")
    session.run('int there = dup(1); freopen("file.txt", "w", stdout); puts("one");')
    assert session.run('puts("two");').stdout == ""
    session.run("fflush(stdout); dup2(there, 1);")
    assert session.run('puts("three");').stdout == "three\n"
    assert session.run("!cat file.txt").stdout == "one\ntwo\n"


def test_shell_lines_run_where_the_session_is(session):
    session.value("#include <unistd.h>")
    session.run('chdir("/");')
    assert session.run("!pwd").stdout == "/\n"


FRAGILE = """#include <stdlib.h>
#include <unistd.h>
int six(void) { return 6; }
__attribute__((constructor)) static void start(void) { if (!access("broken", F_OK)) abort(); }
"""


def test_a_library_that_kills_a_new_process_is_left_out(session, tmp_path):
    library = tmp_path / "libfragile.so"
    (tmp_path / "fragile.c").write_text(FRAGILE)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "fragile.c"], check=True)
    assert session.run(f"%link {library}").is_ok
    assert session.value("int six(void);\nsix()") == "6"
    (tmp_path / "broken").touch()
    session.run("#include <signal.h>\nraise(SIGKILL);")
    for _ in range(3):
        cell = session.run("1 + 1")
        if cell.is_ok:
            break
        assert "libfragile.so" in cell.message
    assert_alive(session)


def test_an_interrupted_program_ends_the_cell(session):
    sent = session.send("!echo started; sleep 20\nint after = 1;")
    time.sleep(1)
    session.interrupt()
    cell = session.finish(sent)
    assert cell.name == "Interrupted" and "started" in cell.stdout
    assert not session.run("after").is_ok


def is_running(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_nothing_outlives_a_kernel_that_was_killed(kernelspec, tmp_path, monkeypatch):
    """Programs and processes that cells have started end with it; its folders are removed by
    the next kernel, those of kernels that live are not."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    killed = Session(tmp_path)
    killed.value("#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
                 "int child;\nif (!(child = fork())) execlp(\"sleep\", \"sleep\", \"1000\", NULL);\n"
                 'system("sleep 1000 & echo $! > program");')
    killed.run("for (int i = 0; i < 900000; i++) puts(\"to the disk\");", seconds=120)
    pids = [int(killed.value("child")), int((tmp_path / "program").read_text()), int(killed.value("getpid()"))]
    assert all(is_running(pid) for pid in pids)
    [folder] = tmp_path.glob("achar-output-*")
    killed.client.stop_channels()
    os.kill(killed.manager.provisioner.pid, signal.SIGKILL)
    end = time.monotonic() + 30
    while any(is_running(pid) for pid in pids) and time.monotonic() < end:
        time.sleep(0.05)
    assert not [pid for pid in pids if is_running(pid)]
    killed.manager.shutdown_kernel(now=True)
    assert list(folder.iterdir())

    other = tmp_path / "achar-output-abcdef"  # of a kernel that lives
    other.mkdir()
    held = os.open(other, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    foreign = tmp_path / "achar-notes-abcdef"
    foreign.mkdir()
    for each in (folder, other, foreign):
        os.utime(each, (1, 1))
    Session(tmp_path).close()
    assert not folder.exists() and other.exists() and foreign.exists()
    os.close(held)



def test_a_handler_may_end_the_program(session):
    """Wherever the cell's own code, or a call that waits, was interrupted."""
    assert session.run("#include <signal.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
                       "int rounds;\nvoid leave(int s) { exit(3); }").is_ok
    for statement in ["alarm(1); for (;;) rounds++;", "alarm(1); sleep(60);", "alarm(1); pause();"]:
        ended = session.run(f"rounds = 1; signal(SIGALRM, leave); {statement}")
        assert ended.name == "ExitStatus" and ended.message.startswith(
            "the program ended with exit status 3 in In[")
        assert session.value("rounds > 0") == "1"
        assert session.run("rounds = 0;").is_ok


@pytest.mark.not_with_asan("it keeps what was freed")
def test_pointers_read_from_freed_memory_are_named(session):
    assert session.run("#include <stdlib.h>\nint n; struct holder { int *to; } *holder = "
                       "malloc(sizeof *holder); holder->to = &n; free(holder);").is_ok
    wrong = session.run("*holder->to = 3;")
    assert (wrong.name, wrong.message) == (
        "SIGSEGV", "use of a pointer that was read from freed memory in In[2]:1")
    wrong = session.run("free(holder->to);")
    assert (wrong.name, wrong.message) == (
        "BadFree", "free of a pointer that was read from freed memory in In[3]:1")
