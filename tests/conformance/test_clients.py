# SPDX-License-Identifier: BSD-3-Clause
"""Jupyter's own clients start and use the kernel, unpatched."""
import json
import pathlib
import re
import subprocess
import sys

import nbformat
import pexpect
import pytest
from jupyter_client.kernelspec import KernelSpecManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

JUPYTER = str(pathlib.Path(sys.executable).with_name("jupyter"))
SECONDS = 60


@pytest.fixture(autouse=True)
def installed(kernelspec):
    """The clients of this module find the kernel under its name."""


def notebook_of(*sources):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "achar", "display_name": "C (achar)"}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return notebook


def run(notebook, **options):
    NotebookClient(notebook, timeout=SECONDS, **options).execute()
    return [cell.outputs for cell in notebook.cells]


def test_kernelspec(kernelspec, achar):
    spec = KernelSpecManager().get_kernel_spec("achar")
    assert spec.argv == [str(achar), "kernel", "-f", "{connection_file}"]
    assert (spec.display_name, spec.language) == ("C (achar)", "c")
    assert spec.interrupt_mode == "message"
    names = {path.name for path in kernelspec.iterdir()}
    assert names == {"kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"}
    assert (kernelspec / "logo-64x64.png").read_bytes().startswith(b"\x89PNG")


def test_nbclient():
    outputs = run(notebook_of("int x = 20;", '#include <stdio.h>\nprintf("%d\\n", x);',
                              "x + 1"))
    assert outputs[0] == []
    assert outputs[1][0].text == "20\n"
    assert outputs[2][0].data["text/plain"] == "21"


def test_nbclient_sees_errors():
    with pytest.raises(CellExecutionError, match="no_such_name"):
        run(notebook_of("no_such_name + 1"))
    outputs = run(notebook_of("no_such_name + 1", "1 + 1"), allow_errors=True)
    assert outputs[0][0].output_type == "error"
    assert outputs[1][0].data["text/plain"] == "2"


def test_nbclient_interrupts_an_endless_loop():
    notebook = notebook_of("int kept = 5;", "for (;;)\n    ;", "kept")
    outputs = run(notebook, interrupt_on_timeout=True, allow_errors=True, startup_timeout=30,
                  timeout_func=lambda cell: 2 if "for" in cell.source else SECONDS)
    assert outputs[1][-1].output_type == "error"
    assert outputs[2][0].data["text/plain"] == "5"


def test_jupyter_run(tmp_path):
    source = tmp_path / "hello.c"
    source.write_text("#include <stdio.h>\n\n"
                      "int main(void)\n{\n    printf(\"hello from a file\\n\");\n}\n")
    done = subprocess.run([JUPYTER, "run", "--kernel", "achar", source], text=True,
                          capture_output=True, timeout=SECONDS)
    assert done.returncode == 0, done.stderr
    assert "hello from a file\n" in done.stdout


def test_jupyter_run_fails_when_the_file_fails(tmp_path):
    source = tmp_path / "broken.c"
    source.write_text("int main(void) { return no_such_name; }\n")
    done = subprocess.run([JUPYTER, "run", "--kernel", "achar", source], text=True,
                          capture_output=True, timeout=SECONDS)
    assert done.returncode != 0


def test_jupyter_kernelspec_list():
    done = subprocess.run([JUPYTER, "kernelspec", "list", "--json"], text=True,
                          capture_output=True, timeout=SECONDS)
    assert "achar" in json.loads(done.stdout)["kernelspecs"]


def test_jupyter_console():
    """A cell typed into the console, its value, and the way out."""
    console = pexpect.spawn(JUPYTER, ["console", "--kernel", "achar", "--simple-prompt"],
                            encoding="utf-8", timeout=SECONDS, dimensions=(40, 100))
    try:
        console.expect(re.escape("In [1]: "))
        console.sendline("int seven = 7;")
        console.expect(re.escape("In [2]: "))
        console.sendline("seven * 6")
        console.expect(r"Out\[2\]: *42")
        console.expect(re.escape("In [3]: "))
        console.sendeof()
        console.expect("really want to exit")
        console.sendline("y")
        console.expect(pexpect.EOF)
    finally:
        console.close(force=True)


def test_two_kernels_at_once():
    first, second = notebook_of("int a = 1;", "a"), notebook_of("int b = 2;", "a")
    assert run(first)[1][0].data["text/plain"] == "1"
    assert run(second, allow_errors=True)[1][0].output_type == "error"
