# SPDX-License-Identifier: BSD-3-Clause
"""The executor `slurm` as an ordinary user: on a cluster of root's, and on one of the user's own
without munge."""
import os
import re

import pytest

from engines.slurm import Slurm
from users import User
from waiting import eventually

CODE = """
#include <stdio.h>
#include <unistd.h>
int user(int n) { printf("as %d\\n", (int)getuid()); return (int)getuid() + n; }
int in[6] = {0, 1, 2, 3, 4, 5}, out[6], y;
"""


def works(user, cluster):
    session, uid = user.session(), user.account.pw_uid
    session.value(CODE)
    session.value(f"%executor c = slurm --nodes=2 --cpus=1 --shared={user.home}/shared")
    assert session.value("%call user(0) --on c") == str(uid)
    cell = session.run("%map user in -> out --on c")
    assert cell.is_ok, cell.traceback
    assert session.value("out[5]") == str(uid + 5)
    cell = session.run("%map user in -> out --on c --batch")
    assert cell.is_ok, cell.traceback
    name = re.search(r"slurm-\d+", str(cell.displays)).group()
    session.close()
    user.sessions.remove(session)
    later = user.session()
    later.value("int out[6];")
    later.value(f"%executor c = slurm --nodes=2 --cpus=1 --shared={user.home}/shared")
    cell = later.run(f"%attach {name} --on c", 60)
    assert cell.is_ok, cell.traceback
    assert name in str(later.run("%jobs").displays)
    cell = later.run(f"%wait {name}", 60)
    assert cell.is_ok, cell.traceback
    assert later.value("out[3]") == str(uid + 3)
    assert f"as {uid}" in later.run(f"%logs {name}").stdout
    later.close()
    user.sessions.remove(later)
    eventually(lambda: not cluster.jobs() and not user.pids())
    left = [path for path in (user.folder / "tmp").rglob("*")]
    assert not left, left


def test_on_a_cluster_of_root_with_munge(slurm, achar):
    with User(achar) as user:
        works(user, slurm)


def test_on_a_cluster_of_the_user_without_munge(slurm_cluster, achar, monkeypatch):
    name = "nobody" if os.getuid() == 0 else None
    with Slurm(user=name, munge=False) as cluster, User(achar) as user:
        monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
        works(user, cluster)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become a user without a home")
def test_a_user_without_a_home_is_told_what_to_do(slurm, achar):
    with User(achar, environment={"HOME": "/nonexistent"}) as user:
        session = user.session()
        session.value(CODE)
        session.value("%executor c = slurm --cpus=1")
        cell = session.run("%call user(0) -> y --on c --batch")
        assert not cell.is_ok and "/nonexistent" in cell.message, cell.message
        assert "--shared" in cell.message, cell.message
        assert session.value("%call user(0) --on c") == str(user.account.pw_uid)
