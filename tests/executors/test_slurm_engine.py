# SPDX-License-Identifier: BSD-3-Clause
"""The Slurm that the tests start: what the tests of the executor rely on."""
import os
import pathlib
import subprocess

import pytest


def processes_of(cluster):
    folder = str(cluster.folder).encode()
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (
                    folder in (entry / "cmdline").read_bytes()
                    or folder in (entry / "environ").read_bytes()):
                found.append((entry / "cmdline").read_bytes())
        except OSError:
            pass
    return found


def test_has_two_nodes(slurm):
    assert slurm.run("srun", "-N2", "printenv", "SLURMD_NODENAME").split() in (
        ["n1", "n2"], ["n2", "n1"])


def test_clear_ends_jobs(slurm):
    slurm.run("salloc", "--no-shell", "-N2")
    assert slurm.jobs()
    slurm.clear()
    assert not slurm.jobs()


@pytest.mark.parametrize("munge", [True, False])
def test_runs_as_an_ordinary_user_and_leaves_nothing(slurm_cluster, munge):
    from engines.slurm import Slurm
    user = "nobody" if os.getuid() == 0 else None
    with Slurm(user=user, munge=munge) as cluster:
        command = ["srun", "-N2", "id", "-un"]
        if user:
            command = ["setpriv", f"--reuid={user}", "--clear-groups", *command]
        who = subprocess.run(command, env=cluster.environment, cwd="/", capture_output=True,
                             text=True, timeout=60)
        assert who.stdout.split() == [cluster.account.pw_name] * 2, who.stderr
        assert processes_of(cluster)
    assert not processes_of(cluster)
