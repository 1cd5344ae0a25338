# SPDX-License-Identifier: BSD-3-Clause
"""Signatures, malformed messages, transports: what must never end the kernel."""
import json
import os
import stat
import subprocess

import pytest
import zmq


def header(kernel, message_type="kernel_info_request", **fields):
    return json.dumps({**kernel.session.msg_header(message_type), **fields},
                      default=str).encode()


def assert_alive(kernel):
    reply, _ = kernel.request("kernel_info_request")
    assert reply["status"] == "ok"


def test_wrong_signature_is_dropped(kernel):
    frames = kernel.signed(header(kernel))
    frames[1] = frames[1][:-1] + (b"0" if frames[1][-1:] != b"0" else b"1")
    kernel.send_frames(frames)
    kernel.wait_for_complaint("signature is wrong")
    assert kernel.is_silent()
    assert_alive(kernel)


@pytest.mark.parametrize("signature", [b"", b"0", b"x" * 64, b"0" * 63, b"0" * 65])
def test_no_signature_is_dropped(kernel, signature):
    frames = kernel.signed(header(kernel))
    frames[1] = signature
    kernel.send_frames(frames)
    kernel.wait_for_complaint("signature is wrong")
    assert_alive(kernel)


def test_replayed_signature_is_dropped(kernel):
    frames = kernel.signed(header(kernel, "execute_request"),
                           content=b'{"code": "print once"}')
    kernel.send_frames(frames)
    assert kernel.receive()["content"]["status"] == "ok"
    kernel.send_frames(frames)
    kernel.send_frames(frames, "control")
    kernel.wait_for_complaint("on control was dropped: its signature was used before")
    assert kernel.is_silent()
    assert_alive(kernel)


def test_without_a_key_nothing_is_signed(start):
    kernel = start(key="")
    reply, _ = kernel.execute("42")
    assert reply["status"] == "ok"
    reply, _ = kernel.execute("42")
    assert reply["execution_count"] == 2


@pytest.mark.parametrize("frames", [
    [b""], [b"x"], [b"<IDS|MSG>"], [b"<IDS|MSG>", b""], [b"a"] * 70, [b""] * 20,
    [b"<IDS|MSG>", b"sig", b"{}", b"{}", b"{}"],
])
def test_bad_frames_are_dropped(kernel, frames):
    for channel in ("shell", "control", "stdin"):
        kernel.send_frames(frames, channel)
        kernel.wait_for_complaint(f"a message on {channel} was dropped")
    assert_alive(kernel)


@pytest.mark.parametrize("text", [
    b"", b"nonsense", b"[]", b"{}", b'{"msg_id": "a"}', b'{"msg_type": "execute_request"}',
    b'{"msg_id": 1, "msg_type": 2}', b"\xff\xfe", b"[" * 100000, b'{"a":' * 5000,
    b'{"msg_id": "a", "msg_type": ""}',
])
def test_bad_headers_are_dropped(kernel, text):
    kernel.send_frames(kernel.signed(text))
    kernel.wait_for_complaint("was dropped: the header")
    assert_alive(kernel)


@pytest.mark.parametrize("part", ["parent", "metadata", "content"])
@pytest.mark.parametrize("text", [b"", b"nonsense", b"[]", b"null", b"\xff", b"[" * 100000,
                                  b'{"code": "\\ud800"}'])
def test_malformed_request_is_answered(kernel, part, text):
    kernel.send_frames(kernel.signed(header(kernel, "execute_request"), **{part: text}))
    reply = kernel.receive()
    assert reply["header"]["msg_type"] == "execute_reply"
    content = reply["content"]
    assert (content["status"], content["ename"]) == ("error", "MalformedRequest")
    assert content["evalue"] and content["traceback"] and content["execution_count"] == 0
    seen = kernel.until_idle(reply["parent_header"]["msg_id"])
    assert [c["execution_state"] for _, c in seen] == ["busy", "idle"]
    assert_alive(kernel)


@pytest.mark.parametrize("request_type, content", [
    ("execute_request", {}),
    ("execute_request", {"code": 1}),
    ("execute_request", {"code": "a\0b"}),
    ("execute_request", {"code": "1", "silent": "yes"}),
    ("execute_request", {"code": "1", "user_expressions": [1]}),
    ("complete_request", {"code": "a", "cursor_pos": "end"}),
    ("inspect_request", {"cursor_pos": 0}),
    ("is_complete_request", {}),
    ("history_request", {"hist_access_type": "guess"}),
    ("history_request", {"hist_access_type": "tail", "n": "all"}),
])
def test_malformed_content_is_answered(kernel, request_type, content):
    reply, seen = kernel.request(request_type, content)
    assert (reply["status"], reply["ename"]) == ("error", "MalformedRequest")
    assert [c["execution_state"] for _, c in seen] == ["busy", "idle"]
    assert_alive(kernel)


@pytest.mark.parametrize("channel", ["shell", "control"])
def test_unknown_request_is_answered(kernel, channel):
    message_id = kernel.send("fly_request", {}, channel)
    reply = kernel.receive(channel)
    assert reply["header"]["msg_type"] == "fly_reply"
    assert reply["content"]["status"] == "error"
    assert "fly_request" in reply["content"]["evalue"]
    seen = kernel.until_idle(message_id)
    assert [c["execution_state"] for _, c in seen] == ["busy", "idle"]


def test_unknown_message_is_acknowledged(kernel):
    seen = kernel.until_idle(kernel.send("strange", {}))
    assert [c["execution_state"] for _, c in seen] == ["busy", "idle"]
    assert kernel.is_silent()


def test_large_message(kernel):
    reply, _ = kernel.execute("print " + "x" * 1_000_000)
    assert reply["status"] == "ok"


def test_too_large_message_is_refused(kernel):
    other = kernel.another()
    other.send_frames([b"x" * (40 << 20)])
    other.send_frames([b"x" * (20 << 20)] * 3)
    assert_alive(kernel)
    other.close()


def test_identities_come_back(kernel):
    kernel.send_frames([b"one", b"two", *kernel.signed(header(kernel))])
    assert kernel.sockets["shell"].poll(5000)
    assert kernel.sockets["shell"].recv_multipart()[:3] == [b"one", b"two", b"<IDS|MSG>"]


def test_every_subscriber_is_welcomed(kernel):
    assert kernel.welcome["header"]["msg_type"] == "iopub_welcome"
    assert kernel.welcome["content"] == {"subscription": ""}
    assert kernel.welcome["parent_header"] == {}
    second = kernel.another()
    assert second.receive("iopub")["content"] == {"subscription": ""}
    third = kernel.another(b"stream")
    message = third.receive("iopub")
    assert message["header"]["msg_type"] == "iopub_welcome"
    assert message["content"] == {"subscription": "stream"}
    second.close()
    third.close()


def test_ipc(start):
    kernel = start(transport="ipc")
    reply, seen = kernel.execute("print over a file")
    assert reply["status"] == "ok"
    assert ("stream", {"name": "stdout", "text": "over a file\n"}) in seen
    assert kernel.beat() < 1


def test_descriptors_are_closed_on_exec(kernel):
    kernel.execute("print hello")
    folder = f"/proc/{kernel.process.pid}/fdinfo"
    inherited = {0, 1, 2}
    for fd in map(int, os.listdir(folder)):
        with open(f"{folder}/{fd}") as info:
            flags = int(next(l for l in info if l.startswith("flags")).split()[1], 8)
        if fd not in inherited:
            assert flags & os.O_CLOEXEC, os.readlink(f"/proc/{kernel.process.pid}/fd/{fd}")


def test_history_file_is_private(kernel, tmp_path):
    kernel.execute("1")
    folder = kernel.file.parent / "data/achar"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("change, expected", [
    ({"shell_port": None}, "'shell_port' is missing"),
    ({"hb_port": 70000}, "'hb_port' is not a number from 1 to 65535"),
    ({"hb_port": "5"}, "'hb_port' is not a number"),
    ({"transport": "udp"}, "'transport' is 'udp'"),
    ({"key": None}, "'key' is missing"),
    ({"key": 5}, "'key' is not a string"),
    ({"signature_scheme": "hmac-md5"}, "'signature_scheme' is 'hmac-md5'"),
    ({"ip": ""}, "'ip' is empty"),
    ({"ip": "256.1.1.1"}, "cannot listen on 'tcp://256.1.1.1:"),
])
def test_connection_file_is_checked(kernel, fake, tmp_path, change, expected):
    fields = {**kernel.connection, **change}
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps({k: v for k, v in fields.items() if v is not None}))
    ended = subprocess.run([fake, file], stderr=subprocess.PIPE, text=True, timeout=10)
    assert ended.returncode == 1
    assert expected in ended.stderr and ended.stderr.count("\n") == 1


@pytest.mark.parametrize("text, expected", [
    ("", "is not JSON"), ("[]", "is not a JSON object"), ("x" * 100000, "is larger than"),
])
def test_connection_file_must_be_json(fake, tmp_path, text, expected):
    file = tmp_path / "wrong.json"
    file.write_text(text)
    ended = subprocess.run([fake, file], stderr=subprocess.PIPE, text=True, timeout=10)
    assert ended.returncode == 1 and expected in ended.stderr


def test_port_in_use_is_an_error(kernel, fake):
    ended = subprocess.run([fake, kernel.file], stderr=subprocess.PIPE, text=True, timeout=10)
    assert ended.returncode == 1
    assert "cannot listen on" in ended.stderr and "in use" in ended.stderr


def test_unfinished_multipart_is_harmless(kernel):
    raw = kernel.context.socket(zmq.DEALER)
    raw.linger = 0
    raw.connect(f"tcp://127.0.0.1:{kernel.connection['shell_port']}")
    raw.send(b"<IDS|MSG>", zmq.SNDMORE)
    raw.close()
    assert_alive(kernel)
