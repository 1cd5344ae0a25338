# SPDX-License-Identifier: BSD-3-Clause
"""A relay between two ends of a connection (executors/detour.c) that can do harm to what it carries.

    with Relay() as relay: relay.mode = "cut"
"""
import select
import socket
import threading
import time

SLOW = 10_000  # bytes a second


class Relay:
    def __init__(self):
        """mode: of all that it carries from now on: open, cut, corrupt, slow, or one direction
        cut: down (from the front), up."""
        self.mode = "open"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.carried = 0  # bytes
        self.n_open = 0  # directions that carry, or that nobody has closed
        self._threads = []
        self._sockets = []
        self._is_ending = False
        self._begin(self._accept)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._is_ending = True
        self._threads[0].join()
        for one in [self.listener, *self._sockets]:
            one.close()
        for thread in self._threads:
            thread.join()

    def _begin(self, target, *arguments):
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _is_readable(self, one):
        """False: the end has come."""
        while not self._is_ending:
            try:
                if select.select([one], [], [], 0.05)[0]:
                    return True
            except (OSError, ValueError):
                return False
        return False

    def _accept(self):
        while self._is_readable(self.listener):
            pool = self.listener.accept()[0]
            try:
                line = b""
                while not line.endswith(b"\n"):
                    line += pool.recv(1) or b"nobody\n"
                address, port = line.decode().split()
                front = socket.create_connection((address, int(port)))
            except (OSError, ValueError):  # either end is gone already
                pool.close()
                continue
            self._sockets += [pool, front]
            self.n_open += 2
            self._begin(self._carry, front, pool, "down")
            self._begin(self._carry, pool, front, "up")

    def _carry(self, source, target, direction):
        try:
            while self._is_readable(source):
                data = source.recv(SLOW // 20 if self.mode == "slow" else 65536)
                if not data:
                    break
                if self.mode in ("cut", direction):
                    continue
                if self.mode == "slow":
                    time.sleep(0.05)
                if self.mode == "corrupt":
                    data = data[:-1] + bytes([data[-1] ^ 1])
                target.sendall(data)
                self.carried += len(data)
        except OSError:
            pass
        finally:
            self.n_open -= 1
            for one in (source, target):
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
