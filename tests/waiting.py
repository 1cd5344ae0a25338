# SPDX-License-Identifier: BSD-3-Clause
"""Waiting for what other processes do, and looking at processes."""
import pathlib
import time

from session import Cell


def eventually(condition, seconds=30):
    """Until condition() is true; AssertionError when it takes too long."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass in time"
        time.sleep(0.05)


def wait_for_output(session, sent, text, seconds=30):
    """Until the running cell has printed the text; all that it has printed by then."""
    cell = Cell()
    while text not in cell.stdout:
        message = session.receive(seconds)
        if message["parent_header"].get("msg_id") == sent:
            session.add(cell, message["msg_type"], message["content"])
    return cell.stdout


def _fields(pid):
    """The fields of /proc/PID/stat behind the name: state, parent, ...; [] when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def is_alive(pid):
    return _fields(pid)[:1] not in ([], ["Z"], ["X"])


def is_busy(pid):
    return _fields(pid)[:1] == ["R"]


def cmdline(pid):
    """b"" when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def name_of(pid):
    """The name of its program, cut to 15 characters; "" when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    except OSError:
        return ""


def processes_below(pid):
    """All descendants, the nearest first."""
    parents = {int(entry.name): _fields(entry.name)[1:2] for entry in pathlib.Path("/proc").iterdir()
               if entry.name.isdigit()}
    found = [pid]
    for ancestor in found:
        found += [child for child, parent in parents.items() if parent == [str(ancestor)]]
    return found[1:]


def kernel_pid(session):
    return session.manager.provisioner.process.pid
