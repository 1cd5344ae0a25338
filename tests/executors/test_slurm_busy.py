# SPDX-License-Identifier: BSD-3-Clause
"""A pilot on a cluster where others work: it waits, begins with what it has, and may be taken away."""
import re

import pytest

from waiting import eventually

CODE = """
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int twice(int n) { return 2 * n; }
int node(int n) { usleep(20000); return getenv("SLURMD_NODENAME")[1]; }
int in[60], out[60];
for (int i = 0; i < 60; i++) in[i] = i;
"""


def occupy(slurm, node):
    """A job of somebody else's on all of the node."""
    before = set(slurm.jobs())
    slurm.run("salloc", "--no-shell", "--exclusive", "-w", node)
    job, = set(slurm.jobs()) - before
    return job


@pytest.fixture
def busy(slurm, session):
    session.value(CODE)
    return session


def test_nodes_come_one_after_the_other_and_tasks_flow_meanwhile(slurm, busy):
    """Two allocations of one node each, as a person grows a pilot on a cluster that is full."""
    first = occupy(slurm, "n1")
    second = occupy(slurm, "n2")
    busy.value("%executor c = slurm --nodes=1 --exclusive --constraint=rack1")
    busy.value("%executor d = slurm --nodes=1 --exclusive --constraint=rack2")
    busy.value("%map node in -> out --on c --chunk 1 --async all --progress-after 0s")
    busy.value("%call twice(4) --on d --async one")
    eventually(lambda: re.search(r"is pending: (Resources|Priority), position [12] of 2",
                                 busy.run("%executor").stdout))
    assert "position" in busy.run("%jobs").displays[0]["text/plain"]
    slurm.run("scancel", first)
    cell = busy.run("%wait all", 60)
    assert cell.is_ok, cell.traceback
    assert busy.value("out[0] == '1' && out[59] == '1'") == "1"
    # It is asked for every few seconds.
    eventually(lambda: "position 1 of 1" in busy.run("%executor").stdout)
    slurm.run("scancel", second)
    assert busy.run("%wait one", 60).is_ok


def test_a_pending_request_that_another_person_cancels_ends_what_waits_for_it(slurm, busy):
    for node in slurm.nodes:
        occupy(slurm, node)
    taken = set(slurm.jobs())
    busy.value("%executor c = slurm --nodes=1")
    busy.value("%map node in -> out --on c --async all")
    busy.value("%call twice(4) --on c --async one")
    eventually(lambda: len(slurm.jobs()) == 3 and "pending" in busy.run("%executor").stdout)
    job, = set(slurm.jobs()) - taken
    slurm.run("scancel", job)
    for name in ("all", "one"):
        cell = busy.run(f"%wait {name}", 60)
        assert not cell.is_ok and re.search(rf"allocation {job} was cancelled|{job} has been revoked",
                                            cell.message), cell.message
    assert set(slurm.jobs()) == taken  # it is not asked for again by itself
    for other in taken:
        slurm.run("scancel", other)
    assert busy.value("%call twice(21) --on c") == "42"
