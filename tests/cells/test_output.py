# SPDX-License-Identifier: BSD-3-Clause
"""Printed text: complete, in order, while the cell runs, and not too much of it."""


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
