# SPDX-License-Identifier: BSD-3-Clause
"""The time limit of an allocation, which Slurm enforces after 60 to 90 s."""
from waiting import eventually


def test_a_time_limit_ends_each_task_once(expiring):
    cluster, session = expiring
    cell = session.run("%wait all", 120)
    assert cell.name == "AllocationTimeLimit", cell.message
    assert "has reached its time limit" in cell.message and "--time" in cell.message
    assert "element 2 failed; 3 of 4 are done" in cell.message
    # Element 3 had not begun: another allocation was asked for.
    assert session.value("out[1] + out[3]") == "8"
    assert session.value("%call twice(21) --on busy") == "42"


def test_a_time_limit_that_ends_nothing_is_said_and_the_next_task_goes_on(expiring):
    cluster, session = expiring
    eventually(lambda: "has reached its time limit" in session.run("%executor").stdout, 120)
    n_jobs = len(cluster.jobs())
    assert session.value("%call twice(21) --on idle") == "42"
    assert len(cluster.jobs()) == n_jobs + 1
