# SPDX-License-Identifier: BSD-3-Clause
"""Batch jobs while Slurm's controller does not answer: nothing is known of them then, so nothing
is said to be lost."""
import re
import shutil

import pytest

from engines.slurm import Slurm
from session import Session
from waiting import eventually

CODE = """
#include <unistd.h>
int f(const char *gate) { while (access(gate, F_OK) < 0) usleep(20000); return 42; }
int y;
"""


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A folder in which programs of Slurm are looked for first: they give up early, and count."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for name in ("squeue", "scancel"):
        path = folder / name
        path.write_text(f"#!/bin/sh\ntimeout 0.3 {shutil.which(name)} \"$@\"\nstatus=$?\n"
                        f"echo $status >>{folder}/{name}.statuses\nexit $status\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def failures(programs, name):
    path = programs / f"{name}.statuses"
    return len([line for line in path.read_text().split() if line != "0"]) if path.exists() else 0


def test_a_job_outlives_a_controller_that_is_away(slurm_cluster, kernelspec, programs, tmp_path,
                                                  monkeypatch):
    with Slurm(nodes=1) as cluster:
        monkeypatch.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
        session = Session(tmp_path)
        try:
            session.value(CODE)
            session.value(f"%executor c = slurm --cpus=1 --shared={tmp_path}/shared")
            cell = session.run(f'%call f("{tmp_path}/gate") -> y --on c --batch')
            assert cell.is_ok, cell.traceback
            name = re.search(r"slurm-\d+", str(cell.displays)).group()
            eventually(lambda: "RUNNING" in cluster.run("squeue", "-h", "-o", "%T"))
            cluster.daemons.end("slurmctld")
            cell = session.run(f"%cancel {name}", 60)
            assert not cell.is_ok and "cannot be cancelled" in cell.message, cell
            before = failures(programs, "squeue")
            eventually(lambda: "does not answer" in str(session.run("%jobs").displays))
            sent = session.send(f"%wait {name}")
            eventually(lambda: failures(programs, "squeue") >= before + 4, 60)
            cluster.daemons.start("slurmctld", [cluster.paths["slurmctld"], "-D"],
                                  cluster.environment)
            eventually(lambda: "RUNNING" in cluster.run("squeue", "-h", "-o", "%T", check=False))
            (tmp_path / "gate").touch()
            cell = session.finish(sent, 60)
            assert cell.is_ok, cell.traceback
            assert session.value("y") == "42"
        finally:
            session.close()
