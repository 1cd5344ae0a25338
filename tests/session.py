# SPDX-License-Identifier: BSD-3-Clause
"""A kernel that runs cells and hands back what they did, for the tests of every suite."""
import dataclasses
import queue
import re
import time

import zmq
from jupyter_client.manager import KernelManager

from ports import free_ports

SECONDS = 30


@dataclasses.dataclass
class Cell:
    """What one cell did. Texts are without colours."""
    status: str = ""          # "ok", "error" or "aborted"
    stdout: str = ""
    stderr: str = ""
    value: str | None = None  # text/plain of the execute_result
    data: dict = dataclasses.field(default_factory=dict)      # of the execute_result
    displays: list = dataclasses.field(default_factory=list)  # data of display_data
    shown: list = dataclasses.field(default_factory=list)     # (type, content), streams too
    name: str = ""            # of the error
    message: str = ""
    traceback: str = ""
    reply: dict = dataclasses.field(default_factory=dict)     # content of execute_reply
    prompts: list = dataclasses.field(default_factory=list)   # of input_request; "*" if hidden

    @property
    def is_ok(self):
        return self.status == "ok"


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


class Session:
    """One kernel process and a client of it."""

    def __init__(self, folder=None):
        names = [f"{name}_port" for name in ("shell", "iopub", "stdin", "control", "hb")]
        self.manager = KernelManager(kernel_name="achar", cache_ports=False,
                                     **dict(zip(names, free_ports(len(names)))))
        self.manager.start_kernel(cwd=str(folder) if folder else None)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=SECONDS)

    def send(self, code, **options):
        """Sends a cell and returns its id for finish()."""
        return self.client.execute(code, **options)

    def receive(self, seconds):
        """The next message of iopub or stdin; queue.Empty when there is none."""
        channels = [self.client.iopub_channel, self.client.stdin_channel]
        end = time.monotonic() + seconds
        while True:
            for channel in channels:
                if channel.msg_ready():
                    return channel.get_msg(timeout=0)
            left = end - time.monotonic()
            if left <= 0 or not zmq.select([c.socket for c in channels], [], [], left)[0]:
                raise queue.Empty

    def finish(self, sent, seconds=SECONDS, answers=()):
        """Waits for the reply and idle of a cell that was sent; `answers` are what is
        typed when it asks, and after the last of them nobody answers."""
        cell, end, answers = Cell(), time.monotonic() + seconds, list(answers)
        while True:
            try:
                message = self.receive(end - time.monotonic())
            except queue.Empty:
                raise TimeoutError(f"no idle within {seconds} s; so far: {cell}") from None
            if message["msg_type"] == "input_request":
                cell.prompts.append(message["content"]["prompt"]
                                    + "*" * message["content"]["password"])
                if answers:
                    self.answer(answers.pop(0))
                continue
            if message["parent_header"].get("msg_id") != sent:
                continue
            if message["content"].get("execution_state") == "idle":
                break
            self.add(cell, message["msg_type"], message["content"])
        while not cell.reply:
            message = self.client.get_shell_msg(timeout=max(1, end - time.monotonic()))
            if message["parent_header"].get("msg_id") == sent:
                cell.reply = message["content"]
        cell.status = cell.reply["status"]
        return cell

    @staticmethod
    def add(cell, kind, content):
        if kind in ("stream", "display_data", "update_display_data", "clear_output"):
            cell.shown.append((kind, content))
        if kind == "stream":
            setattr(cell, content["name"], getattr(cell, content["name"]) + content["text"])
        elif kind == "execute_result":
            cell.data = content["data"]
            cell.value = content["data"].get("text/plain")
        elif kind in ("display_data", "update_display_data"):
            cell.displays.append(content["data"])
        elif kind == "error":
            cell.name, cell.message = content["ename"], content["evalue"]
            cell.traceback = plain("\n".join(content["traceback"]))

    def answer(self, text):
        """Answers a question; a function is called instead."""
        if callable(text):
            text()
        else:
            self.client.input(text)

    def run(self, code, seconds=SECONDS, answers=(), **options):
        return self.finish(self.send(code, **options), seconds, answers)

    def value(self, code):
        """The value of a cell that must succeed."""
        cell = self.run(code)
        assert cell.is_ok, cell.traceback
        return cell.value

    def interrupt(self):
        self.manager.interrupt_kernel()

    def close(self):
        self.client.stop_channels()
        self.manager.shutdown_kernel()
