# SPDX-License-Identifier: BSD-3-Clause
"""Ports for servers that bind them a moment later, or again later on.

A port that the system has chosen and that was let go again may be gone by then: it gives the
same range to every connection that goes out. So these come from below that range, where only
those who ask for a number get it.
"""
import pathlib
import random
import socket

LOWEST = 10000
RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count):
    """Ports of the loopback address that nobody uses now, all different."""
    end = int(RANGE.read_text().split()[0])
    if end < LOWEST + 1000:
        end = 65536  # the system's range is everything: no worse than its own choice
    sockets = []
    try:
        while len(sockets) < count:
            one = socket.socket()
            try:
                one.bind(("127.0.0.1", random.randrange(LOWEST, end)))
                sockets.append(one)
            except OSError:
                one.close()
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()
