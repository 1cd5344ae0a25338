# SPDX-License-Identifier: BSD-3-Clause
"""Calls on Slurm and over ssh, both real and on this host, beside what people use there."""
import contextlib
import importlib.util
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import links  # noqa: E402
from client import Kernel  # noqa: E402
from engines.daemons import EngineError  # noqa: E402
from engines.slurm import Slurm  # noqa: E402
from engines.ssh import Ssh  # noqa: E402

BULK = 256  # MiB
STDIO_BULK = 64


def run_calls(program, times, environment, *words):
    """Seconds from nothing to the hundredth result and of a call; calls and bytes a second."""
    done = subprocess.run([program, str(times), *map(str, words)], env={**os.environ, **environment},
                          capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()[:4]]


def submitit_seconds(environment):
    """An array of 100 jobs that do nothing, from nothing to the last result."""
    code = ("import submitit, sys\n"
            "executor = submitit.AutoExecutor(folder=sys.argv[1], cluster='slurm')\n"
            "executor.update_parameters(timeout_min=5, slurm_array_parallelism=100)\n"
            "[job.result() for job in executor.map_array(abs, range(100))]\n")
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code, folder], check=True, capture_output=True,
                       env={**os.environ, **environment}, timeout=300)
        return time.perf_counter() - start


@contextlib.contextmanager
def in_cluster(slurm):
    """What is started meanwhile finds this Slurm."""
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = slurm.environment["SLURM_CONF"]
    try:
        yield
    finally:
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


WORK = """
#include <stdio.h>
#include <stdlib.h>
unsigned long work(unsigned long x)
{
    for (long i = 0; i < 700000000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}
"""
MAIN = """
int main(int argc, char **argv)
{
    printf("%lu\\n", work(strtoul(argv[argc - 1], 0, 10) + 1));
    return 0;
}
"""
ARRAY = 8  # tasks of about a second


def raw_array_seconds(slurm, folder, program):
    """From sbatch to the last result of an array of a compiled program."""
    results = [folder / f"raw.{i}" for i in range(ARRAY)]
    for result in results:
        result.unlink(missing_ok=True)
    start = time.perf_counter()
    slurm.run("sbatch", f"--array=0-{ARRAY - 1}", "--cpus-per-task=1", f"--output={folder}/log.%a",
              f"--wrap={program} $SLURM_ARRAY_TASK_ID > {folder}/raw.$SLURM_ARRAY_TASK_ID")
    while not all(result.exists() and result.stat().st_size for result in results):
        time.sleep(0.01)
    return time.perf_counter() - start


def batch_seconds(kernel):
    """From the magic to the last result in its array."""
    start = time.perf_counter()
    _, text = kernel.execute("%map work in -> out --on c --batch")
    kernel.execute(f"%wait {re.search(r'slurm-[0-9]+', text)[0]}")
    return time.perf_counter() - start


def measure_array(slurm, achar, rounds):
    with tempfile.TemporaryDirectory() as name, in_cluster(slurm):
        folder = pathlib.Path(name)
        (folder / "work.c").write_text(WORK + MAIN)
        subprocess.run(["gcc", "-O2", "-o", folder / "work", folder / "work.c"], check=True)
        kernel = Kernel([str(achar), "kernel", "-f", "{connection_file}"])
        try:
            kernel.wait_for_iopub()
            kernel.execute(WORK + f"unsigned long in[{ARRAY}], out[{ARRAY}];\n"
                           f"for (int i = 0; i < {ARRAY}; i++)\n    in[i] = i + 1;")
            kernel.execute(f"%executor c = slurm --cpus=1 --shared={folder}/shared")
            ours, raw = [], []
            for _ in range(rounds):
                raw.append(raw_array_seconds(slurm, folder, folder / "work"))
                ours.append(batch_seconds(kernel))
        finally:
            kernel.close()
    yield (f"slurm: --batch, {ARRAY} tasks of a second", "s", statistics.median(ours),
           "sbatch --array, compiled C", statistics.median(raw))


def measure_slurm_stdio(program, times, slurm):
    """Where nodes cannot connect back. Frames beyond 1 KiB wait 44 ms each way (Slurm < 24.05)."""
    environment = slurm.environment
    srun = ["srun", "-Q", "-n1", "-u"]
    trip = links.command_round_trip([*srun, "cat"], times, environment)
    cat = links.command_rate([*srun, "sh", "-c"], STDIO_BULK, environment)
    _, call, _, bulk = run_calls(program, times // 10 + 1, environment, "slurm", "nodes=1",
                                 "interface=none")
    yield "slurm: a call, through srun only", "s", call, "srun -u cat, 32 bytes", trip
    yield "slurm: large arguments, through srun only", "B/s", bulk, "srun -u cat", cat


def measure_slurm(program, times, quick):
    try:
        slurm = Slurm()
    except EngineError as error:
        print(f"skipped: Slurm: {error}")
        return
    with contextlib.closing(slurm):
        environment = slurm.environment
        start = time.perf_counter()
        slurm.run("srun", "-Q", "-n1", "true")
        srun = time.perf_counter() - start
        first, call, rate, bulk = run_calls(program, times, environment, "slurm", "nodes=2")
        if not quick and importlib.util.find_spec("submitit"):
            slurm.clear()
            yield ("slurm: 100 calls from nothing", "s", first, "submitit, one array",
                   submitit_seconds(environment))
        yield "slurm: a call in the allocation", "s", call, "srun of 'true'", srun
        yield ("slurm: a call in the allocation", "s", call, "TCP, 32 bytes there and back",
               links.tcp_round_trip(times))
        local = run_calls(program, times, {}, "local", "workers=2")
        yield "slurm: calls, pipelined", "/s", rate, "one srun after the other", 1 / srun
        yield "slurm: calls, pipelined", "/s", rate, "local", local[2]
        yield "slurm: large arguments, TLS", "B/s", bulk, "local", local[3]
        if raw := links.tls_rate(64):
            yield "slurm: large arguments, TLS", "B/s", bulk, "Python's TLS", raw
        slurm.clear()
        yield from measure_slurm_stdio(program, times, slurm)
        slurm.clear()
        yield from measure_array(slurm, program.parents[2] / "kernel/app/achar", 1 if quick else 3)


def measure_ssh(program, times):
    try:
        ssh = Ssh()
    except EngineError as error:
        print(f"skipped: ssh: {error}")
        return
    with contextlib.closing(ssh):
        start = time.perf_counter()
        ssh.run("true")
        new = time.perf_counter() - start
        words = ["ssh", "-F", ssh.config, "-o", "BatchMode=yes", "a"]
        first, call, rate, bulk = run_calls(program, times, {}, "ssh", "hosts=a",
                                            f"config={ssh.config}", "workers=2")
        yield "ssh: 100 calls from nothing", "s", first, "one 'ssh HOST true'", new
        yield "ssh: a call on a warm channel", "s", call, "one 'ssh HOST true'", new
        yield ("ssh: a call on a warm channel", "s", call, "ssh HOST cat, 32 bytes",
               links.command_round_trip([*words, "cat"], times))
        yield "ssh: calls, pipelined", "/s", rate, "one ssh after the other", 1 / new
        yield "ssh: large arguments", "B/s", bulk, "ssh HOST cat", links.command_rate(words, BULK)


def measure_engines(program, times, quick):
    yield from measure_slurm(program, times, quick)
    yield from measure_ssh(program, times)
