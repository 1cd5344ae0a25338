# SPDX-License-Identifier: BSD-3-Clause
"""Includes point to the left, third-party headers stay at home, processes stay apart."""
import fnmatch
import os
import pathlib
import re
import subprocess

import pytest
import tree

BUILD = pathlib.Path(os.environ.get(
    "ACHAR", tree.ROOT / "build/kernel/app/achar")).resolve().parents[2]


def fail_with(problems):
    assert not problems, "\n" + "\n".join(problems)


def test_project_includes():
    order, problems = tree.layers(), []
    for path in tree.files(".c", ".h"):
        home = tree.layer_of(path, order)
        for number, mark, header in tree.includes(path):
            if mark == "<":
                continue
            if not (tree.ROOT / header).is_file():
                problems.append(f"{path}:{number}: '{header}' is not a path from the root")
                continue
            target = tree.layer_of(header, order)
            if home is None or target is None:
                problems.append(f"{path}:{number}: '{header}' is in no layer")
            elif target > home:
                problems.append(f"{path}:{number}: '{header}' is in a later layer")
    fail_with(problems)


def test_own_header_first():
    problems = []
    for path in tree.files(".c"):
        own = path.with_suffix(".h")
        if not (tree.ROOT / own).exists():
            continue
        first = next(iter(tree.includes(path)), (0, "", ""))
        if first[2] != str(own):
            problems.append(f"{path}:{first[0]}: include '{own}' first")
    fail_with(problems)


def test_third_party_headers():
    homes, problems = tree.rules("only"), []
    for path in tree.files(".c", ".h"):
        if path.parts[0] == "tests":
            continue  # tests may stand in for any layer
        for number, _, header in tree.includes(path):
            for pattern, allowed in homes.items():
                if fnmatch.fnmatch(header, pattern) and not any(
                        fnmatch.fnmatch(str(path), home) for home in allowed):
                    problems.append(f"{path}:{number}: '{header}' belongs to "
                                    + ", ".join(allowed))
    fail_with(problems)


@pytest.mark.parametrize("program", sorted(tree.rules("never")))
def test_processes(program):
    """By the libraries it needs, and by symbols for what is linked statically."""
    found = [path for path in BUILD.glob("kernel/*/" + program) if path.is_file()]
    assert found, f"'{program}' is not in {BUILD}/kernel: ./dev build"
    dynamic = subprocess.run(["readelf", "-dW", found[0]], capture_output=True, text=True,
                             check=True).stdout
    symbols = subprocess.run(["nm", found[0]], capture_output=True, text=True,
                             check=True).stdout
    needed = re.findall(r"NEEDED.*\[lib([^\]]*)\]", dynamic)
    if re.search(r" tcc_new\b", symbols):
        needed.append("tcc.a")
    for library in tree.rules("never")[program]:
        assert not [name for name in needed if re.match(library + r"[-.]", name)]
