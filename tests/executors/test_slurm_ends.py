# SPDX-License-Identifier: BSD-3-Clause
"""The executor `slurm` when allocations end that tasks are in, or wait for."""
import os
import re
import signal

import pytest

from test_slurm import PLACE
from waiting import cmdline, eventually, kernel_pid, processes_below, wait_for_output

SLOW = PLACE + """
int slow(int n) { usleep(300000); return 2 * n; }
int in[12], out[12];
for (int i = 0; i < 12; i++) in[i] = i;
"""


@pytest.fixture
def cluster(slurm, session):
    session.value(SLOW)
    session.value("%executor c = slurm --nodes=1 --cpus=1")
    session.value("%call twice(1) --on c")
    return session


def fail_node(slurm):
    """The controller takes the node of the only job for lost."""
    node = slurm.run("squeue", "-h", "-o", "%N").strip()
    slurm.fail_node(node)
    return node


def test_a_lost_allocation_costs_what_ran_and_the_next_task_gets_another_one(slurm, cluster):
    first, = slurm.jobs()
    sent = cluster.send("%call spin(1) --on c")
    wait_for_output(cluster, sent, "begun")
    node = fail_node(slurm)
    cell = cluster.finish(sent)
    assert cell.name == "NodeFailed", cell.message
    assert f"allocation {first} has lost a node" in cell.message and f"'{node}'" in cell.message
    assert "the next task asks for a new one" in cluster.run("%executor").stdout
    assert cluster.value("%call twice(21) --on c") == "42"
    second, = slurm.jobs()
    assert second != first


def test_what_waits_goes_on_in_a_new_allocation(slurm, cluster):
    first, = slurm.jobs()
    cluster.value("%map slow in -> out --on c --chunk 1 --async all --progress-after 0s")
    eventually(lambda: "2/12" in cluster.run("%jobs").displays[0]["text/plain"])
    fail_node(slurm)
    cell = cluster.run("%wait all")
    # What was given away may have run, and is not run again; that is one, or two at first.
    assert cell.name == "NodeFailed", cell.message
    done = int(re.search(r"(\d+) of 12 are done", cell.message)[1])
    assert done in (10, 11), cell.message
    assert cluster.value("({ int n = 0; for (int i = 0; i < 12; i++) n += out[i] == 2 * i; n; })"
                         ) == str(done)
    assert slurm.jobs() != [first]


def test_retries_run_again_in_a_new_allocation(slurm, cluster):
    cluster.value("%map slow in -> out --on c --chunk 1 --async all --retries 1")
    eventually(lambda: "2/12" in cluster.run("%jobs").displays[0]["text/plain"])
    fail_node(slurm)
    cell = cluster.run("%wait all")
    assert cell.is_ok, cell.traceback
    assert cluster.value("out[3] + out[11]") == "28"


def test_what_somebody_has_cancelled_is_not_asked_for_again(slurm, cluster):
    job, = slurm.jobs()
    cluster.value("%map slow in -> out --on c --chunk 1 --async all --retries 1")
    eventually(lambda: "2/12" in cluster.run("%jobs").displays[0]["text/plain"])
    slurm.run("scancel", job)
    cell = cluster.run("%wait all")
    assert not cell.is_ok and f"allocation {job} was cancelled" in cell.message
    assert slurm.jobs() == []
    assert cluster.value("%call twice(21) --on c") == "42"


def test_slurm_starts_no_pilot_again(slurm, cluster):
    job, = slurm.jobs()
    slurm.run("scontrol", "requeue", job, check=False)
    assert cluster.value("%call twice(4) --on c") == "8"
    assert slurm.jobs() == [job]


def test_what_the_cluster_does_not_have_is_said_and_can_be_left(slurm, session):
    session.value(PLACE)
    session.value("%executor c = slurm --nodes=5")
    session.value("%call twice(1) --on c --async never")
    eventually(lambda: "more nodes than the partition" in session.run("%executor").stdout)
    assert "PartitionNodeLimit" in session.run("%jobs").displays[0]["text/plain"]
    assert slurm.jobs()
    session.value("%cancel never")
    eventually(lambda: slurm.jobs() == [])
    cell = session.run("%wait never")
    assert "cancelled" in cell.message + cell.stdout


@pytest.mark.parametrize("victims, options", [
    ((b"salloc",), "--nodes=2"), ((b"salloc", b"srun"), "--nodes=1 --interface=none")])
def test_pools_give_back_what_nobody_else_can(slurm, session, victims, options):
    """SIGKILL of all that would: the kernel, and Slurm's programs below it."""
    session.value(PLACE)
    session.value(f"%executor c = slurm --lease=1 {options}")
    session.value("%call twice(1) --on c")
    kernel = kernel_pid(session)
    family = processes_below(kernel)
    for pid in [kernel] + [pid for pid in family if cmdline(pid).split(b"\0")[0] in victims]:
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: slurm.jobs() == [])


def test_a_kept_allocation_stays_when_all_is_killed(slurm, session):
    session.value(PLACE)
    session.value("%executor c = slurm --nodes=1 --lease=1 --keep")
    session.value("%call twice(1) --on c")
    job, = slurm.jobs()
    os.kill(kernel_pid(session), signal.SIGKILL)
    eventually(lambda: not slurm.run("squeue", "-h", "-s").strip())
    assert slurm.jobs() == [job]
