# SPDX-License-Identifier: BSD-3-Clause
"""A thin Jupyter client on raw sockets: it adds the same small delay to every kernel."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
from datetime import datetime

import zmq
from jupyter_client.connect import write_connection_file
from jupyter_client.session import Session

SECONDS = 60


def to_date(date):
    """ipyparallel, once imported, keeps jupyter_client from reading dates."""
    return datetime.fromisoformat(date.replace("Z", "+00:00")) if isinstance(date, str) else date


class Kernel:
    """A kernel process with connected shell, control and iopub sockets."""

    def __init__(self, command, interrupts_by_signal=False):
        """`command`: argv with "{connection_file}" in it."""
        self.interrupts_by_signal = interrupts_by_signal
        self.seconds_inside = None
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="achar-bench-"))
        name, info = write_connection_file(str(self.folder / "connection.json"))
        self.session = Session(key=info["key"].encode())
        self.context = zmq.Context()
        argv = [word.replace("{connection_file}", name) for word in command]
        self.started = time.perf_counter()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, cwd=self.folder,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        env=os.environ | {"ACHAR_KEYS": str(self.folder)})
        self.shell = self.connect(zmq.DEALER, info, "shell_port")
        self.control = self.connect(zmq.DEALER, info, "control_port")
        self.iopub = self.connect(zmq.SUB, info, "iopub_port")

    def connect(self, kind, info, port):
        socket = self.context.socket(kind)
        socket.linger = 0
        socket.reconnect_ivl = 1  # milliseconds: what is measured is the kernel's start
        socket.reconnect_ivl_max = 1
        socket.rcvtimeo = SECONDS * 1000
        if kind == zmq.SUB:
            socket.subscribe(b"")
        socket.connect(f"tcp://{info['ip']}:{info[port]}")
        return socket

    def receive(self, socket):
        _, parts = self.session.feed_identities(socket.recv_multipart())
        return self.session.deserialize(parts)

    def first_reply(self):
        """Seconds from the start of the process to its kernel_info_reply."""
        self.session.send(self.shell, "kernel_info_request", {})
        self.receive(self.shell)
        return time.perf_counter() - self.started

    def wait_for_iopub(self):
        """Asks until an answer arrives on iopub too: then nothing will be missed."""
        self.iopub.rcvtimeo = 100
        for _ in range(SECONDS * 10):
            self.session.send(self.shell, "kernel_info_request", {})
            self.receive(self.shell)
            try:
                while True:
                    message = self.receive(self.iopub)
                    if message["content"].get("execution_state") == "idle":
                        break
            except zmq.Again:
                continue
            self.drain()
            self.iopub.rcvtimeo = SECONDS * 1000
            return
        raise TimeoutError("no iopub message")

    def drain(self):
        while self.iopub.poll(50):
            self.iopub.recv_multipart()

    def request(self, code):
        return self.session.send(self.shell, "execute_request", {
            "code": code, "silent": False, "store_history": True, "user_expressions": {},
            "allow_stdin": False, "stop_on_error": True})["header"]["msg_id"]

    def messages(self, sent):
        """The messages of a request up to its idle."""
        while True:
            message = self.receive(self.iopub)
            if message["parent_header"].get("msg_id") != sent:
                continue
            yield message
            if message["content"].get("execution_state") == "idle":
                return

    def execute(self, code):
        """Seconds to the later of the reply and idle, and the text it printed or yielded."""
        start = time.perf_counter()
        sent = self.request(code)
        reply = self.receive(self.shell)
        text = ""
        dates = {}
        for message in self.messages(sent):
            content = message["content"]
            text += content.get("text", "") + content.get("data", {}).get("text/plain", "")
            dates[content.get("execution_state")] = to_date(message["header"]["date"])
        seconds = time.perf_counter() - start
        if reply["content"]["status"] != "ok":
            raise RuntimeError("\n".join([f"this cell failed: {code}",
                                          *reply["content"].get("traceback", [])]))
        self.seconds_inside = (dates["idle"] - dates["busy"]).total_seconds()
        return seconds, text

    def inside(self, code):
        """Seconds from the kernel's busy to its idle, by the dates that it gives them itself.

        What is left out is reading and verifying the request: some tens of microseconds."""
        self.execute(code)
        return self.seconds_inside

    def interrupt(self, code, after=0.05):
        """Seconds from an interrupt of an endless cell to its idle."""
        sent = self.request(code)
        time.sleep(after)
        start = time.perf_counter()
        if self.interrupts_by_signal:
            self.process.send_signal(signal.SIGINT)
        else:
            self.session.send(self.control, "interrupt_request", {})
        for _ in self.messages(sent):
            pass
        seconds = time.perf_counter() - start
        self.receive(self.shell)
        if not self.interrupts_by_signal:
            self.receive(self.control)
        return seconds

    def close(self):
        self.session.send(self.control, "shutdown_request", {"restart": False})
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.context.destroy(linger=0)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def save(rows, path):
    pathlib.Path(path).write_text(json.dumps(rows, indent=1) + "\n")
