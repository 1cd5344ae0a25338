# SPDX-License-Identifier: BSD-3-Clause
"""The real kernel at the protocol: nothing that a cell does keeps it from answering."""
import signal
import time

import pytest

from wire import Kernel

LOOP = "for (volatile long i = 0;; i++)\n    ;"
FLOOD = '#include <stdio.h>\nfor (long i = 0;; i++)\n    printf("line %ld of an endless print\\n", i);'


@pytest.fixture(scope="module")
def kernel(achar, tmp_path_factory):
    kernel = Kernel([achar, "kernel", "-f"], tmp_path_factory.mktemp("real"))
    yield kernel
    kernel.end()


@pytest.fixture(autouse=True)
def next_cell_works(kernel):
    yield
    reply, seen = kernel.execute("6 * 7", stop_on_error=False)
    assert reply["status"] == "ok"
    assert {"text/plain": "42"} in [c.get("data") for _, c in seen]


def assert_answers(kernel, seconds):
    """Heartbeat and control, for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        kernel.beat()
        reply, _ = kernel.request("kernel_info_request", channel="control")
        assert reply["status"] == "ok"
        time.sleep(0.05)


def test_order(kernel):
    kernel.execute("#include <stdio.h>")
    reply, seen = kernel.execute('printf("out\\n");\n1 + 1')
    kinds = [c.get("execution_state", t) if t == "status" else t for t, c in seen]
    assert kinds == ["busy", "execute_input", "stream", "execute_result", "idle"]
    assert reply["status"] == "ok"


def test_compile_error_is_one_error(kernel):
    reply, seen = kernel.execute("int broken = no_such_name;")
    kinds = [t for t, _ in seen]
    assert kinds == ["status", "execute_input", "error", "status"]
    assert reply["status"] == "error" and reply["execution_count"] > 0
    assert "no_such_name" in reply["evalue"] and reply["traceback"]


@pytest.mark.parametrize("code", [LOOP, FLOOD])
def test_endless(kernel, code):
    cell = kernel.send_execute(code)
    assert_answers(kernel, 1.5)
    start = time.monotonic()
    kernel.send("interrupt_request", {}, "control")
    assert kernel.receive("control", 2)["content"]["status"] == "ok"
    reply = kernel.receive(timeout=10)
    assert reply["parent_header"]["msg_id"] == cell
    assert reply["content"]["status"] == "error"
    assert "nterrupt" in reply["content"]["ename"]
    kernel.until_idle(cell)
    assert time.monotonic() - start < 5


def test_interrupt_by_signal(kernel):
    """As Ctrl-C in a terminal that the kernel was started from."""
    cell = kernel.send_execute("#include <unistd.h>\nsleep(60);")
    time.sleep(0.5)
    kernel.process.send_signal(signal.SIGINT)
    assert kernel.receive(timeout=10)["content"]["status"] == "error"
    kernel.until_idle(cell)
    assert kernel.process.poll() is None


def test_user_expressions(kernel):
    reply, _ = kernel.execute("int counted = 5;",
                              user_expressions={"a": "counted + 1", "b": "missing + 1"})
    assert reply["user_expressions"]["a"]["data"] == {"text/plain": "6"}
    assert reply["user_expressions"]["b"]["status"] == "error"
    assert "missing" in reply["user_expressions"]["b"]["evalue"]


@pytest.mark.parametrize("code, match, start", [
    ("#include <std", "stdio.h", 10), ("int a;\n# include <sys/ty", "types.h", 22),
    ('#include "math', "math.h", 10), ("#include <sy", "sys", 10)])
def test_header_completion(kernel, code, match, start):
    reply, _ = kernel.request("complete_request", {"code": code, "cursor_pos": len(code)})
    assert match in reply["matches"] and reply["cursor_start"] == start
    assert "stdout" not in reply["matches"]


def test_questions_between_cells(kernel):
    kernel.execute("int a_long_name_in_é; /* é */")
    reply, _ = kernel.request("complete_request", {"code": "/* é𝄞 */ a_long_na",
                                                   "cursor_pos": 18})
    assert any(m.startswith("a_long_name_in") for m in reply["matches"])
    assert (reply["cursor_start"], reply["cursor_end"]) == (9, 18)
    reply, _ = kernel.request("is_complete_request", {"code": "int f(void) {"})
    assert reply["status"] == "incomplete"
    reply, _ = kernel.request("complete_request", {"code": "%lsm"})
    assert reply["matches"] == ["%lsmagic"]
