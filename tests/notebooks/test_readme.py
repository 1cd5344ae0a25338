# SPDX-License-Identifier: BSD-3-Clause
"""The C text of the README and of the documents runs."""
import pathlib
import re
import shutil

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = pathlib.Path(__file__).resolve().parents[2]


def has_c(path):
    return "\n```c\n" in path.read_text()


def run(path):
    """The executed cells, one a snippet."""
    snippets = re.findall(r"^```c\n(.*?)^```", path.read_text(), re.M | re.S)
    assert snippets
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(snippet) for snippet in snippets]
    NotebookClient(notebook, timeout=60, kernel_name="achar").execute()
    return notebook.cells


def test_readme(kernelspec):
    assert run(ROOT / "README.md")[0].outputs[-1].data["text/plain"] == "5.0"


@pytest.mark.parametrize("path", sorted(filter(has_c, ROOT.glob("docs/*.md"))), ids=lambda path: path.name)
def test_documents(kernelspec, path, monkeypatch):
    if path.name == "mpi.md":
        if not shutil.which("mpirun"):
            pytest.skip("no MPI here: there is no 'mpirun' (openmpi-bin)")
        for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
            monkeypatch.setenv(name, "1")
    for cell in run(path):
        assert all(output.output_type != "error" for output in cell.outputs)
