# SPDX-License-Identifier: BSD-3-Clause
"""The documents name what exists."""
import re

import pytest
import tree

DOCUMENTS = [path for path in tree.files(".md") if path.parts[0] != "docs"]


def read(path):
    return (tree.ROOT / path).read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links(document):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", read(document))
    assert not [link for link in links
                if not (tree.ROOT / document.parent / link).exists()]


def test_paths():
    """`folder/file` in the documents of the root is a file or a folder."""
    problems = []
    for document in [path for path in DOCUMENTS if len(path.parts) == 1]:
        for path in re.findall(r"`((?:%s)/[\w./-]+)`" % "|".join(tree.FOLDERS),
                               read(document)):
            if not (tree.ROOT / path).exists() and "NOUN" not in path:
                problems.append(f"{document}: {path}")
    assert not problems, "\n" + "\n".join(problems)


def test_every_magic_is_in_the_readme():
    names = re.findall(r" X\((\w+)\)", read("magics/table.c"))
    assert names
    readme = read("README.md")
    assert not [name for name in names if not re.search(rf"`%%?{name}\b", readme)]


def test_every_command_is_in_the_readme():
    names = re.findall(r"&command_(\w+)", read("kernel/app/main.c"))
    assert names
    assert not [name for name in names if f"achar {name}" not in read("README.md")
                and name != "kernel"]


def test_dev_commands():
    """./dev NAME in the documents is a command of ./dev help."""
    known = set(re.findall(r"^  (\w+) ", read("dev"), re.M)) | {"help"}
    used = {name for path in DOCUMENTS for name in re.findall(r"\./dev (\w+)", read(path))}
    assert used <= known
