# SPDX-License-Identifier: BSD-3-Clause
"""show.py [--out FOLDER] NOTEBOOK...: executes notebooks and prints their cells and outputs.

Uses the kernel that each notebook names. A cell that fails ends it with status 1, unless it
is tagged `raises-exception`. Executed copies go to FOLDER.
"""
import argparse
import pathlib
import sys

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

SECONDS_A_CELL = 300
BOLD, DIM, RESET = ("\033[1m", "\033[2m", "\033[0m") if sys.stdout.isatty() else ("",) * 3


def text_of(output):
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return "\n".join(output.traceback)
    return output.data.get("text/plain", f"<{', '.join(output.data)}>")


def show_cell(cell):
    if cell.cell_type == "markdown":
        print(f"\n{BOLD}{cell.source}{RESET}")
        return
    count = cell.get("execution_count") or " "
    source = cell.source.replace("\n", "\n    ")
    print(f"\n{DIM}In[{count}]:{RESET}\n    {source}")
    for output in cell.get("outputs", []):
        label = "Out" if output.output_type == "execute_result" else ""
        text = text_of(output).rstrip("\n").replace("\n", "\n    ")
        print(f"{DIM}{label or '   '}:{RESET}\n    {text}")


def execute(path, out):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    print(f"\n{BOLD}==== {path} ===={RESET}", flush=True)
    client = NotebookClient(notebook, timeout=SECONDS_A_CELL,
                            resources={"metadata": {"path": str(path.parent)}},
                            on_cell_complete=lambda cell, **_: show_markdown_or_code(cell))
    try:
        client.execute()
        problem = None
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        problem = f"{path}: {type(error).__name__}: {str(error).splitlines()[-1:]}"
    if out:
        out.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, out / path.name)
    return problem


def show_markdown_or_code(cell):
    show_cell(cell)
    sys.stdout.flush()


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
