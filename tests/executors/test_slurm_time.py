# SPDX-License-Identifier: BSD-3-Clause
"""The time limit of an allocation, which Slurm enforces after 60 to 90 s."""
import re

from waiting import eventually


def test_a_time_limit_ends_each_task_once(expiring):
    cluster, session = expiring
    cell = session.run("%wait all", 120)
    assert cell.name == "AllocationTimeLimit", cell.message
    assert "has reached its time limit" in cell.message and "--time" in cell.message
    # Element 3 has begun in another allocation, unless it was given away already.
    done = int(re.search(r"2.* failed; (\d) of 4 are done", cell.message)[1])
    assert done in (2, 3), cell.message
    assert session.value("out[1] + out[3]") == ("8" if done == 3 else "2")
    assert session.value("%call twice(21) --on busy") == "42"


def test_a_time_limit_that_ends_nothing_is_said_and_the_next_task_goes_on(expiring):
    cluster, session = expiring
    ended = r"(?m)^idle .*allocation (\d+) has reached its time limit"
    eventually(lambda: re.search(ended, session.run("%executor").stdout), 120)
    old = re.search(ended, session.run("%executor").stdout)[1]
    assert session.value("%call twice(21) --on idle") == "42"
    assert cluster.jobs() and old not in cluster.jobs()
