# SPDX-License-Identifier: BSD-3-Clause
"""--prestart: what is started when an executor is named, before its first call."""
import shutil

import pytest

from waiting import cmdline, eventually, kernel_pid, processes_below


def line_of(session, name):
    """What %executor says of one."""
    lines = session.run("%executor").stdout.splitlines()
    return next(line for line in lines if line.split()[0] == name)


def programs(session, *words):
    """Processes below the kernel with these words in their command lines."""
    return [pid for pid in processes_below(kernel_pid(session))
            if all(word in cmdline(pid) for word in words)]


def pools(session):
    return programs(session, b"achar-pool", b"--workers")


def test_a_pool_starts_when_it_is_named(session):
    session.value("%executor later = local --workers 3")
    session.value("int f(int x) { return x + 1; }")
    assert "pool" not in line_of(session, "later").split("--workers")[1]
    assert not pools(session)
    session.value("%executor now = local --workers 3 --prestart")
    eventually(lambda: "1 pool, 3 workers" in line_of(session, "now"))
    eventually(lambda: len(pools(session)) == 1)
    eventually(lambda: programs(session, b"achar-worker", b"--zygote"))
    assert session.value("%call f(1) --on now") == "2"
    assert len(pools(session)) == 1


def test_job_workers_are_there_before_they_are_needed(session):
    session.value("#include <unistd.h>\nint f(void) { return getppid() != 0; }")
    for n in (20, 1):
        session.value(f"%executor x = local --workers 1 --prestart={n}")
        assert session.value("%call f() --on x") == "1"
        # The process that forks, the one that waits for other code with its first job
        # worker, and what was forked: beside n there may be one that was used.
        expected = (2 + n, 3 + n, 4 + n)
        eventually(lambda: len(programs(session, b"achar-worker", b"--zygote")) in expected)


def test_it_is_for_pools_of_any_kind(session):
    session.value('%executor box = command --workers 2 --prestart=3 -- sh -c "exec {pool} {arguments}"')
    eventually(lambda: "1 pool, 2 workers" in line_of(session, "box"))
    assert session.value("%call 6 * 7 --on box") == "42"


def test_what_cannot_start_is_said(session):
    cell = session.run("%executor bad = command --prestart -- /no/such/program")
    assert cell.name == "ExecutorError" and "'/no/such/program'" in cell.message, cell
    session.value('%executor bad = command --prestart -- sh -c "echo nobody here >&2; exit 3"')
    eventually(lambda: "nobody here" in line_of(session, "bad").partition("exit 3")[2], 60)


def test_ranks_start_when_they_are_named(session):
    if not shutil.which("mpirun"):
        pytest.skip("there is no mpirun")
    session.value("%executor ranks = mpi --np=2 --oversubscribe --allow-run-as-root --prestart")
    eventually(lambda: "running, 2 ranks" in line_of(session, "ranks"), 60)
    before = programs(session, b"achar-worker", b"--rank")
    assert len(before) == 2
    cell = session.run("%%remote ranks\nint n = 3;\nn + 1", seconds=60)
    assert cell.value == "4", cell
    assert programs(session, b"achar-worker", b"--rank") == before


@pytest.mark.parametrize("value", ["0", "513", "some", "-1"])
def test_a_bad_number_is_an_error(shared_session, value):
    cell = shared_session.run(f"%executor x = local --prestart={value}")
    assert cell.name == "UsageError" and "--prestart" in cell.message, cell
