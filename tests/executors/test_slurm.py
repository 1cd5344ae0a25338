# SPDX-License-Identifier: BSD-3-Clause
"""The executor `slurm` on a real one: an allocation, pools in it, and the ways it ends."""
import os
import signal

import pytest

from session import Session
from waiting import eventually, kernel_pid, wait_for_output

# What takes a minute goes on meanwhile: test_slurm_time.py.
pytestmark = pytest.mark.usefixtures("expiring")

PLACE = """
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
struct place { char node[16]; int job; };
struct place where(int n)
{
    struct place place = {.job = atoi(getenv("SLURM_JOB_ID"))};
    strncpy(place.node, getenv("SLURMD_NODENAME"), 15);
    printf("on %s\\n", place.node);
    return place;
}
int twice(int n) { return 2 * n; }
int spin(int n) { puts("begun"); fflush(stdout); for (volatile int i = 0; ; ) i = n; }
"""


def test_calls_run_in_an_allocation_that_ends_with_the_kernel(slurm, kernelspec, tmp_path):
    session = Session(tmp_path)
    session.value(PLACE)
    session.value("%executor c = slurm --nodes=1 --cpus=2 --time=10")
    assert slurm.jobs() == []
    cell = session.run("%call where(1) --on c")
    assert cell.is_ok, cell.traceback
    job, = slurm.jobs()
    assert f".job = {job}" in cell.value and '"n' in cell.value
    assert cell.stdout.startswith("on n")
    session.value("int in[50], out[50]; for (int i = 0; i < 50; i++) in[i] = i;")
    session.value("%map twice in -> out --on c")
    assert session.value("out[49]") == "98"
    assert slurm.jobs() == [job]
    session.close()
    eventually(lambda: slurm.jobs() == [])


def test_a_killed_kernel_leaves_no_allocation(slurm, session):
    session.value(PLACE)
    session.value("%executor c = slurm --nodes=2")
    session.value("%call twice(1) --on c")
    assert slurm.jobs()
    os.kill(kernel_pid(session), signal.SIGKILL)
    eventually(lambda: slurm.jobs() == [])
    eventually(lambda: slurm._is_ready())


def test_data_go_through_srun_where_no_connection_is_wanted(slurm, session):
    session.value(PLACE)
    session.value("%executor c = slurm --nodes=1 --interface=none")
    assert session.value("%call twice(21) --on c") == "42"
    session.value("""struct big { char bytes[300000]; };
        struct big fill(int n) { struct big b; memset(b.bytes, n, sizeof b.bytes); return b; }
        struct big got;""")
    session.value("%call fill(7) -> got --on c")
    assert session.value("got.bytes[0] + got.bytes[299999]") == "14"


@pytest.mark.parametrize("options, part", [
    ("--nodes=0", "Slurm gives no allocation"),
    ("--partition=nonesuch", "partition"),
    ("--no-such-option=1", "no-such-option"),
    ("--job=999999", "999999"),
])
def test_what_slurm_refuses_is_said_in_its_words(slurm, session, options, part):
    session.value(PLACE)
    session.value(f"%executor c = slurm {options}")
    cell = session.run("%call twice(1) --on c")
    assert cell.status == "error" and part in cell.message, cell.message


@pytest.mark.parametrize("options, part", [
    ("--interface=nonesuch0", "nonesuch0"),
    ("--workers=none", "--workers=none"),
    ("--job=all", "--job=all"),
])
def test_mistakes_are_found_before_anything_starts(slurm, session, options, part):
    cell = session.run(f"%executor c = slurm {options}")
    assert cell.status == "error" and part in cell.message
    assert slurm.jobs() == []


def test_a_cancelled_allocation_ends_its_tasks_and_says_so(slurm, session):
    session.value(PLACE)
    session.value("%executor c = slurm --nodes=1")
    session.value("%call twice(1) --on c")
    job, = slurm.jobs()
    sent = session.send("%call spin(1) --on c")
    wait_for_output(session, sent, "begun")
    slurm.run("scancel", job)
    cell = session.finish(sent)
    assert cell.status == "error"
    assert f"allocation {job} was cancelled" in cell.message + cell.traceback


def test_a_kept_allocation_is_found_again(slurm, kernelspec, tmp_path):
    session = Session(tmp_path)
    session.value(PLACE)
    session.value("%executor c = slurm --nodes=1 --keep")
    first = session.run("%call where(1) --on c")
    job, = slurm.jobs()
    session.close()
    assert slurm.jobs() == [job]
    other = Session(tmp_path)
    try:
        other.value(PLACE)
        other.value(f"%executor c = slurm --job={job}")
        assert other.run("%call where(1) --on c").value == first.value
    finally:
        other.close()
    assert slurm.jobs() == [job]


def test_a_pending_allocation_says_why_and_can_be_left(slurm, session):
    session.value(PLACE)
    other = slurm.run("salloc", "--no-shell", "-N2", "--exclusive")
    taken, = slurm.jobs()
    session.value("%executor c = slurm --nodes=1 --partition=debug")
    sent = session.send("%call twice(1) --on c")
    eventually(lambda: len(slurm.jobs()) == 2)
    session.interrupt()
    assert session.finish(sent).status == "error"
    assert slurm.jobs() == [taken]  # nothing waits for it: it is not asked for any more
    session.value("%call twice(4) --on c --async later")
    eventually(lambda: "Resources, position 1 of 1" in session.run("%executor").stdout)
    slurm.run("scancel", taken)
    assert session.run("%wait later").is_ok
    assert "8" in session.run("%result later").value


def test_an_executor_that_is_replaced_gives_its_allocation_back(slurm, session):
    session.value(PLACE)
    slurm.run("salloc", "--no-shell", "-N2", "--exclusive")
    session.value("%executor c = slurm --nodes=1")
    sent = session.send("%call twice(1) --on c")
    eventually(lambda: len(slurm.jobs()) == 2)
    session.interrupt()
    session.finish(sent)
    session.value("%executor c = local")
    eventually(lambda: len(slurm.jobs()) == 1)


def test_all_nodes_work_and_one_that_goes_away_takes_no_other_along(slurm, session):
    session.value(PLACE)
    session.value("""struct place slow(int n) { usleep(100000); return where(n); }
        int in[40]; for (int i = 0; i < 40; i++) in[i] = i; struct place out[40];""")
    session.value("%executor c = slurm --nodes=2 --cpus=2")
    session.value("%map slow in -> out --on c")
    nodes = session.value("""({ int a = 0, b = 0; for (int i = 0; i < 40; i++) {
        a += !strcmp(out[i].node, "n1"); b += !strcmp(out[i].node, "n2"); } a * 100 + b; })""")
    assert int(nodes) // 100 > 0 and int(nodes) % 100 > 0
    assert int(nodes) // 100 + int(nodes) % 100 == 40
    sent = session.send("%map slow in -> out --on c")
    slurm.end_node("n1")
    try:
        cell = session.finish(sent, 60)
        # What ran there has ended with the node's name, or ran again on the other one.
        assert cell.is_ok or "n1" in cell.message + cell.traceback + cell.stderr + cell.stdout
    finally:
        slurm.start_node("n1")
