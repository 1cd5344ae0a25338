# SPDX-License-Identifier: BSD-3-Clause
"""Daemons of an engine, held by a keeper (keeper.py) that ends them when this process is gone.

    with Daemons(folder) as daemons:
        pid = daemons.start("sshd", ["/usr/sbin/sshd", "-D", ...])
        daemons.wait(lambda: port_answers(port), "sshd does not answer")
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

KEEPER = pathlib.Path(__file__).with_name("keeper.py")
SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # not in an ordinary user's PATH


class EngineError(Exception):
    """The engine cannot be had here; the text says why."""


def program(name):
    """The path of an executable, or EngineError."""
    path = shutil.which(name, path=os.environ.get("PATH", "/usr/bin:/bin") + ":" + SYSTEM_FOLDERS)
    if not path:
        raise EngineError(f"'{name}' is not installed: ./dev test installs it on Debian")
    return path


class Daemons:
    def __init__(self, folder, user=None):
        """folder: for the logs. user: a user id other than one's own, for root only."""
        self.folder = pathlib.Path(folder)
        self.pids = {}
        argv = [sys.executable, "-I", KEEPER] + ([] if user is None else [str(user)])
        self.keeper = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       start_new_session=True, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _ask(self, request):
        self.keeper.stdin.write(json.dumps(request) + "\n")
        self.keeper.stdin.flush()
        line = self.keeper.stdout.readline()
        if not line:
            raise EngineError("the keeper of the daemons has ended")
        answer = json.loads(line)
        if "error" in answer:
            raise EngineError(answer["error"])
        return answer

    def start(self, name, argv, env=None):
        """Starts a program that stays in the foreground; its output is in NAME.out."""
        request = {"argv": [str(word) for word in argv], "env": dict(env or os.environ),
                   "log": str(self.folder / f"{name}.out")}
        self.pids[name] = self._ask(request)["pid"]
        return self.pids[name]

    def end(self, name):
        """Ends one daemon and everything below it."""
        self._ask({"end": self.pids.pop(name)})

    def is_running(self, name):
        try:
            stat = pathlib.Path(f"/proc/{self.pids[name]}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] not in "ZX"

    def last_words(self, name):
        """The last lines that a daemon wrote, for a message."""
        for file in (self.folder / f"{name}.log", self.folder / f"{name}.out"):
            if file.is_file() and file.stat().st_size:
                return " / ".join(file.read_text(errors="replace").splitlines()[-3:])
        return "it wrote nothing"

    def wait(self, is_ready, failure, seconds=30):
        """Until is_ready() is true; EngineError when a daemon dies before, or it takes too long."""
        end = time.monotonic() + seconds
        while not is_ready():
            for name in self.pids:
                if not self.is_running(name):
                    raise EngineError(f"{name} ended: {self.last_words(name)}")
            if time.monotonic() > end:
                logs = "; ".join(f"{name}: {self.last_words(name)}" for name in self.pids)
                raise EngineError(f"{failure} after {seconds} s: {logs}")
            time.sleep(0.02)

    def close(self):
        """Ends all of them, with everything below them; returns when they are gone."""
        if self.keeper.poll() is None:
            self.keeper.stdin.close()
            self.keeper.wait(60)
        self.keeper.stdout.close()
