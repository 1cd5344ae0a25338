# SPDX-License-Identifier: BSD-3-Clause
"""keeper.py [UID]: starts daemons, as that user, and ends them with all that they started.

Reads one JSON object a line: {"argv": [...], "env": {...}, "log": PATH} starts a process and
answers {"pid": N}; {"end": PID} ends that one and what is below it. When its standard input ends,
in whatever way the test run ended, it ends everything and itself: daemons that fork away become
its own children, because it is the subreaper of all below it.
"""
import ctypes
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 3.0  # seconds from SIGTERM to SIGKILL


def parents():
    """{pid: parent's pid} of all processes that are not zombies."""
    result = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] not in "ZX":
            result[int(entry.name)] = int(fields[1])
    return result


def below(pid):
    """All descendants of pid, the nearest first."""
    tree, found = parents(), [pid]
    for ancestor in found:
        found += [child for child, parent in tree.items() if parent == ancestor]
    return found[1:]


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def gone(pids, seconds):
    """Waits until none of them runs any more."""
    end = time.monotonic() + seconds
    while True:
        reap()
        if not set(pids) & set(parents()):
            return True
        if time.monotonic() > end:
            return False
        time.sleep(0.01)


def end(pid):
    """Ends one daemon; what was below it goes at once, and with it what appeared meanwhile."""
    family = below(pid)
    send([pid], signal.SIGTERM)
    if not gone([pid], PATIENCE):
        send([pid], signal.SIGKILL)
    send(family, signal.SIGKILL)
    gone([pid] + family, PATIENCE)


def end_all(started):
    for pid in reversed(started):
        end(pid)
    while rest := below(os.getpid()):
        send(rest, signal.SIGKILL)
        gone(rest, PATIENCE)


def start(request):
    with open(request["log"], "ab") as log:
        return subprocess.Popen(
            request["argv"], env=request["env"], stdin=subprocess.DEVNULL, stdout=log,
            stderr=log, start_new_session=True, cwd="/").pid


def main(user=None):
    if user is not None:
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # standard input decides
    started = []
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "end" in request:
                end(request["end"])
                answer = {}
            else:
                started.append(start(request))
                answer = {"pid": started[-1]}
        except OSError as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)
    end_all(started)


main(*sys.argv[1:])
