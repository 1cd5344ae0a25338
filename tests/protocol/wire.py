# SPDX-License-Identifier: BSD-3-Clause
"""A Jupyter client as thin as can be: sockets, signatures, nothing hidden."""
import json
import os
import subprocess
import time
import uuid

import zmq
from jupyter_client.session import Session

from ports import free_ports

CHANNELS = ("shell", "control", "stdin", "iopub", "hb")


class Client:
    """The sockets of one client of a kernel."""

    def __init__(self, connection, context, topic=b"", receive_max=0):
        self.session = Session(key=connection["key"].encode(), signature_scheme="hmac-sha256")
        self.sockets = {}
        self.messages = {}
        kinds = dict(shell=zmq.DEALER, control=zmq.DEALER, stdin=zmq.DEALER, iopub=zmq.SUB,
                     hb=zmq.REQ)
        for name, kind in kinds.items():
            one = context.socket(kind)
            one.linger = 0
            one.rcvhwm = receive_max
            if name == "iopub":
                one.subscribe(topic)
            port = connection[f"{name}_port"]
            one.connect(f"tcp://127.0.0.1:{port}" if connection["transport"] == "tcp"
                        else f"ipc://{connection['ip']}-{port}")
            self.sockets[name] = one

    def close(self):
        for one in self.sockets.values():
            one.close()

    def send(self, message_type, content=None, channel="shell", **parts):
        """Sends a request, with parts of it replaced; returns its id."""
        message = self.session.msg(message_type, content or {})
        message["header"].update(parts.pop("header", {}))
        message.update(parts)
        self.session.send(self.sockets[channel], message)
        return message["header"]["msg_id"]

    def send_frames(self, frames, channel="shell"):
        self.sockets[channel].send_multipart(frames)

    def signed(self, header, parent=b"{}", metadata=b"{}", content=b"{}"):
        """The frames of a message of any bytes, well signed."""
        parts = [header, parent, metadata, content]
        return [b"<IDS|MSG>", self.session.sign(parts), *parts]

    def receive(self, channel="shell", timeout=10):
        if not self.sockets[channel].poll(timeout * 1000):
            raise TimeoutError(f"nothing came on {channel} within {timeout} s")
        _, message = self.session.recv(self.sockets[channel], mode=0)
        return message

    def is_silent(self, channel="shell", timeout=0.3):
        return not self.sockets[channel].poll(timeout * 1000)

    def until_idle(self, message_id, timeout=20):
        """iopub messages of one request, (type, content), to its idle."""
        found, end = [], time.monotonic() + timeout
        while True:
            message = self.receive("iopub", max(0.001, end - time.monotonic()))
            if message["parent_header"].get("msg_id") != message_id:
                continue
            found.append((message["header"]["msg_type"], message["content"]))
            if found[-1] == ("status", {"execution_state": "idle"}):
                return found

    def request(self, message_type, content=None, channel="shell", **parts):
        """Sends, and returns (reply content, iopub messages)."""
        message_id = self.send(message_type, content, channel, **parts)
        reply = self.receive(channel)
        assert reply["parent_header"]["msg_id"] == message_id
        return reply["content"], self.until_idle(message_id)

    def execute(self, code, **options):
        return self.request("execute_request", {"code": code, **options})

    def send_execute(self, code, **options):
        return self.send("execute_request", {"code": code, **options})

    def beat(self, timeout=10):
        """Seconds of one heartbeat."""
        mark, start = uuid.uuid4().bytes, time.monotonic()
        self.sockets["hb"].send(mark)
        assert self.sockets["hb"].poll(timeout * 1000), "no heartbeat"
        assert self.sockets["hb"].recv() == mark
        return time.monotonic() - start


class Kernel(Client):
    """A kernel process and a first client, whose subscription has been welcomed."""

    def __init__(self, command, folder, transport="tcp", key="secret", environment=None):
        folder.mkdir(parents=True, exist_ok=True)
        ports = free_ports(5) if transport == "tcp" else range(1, 6)
        self.connection = {f"{name}_port": port for name, port in zip(CHANNELS, ports)}
        self.connection.update(transport=transport, key=key, signature_scheme="hmac-sha256",
                               ip="127.0.0.1" if transport == "tcp" else str(folder / "s"))
        self.file = folder / "connection.json"
        self.file.write_text(json.dumps(self.connection))
        self.log = folder / "stderr"
        self.context = zmq.Context()
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [*command, self.file], stdin=subprocess.DEVNULL, stderr=log,
                env={**os.environ, "XDG_DATA_HOME": str(folder / "data"), "TMPDIR": str(folder),
                     **(environment or {})})
        super().__init__(self.connection, self.context)
        self.welcome = self.receive("iopub", 10)

    def another(self, topic=b"", receive_max=0):
        return Client(self.connection, self.context, topic, receive_max)

    def complaints(self):
        return self.log.read_text()

    def wait_for_complaint(self, text, timeout=5):
        end = time.monotonic() + timeout
        while text not in self.complaints():
            assert time.monotonic() < end, f"{text!r} is not in {self.complaints()!r}"
            time.sleep(0.01)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.close()
        self.context.destroy(linger=0)
