# SPDX-License-Identifier: BSD-3-Clause
"""What each request is answered with, and in which order."""
import re
import signal
import time

import pytest


def types(seen):
    return [c.get("execution_state", t) if t == "status" else t for t, c in seen]


def test_kernel_info(kernel):
    for channel in ("shell", "control"):
        reply, seen = kernel.request("kernel_info_request", channel=channel)
        assert types(seen) == ["busy", "idle"]
        assert reply["status"] == "ok" and reply["implementation"] == "achar"
        assert tuple(map(int, reply["protocol_version"].split("."))) >= (5, 4)
        info = reply["language_info"]
        assert (info["name"], info["mimetype"], info["file_extension"]) == \
            ("c", "text/x-csrc", ".c")
        assert reply["supported_features"] == [] and reply["banner"]


def test_execute_order(kernel):
    reply, seen = kernel.execute("print hello\n42")
    assert types(seen) == ["busy", "execute_input", "stream", "execute_result", "idle"]
    assert seen[1][1] == {"code": "print hello\n42", "execution_count": 1}
    assert seen[2][1] == {"name": "stdout", "text": "hello\n"}
    assert seen[3][1] == {"execution_count": 1, "data": {"text/plain": "42"}, "metadata": {}}
    assert reply["status"] == "ok" and reply["execution_count"] == 1
    assert reply["payload"] == [] and reply["user_expressions"] == {}


def test_reply_metadata(kernel):
    kernel.send_execute("1")
    metadata = kernel.receive()["metadata"]
    assert metadata["status"] == "ok" and metadata["started"]


def test_error(kernel):
    kernel.execute("1")
    reply, seen = kernel.execute("print before\nerror\nprint after")
    assert types(seen) == ["busy", "execute_input", "stream", "error", "idle"]
    error = {"ename": "FakeError", "evalue": "as asked", "traceback": ["FakeError: as asked"]}
    assert seen[3][1] == error
    assert reply["status"] == "error" and reply["execution_count"] == 2
    assert {k: reply[k] for k in error} == error
    assert kernel.execute("1")[0]["execution_count"] == 3


def test_failure_of_the_world_is_an_error_of_the_cell(kernel):
    reply, _ = kernel.execute("world")
    assert (reply["ename"], reply["evalue"]) == ("KernelError",
                                                 "the worker cannot be started")
    assert kernel.execute("1")[0]["status"] == "ok"


def test_silent(kernel):
    reply, seen = kernel.execute("print hello\n42", silent=True)
    assert types(seen) == ["busy", "idle"]
    assert reply["status"] == "ok" and reply["execution_count"] == 0
    reply, seen = kernel.execute("error", silent=True)
    assert types(seen) == ["busy", "idle"] and reply["status"] == "error"
    assert kernel.execute("1")[0]["execution_count"] == 1
    history, _ = kernel.request("history_request", {"hist_access_type": "tail", "n": 10})
    assert [h[2] for h in history["history"]] == ["1"]


def test_store_history(kernel):
    kernel.execute("1")
    reply, seen = kernel.execute("2", store_history=False)
    assert reply["execution_count"] == 1
    assert types(seen) == ["busy", "execute_input", "execute_result", "idle"]
    assert kernel.execute("3")[0]["execution_count"] == 2
    history, _ = kernel.request("history_request", {"hist_access_type": "tail", "n": 10})
    assert [h[1:] for h in history["history"]] == [[1, "1"], [2, "3"]]


def test_user_expressions(kernel):
    reply, seen = kernel.execute("1", user_expressions={"a": "7", "b": "error", "c": 5,
                                                        "d": "print aside\n8"})
    values = reply["user_expressions"]
    assert values["a"] == {"status": "ok", "data": {"text/plain": "7"}, "metadata": {}}
    assert values["b"]["status"] == "error" and values["b"]["ename"] == "FakeError"
    assert values["c"]["status"] == "error"
    assert values["d"]["data"] == {"text/plain": "8"}
    assert types(seen) == ["busy", "execute_input", "execute_result", "stream", "idle"]
    reply, _ = kernel.execute("error", user_expressions={"a": "7"})
    assert reply["user_expressions"] == {}


def test_page(kernel):
    reply, _ = kernel.execute("page all about it")
    assert reply["payload"] == [{"source": "page", "start": 0,
                                 "data": {"text/plain": "all about it"}}]


def test_display(kernel):
    _, seen = kernel.execute("print before\ndisplay shown\nprint after")
    assert types(seen) == ["busy", "execute_input", "stream", "display_data", "stream",
                           "idle"]
    assert seen[3][1]["data"] == {"text/plain": "shown"}


def test_what_is_queued_behind_an_error_is_aborted(kernel):
    sent = [kernel.send_execute(code) for code in ("sleep 200\nerror", "print a", "print b")]
    sent.append(kernel.send("kernel_info_request"))
    replies = [kernel.receive() for _ in sent]
    assert [r["parent_header"]["msg_id"] for r in replies] == sent
    assert [r["content"]["status"] for r in replies] == ["error", "aborted", "aborted", "ok"]
    assert [r["content"].get("execution_count") for r in replies] == [1, None, None, None]
    assert types(kernel.until_idle(sent[2])) == ["busy", "idle"]
    assert kernel.execute("print c")[0]["status"] == "ok"


def test_what_was_sent_with_a_failing_cell_is_aborted(kernel):
    for _ in range(10):
        kernel.process.send_signal(signal.SIGSTOP)  # all have come before it reads the first
        sent = [kernel.send_execute(code) for code in ("error", "1", "2")]
        time.sleep(0.02)
        kernel.process.send_signal(signal.SIGCONT)
        assert [kernel.receive()["content"]["status"] for _ in sent] == \
            ["error", "aborted", "aborted"]
        # And what is sent after the reply is not.
        kernel.send_execute("1")
        assert kernel.receive()["content"]["status"] == "ok"


def test_stop_on_error_off(kernel):
    sent = [kernel.send_execute(code, stop_on_error=False) for code in ("error", "1")]
    assert [kernel.receive()["content"]["status"] for _ in sent] == ["error", "ok"]


def test_control_is_answered_while_a_cell_runs(kernel):
    kernel.request("kernel_info_request")  # now both sockets are connected
    cell = kernel.send_execute("sleep 60000")
    reply, seen = kernel.request("kernel_info_request", channel="control")
    assert reply["status"] == "ok" and types(seen) == ["busy", "idle"]
    kernel.send("debug_request", {"command": "initialize"}, "control")
    assert kernel.receive("control")["content"]["status"] == "error"
    kernel.beat()
    reply, _ = kernel.request("interrupt_request", channel="control")
    assert reply == {"status": "ok"}
    reply = kernel.receive()
    assert reply["parent_header"]["msg_id"] == cell
    assert reply["content"]["ename"] == "Interrupted"


def test_interrupt_by_signal(kernel):
    kernel.send_execute("sleep 5000")
    time.sleep(0.2)
    kernel.process.send_signal(signal.SIGINT)
    assert kernel.receive(timeout=2)["content"]["ename"] == "Interrupted"
    kernel.process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    assert kernel.execute("1")[0]["status"] == "ok"


@pytest.mark.parametrize("early, late, is_meant", [
    ({"date": "2020-01-01T00:00:00.000001Z"}, {"date": "2020-01-01T00:00:00.000002Z"}, True),
    ({"date": "2020-01-01T00:00:00.000002Z"}, {"date": "2020-01-01T00:00:00.000001Z"}, False),
    ({"date": "2020-01-01T00:00:00.000001Z"}, {"date": "2020-01-01T00:00:00.000001Z"}, False),
    ({"date": "soon"}, {"date": 5}, False)])
def test_an_interrupt_that_overtakes_a_cell_is_known_by_its_date(kernel, early, late, is_meant):
    reply, _ = kernel.request("interrupt_request", channel="control", header=late)
    assert reply == {"status": "ok"}
    reply, _ = kernel.request("execute_request", {"code": "sleep 50"}, header=early)
    assert reply.get("ename", "") == ("Interrupted" if is_meant else "")
    reply, _ = kernel.execute("sleep 50")
    assert reply["status"] == "ok"


def test_an_interrupt_that_was_sent_before_a_cell_is_not_for_it(kernel):
    """Whichever of the two is read first: they come on different sockets."""
    for _ in range(200):
        kernel.send("interrupt_request", {}, "control")
        cell = kernel.send_execute("sleep 1")
        assert kernel.receive()["content"]["status"] == "ok"
        kernel.until_idle(cell)
        kernel.receive("control")
    for _ in range(200):
        cell = kernel.send_execute("sleep 60000")
        kernel.send("interrupt_request", {}, "control")
        assert kernel.receive()["content"]["ename"] == "Interrupted"
        kernel.until_idle(cell)
        kernel.receive("control")


def test_is_complete(kernel):
    assert kernel.request("is_complete_request", {"code": "1"})[0] == {"status": "complete"}
    assert kernel.request("is_complete_request", {"code": "{"})[0] == \
        {"status": "incomplete", "indent": "    "}


@pytest.mark.parametrize("code, cursor, matches, first, last", [
    ("go", 2, ["going"], 0, 2),
    ("é𝄞 go", 5, ["going"], 3, 5),
    ("go é", 2, ["going"], 0, 2),
    ("go", 99, ["going"], 0, 2),
    ("go", None, ["going"], 0, 2),
    ("%li", 3, ["%link"], 0, 3),
    ("%l", 2, ["%link", "%lsmagic"], 0, 2),
    ("%", 1, ["%link", "%lsmagic", "%time"], 0, 1),
    ("é\n  %%ti", 8, ["%%time"], 4, 8),
    ("a %li", 5, ["liing"], 3, 5),
])
def test_complete(kernel, code, cursor, matches, first, last):
    content = {"code": code} if cursor is None else {"code": code, "cursor_pos": cursor}
    reply, _ = kernel.request("complete_request", content)
    assert reply["matches"] == matches
    assert (reply["cursor_start"], reply["cursor_end"]) == (first, last)
    types_ = reply["metadata"]["_jupyter_types_experimental"]
    assert [t["text"] for t in types_] == matches


def test_inspect(kernel):
    reply, _ = kernel.request("inspect_request",
                              {"code": "known é!", "cursor_pos": 7, "detail_level": 1})
    assert reply == {"status": "ok", "found": True, "metadata": {},
                     "data": {"text/plain": "byte 8, detail 1"}}
    reply, _ = kernel.request("inspect_request", {"code": "nothing", "cursor_pos": 0})
    assert reply["found"] is False and reply["data"] == {}


def test_comms(kernel):
    reply, _ = kernel.request("comm_info_request", {"target_name": "x"})
    assert reply == {"status": "ok", "comms": {}}
    seen = kernel.until_idle(kernel.send("comm_open", {"comm_id": "c1", "target_name": "x",
                                                       "data": {}}))
    assert types(seen) == ["busy", "comm_close", "idle"]
    assert seen[1][1] == {"comm_id": "c1", "data": {}}
    for kind in ("comm_msg", "comm_close"):
        seen = kernel.until_idle(kernel.send(kind, {"comm_id": "c1", "data": {}}))
        assert types(seen) == ["busy", "idle"]


def history(kernel, **query):
    reply, _ = kernel.request("history_request", {"output": False, "raw": True, **query})
    return reply["history"]


def test_history(kernel):
    for code in ("1", "2", "print x", "2"):
        kernel.execute(code)
    tail = history(kernel, hist_access_type="tail", n=2)
    session = tail[0][0]
    assert tail == [[session, 3, "print x"], [session, 4, "2"]]
    assert history(kernel, hist_access_type="tail", n=2, output=True) == \
        [[session, 3, ["print x", None]], [session, 4, ["2", "2"]]]
    assert history(kernel, hist_access_type="range", session=0, start=2, stop=4) == \
        [[session, 2, "2"], [session, 3, "print x"]]
    assert history(kernel, hist_access_type="range", session=session, start=4) == \
        [[session, 4, "2"]]
    search = dict(hist_access_type="search")
    assert [h[2] for h in history(kernel, pattern="pr*", **search)] == ["print x"]
    assert [h[2] for h in history(kernel, pattern="?", **search)] == ["1", "2", "2"]
    assert [h[1] for h in history(kernel, pattern="?", unique=True, **search)] == [1, 4]
    assert [h[1] for h in history(kernel, pattern="?", n=1, **search)] == [4]


def test_history_survives_a_restart(start, tmp_path):
    environment = {"XDG_DATA_HOME": str(tmp_path / "shared")}
    first = start(environment=environment)
    first.execute("11")
    first.request("shutdown_request", {"restart": True}, "control")
    assert first.process.wait(5) == 0
    second = start(environment=environment)
    second.execute("22")
    tail = history(second, hist_access_type="tail", n=9)
    assert [h[2] for h in tail] == ["11", "22"] and tail[0][0] < tail[1][0]
    assert [h[2] for h in history(second, hist_access_type="range", session=-1)] == ["11"]


def test_history_falls_back_to_memory(start, tmp_path):
    (tmp_path / "file").write_text("")
    kernel = start(environment={"XDG_DATA_HOME": str(tmp_path / "file")})
    kernel.execute("5")
    assert [h[2] for h in history(kernel, hist_access_type="tail", n=9)] == ["5"]
    assert "history is kept in memory only" in kernel.complaints()


def test_two_kernels_share_the_history(start, tmp_path):
    environment = {"XDG_DATA_HOME": str(tmp_path / "shared")}
    kernels = [start(environment=environment) for _ in range(2)]
    for i in range(20):
        kernels[i % 2].execute(str(i))
    assert len(history(kernels[0], hist_access_type="tail", n=99)) == 20
    assert not kernels[0].complaints() and not kernels[1].complaints()


@pytest.mark.parametrize("channel", ["control", "shell"])
def test_shutdown(kernel, channel):
    reply, seen = kernel.request("shutdown_request", {"restart": False}, channel)
    assert reply == {"status": "ok", "restart": False}
    assert types(seen) == ["busy", "shutdown_reply", "idle"]
    assert kernel.process.wait(5) == 0


def test_shutdown_while_a_cell_runs(kernel):
    kernel.send_execute("sleep 60000")
    time.sleep(0.1)
    reply, _ = kernel.request("shutdown_request", {"restart": True}, "control")
    assert reply["restart"] is True
    assert kernel.process.wait(5) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_cleanly(kernel, number):
    kernel.execute("1")
    kernel.process.send_signal(number)
    assert kernel.process.wait(5) == 0
    assert not re.search("error|abort", kernel.complaints())
