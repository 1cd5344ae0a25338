# SPDX-License-Identifier: BSD-3-Clause
"""Licence lines, lengths, and what must not be in the sources."""
import re

import pytest
import tree

LINES_MAX = 600
README_LINES_MAX = 40
SCRIPTS = ("dev", ".ci/run")
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|alloca|gets)\s*\(")


def lines(path):
    return (tree.ROOT / path).read_text().splitlines()


def test_licence_lines():
    paths = [*tree.files(".c", ".h", ".py", ".svg"), *SCRIPTS]
    assert not [str(path) for path in paths
                if not any("SPDX-License-Identifier: BSD-3-Clause" in line
                           for line in lines(path)[:3])]


def test_length():
    assert not [f"{path}: {len(lines(path))} lines"
                for path in tree.files(".c", ".h", ".py") if len(lines(path)) > LINES_MAX]


def test_banned_functions():
    """In our own C; tests may call them inside the C text of a cell."""
    problems = []
    for path in tree.files(".c", ".h"):
        for number, line in enumerate(lines(path), 1):
            bare = re.sub(r'"(\\.|[^"\\])*"|//.*|/?\*.*', "", line)
            if path.parts[0] != "tests" and BANNED.search(bare):
                problems.append(f"{path}:{number}: {line.strip()}")
    assert not problems, "\n" + "\n".join(problems)


@pytest.mark.parametrize("folder", tree.FOLDERS)
def test_readme(folder):
    readme = tree.ROOT / folder / "README.md"
    assert readme.exists()
    assert len(readme.read_text().splitlines()) <= README_LINES_MAX
