# SPDX-License-Identifier: BSD-3-Clause
"""Printed text: complete, in order, while the cell runs, and not too much of it."""
import pathlib
import re
import time

import pytest
from executable import IS_ASAN

HEADERS = "#include <stdio.h>\n#include <fcntl.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"


def resident(session):
    pid = session.manager.provisioner.process.pid
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) << 10


def wait_for(path, seconds=30):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.01)


def test_stdout_and_stderr(session):
    cell = session.run('#include <stdio.h>\nprintf("out");\nfprintf(stderr, "err");')
    assert (cell.stdout, cell.stderr) == ("out", "err")


def test_every_way_to_print(session):
    cell = session.run('#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n'
                       'printf("a");\nfflush(stdout);\nwrite(1, "b", 1);\n'
                       'system("printf c");\nputs("d");')
    assert cell.stdout == "abcd\n"


def test_streams_while_it_runs(session):
    sent = session.send('#include <stdio.h>\n#include <unistd.h>\n'
                        'printf("first\\n");\nsleep(2);\nprintf("second\\n");')
    while True:
        message = session.client.get_iopub_msg(timeout=20)
        if message["msg_type"] == "stream":
            break
    assert message["content"]["text"] == "first\n"
    assert session.finish(sent).stdout == "second\n"


def test_a_child_that_prints_later(session):
    cell = session.run('#include <stdlib.h>\nsystem("sleep 0.3; echo child");')
    assert cell.stdout == "child\n"


def test_much_output(session):
    cell = session.run('#include <stdio.h>\nfor (int i = 0; i < 100000; i++)\n'
                       '    printf("%d\\n", i);')
    lines = cell.stdout.splitlines()
    assert lines[0] == "0" and lines[-1] == "99999" and len(lines) == 100000


def test_output_is_coalesced(session):
    session.run("#include <stdio.h>")
    sent = session.send('for (int i = 0; i < 20000; i++) {\n    printf("x\\n");\n'
                        '    fflush(stdout);\n}')
    messages = 0
    while True:
        message = session.client.get_iopub_msg(timeout=10)
        messages += message["msg_type"] == "stream"
        if (message["parent_header"].get("msg_id") == sent
                and message["content"].get("execution_state") == "idle"):
            break
    assert 1 <= messages < 1000


def test_bytes_that_are_not_text(session):
    cell = session.run('#include <unistd.h>\nwrite(1, "a\\xff\\xfe" "b\\n", 5);')
    assert cell.stdout.startswith("a") and cell.stdout.endswith("b\n")


def test_value_comes_after_output(session):
    sent = session.send('#include <stdio.h>\nprintf("text");\n5')
    kinds = []
    while True:
        message = session.client.get_iopub_msg(timeout=10)
        if message["parent_header"].get("msg_id") == sent:
            kinds.append(message["msg_type"])
            if message["content"].get("execution_state") == "idle":
                break
    assert kinds == ["status", "execute_input", "stream", "execute_result", "status"]


def test_100_megabytes(session, tmp_path, monkeypatch):
    """The cell does not wait for what is sent, its beginning and end are shown, the whole is in
    a file, and the kernel stays small and answers."""
    session.value(HEADERS)
    before = resident(session)
    sent = session.send('for (int i = 0; i < 1000000; i++)\n    printf("%099d\\n", i);\n'
                        'fflush(stdout);\nclose(creat("printed", 0600));')
    wait_for(tmp_path / "printed")
    session.client.kernel_info()
    control = session.client.session.msg("kernel_info_request")
    session.client.control_channel.send(control)
    assert session.client.get_control_msg(timeout=10)["content"]["status"] == "ok"
    cell = session.finish(sent, 60)
    lines = [int(line) for line in cell.stdout.splitlines()]
    assert cell.is_ok and len(cell.stdout) < 9 << 20
    jump = next(i for i, line in enumerate(lines) if i != line)
    assert jump > 80_000 and lines[jump:] == list(range(lines[jump], 1_000_000))
    left_out = int(re.search(r"\[(\d+) bytes of output are left out", cell.stderr)[1])
    assert left_out + len(cell.stdout) == 100_000_000
    whole = pathlib.Path(re.search(r"the whole is in '(.*)'", cell.stderr)[1])
    assert whole.stat().st_size == 100_000_000 and whole.stat().st_mode & 0o77 == 0
    assert IS_ASAN or resident(session) - before < 40 << 20
    assert session.value("6 * 7") == "42"


def test_interrupt_of_an_endless_print(session):
    session.value(HEADERS)
    sent = session.send('for (;;) puts("again and again and again and again");')
    time.sleep(1.5)
    session.interrupt()
    cell = session.finish(sent)
    assert cell.name == "Interrupted" and "the whole is in '" in cell.stderr
    assert session.value("1") == "1"


@pytest.mark.parametrize("text, expected", [
    (r"\xc3\xa9\xe2\x82\xac", "\u00e9\u20ac"), (r"a\0b", "a\0b"), (r"\033[31mred", "\033[31mred"),
    (r"\xffx", "\ufffdx"), (r"\xe2\x82", "\ufffd"), (r"10%\r20%\r", "10%\r20%\r"),
])
def test_any_bytes(shared_session, text, expected):
    n = len(eval(f"b'{text}'"))
    code = f'#include <unistd.h>\nwrite(1, "{text}", {n});'.replace("\\xff" + "x", "\\xff\" \"x")
    assert shared_session.run(code).stdout == expected


def test_a_character_in_pieces(shared_session):
    shared_session.value(HEADERS)
    cell = shared_session.run('write(1, "\\xe2", 1);\nusleep(30000);\nwrite(1, "\\x82", 1);\n'
                              'usleep(30000);\nwrite(1, "\\xac", 1);')
    assert cell.stdout == "\u20ac"


def test_a_progress_bar_is_live(shared_session):
    """A line without an end goes out as well, while the cell runs."""
    shared_session.value(HEADERS)
    sent = shared_session.send('printf("10%%\\r");\nfflush(stdout);\nsleep(60);')
    while shared_session.receive(20)["msg_type"] != "stream":
        pass
    shared_session.interrupt()
    assert shared_session.finish(sent).name == "Interrupted"


def streams_of(session, names, *texts):
    """Which cell each text came from, by iopub's parent; waits until all have come."""
    found = {}
    while set(found) != set(texts):
        message = session.receive(20)
        if message["msg_type"] == "stream":
            for text in texts:
                if text in message["content"]["text"]:
                    found[text] = names.get(message["parent_header"].get("msg_id"))
    return [found[text] for text in texts]


@pytest.mark.parametrize("start", [
    'system("(while [ ! -e go ]; do sleep 0.02; done; echo child) &");',
    'if (!fork()) {\n    while (access("go", F_OK)) usleep(20000);\n    puts("child");\n    exit(0);\n}',
])
def test_a_program_prints_into_its_cell(session, tmp_path, start):
    """Also while another one runs, and when none does."""
    session.value(HEADERS)
    names = {session.send(start): "first"}
    names[session.send('close(creat("go", 0600));\nputs("second");\nsleep(60);')] = "second"
    assert streams_of(session, names, "second\n", "child\n") == ["second", "first"]
    session.interrupt()


def test_output_while_nothing_runs(session, tmp_path):
    session.value(HEADERS + "#include <pthread.h>\n"
                  'void *wait_for(void *file) {\n    while (access(file, F_OK)) usleep(20000);\n'
                  '    printf("thread %s\\n", (char *)file);\n    return NULL;\n}\npthread_t t;')
    names = {session.send('pthread_create(&t, NULL, wait_for, "one");\n'
                          'system("(while [ ! -e two ]; do sleep 0.02; done; echo program) &");'): 1}
    session.finish(list(names)[0])
    (tmp_path / "one").touch()
    assert streams_of(session, names, "thread one\n") == [1]
    (tmp_path / "two").touch()
    assert streams_of(session, names, "program\n") == [1]


def test_a_thread_prints_into_the_newest_cell(session, tmp_path):
    session.value(HEADERS + "#include <pthread.h>\n"
                  'void *wait_for(void *file) {\n    while (access(file, F_OK)) usleep(20000);\n'
                  '    printf("thread\\n");\n    return NULL;\n}\npthread_t t;')
    names = {session.send('pthread_create(&t, NULL, wait_for, "go");'): "first"}
    names[session.send('close(creat("go", 0600));\nsleep(60);')] = "second"
    assert streams_of(session, names, "thread\n") == ["second"]
    session.interrupt()


def test_a_program_does_not_hold_its_cell(session):
    session.value(HEADERS)
    assert session.run('system("(sleep 100; echo late) & echo $! >pid; echo soon");').stdout == "soon\n"
    assert session.run('puts("next");').stdout == "next\n"
    session.run('system("kill $(cat pid)");')


def test_a_descriptor_that_was_kept_aside(session):
    """Redirecting in one cell and back in a later one works, with programs in between."""
    session.value(HEADERS)
    session.run('int kept = dup(1);\nsystem("true");')
    session.run('freopen("file", "w", stdout);\nputs("hidden");\nsystem("true");')
    session.run("fflush(stdout);\ndup2(kept, 1);")
    assert session.run('puts("seen");').stdout == "seen\n"


def test_output_after_a_fault(session):
    """A checkpoint that takes over prints into the cells that come."""
    session.value(HEADERS)
    session.run('system("true");')
    assert not session.run("int *nowhere = NULL;\nsystem(\"true\");\n*nowhere = 1;").is_ok
    assert session.run('puts("here");\nfflush(stdout);\nsystem("echo there");').stdout == "here\nthere\n"


@pytest.mark.parametrize("wait", ["sleep(60)", "pause()", "usleep(60000000)", "poll(NULL, 0, 60000)",
                                  "select(0, NULL, NULL, NULL, NULL)"])
def test_what_is_printed_is_seen_before_a_wait(shared_session, wait):
    shared_session.value(HEADERS + "#include <poll.h>\n#include <sys/select.h>")
    sent = shared_session.send(f'printf("working ... ");\n{wait};')
    assert streams_of(shared_session, {sent: "cell"}, "working ... ") == ["cell"]
    shared_session.interrupt()
    assert shared_session.finish(sent).name == "Interrupted"
