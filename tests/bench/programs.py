# SPDX-License-Identifier: BSD-3-Clause
"""Whole programs, their functions in cells of their own, beside `gcc -O2` of the same text in one
file: processor time of work(), the two taking turns."""
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile

from client import Kernel

PROGRAMS = pathlib.Path(__file__).parent / "programs"
CLOCK = """
#include <stdio.h>
#include <time.h>
double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}
"""
# The first round touches the memory: what the pages cost is another matter. The pointer keeps
# compilers from doing both rounds at once.
TIMED = """{
    double (*volatile run)(void) = work;
    run();
    double start = seconds(), result = run();
    printf("%.9f %.17g\\n", seconds() - start, result);
}"""
MAIN = "int main(void)" + TIMED


def compile_program(compiler, source, folder, *flags):
    path = pathlib.Path(folder) / "program"
    subprocess.run([compiler, "-O2", *flags, "-x", "c", "-", "-o", path, "-lm"],
                   input=CLOCK + source + MAIN, text=True, check=True)
    return path


def run_program(path):
    return subprocess.run([path], capture_output=True, text=True, check=True).stdout.split()


def define(kernel, source):
    for cell in [CLOCK, *re.split(r"/\* next cell \*/\n", source)]:
        kernel.execute(cell)


def run_cell(kernel):
    return kernel.execute(TIMED)[1].split()


def compare(command, source, times):
    """Medians of work() in seconds: optimised in the kernel, and as one file."""
    with Kernel(command) as kernel, tempfile.TemporaryDirectory() as folder:
        kernel.wait_for_iopub()
        program = compile_program("gcc", source, folder)
        define(kernel, source)
        kernel.execute("%opt now")
        ours, theirs = [], []
        for _ in range(times):
            ours.append(run_cell(kernel))
            theirs.append(run_program(program))
    assert {at[1] for at in ours} == {at[1] for at in theirs}
    return [statistics.median(float(at[0]) for at in runs) for runs in (ours, theirs)]


def late_bound(command, source, times, *settings):
    """work() as its functions were first compiled: every call goes through a trampoline."""
    with Kernel(command) as kernel:
        kernel.wait_for_iopub()
        for setting in ("%opt off", *settings):
            kernel.execute(setting)
        define(kernel, source)
        return statistics.median(float(run_cell(kernel)[0]) for _ in range(times))


def measure_programs(command, times):
    if not shutil.which("gcc"):
        return
    os.environ["ACHAR_CC"] = "gcc"  # the same compiler on both sides
    for path in sorted(PROGRAMS.glob("*.c")):
        source = path.read_text()
        ours, theirs = compare(command, source, times)
        yield f"{path.stem}, helpers in cells", "s", ours, "gcc -O2, one file", theirs
        if path.stem == "fib":
            for what, settings in (("gcc -O2", ["%cc gcc"]), ("libtcc", [])):
                yield (f"{path.stem}, late-bound, {what}", "s",
                       late_bound(command, source, times, *settings), "gcc -O2, one file",
                       theirs)
    del os.environ["ACHAR_CC"]
