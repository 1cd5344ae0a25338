# SPDX-License-Identifier: BSD-3-Clause
"""The executor `ssh` as an ordinary user, on hosts where the user is an ordinary one too."""
import os
import pathlib

import pytest

from engines.daemons import EngineError
from engines.ssh import Ssh
from users import User
from waiting import eventually

CODE = """
#include <unistd.h>
int user(int n) { return (int)getuid() + n; }
int exists(int n) { return access("here", F_OK) == 0 ? n : -n; }
int in[6] = {0, 1, 2, 3, 4, 5}, out[6];
"""


@pytest.fixture
def server():
    try:
        opened = Ssh(user="nobody" if os.getuid() == 0 else None)
    except EngineError as error:
        pytest.skip(f"no sshd here: {error}")
    yield opened
    opened.close()


def test_it_works_and_leaves_nothing(server, achar, tmp_path):
    with User(achar) as user:
        session, uid = user.session(), user.account.pw_uid
        session.value(CODE)
        session.value(f"%executor s = ssh --hosts a,b --config {server.config}")
        assert session.value("%call user(0) --on s") == str(uid)
        cell = session.run("%map user in -> out --on s")
        assert cell.is_ok, cell.traceback
        assert session.value("out[5]") == str(uid + 5)
        kit = next((server.home / ".cache/achar").iterdir())
        assert kit.stat().st_uid == uid and kit.stat().st_mode & 0o022 == 0
        (user.folder / "data").write_text("12345")
        assert session.run(f"%call user(1) --on s --files {user.folder}/data").is_ok

        closed = tmp_path / "closed"
        closed.mkdir(0o700)
        if uid != os.getuid():  # what root has closed is not for the tasks
            cell = session.run(f"%call exists(1) --on s --cwd {closed}")
            assert cell.name == "FolderError" and f"'{closed}'" in cell.message, cell.message
            assert "Permission denied (on " in cell.message, cell.message
        session.close()
        user.sessions.remove(session)
        eventually(lambda: not server.pids() and not user.pids())
        assert list((user.folder / "tmp").iterdir()) == []


def test_a_folder_for_kits_that_is_not_the_users_is_told(server, achar):
    with User(achar) as user:
        if user.account.pw_uid == 0 or os.getuid() != 0:
            pytest.skip("only root can close a folder to the user")
        closed = pathlib.Path(server.folder) / "closed"
        closed.mkdir(0o755)
        session = user.session()
        session.value(CODE)
        session.value(f"%executor s = ssh --hosts a --config {server.config} --folder {closed}/k")
        cell = session.run("%call user(0) --on s", 60)
        assert cell.name == "ExecutorError" and str(closed) in cell.message, cell.message
        assert "a: cannot make a folder in" in cell.message, cell.message
