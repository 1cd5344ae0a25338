# SPDX-License-Identifier: BSD-3-Clause
"""The folder of a batch job when somebody else has been there: what a later kernel says of it."""
import re
import shutil

import pytest

from session import Session
from waiting import eventually

CODE = """
#include <unistd.h>
int f(int x) { return 2 * x; }
int late(int x) { usleep(1500000); return x; }
int in[4] = {1, 2, 3, 4}, out[4];
"""


@pytest.fixture
def executor(session, tmp_path):
    session.value(CODE)
    line = f"%executor c = slurm --cpus=1 --shared={tmp_path}/shared"
    session.value(line)
    return line


def submit(session, magic):
    """The job's name and folder."""
    cell = session.run(f"{magic} --on c --batch")
    assert cell.is_ok, cell.traceback
    name = re.search(r"slurm-\d+", str(cell.displays)).group()
    return name


@pytest.fixture
def waiting(slurm, session, executor, tmp_path):
    """A job that waits in the queue, and its folder."""
    slurm.run("salloc", "--no-shell", "-N2", "--exclusive")
    name = submit(session, "%map f in -> out")
    return name, (tmp_path / "shared" / name).resolve()


def test_a_folder_that_is_not_as_it_was_is_no_job(waiting, kernelspec, executor, tmp_path):
    name, folder = waiting
    signed = folder / "batch.achar"
    data = signed.read_bytes()
    other = Session(tmp_path)
    try:
        other.value("int out[4];")
        other.value(executor)

        def attach():
            cell = other.run(f"%attach {name} --on c")
            assert not cell.is_ok
            return cell.message

        changed = data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]
        for bad, says in ((data[:len(data) // 2], "cut short"), (changed, "signature"),
                          (b"", "batch.achar"), (None, "No such file")):
            signed.unlink()
            if bad is not None:
                signed.write_bytes(bad)
            message = attach()
            assert says in message and str(signed) in message, message
        shutil.rmtree(folder)
        message = attach()
        assert "folder" in message and "No such file" in message, message
        assert other.value("1 + 1") == "2"
    finally:
        other.close()


def test_a_job_that_another_user_has_signed_is_refused(waiting, executor, tmp_path, monkeypatch):
    name, _ = waiting
    monkeypatch.setenv("ACHAR_KEYS", str(tmp_path / "other keys"))
    other = Session(tmp_path)
    try:
        other.value("int out[4];")
        other.value(executor)
        cell = other.run(f"%attach {name} --on c")
        assert not cell.is_ok and "trust" in cell.message, cell.message
    finally:
        other.close()


def test_a_folder_that_goes_away_under_a_running_job_ends_it(slurm, session, executor, tmp_path):
    name = submit(session, "%map late in -> out")
    folder = (tmp_path / "shared" / name).resolve()
    eventually(lambda: "RUNNING" in slurm.run("squeue", "-h", "-o", "%T"))
    folder.rename(tmp_path / "elsewhere")  # what runs writes into it at this moment
    cell = session.run(f"%wait {name}", 60)
    assert cell.name == "BatchLost" and "0 of 4 are done" in cell.message, cell.message


def test_a_result_that_is_cut_short_is_named_and_costs_no_other(slurm, session, executor, tmp_path):
    name = submit(session, "%map f in -> out")
    folder = (tmp_path / "shared" / name).resolve()
    eventually(lambda: len(list(folder.glob("result.?"))) == 4, 60)
    cut = folder / "result.1"
    cut.write_bytes(cut.read_bytes()[:-3])
    cell = session.run(f"%wait {name}", 60)
    if not cell.is_ok:  # else it had been read before
        assert cell.name == "BadResult" and "element 1 failed; 3 of 4" in cell.message, cell.message
        assert "result.1" in cell.message
    assert session.value("out[0] + out[3]") == "10"
