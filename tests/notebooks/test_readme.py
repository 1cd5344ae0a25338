# SPDX-License-Identifier: BSD-3-Clause
"""The C text of the README runs."""
import pathlib
import re

import nbformat
from nbclient import NotebookClient

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"


def test_snippets(kernelspec):
    snippets = re.findall(r"^```c\n(.*?)^```", README.read_text(), re.M | re.S)
    assert snippets
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(snippet) for snippet in snippets]
    NotebookClient(notebook, timeout=60, kernel_name="achar").execute()
    assert notebook.cells[0].outputs[-1].data["text/plain"] == "5.0"
