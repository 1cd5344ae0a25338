# SPDX-License-Identifier: BSD-3-Clause
"""Options that are Slurm's own: passed through, and what it refuses is said in its words."""
import re

import pytest

from waiting import eventually

CODE = """
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
struct place { char node[16]; int cpus; };
struct place where(int n)
{
    struct place place = {.cpus = atoi(getenv("SLURM_CPUS_ON_NODE"))};
    strncpy(place.node, getenv("SLURMD_NODENAME"), 15);
    return place;
}
struct place got;
int twice(int n) { return 2 * n; }
"""


@pytest.fixture(scope="module")
def opened(slurm_cluster, kernelspec, tmp_path_factory):
    from session import Session
    session = Session(tmp_path_factory.mktemp("options"))
    session.shared = tmp_path_factory.mktemp("shared")
    session.value(CODE)
    yield session
    session.close()


@pytest.fixture
def options(slurm, opened):
    yield opened
    opened.value("%executor c = local")


@pytest.mark.parametrize("line, says", [
    ("--gres=gpu:1", "TresPerNode=gres:gpu:1"), ("--mem=123", "MinMemoryNode=123M"),
    ("--exclusive", "OverSubscribe=NO"), ("--constraint=rack2", "Features=rack2")])
def test_an_option_is_the_allocations(slurm, options, line, says):
    options.value(f"%executor c = slurm --nodes=1 {line}")
    cell = options.run("%call where(1) -> got --on c")
    assert cell.is_ok, cell.traceback
    job, = slurm.jobs()
    assert says in slurm.run("scontrol", "show", "job", "-o", job)
    if "exclusive" in line:
        assert options.value("got.cpus") == "4"
    if "rack2" in line:
        assert options.value("got.node") == '"n2"'


def test_and_each_batch_parts(slurm, options):
    options.value("%executor c = slurm --gres=gpu:1 --constraint=rack2 --mem=123 "
                  f"--shared={options.shared}")
    cell = options.run("%call where(1) -> got --on c --batch")
    job = re.search(r"slurm-\d+", str(cell.displays)).group()
    shown = slurm.run("scontrol", "show", "job", "-o", job.removeprefix("slurm-"))
    assert "TresPerNode=gres:gpu:1" in shown and "MinMemoryNode=123M" in shown
    cell = options.run(f"%wait {job}", 60)
    assert cell.is_ok, cell.traceback
    assert options.value("got.node") == '"n2"'


REFUSED = [("--gres=gpu:3", "Requested node configuration is not available (asked for: --gres=gpu:3)"),
           ("--gres=tpu:1", "Invalid generic resource (gres) specification"),
           ("--constraint=rack9", "Invalid feature specification (asked for: --constraint=rack9)"),
           ("--mem=999999", "Memory specification can not be satisfied; "),
           ("--mem=lots", "Invalid --mem specification"),
           ("--partition=none", "invalid partition specified: none"),
           ("--nodelist=n9", "Invalid node name specified"),
           ("--reservation=none", "Requested reservation is invalid")]


@pytest.mark.parametrize("line, says", REFUSED)
@pytest.mark.parametrize("how", ["", "--batch"])
def test_what_no_node_can_give_is_refused_in_slurms_words(slurm, options, line, says, how):
    before = list(options.shared.iterdir())
    options.value(f"%executor c = slurm {line} --shared={options.shared}")
    cell = options.run(f"%call twice(1) --on c {how}")
    assert cell.name == "ExecutorError" and says in cell.message, cell.message
    assert slurm.jobs() == [] and list(options.shared.iterdir()) == before


NEVER = [("--partition=closed --account=mine", "account not known"),
         ("--partition=small --time=60", "--time is more than the partition allows"),
         ("--cpus=64", "it asks for what the partition does not have")]


@pytest.mark.parametrize("line, says, how", [(*case, "--async never") for case in NEVER] +
                         [(*NEVER[0], "--batch")])
def test_what_the_partition_does_not_allow_waits_and_says_why(slurm, options, line, says, how):
    options.value(f"%executor c = slurm {line} --shared={options.shared}")
    cell = options.run(f"%call twice(1) --on c {how}")
    job = "never" if how != "--batch" else re.search(r"slurm-\d+", str(cell.displays)).group()
    eventually(lambda: says in options.run("%jobs").displays[0]["text/plain"])
    options.value(f"%cancel {job}")
    eventually(lambda: slurm.jobs() == [])
    assert not options.run(f"%wait {job}", 60).is_ok
    options.run(f"%result {job}")
