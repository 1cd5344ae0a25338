# SPDX-License-Identifier: BSD-3-Clause
"""Calls on the executor `local` that read or fill an array of 100 MB, beside Python's ways."""
import concurrent.futures
import importlib.util
import statistics
import time
from multiprocessing import resource_tracker, shared_memory

from client import Kernel

SIZE = 100_000_000
COUNT = SIZE // 8
SETUP = f"""
double numbers[{COUNT}], made[{COUNT}];
int round = 0;
double read_all(int i) {{ return numbers[i] + numbers[{COUNT - 1}]; }}
"""
FILL = f"for (int i = 0, r = ++round; i < {COUNT}; i++)\n    numbers[i] = r * 0.5 + i;"
EDIT = "double read_all(int i) {{ return numbers[i] + {}; }}"
MAKE = f"%%parfor i 0 {COUNT} --out made --chunk {COUNT // 2}\nmade[i] = i * 0.5 + 1;"


def read_bytes(data):
    return data[-1]


def read_shared(name):
    memory = shared_memory.SharedMemory(name)
    resource_tracker.unregister(f"/{name}", "shared_memory")  # it is the caller's
    last = memory.buf[SIZE - 1]
    memory.close()
    return last


def make_bytes(start):
    return bytes([start % 256]) * SIZE


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def median(function, rounds):
    return statistics.median(function() for _ in range(rounds))


def call_seconds(kernel, prepare, call):
    kernel.execute(prepare)
    return timed(lambda: kernel.execute(call))


def achar_seconds(command, rounds):
    """Of a call that reads an array that is new, one with new code, and of a loop that fills one."""
    kernel = Kernel(command)
    try:
        kernel.wait_for_iopub()
        kernel.execute(SETUP)
        kernel.execute(MAKE)
        new = median(lambda: call_seconds(kernel, FILL, "%call read_all(3)"), rounds)
        numbers = iter(range(rounds))
        edited = median(lambda: call_seconds(kernel, EDIT.format(next(numbers)),
                                             "%call read_all(3)"), rounds)
        home = median(lambda: timed(lambda: kernel.execute(MAKE)), rounds)
    finally:
        kernel.close()
    return new, edited, home


def shared_seconds(pool, data):
    """Written into shared memory of its own and read there."""
    def call():
        memory = shared_memory.SharedMemory(create=True, size=SIZE)
        memory.buf[:SIZE] = data
        pool.submit(read_shared, memory.name).result()
        memory.close()
        memory.unlink()
    return timed(call)


def process_pool_seconds(rounds):
    data = make_bytes(7)
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        pool.submit(read_bytes, b"x").result()
        return (median(lambda: timed(lambda: pool.submit(read_bytes, data).result()), rounds),
                median(lambda: timed(lambda: pool.submit(make_bytes, 2).result()), rounds),
                median(lambda: shared_seconds(pool, data), rounds))


def ipyparallel_seconds(rounds):
    import ipyparallel
    data = make_bytes(7)
    cluster = ipyparallel.Cluster(n=1, log_level=40)
    view = cluster.start_and_connect_sync(activate=False)[:1]
    view.block = True
    try:
        view.apply(abs, -1)
        return (median(lambda: timed(lambda: view.apply(len, data)), rounds),
                median(lambda: timed(lambda: view.apply(bytes, SIZE)), rounds))
    finally:
        cluster.stop_cluster_sync()


def measure_arrays(command, rounds):
    """Rows for bench.py. Those of Python's are bytes, which are pickled by one copy."""
    new, edited, home = achar_seconds(command, rounds)
    sent, returned, shared = process_pool_seconds(rounds)
    yield "cell '%call', reads a new 100 MB array", "s", new, "ProcessPoolExecutor, bytes", sent
    yield "cell '%call', reads a new 100 MB array", "s", new, "the same, shared_memory", shared
    yield "cell '%call', the array stayed, new code", "s", edited, "ProcessPoolExecutor, bytes", sent
    yield "cell '%%parfor', fills 100 MB", "s", home, "ProcessPoolExecutor, bytes", returned
    if importlib.util.find_spec("ipyparallel"):
        sent, returned = ipyparallel_seconds(rounds)
        yield "cell '%call', reads a new 100 MB array", "s", new, "ipyparallel, bytes", sent
        yield "cell '%%parfor', fills 100 MB", "s", home, "ipyparallel, bytes", returned
