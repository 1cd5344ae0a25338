# SPDX-License-Identifier: BSD-3-Clause
"""bench.py [--json FILE] [--quick]: how fast it is, beside others measured in the same run.

Medians. The ratio is achar's number divided by the other's: for times below 1 is faster, for
rates above 1. The first rows are what the machine itself asks. $ACHAR names the executable (default build/kernel/app/achar).
"""
import argparse
import concurrent.futures
import importlib.util
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import cloudpickle
from arrays import measure_arrays
from client import Kernel, save
from executors import measure_executors
from improve import measure_improvement
from programs import measure_programs
from remote import measure_engines

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACHAR = pathlib.Path(os.environ.get("ACHAR", ROOT / "build/kernel/app/achar")).resolve()
ACHAR_COMMAND = [str(ACHAR), "kernel", "-f", "{connection_file}"]
PYTHON_COMMAND = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]

TREE_C = """
#include <stdlib.h>
struct node { struct node *left, *right; long value; };
struct node *make(int depth)
{
    struct node *node = malloc(sizeof(struct node));
    node->value = depth;
    node->left = depth > 1 ? make(depth - 1) : NULL;
    node->right = depth > 1 ? make(depth - 1) : NULL;
    return node;
}
struct node *tree = make(%d);
"""


class Node:
    """The tree of TREE_C, for cloudpickle."""

    def __init__(self, depth):
        self.value = depth
        self.left = Node(depth - 1) if depth > 1 else None
        self.right = Node(depth - 1) if depth > 1 else None


def median(function, times):
    return statistics.median(function() for _ in range(times))


def timed(function, *arguments):
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def measure_floors(times):
    """What the machine itself asks: no kernel is faster than these allow."""
    done = subprocess.run([ACHAR.parents[2] / "tests/bench/floors", str(times)],
                          capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        number, what = line.split(" ", 1)
        yield f"machine: {what}", "B/s" if what == "memcpy" else "s", None, "", float(number)


def start_seconds(command):
    with Kernel(command) as kernel:
        return kernel.first_reply()


def measure_start(times):
    yield ("spawn to kernel_info_reply", "s", median(lambda: start_seconds(ACHAR_COMMAND), times),
           "ipykernel", median(lambda: start_seconds(PYTHON_COMMAND), max(3, times // 4)))


def cell_seconds(command, setup, code, times):
    with Kernel(command) as kernel:
        kernel.wait_for_iopub()
        for cell in (setup, *[code] * 5):
            kernel.execute(cell)
        return median(lambda: kernel.execute(code)[0], times)


def measure_cells(times):
    headers = "".join(f"#include <{name}.h>\n" for name in ("stdio", "stdlib", "string", "math"))
    for what, setup, code, python_setup, python in (
            ("cell 'x += 1;'", "int x = 0;", "x += 1;", "x = 0", "x += 1"),
            ("cell 'x * 2', with its value", "int x = 1;", "x * 2", "x = 1", "x * 2"),
            ("cell with 4 headers, printf", headers + "int x = 0;",
             headers + 'printf("%d\\n", x);', "x = 0",
             "import io, os, string, math\nprint(x)"),
            ("cell that redefines a function", "int f(int x) { return x; }",
             "int f(int x) { return x + 1; }", "def f(x): return x", "def f(x): return x + 1")):
        yield (what, "s", cell_seconds(ACHAR_COMMAND, setup, code, times), "ipykernel",
               cell_seconds(PYTHON_COMMAND, python_setup, python, times))


HEADERS = "".join(f"#include <{name}.h>\n" for name in ("stdio", "stdlib", "string", "math"))
ONE_LINE = ("x += 1;", "x += 1")
TWENTY_LINES = ("""int count = 0;
double sum = 0;
char text[64];
for (int i = 0; i < 8; i++) {
    count += i;
    sum += sqrt(i);
}
snprintf(text, sizeof(text), "%d", count);
if (strlen(text) > 3)
    x += 2;
else
    x -= 1;
x += f7(x);
x %= 1000;
for (int i = 0; i < 3; i++) {
    x += i;
    sum += fabs(x);
}
if (sum > 1e9)
    puts("large");""", """count = 0
total = 0.0
for i in range(8):
    count += i
    total += math.sqrt(i)

text = "%d" % count
if len(text) > 3:
    x += 2
else:
    x -= 1

x += f7(x)
x %= 1000
for i in range(3):
    x += i
    total += abs(x)

if total > 1e9:
    print("large")
x""")


def fill_c(kernel, definitions):
    """Four headers, that many functions, and a heap of 10 MB."""
    kernel.execute(HEADERS)
    kernel.execute("int x = 0;\nchar *heap = malloc(10 << 20);\nmemset(heap, 1, 10 << 20);")
    for first in range(0, definitions, 50):
        kernel.execute("\n".join(f"int f{i}(int a) {{ return a + {i}; }}"
                                 for i in range(first, first + 50)))


def fill_python(kernel, definitions):
    kernel.execute("import io, os, string, math\nx = 0\nheap = bytearray(b'1' * (10 << 20))")
    for first in range(0, definitions, 50):
        kernel.execute("\n".join(f"def f{i}(a): return a + {i}"
                                 for i in range(first, first + 50)))


def inside_seconds(command, fill, cells, times):
    """The median for each cell, measured in turns."""
    with Kernel(command) as kernel:
        kernel.wait_for_iopub()
        fill(kernel, 1000)
        medians = []
        for cell in cells:
            for _ in range(10):
                kernel.inside(cell)
            medians.append(median(lambda code=cell: kernel.inside(code), times))
        return medians


def measure_warm(times):
    """Warm cells, from busy to idle as the kernel dates them."""
    cells = (ONE_LINE, TWENTY_LINES)
    ours = inside_seconds(ACHAR_COMMAND, fill_c, [c for c, _ in cells], times)
    theirs = inside_seconds(PYTHON_COMMAND, fill_python, [python for _, python in cells], times)
    for what, our, their in zip(("1 line, 1,000 definitions", "20 lines, 1,000 definitions"),
                                ours, theirs):
        yield f"warm, {what}", "s", our, "ipykernel", their


def first_cell_seconds(command, code):
    with Kernel(command) as kernel:
        kernel.wait_for_iopub()
        return kernel.inside(code)


def measure_includes(times):
    yield ("4 new headers", "s",
           median(lambda: first_cell_seconds(ACHAR_COMMAND, HEADERS), times), "ipykernel",
           median(lambda: first_cell_seconds(PYTHON_COMMAND, "import io, os, string, math"),
                  max(3, times // 4)))


def interrupt_seconds(command, code, times, interrupts_by_signal=False):
    with Kernel(command, interrupts_by_signal) as kernel:
        kernel.wait_for_iopub()
        return median(lambda: kernel.interrupt(code), times)


def measure_interrupts(times):
    yield ("interrupt to idle", "s", interrupt_seconds(ACHAR_COMMAND, "for (;;)\n    ;", times),
           "ipykernel", interrupt_seconds(PYTHON_COMMAND, "while True:\n    pass", times, True))


def measure_other_c(times):
    """Other kernels for C, where they can be had. Theirs take a whole program as a cell."""
    if importlib.util.find_spec("jupyter_c_kernel") is None:
        return
    command = [sys.executable, "-m", "jupyter_c_kernel", "-f", "{connection_file}"]
    program = '#include <stdio.h>\nint main(void) { printf("%d\\n", 42); return 0; }'
    yield ("cell with main and printf", "s", cell_seconds(ACHAR_COMMAND, "1;", program, times),
           "jupyter-c-kernel", cell_seconds(command, program, program, max(5, times // 10)))


def measure_calls(times):
    setup = "int offset = 1;\nint f(int x) { return x + offset; }\nint y = 0;"
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for _ in range(20):
            pool.submit(abs, -1).result()
        peer = median(lambda: timed(lambda: pool.submit(abs, -1).result()), times)
    yield ("cell '%call f(3) -> y'", "s",
           cell_seconds(ACHAR_COMMAND, setup, "%call f(3) -> y", times),
           "ProcessPoolExecutor", peer)
    yield from measure_executors(ACHAR.parents[2] / "tests/bench/bench_executor", times)


PING_PONG = r"""
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#define TIMES 20000
static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}
static void ping_pong(void)
{
    double *seconds = malloc(TIMES * sizeof(double));
    char message[32] = "";
    int rank;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    for (int i = 0; i < TIMES; i++) {
        double start = MPI_Wtime();
        if (rank == 0) {
            MPI_Send(message, 32, MPI_CHAR, 1, 0, MPI_COMM_WORLD);
            MPI_Recv(message, 32, MPI_CHAR, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        } else {
            MPI_Recv(message, 32, MPI_CHAR, 0, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(message, 32, MPI_CHAR, 0, 0, MPI_COMM_WORLD);
        }
        seconds[i] = MPI_Wtime() - start;
    }
    qsort(seconds, TIMES, sizeof(double), compare);
    if (rank == 0)
        printf("median %.9f\n", seconds[TIMES / 2]);
    free(seconds);
}
"""
MPIRUN = ["mpirun", "--allow-run-as-root", "--oversubscribe", "-np", "2"]


def ping_pong_seconds(kernel):
    """The median of a message there and back: in a cell, and in a program of its own."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "ping.c")
        source.write_text(PING_PONG + "int main(int argc, char **argv)\n"
                          "{ MPI_Init(&argc, &argv); ping_pong(); MPI_Finalize(); return 0; }\n")
        subprocess.run(["mpicc", "-O2", "-o", f"{folder}/ping", source], check=True)
        cell = "%%remote ranks\nping_pong();"
        here, there = [], []
        for _ in range(7):
            here.append(float(re.search(r"median (\S+)", kernel.execute(cell)[1])[1]))
            done = subprocess.run([*MPIRUN, f"{folder}/ping"], capture_output=True, text=True,
                                  check=True)
            there.append(float(done.stdout.split()[1]))
    return min(here), min(there)


def measure_ranks(times):
    """Cells on two MPI ranks that stay up."""
    if not shutil.which("mpirun") or not shutil.which("mpicc"):
        print("SKIP MPI ranks: there is no mpirun, or no mpicc")
        return
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        for _ in range(20):
            pool.submit(abs, -1).result()
        peer = median(lambda: timed(lambda: pool.submit(abs, -1).result()), times)
    bench = ACHAR.parents[2] / "tests/bench/bench_ranks"
    if bench.exists():
        done = subprocess.run([bench, str(times * 20), "libmpi.so.40", *MPIRUN],
                              capture_output=True, text=True, check=True)
        yield ("cell on 2 MPI ranks, executor", "s", float(done.stdout),
               "ProcessPoolExecutor, one task", peer)
    with Kernel(ACHAR_COMMAND) as kernel:
        kernel.wait_for_iopub()
        kernel.execute("%executor ranks = mpi --np=2 --allow-run-as-root --oversubscribe")
        kernel.execute("%%remote ranks\n" + PING_PONG)
        kernel.execute("%opt wait")
        here, there = ping_pong_seconds(kernel)
    yield "32 bytes there and back, in a cell", "s", here, "the same program under mpirun", there


def graph_rates(depth):
    """Nodes a second of %pickle and %unpickle, the cost of an empty one taken off."""
    nodes = 2 ** depth - 1
    with Kernel(ACHAR_COMMAND) as kernel:
        kernel.wait_for_iopub()
        kernel.execute(TREE_C % depth + "struct node *twig = make(1);")
        seconds = {}
        for name in ("twig", "tree"):
            kernel.execute(f"%pickle {name} > {name}.achar")
            dump = median(lambda: kernel.execute(f"%pickle {name} > {name}.achar")[0], 5)
            load = median(lambda: kernel.execute(f"%unpickle {name}.achar")[0], 5)
            seconds[name] = dump, load
    return [nodes / (seconds["tree"][i] - seconds["twig"][i]) for i in range(2)]


def peer_graph_rates(depth):
    nodes, tree = 2 ** depth - 1, Node(depth)
    with tempfile.TemporaryFile() as file:
        def dump():
            file.seek(0)
            cloudpickle.dump(tree, file)

        def load():
            file.seek(0)
            cloudpickle.load(file)
        return [nodes / median(lambda: timed(step), 3) for step in (dump, load)]


def measure_graphs(quick):
    depth = 15 if quick else 20
    ours, theirs = graph_rates(depth), peer_graph_rates(min(depth, 16))
    for i, what in enumerate(("%pickle, nodes of a tree", "%unpickle, nodes of a tree")):
        yield what, "/s", ours[i], "cloudpickle", theirs[i]


def human(number, unit):
    if unit == "s":
        for scale, name in ((1, "s"), (1e-3, "ms"), (1e-6, "us")):
            if number >= scale:
                return f"{number / scale:.3g} {name}"
        return f"{number * 1e9:.0f} ns"
    for scale, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= scale:
            return f"{number / scale:.3g} {name}{unit}"
    return f"{number:.3g} {unit}"


def show(row):
    what, unit, ours, peer, theirs = row
    mine, ratio = ("", "") if ours is None else (human(ours, unit), f"{ours / theirs:.3g}")
    print(f"{what:34} {mine:>11}   {human(theirs, unit):>11}   {ratio:>8}   {peer}".rstrip(),
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the rows to FILE too")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    arguments = parser.parse_args()
    times = 20 if arguments.quick else 200
    print(f"{'what':34} {'achar':>11}   {'other':>11}   {'ratio':>8}   other\n" + "-" * 96)
    rows = []
    for rows_of in (measure_floors(times * 10), measure_start(times // 10),
                    measure_cells(times), measure_warm(times), measure_includes(times // 10),
                    measure_interrupts(times // 4), measure_other_c(times),
                    measure_calls(times), measure_ranks(times),
                    measure_engines(ACHAR.parents[2] / "tests/bench/bench_executor", times * 10,
                                    arguments.quick),
                    measure_arrays(ACHAR_COMMAND, 3 if arguments.quick else 9),
                    measure_programs(ACHAR_COMMAND, 5 if arguments.quick else 15),
                    measure_improvement(ACHAR_COMMAND),
                    measure_graphs(arguments.quick)):
        for row in rows_of:
            rows.append(row)
            show(row)
    if arguments.json:
        save([dict(zip(("what", "unit", "achar", "other", "value"), row)) for row in rows],
             arguments.json)


if __name__ == "__main__":
    main()
