# SPDX-License-Identifier: BSD-3-Clause
"""Calls on the executor `local`, beside those who do the same for Python."""
import concurrent.futures
import importlib.util
import os
import statistics
import subprocess
import time

WORKERS = 2


def timed(function):
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


class ProcessPool:
    name = "ProcessPoolExecutor"
    tasks = 2000

    def __enter__(self):
        self.pool = concurrent.futures.ProcessPoolExecutor(WORKERS)
        return self

    def __exit__(self, *_):
        self.pool.shutdown()

    def call(self):
        self.pool.submit(abs, -1).result()

    def many(self, n):
        list(self.pool.map(abs, range(n), chunksize=1))


class Ipyparallel:
    name = "ipyparallel"
    tasks = 500

    def __enter__(self):
        import ipyparallel
        self.cluster = ipyparallel.Cluster(n=WORKERS, log_level=40)
        self.view = self.cluster.start_and_connect_sync(activate=False)[:1]
        self.view.block = False
        return self

    def __exit__(self, *_):
        self.cluster.stop_cluster_sync()

    def call(self):
        self.view.apply(abs, -1).get()

    def many(self, n):
        for result in [self.view.apply(abs, -i) for i in range(n)]:
            result.get()


class Dask:
    name = "Dask"
    tasks = 500

    def __enter__(self):
        import distributed
        self.client = distributed.Client(n_workers=WORKERS, threads_per_worker=1,
                                         dashboard_address=None)
        return self

    def __exit__(self, *_):
        self.client.close()

    def call(self):
        self.client.submit(abs, -1, pure=False).result()

    def many(self, n):
        self.client.gather(self.client.map(abs, range(n), pure=False))


def peers():
    """All that are installed."""
    yield ProcessPool
    for module, peer in (("ipyparallel", Ipyparallel), ("distributed", Dask)):
        if importlib.util.find_spec(module):
            yield peer


def floors(program, times):
    """What the machine asks, in seconds by name."""
    done = subprocess.run([program, str(times)], capture_output=True, text=True, check=True)
    return {name: float(number) for number, name in
            (line.split(" ", 1) for line in done.stdout.splitlines())}


def measure_beginnings(program, times, fresh, cold):
    """Calls that need a new process, or new code, beside what these ask of the machine."""
    machine = floors(os.path.join(os.path.dirname(program), "floors"), times)
    fork = machine["the same, with a task"]
    yield ("call, each in a new process", "s", fresh,
           "machine: fork, task, exit; goal 200 us", fork)
    yield ("first call of new code", "s", cold,
           "machine: the same and libtcc; goal 500 us", fork + machine["libtcc, a function"])


def measure_executors(program, times):
    """Rows for bench.py. `program` is bench_executor."""
    if not os.path.exists(program):
        return
    done = subprocess.run([program, str(times * 20)], capture_output=True, text=True, check=True)
    _, warm, rate, _, fresh, cold = map(float, done.stdout.split())
    yield from measure_beginnings(program, times, fresh, cold)
    for kind in peers():
        with kind() as peer:
            for _ in range(20):
                peer.call()
            one = statistics.median(timed(peer.call) for _ in range(times))
            yield "call round trip at the executor", "s", warm, peer.name, one
            yield ("calls, pipelined", "/s", rate, peer.name,
                   peer.tasks / timed(lambda: peer.many(peer.tasks)))
            if kind is ProcessPool:
                yield "call, each in a new process", "s", fresh, peer.name + ", warm", one
                yield "first call of new code", "s", cold, peer.name + ", warm", one
