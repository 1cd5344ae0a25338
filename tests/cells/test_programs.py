# SPDX-License-Identifier: BSD-3-Clause
"""Small programs, one for each thing that C can say: pasted whole, and cut into one cell an
item with the body of main() as statements. Each must print what it prints when gcc and
clang compile it."""
import concurrent.futures
import pathlib
import re
import shutil
import subprocess

import pytest

FILE = pathlib.Path(__file__).parent / "language" / "programs.txt"
COMPILERS = [path for path in map(shutil.which, ("gcc", "clang-19")) if path]
N_GROUPS = 6


def read_programs():
    programs = {}
    for part in re.split(r"^## ", FILE.read_text(encoding="utf-8"), flags=re.M)[1:]:
        name, _, text = part.partition("\n")
        programs[name] = ["#include <stdio.h>"] + text.rstrip("\n").split("\n--\n")
    return programs


PROGRAMS = read_programs()
GROUPS = [list(PROGRAMS)[i::N_GROUPS] for i in range(N_GROUPS)]


def whole(items):
    return "\n".join(items[:-1]) + "\nint main(void)\n{\n" + items[-1] + "\nreturn 0;\n}\n"


def native(name, compiler, folder):
    program = folder / f"{name}.{pathlib.Path(compiler).name}"
    source = program.with_name(program.name + ".c")
    source.write_text(whole(PROGRAMS[name]), encoding="utf-8")
    flags = ["-std=gnu17", "-w", "-pthread"]
    if "#pragma omp" in source.read_text(encoding="utf-8"):
        if "clang" in compiler:
            return None  # its run-time library may be missing
        flags.append("-fopenmp")
    made = subprocess.run([compiler, *flags, "-o", program, source, "-lm"], check=False,
                          capture_output=True, text=True)
    if made.returncode != 0:
        return made.stderr
    return subprocess.run([program], check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What each program prints, by the compilers that are there, which must agree."""
    if not COMPILERS:
        pytest.skip("no gcc and no clang")
    folder = tmp_path_factory.mktemp("native")
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = {name: [pool.submit(native, name, compiler, folder) for compiler in COMPILERS]
                for name in PROGRAMS}
    outputs = {name: {run.result() for run in of_name} - {None}
               for name, of_name in runs.items()}
    assert not {name: of_name for name, of_name in outputs.items() if len(of_name) > 1}
    return {name: of_name.pop() for name, of_name in outputs.items() if of_name}


def check(session, cells, wanted):
    """Runs the cells in a session that starts empty; what was wrong, or nothing."""
    assert session.run("%reset").is_ok
    printed = ""
    for cell in cells:
        done = session.run(cell)
        printed += done.stdout
        if not done.is_ok:
            return done.traceback
    return "" if printed == wanted else f"{printed!r} instead of {wanted!r}"


@pytest.mark.parametrize("group", range(N_GROUPS))
@pytest.mark.parametrize("is_whole", (True, False), ids=("whole", "cut"))
def test_programs(shared_session, expected, group, is_whole):
    wrong = {}
    for name in GROUPS[group]:
        if name not in expected:
            continue
        cells = [whole(PROGRAMS[name])] if is_whole else PROGRAMS[name]
        problem = check(shared_session, cells, expected[name])
        if problem:
            wrong[name] = problem
    assert not wrong, "\n\n".join(f"{name}: {problem}" for name, problem in wrong.items())


def test_the_file_is_the_cell(session):
    """Also where libtcc was ready before the text came."""
    for _ in range(3):
        assert re.fullmatch(r'"In\[\d+\]"', session.value("const char *place = __FILE__;\nplace"))
