# SPDX-License-Identifier: BSD-3-Clause
"""Ports for servers that bind them a moment later, or again later on.

A port that the system has chosen and that was let go again may be gone by then: connections
that go out and other test runs get theirs from the same range. So these come from below that
range, and each process that asks has a block of them to itself.
"""
import fcntl
import functools
import itertools
import os
import pathlib
import random
import socket
import tempfile

LOWEST, BLOCK = 10000, 200
RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
LOCKS = pathlib.Path(tempfile.gettempdir()) / "achar-ports"


def _lock(name):
    """A descriptor that holds the lock, or None: another process has it."""
    try:
        LOCKS.mkdir(mode=0o777, exist_ok=True)
        lock = os.open(LOCKS / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    except PermissionError:  # another user's
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


@functools.cache
def _own_block():
    """The ports of this process, for ever, and the lock that makes them its own."""
    end = int(RANGE.read_text().split()[0])
    starts = list(range(LOWEST, end - BLOCK, BLOCK)) or [LOWEST]
    random.SystemRandom().shuffle(starts)
    for start in starts:
        lock = _lock(str(start))
        if lock is not None:
            break
    return itertools.cycle(range(start, start + BLOCK)), lock


def free_ports(count):
    """Ports of the loopback address that nobody uses now, all different."""
    ports, _ = _own_block()
    sockets = []
    try:
        while len(sockets) < count:
            one = socket.socket()
            try:
                one.bind(("127.0.0.1", next(ports)))
                sockets.append(one)
            except OSError:
                one.close()
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
