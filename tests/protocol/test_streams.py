# SPDX-License-Identifier: BSD-3-Clause
"""Streams: complete, in order, coalesced, bounded."""
import time

from executable import IS_ASAN

OUTPUT_MAX = 8 << 20


def streams(seen, name="stdout"):
    return [c["text"] for t, c in seen if t == "stream" and c["name"] == name]


def resident(kernel):
    with open(f"/proc/{kernel.process.pid}/status") as status:
        return int(next(l for l in status if l.startswith("VmRSS")).split()[1]) << 10


def test_small_pieces_are_joined(kernel):
    _, seen = kernel.execute("write hello, \nwrite world\nrepeat 1000 x")
    assert "".join(streams(seen)) == "hello, world" + "x\n" * 1000
    assert len(streams(seen)) <= 3
    assert "hello, world" in streams(seen)[0]


def test_output_comes_while_the_cell_runs(kernel):
    cell = kernel.send_execute("print early\nsleep 60000")
    while True:
        message = kernel.receive("iopub")
        if message["header"]["msg_type"] == "stream":
            break  # the cell itself goes on for a minute
    kernel.request("interrupt_request", channel="control")
    assert kernel.receive()["parent_header"]["msg_id"] == cell


def test_the_rest_comes_without_a_further_event(kernel):
    """A piece that has to wait for its turn is not stuck until the next one."""
    kernel.send_execute("print a\nsleep 10\nprint b\nsleep 60000")
    text = ""
    while text != "a\nb\n":
        message = kernel.receive("iopub")
        if message["header"]["msg_type"] == "stream":
            text += message["content"]["text"]
    kernel.request("interrupt_request", channel="control")


def test_rate_of_messages(kernel):
    start = time.monotonic()
    _, seen = kernel.execute("\n".join("print x\nsleep 1" for _ in range(500)))
    seconds = time.monotonic() - start
    assert "".join(streams(seen)) == "x\n" * 500
    assert len(streams(seen)) <= 50 * seconds + 3


def test_streams_keep_their_order(kernel):
    _, seen = kernel.execute("print 1\neprint 2\nprint 3")
    assert [c["text"] for t, c in seen if t == "stream"] == ["1\n", "2\n", "3\n"]
    lines = [f"{'e' if i % 2 else ''}print {i}" for i in range(1000)]
    _, seen = kernel.execute("\n".join(lines))
    assert "".join(streams(seen)) == "".join(f"{i}\n" for i in range(0, 1000, 2))
    assert "".join(streams(seen, "stderr")) == "".join(f"{i}\n" for i in range(1, 1000, 2))
    assert len([t for t, _ in seen if t == "stream"]) < 100


def test_any_bytes_become_text(kernel):
    _, seen = kernel.execute("hex 41C3A9E282ACF09D849E0A")
    assert "".join(streams(seen)) == "Aé€𝄞\n"
    _, seen = kernel.execute("hex 41FF42C3\nhex 43EDA0800A\nhex E282")
    assert "".join(streams(seen)) == "A\ufffdB\ufffdC\ufffd\ufffd\ufffd\n\ufffd"
    _, seen = kernel.execute("hex 4100420A")
    assert "".join(streams(seen)) == "A\0B\n"


def test_output_is_complete_below_what_servers_take(kernel):
    """2 MB are fast; more is held back, but comes."""
    line = "y" * 99
    _, seen = kernel.execute(f"repeat 40000 {line}")
    assert "".join(streams(seen)) == f"{line}\n" * 40000
    assert streams(seen, "stderr") == []


def test_rate_stays_below_what_servers_take(kernel):
    cell = kernel.send_execute("repeat 60000 " + "z" * 99)
    arrived, end = [], time.monotonic() + 30
    while time.monotonic() < end:
        message = kernel.receive("iopub", 10)
        now = time.monotonic()
        if message["parent_header"].get("msg_id") != cell:
            continue
        if message["header"]["msg_type"] == "stream":
            arrived.append((now, len(message["content"]["text"])))
        elif message["content"].get("execution_state") == "idle":
            break
    assert sum(size for _, size in arrived) == 6_000_000
    for time_, _ in arrived:
        window = [s for t, s in arrived if time_ - 3 < t <= time_]
        assert sum(window) < 3_000_000 and len(window) < 3000


def test_endless_print(kernel):
    kernel.execute("1")
    before = resident(kernel)
    cell = kernel.send_execute("flood")
    for _ in range(15):
        time.sleep(0.1)
        kernel.beat()
    reply, _ = kernel.request("kernel_info_request", channel="control")
    assert reply["status"] == "ok"
    kernel.send("interrupt_request", {}, "control")
    assert kernel.receive("control")["content"]["status"] == "ok"
    assert kernel.receive()["content"]["ename"] == "Interrupted"
    kernel.until_idle(cell)
    assert IS_ASAN or resident(kernel) - before < 64 << 20
    assert kernel.execute("2")[0]["status"] == "ok"


def test_output_is_cut(start, tmp_path):
    """The beginning and the end are shown; the whole is in a file until the kernel ends."""
    kernel = start(environment={"TMPDIR": str(tmp_path)})
    n = OUTPUT_MAX // 100 + 5000
    reply, seen = kernel.execute("repeat %d %s" % (n, "w" * 99) + "\nprint the end")
    assert reply["status"] == "ok"
    text, said = "".join(streams(seen)), "".join(streams(seen, "stderr"))
    assert text.endswith("w\nthe end\n") and set(text[:-8].splitlines()) == {"w" * 99}
    assert OUTPUT_MAX < len(text) < OUTPUT_MAX + (64 << 10)
    assert said.count("output of this cell is cut") == 1
    assert f"[{n * 100 + 8 - len(text)} bytes of output are left out here" in said
    [path] = tmp_path.glob("achar-output-*/*")
    assert said.count(f"'{path}'") == 2
    assert path.read_text() == ("w" * 99 + "\n") * n + "the end\n"
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    assert kernel.execute("print fresh")[1][2][1]["text"] == "fresh\n"
    kernel.send("shutdown_request", {"restart": False}, "control")
    kernel.process.wait(20)
    assert not list(tmp_path.glob("achar-output-*"))


def test_much_output_needs_no_file_in_the_end(start, tmp_path):
    kernel = start(environment={"TMPDIR": str(tmp_path)})
    kernel.execute("repeat 20000 " + "m" * 99)
    kernel.execute("1")
    assert not list(tmp_path.glob("achar-output-*/*"))


def test_output_without_a_file(start, tmp_path):
    kernel = start(environment={"TMPDIR": str(tmp_path / "missing")})
    _, seen = kernel.execute("repeat %d %s" % (OUTPUT_MAX // 100 + 5000, "w" * 99))
    assert "no file: No such file or directory" in "".join(streams(seen, "stderr"))
    assert len("".join(streams(seen))) > OUTPUT_MAX


def test_many_displays_do_not_flood(kernel):
    start = time.monotonic()
    _, seen = kernel.execute("\n".join("display x" for _ in range(2500)))
    assert len([t for t, _ in seen if t == "display_data"]) == 2500
    assert time.monotonic() - start > 2


def test_a_client_that_is_busy_loses_nothing(kernel):
    """What one cell may send at once waits for a client that reads it only later."""
    busy = kernel.another(receive_max=1)
    busy.sockets["iopub"].poll(10000)  # its welcome: it is subscribed
    sent = kernel.send_execute("\n".join("display " + "x" * 500 for _ in range(3000)))
    kernel.receive(timeout=30)
    assert len([t for t, _ in busy.until_idle(sent) if t == "display_data"]) == 3000
    busy.close()


def test_a_client_that_does_not_read(kernel):
    """What it does not take is dropped; others get all, and the kernel does not wait."""
    deaf = kernel.another(receive_max=1)
    for _ in range(3):
        sent = [kernel.send_execute("print x") for _ in range(500)]
        assert all(kernel.receive()["content"]["status"] == "ok" for _ in sent)
        kernel.until_idle(sent[-1])
    deaf.close()


def test_many_requests_in_a_row(kernel):
    sent = [kernel.send_execute(str(i)) for i in range(1500)]
    assert [kernel.receive()["parent_header"]["msg_id"] for _ in sent] == sent
