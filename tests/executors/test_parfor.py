# SPDX-License-Identifier: BSD-3-Clause
"""%%parfor: a body for every index, elements that come home by index."""
ARRAYS = """
#include <stdlib.h>
struct pair { int i; double half; };
int n = 50;
int squares[50], hits;
struct pair pairs[50];
double *heap = malloc(50 * sizeof(double));
for (int i = 0; i < 50; i++)
    heap[i] = -1;
"""


def test_several_arrays_come_home_by_index(session):
    session.value(ARRAYS)
    cell = session.run("%%parfor i 0 n --out squares,pairs,heap\nsquares[i] = i * i;\n"
                       "pairs[i] = (struct pair){i, i / 2.0};\nheap[i] = squares[i] + 0.5;")
    assert cell.is_ok and not cell.stderr, cell.traceback + cell.stderr
    assert session.value("squares[49]") == "2401"
    assert session.value("pairs[3]") == "{.i = 3, .half = 1.5}"
    assert session.value("heap[10]") == "100.5"


def test_a_part_of_the_indices(session):
    session.value(ARRAYS)
    assert session.run("%%parfor k 10 4*5 --out squares --chunk 3\nsquares[k] = 1;").is_ok
    assert session.value("int sum = 0;\nfor (int i = 0; i < 50; i++)\n    sum += squares[i];\n"
                         "sum + squares[10] + squares[19] + squares[9] + squares[20]") == "12"
    assert session.run("%%parfor k 5 5 --out squares\nsquares[k] = 9;").is_ok
    assert session.value("squares[5]") == "0"


def test_rows_of_an_array_of_arrays(session):
    session.value("double grid[6][4];")
    cell = session.run("%%parfor row 0 6 --out grid\nfor (int column = 0; column < 4; column++)\n"
                       "    grid[row][column] = row * 10 + column;")
    assert cell.is_ok, cell.traceback
    assert session.value("grid[5][3]") == "53.0"


def test_a_write_elsewhere_is_said_and_stays_there(session):
    session.value(ARRAYS)
    cell = session.run("%%parfor i 0 40 --out squares\nsquares[i] = i;\nhits++;")
    assert cell.is_ok and "'hits'" in cell.stderr
    assert session.value("hits") == "0"
    cell = session.run("%%parfor i 0 40 --out squares\nsquares[i + 5] = i;")
    assert "'squares' at other places than its index" in cell.stderr


def test_partial_results_and_what_failed(session):
    session.value(ARRAYS)
    cell = session.run("%%parfor i 0 n --out squares\nif (i % 20 == 7)\n    abort();\n"
                       "squares[i] = 1;")
    assert cell.name == "SIGABRT"
    failed = cell.message.split(" failed")[0].removeprefix("indices ").split(", ")
    assert sorted(failed, key=int) == ["7", "27", "47"] and "47 of 50" in cell.message
    assert "In[2]:3" in cell.traceback and session.value("squares[8] + squares[7]") == "1"


def test_async(session):
    session.value(ARRAYS)
    session.value("%%parfor i 0 n --out squares --async a\nsquares[i] = i;")
    session.value("n = 3;")
    assert session.run("%wait a").is_ok
    assert session.value("squares[49]") == "49"


MISTAKES = [
    ("%%parfor 2 0 3\n;", "no name for an index"),
    ("%%parfor i 0\n;", "INDEX FROM TO"),
    ("%%parfor i 3 0\n;", "that is none"),
    ("%%parfor i 0 nothing\n;", "nothing"),
    ("%%parfor i 0 51 --out squares\nsquares[i] = 1;", "50 elements"),
    ("%%parfor i -1 5 --out squares\nsquares[i] = 1;", "50 elements"),
    ("%%parfor i 0 5 --out other\nsquares[i] = 1;", "no array of that name"),
    ("%%parfor i 0 5 --out hits\nhits = 1;", "hits: it is no array"),
    ("%%parfor i 0 5\nsquares[i] = missing;", "missing"),
]


def test_mistakes(session):
    session.value(ARRAYS)
    for text, part in MISTAKES:
        cell = session.run(text)
        assert cell.status == "error" and part in cell.message, cell.message
