# SPDX-License-Identifier: BSD-3-Clause
"""Payloads that begin as libtcc compiles them: one loop of variable bound, and recursion, in a
%call that runs and in elements of a %map, after cc's code has come, beside `gcc -O2` of the same."""
import contextlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time

from client import Kernel
from programs import CLOCK

FUNCTIONS = CLOCK + """
double values[4096];
double sum(long n)
{
    double s = 0;
    for (long i = 0; i < n; i++)
        s += values[i & 4095] * i;
    return s;
}
int fib(int n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
volatile double kept;
double sum_seconds(int n)
{
    double start = seconds();
    kept = sum(n);
    return seconds() - start;
}
double fib_seconds(int n)
{
    double start = seconds();
    kept = fib(n);
    return seconds() - start;
}
void rounds(int n, int size, double (*function)(int))
{
    for (int i = 0; i < n; i++)
        printf("%.9f\\n", function(size));
}
"""
SIZES = {"sum": 1000000, "fib": 27}
ROUNDS = 400
ELEMENTS = 300
MAP = """
int sizes[%d];
double times[%d];
for (int i = 0; i < %d; i++) sizes[i] = %d;
"""
SHOW = 'for (int i = 0; i < %d; i++) printf("%%.9f\\n", times[i]);'


@contextlib.contextmanager
def nothing_kept(compiler):
    """What is started meanwhile uses this compiler and has compiled nothing before."""
    with tempfile.TemporaryDirectory() as folder:
        before = {name: os.environ.get(name) for name in ("ACHAR_CC", "XDG_CACHE_HOME")}
        os.environ.update(ACHAR_CC=compiler, XDG_CACHE_HOME=folder)
        try:
            yield folder
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def numbers(text):
    return [float(line) for line in text.split()]


def peer_seconds(folder, name):
    """Of a call in a program of one file; and how long gcc took for that."""
    path = os.path.join(folder, "program")
    main = f"int main(void) {{ rounds({ROUNDS}, {SIZES[name]}, {name}_seconds); }}"
    start = time.perf_counter()
    subprocess.run(["gcc", "-O2", "-x", "c", "-", "-o", path], input=FUNCTIONS + main, text=True,
                   check=True)
    compiling = time.perf_counter() - start
    done = subprocess.run([path], capture_output=True, text=True, check=True)
    return statistics.median(numbers(done.stdout)), compiling


def call_seconds(kernel, name):
    """Of a round in one %call, in the end; and all rounds together before the swap."""
    times = numbers(kernel.execute(f"%call rounds({ROUNDS}, {SIZES[name]}, {name}_seconds)")[1])
    after = statistics.median(times[-ROUNDS // 4:])
    limit = (after + statistics.median(times[:3])) / 2
    return after, sum(times[:next((i for i, at in enumerate(times) if at < limit), len(times))])


def map_seconds(kernel, name):
    """Of an element, in the end."""
    kernel.execute(MAP % (ELEMENTS, ELEMENTS, ELEMENTS, SIZES[name]))
    kernel.execute(f"%map {name}_seconds sizes -> times --chunk 1")
    return statistics.median(numbers(kernel.execute(SHOW % ELEMENTS)[1])[-ELEMENTS // 4:])


def measure_improvement(command):
    if not shutil.which("gcc"):
        return
    for name, what in (("sum", "one loop"), ("fib", "recursion")):
        with nothing_kept("gcc") as folder:
            alone, compiling = peer_seconds(folder, name)
            with Kernel(command) as kernel:
                kernel.wait_for_iopub()
                kernel.execute(FUNCTIONS)
                after, until = call_seconds(kernel, name)
            yield f"{what} in a %call, after the swap", "s", after, "gcc -O2, one file", alone
            yield f"{what} in a %call, until then", "s", until, "gcc -O2, to compile it", compiling
        with nothing_kept("gcc"), Kernel(command) as kernel:
            kernel.wait_for_iopub()
            kernel.execute(FUNCTIONS)
            yield (f"{what} in a %map, after the swap", "s", map_seconds(kernel, name),
                   "gcc -O2, one file", alone)
