# SPDX-License-Identifier: BSD-3-Clause
"""show.py [--out FOLDER] NOTEBOOK...: executes notebooks and prints their cells and outputs.

Uses the kernel that each notebook names. A cell that fails ends it with status 1, unless it
is tagged `raises-exception`. Executed copies go to FOLDER.
"""
import argparse
import pathlib
import re
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

SECONDS_A_CELL = 300
BOLD, DIM, RESET = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("",) * 3


def plain(text):
    """Without colours where there is no terminal."""
    return text if BOLD else re.sub(r"\x1b\[[0-9;]*m", "", text)


def text_of(output):
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return plain("\n".join(output.traceback))
    return output.data.get("text/plain", f"<{', '.join(output.data)}>")


def show_text(cell, **_):
    if cell.cell_type == "markdown":
        print(f"\n{BOLD}{cell.source}{RESET}", flush=True)


def show_code(cell, **_):
    count = cell.get("execution_count") or " "
    source = cell.source.replace("\n", "\n    ")
    print(f"\n{DIM}In [{count}]:{RESET}\n    {source}")
    for output in cell.outputs:
        label = f"Out[{count}]:" if output.output_type == "execute_result" else "-->"
        text = text_of(output).rstrip("\n").replace("\n", "\n    ")
        print(f"{DIM}{label}{RESET}\n    {text}")
    sys.stdout.flush()


def execute(path, out):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    print(f"\n{BOLD}==== {path} ===={RESET}", flush=True)
    client = NotebookClient(notebook, timeout=SECONDS_A_CELL,
                            resources={"metadata": {"path": str(path.parent)}},
                            on_cell_start=show_text, on_cell_executed=show_code)
    try:
        client.execute()
        problem = None
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        problem = f"{path}: {type(error).__name__}: {plain(str(error).splitlines()[-1])}"
    if out:
        out.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, out / path.name)
    return problem


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("notebooks", type=pathlib.Path, nargs="+")
    arguments = parser.parse_args()
    for path in arguments.notebooks:
        problem = execute(path, arguments.out)
        if problem:
            sys.exit(f"show.py: {problem}")


main()
