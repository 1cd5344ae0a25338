# SPDX-License-Identifier: BSD-3-Clause
"""The notebooks run from top to bottom and show what their text says."""
import base64
import pathlib
import shutil

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = pathlib.Path(__file__).resolve().parents[2] / "notebooks"


def run(name, folder, change=str):
    """The notebook's code cells by id, run in a copy of its folder."""
    shutil.copytree(NOTEBOOKS / "data", folder / "data")
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    for cell in notebook.cells:
        cell.source = change(cell.source)
    NotebookClient(notebook, timeout=300, kernel_name="achar",
                   resources={"metadata": {"path": str(folder)}}).execute()
    return {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}


def execute(name, folder, change=str):
    """{cell id: text of all its outputs}"""
    return {name: "".join(text_of(output) for output in cell.outputs)
            for name, cell in run(name, folder, change).items()}


def text_of(output):
    if output.output_type == "stream":
        return output.text
    if output.output_type == "error":
        return "\n".join(output.traceback)
    return output.data.get("text/plain", "")


@pytest.fixture(scope="module")
def tour_cells(kernelspec, tmp_path_factory):
    return run("tour.ipynb", tmp_path_factory.mktemp("tour"))


@pytest.fixture(scope="module")
def tour(tour_cells):
    return {name: "".join(text_of(output) for output in cell.outputs)
            for name, cell in tour_cells.items()}


@pytest.fixture(scope="module")
def digits(kernelspec, tmp_path_factory):
    return execute("digits.ipynb", tmp_path_factory.mktemp("digits"))


@pytest.mark.parametrize("name", ["tour.ipynb", "digits.ipynb", "cluster.ipynb"])
def test_is_valid(name):
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "achar"


def test_callers_follow_a_redefinition(tour):
    assert tour["hello"] == "12 squared is 144\n"
    assert tour["sum"] == "385"
    assert tour["redefined"] == "5500"
    assert tour["restored"] == "81"


@pytest.mark.parametrize("cell, parts", [
    ("types", ["origin", "GREEN", "BLUE", "1"]), ("enumerator", ["BLUE"]),
    ("string", ['"east"']), ("matrix", ["12"]), ("dynamic", ["3.74165"])])
def test_values_are_shown(tour, cell, parts):
    for part in parts:
        assert part in tour[cell]


def test_tables(tour_cells):
    assert "<th>label</th>" in tour_cells["types"].outputs[0].data["text/html"]
    assert "<td>12</td>" in tour_cells["matrix"].outputs[0].data["text/html"]


def test_displays(tour_cells):
    picture = base64.b64decode(tour_cells["picture"].outputs[0].data["image/png"])
    assert picture[:8] == b"\x89PNG\r\n\x1a\n" and len(picture) > 1000
    assert "<polyline" in tour_cells["plot"].outputs[0].data["image/svg+xml"]
    bar, *points = tour_cells["updates"].outputs
    assert "value='3'" in bar.data["text/html"]  # the newest, in the place of the first
    assert [".label = " in point.data["text/plain"] for point in points] == [True] * 3
    value = tour_cells["mime"].outputs[0].data
    assert value["text/markdown"] == "**east** at (1, 0)" and '.label = "east"' in value["text/plain"]


def test_print(tour):
    assert tour["print"] == "3 ...\n2 ...\n1 ...\ndone\n"


def test_a_mistake_points_at_its_place(tour):
    assert "^" in tour["misspelt"]
    assert "sum_of_squares" in tour["misspelt"]  # the suggestion
    assert "good" in tour["unharmed"] and "undeclared" in tour["unharmed"]


def test_a_fault_is_survived(tour):
    assert "SIGSEGV" in tour["fault"] and "move" in tour["fault"]
    assert tour["alive"] == "14"


def test_magics(tour):
    assert "%pickle" in tour["lsmagic"]
    assert "sum_of_squares" in tour["who"]
    assert "Linux" in tour["shell"]


def test_functions_travel(tour):
    assert tour["shelf"] == tour["call"] == "2.5"
    assert "4.25" in tour["map"] and "0.75" in tour["map"]
    assert "mango: 3.00 kg" in tour["remote"]
    assert tour["doubled"] == "5.0"


def test_a_pickle_brings_state_back(tour):
    assert tour["pickle"].splitlines()[-1] == "0.0"
    assert tour["unpickle"].splitlines()[-1] == "5.0"


def test_digits_agree(digits):
    assert digits["load"] == "1797"
    assert "0 of 1797 predictions differ" in digits["agree"]


def test_digits_accuracy(digits):
    assert "1777 of 1797 are right" in digits["confusion"]
    assert "0.98887" in digits["confusion"]
    assert "a 5 taken for a 9" in digits["mistakes"]


ENGINES = {
    "local": None,
    "slurm": "slurm --nodes=2 --time=10",
    "mpi": "mpi --np=2 --allow-run-as-root --oversubscribe",
    "ssh": "ssh --hosts a,b --workers 1 --config {config}",
    "mpirun": "command -- mpirun --allow-run-as-root --oversubscribe -n 1 {pool}",
}


@pytest.mark.parametrize("engine", ENGINES)
def test_one_computation_on_many_engines(kernelspec, tmp_path, request, engine):
    """Only the line that names the executor differs."""
    if engine == "slurm":
        request.getfixturevalue("slurm")
    line = ENGINES[engine] or "local --workers=2"
    if engine == "ssh":
        line = line.format(config=request.getfixturevalue("ssh").config)
    if engine.startswith("mpi") and not shutil.which("mpirun"):
        pytest.skip("there is no mpirun")
    cluster = execute("cluster.ipynb", tmp_path, lambda text: text.replace(
        "local --workers=2", line))
    # What is said of pools that are still to come stands before it.
    assert cluster["classify"].endswith("7") and cluster["right"] == "590"
    assert "(default)" in cluster["executor"] and "sweep" in cluster["jobs"]
    assert "the body also writes to 'parameters'" in cluster["wait"]
    assert cluster["wait"].count("limit ") == 12
    assert cluster["best"].startswith("k ") and cluster["end"].endswith(" of 600\n")
