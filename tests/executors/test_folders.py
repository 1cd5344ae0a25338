# SPDX-License-Identifier: BSD-3-Clause
"""A folder of --cwd that a host does not have: the error names both, and costs nothing else."""
import re

import pytest

CODE = """
#include <unistd.h>
int exists(int n) { return access("here", F_OK) == 0 ? n : -n; }
int in[4] = {1, 2, 3, 4}, out[4];
"""


def is_told(session, on, folder, hosts):
    for line in (f"%call exists(1) --on {on}", f"%map exists in -> out --on {on} --retries 2"):
        cell = session.run(f"{line} --cwd {folder}", 60)
        assert cell.name == "FolderError", cell.traceback
        assert f"'{folder}'" in cell.message and "No such file" in cell.message, cell.message
        if hosts:
            assert re.search(rf"\(on ({hosts})\)", cell.message), cell.message
    folder.mkdir()
    (folder / "here").touch()
    assert session.value(f"%call exists(7) --on {on} --cwd {folder}") == "7"


@pytest.fixture
def ready(session):
    session.value(CODE)
    return session


def test_here(ready, tmp_path):
    is_told(ready, "local", tmp_path / "none", "")


def test_on_a_host_of_ssh(ssh, ready, tmp_path):
    ready.value(f"%executor s = ssh --hosts a --config {ssh.config}")
    is_told(ready, "s", tmp_path / "none", "a")


def test_a_host_of_ssh_with_no_right_to_it_is_named(ssh, ready, tmp_path):
    """It is a file, which root may not enter either."""
    (tmp_path / "file").touch()
    ready.value(f"%executor s = ssh --hosts a --config {ssh.config}")
    cell = ready.run(f"%call exists(1) --on s --cwd {tmp_path}/file", 60)
    assert cell.name == "FolderError" and "Not a directory (on a)" in cell.message, cell.message
