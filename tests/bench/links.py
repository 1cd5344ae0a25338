# SPDX-License-Identifier: BSD-3-Clause
"""What links are made of, without Achar: bytes through a command, TCP and TLS on this host."""
import contextlib
import os
import pathlib
import shutil
import socket
import ssl
import statistics
import subprocess
import tempfile
import time

MESSAGE = bytes(32)
PIECE = bytes(1 << 20)
ROUNDS = 5


def read_all(read, size):
    """Bytes until there are `size`; `read` is called with how many are missing."""
    while size:
        got = len(read(size))
        if not got:
            raise EOFError("the other side has ended")
        size -= got


def median_round_trip(write, read, times):
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        write(MESSAGE)
        read_all(read, len(MESSAGE))
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def command_round_trip(argv, times, environment=None):
    """Of 32 bytes through a command that ends in `cat`."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
                          env={**os.environ, **(environment or {})}) as process:
        trip = median_round_trip(process.stdin.write, process.stdout.read, times)
        process.stdin.close()
    return trip


def command_rate(argv, pieces, environment=None):
    """Bytes a second to a command that ends in a shell, which drops them there."""
    with subprocess.Popen([*argv, "echo; cat > /dev/null; echo"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE,
                          env={**os.environ, **(environment or {})}) as process:
        process.stdout.readline()
        start = time.perf_counter()
        for _ in range(pieces):
            process.stdin.write(PIECE)
        process.stdin.close()
        process.stdout.readline()
        return pieces * len(PIECE) / (time.perf_counter() - start)


@contextlib.contextmanager
def peer(serve):
    """A connection to a process of its own, which runs serve(connection)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                serve(listener.accept()[0])
            os._exit(0)
        with socket.create_connection(listener.getsockname()) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield connection
        os.waitpid(pid, 0)


def tcp_round_trip(times):
    def serve(connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(len(MESSAGE)):
            connection.sendall(data)
    with peer(serve) as connection:
        return median_round_trip(connection.sendall, connection.recv, times)


def tls_rate(pieces):
    """Bytes a second over TLS 1.3 as Python has it; None where no certificate can be made."""
    if not shutil.which("openssl"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = (str(pathlib.Path(folder) / name) for name in ("key", "certificate"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=a",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE

    def serve(connection):
        connection, room = server.wrap_socket(connection, server_side=True), bytearray(1 << 20)
        for _ in range(ROUNDS):
            left = pieces * len(PIECE)
            while left:
                left -= connection.recv_into(room) or left
            connection.sendall(b"x")
    with peer(serve) as connection:
        connection = client.wrap_socket(connection)
        best = 0
        for _ in range(ROUNDS):
            start = time.perf_counter()
            for _ in range(pieces):
                connection.sendall(PIECE)
            connection.recv(1)
            best = max(best, pieces * len(PIECE) / (time.perf_counter() - start))
        return best
