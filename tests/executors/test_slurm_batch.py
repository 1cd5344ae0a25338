# SPDX-License-Identifier: BSD-3-Clause
"""Batch jobs of Slurm: signed files that nodes run without the kernel."""
import pathlib
import re
import subprocess

import pytest

from session import Session
from waiting import eventually

CODE = """
#include <stdio.h>
#include <stdlib.h>
int offset = 100;
int f(int x) { printf("at %d\\n", x); return x * 2 + offset; }
int bad(int x) { if (x == 3) abort(); return x; }
int in[8], out[8], y;
for (int i = 0; i < 8; i++) in[i] = i;
"""


@pytest.fixture
def cluster(slurm, session, tmp_path):
    """A session with the executor `c`, whose files are in the folder tmp_path/shared."""
    session.value(CODE)
    session.value(f"%executor c = slurm --cpus=1 --shared={tmp_path}/shared")
    return session


def submit(session, magic):
    """The name of the job."""
    cell = session.run(f"{magic} --on c --batch")
    assert cell.is_ok, cell.traceback
    return re.search(r"slurm-\d+", str(cell.displays)).group()


def test_an_array_comes_home_with_what_it_printed(cluster):
    job = submit(cluster, "%map f in -> out")
    cluster.value("offset = 0;")  # code and state are those of the submission
    cell = cluster.run(f"%wait {job}", 90)
    assert cell.is_ok, cell.traceback
    assert cluster.value("out[7]") == "114"
    assert "at 7" in cluster.run(f"%logs {job}").stdout


def test_it_needs_no_kernel_and_is_found_again(slurm, kernelspec, tmp_path):
    executor = f"%executor c = slurm --shared={tmp_path}/shared"
    first, second = Session(tmp_path), None
    try:
        first.value(CODE)
        first.value(executor)
        array, one = submit(first, "%map f in -> out"), submit(first, "%call f(21) -> y")
        first.manager.shutdown_kernel(now=True)
        eventually(lambda: slurm.jobs() == [], 90)
        second = Session(tmp_path)
        second.value("int out[8], y;")
        second.value(executor)
        for job in (array, one):
            cell = second.run(f"%attach {job} --on c", 90)
            assert cell.is_ok, cell.traceback
            cell = second.run(f"%wait {job}")
            assert cell.is_ok, cell.traceback
        assert second.value("out[7]") == "114"
        assert second.value("y") == "142"
        cell = second.run("%attach slurm-99999 --on c")
        assert cell.status == "error" and "99999" in cell.message
    finally:
        for session in (first, second):
            if session:
                session.client.stop_channels()
        if second:
            second.manager.shutdown_kernel()


def test_an_element_that_crashes_costs_no_other(cluster):
    job = submit(cluster, "%map bad in -> out")
    cell = cluster.run(f"%wait {job}", 90)
    assert cell.status == "error" and "3" in cell.message and "SIGABRT" in cell.traceback
    assert cluster.value("out[2] + out[7]") == "9"


def test_a_cancelled_job_ends_and_says_so(slurm, cluster):
    slurm.run("salloc", "--no-shell", "-N2", "--exclusive")
    job = submit(cluster, "%map f in -> out")
    cell = cluster.run("%jobs")
    assert "waiting" in cell.stdout + str(cell.displays) + str(cell.value)
    assert cluster.run(f"%cancel {job}").is_ok
    cell = cluster.run(f"%wait {job}", 90)
    assert cell.status == "error" or "cancelled" in cell.stdout + cell.stderr
    assert len(slurm.jobs()) == 1


def test_what_was_cancelled_outside_is_named(slurm, cluster):
    slurm.run("salloc", "--no-shell", "-N2", "--exclusive")
    job = submit(cluster, "%call f(1) -> y")
    slurm.run("scancel", job.removeprefix("slurm-"))
    cell = cluster.run(f"%wait {job}", 90)
    assert cell.name == "AllocationCancelled" and "was cancelled" in cell.message


def test_parts_whose_node_is_lost_are_named_so(slurm, cluster, tmp_path):
    cluster.value("#include <unistd.h>\nint stuck(int x) { if (x == 2) sleep(600); return x; }")
    executor = f"slurm --cpus=1 --no-requeue --shared={tmp_path}/shared"
    cluster.value(f"%executor c = {executor}")
    job = submit(cluster, "%map stuck in -> out")
    number = job.removeprefix("slurm-")
    eventually(lambda: slurm.run("squeue", "-h", "-r", "-o", "%i %T").split() ==
               [f"{number}_2", "RUNNING"])
    slurm.fail_node(slurm.run("squeue", "-h", "-o", "%N").strip())
    cell = cluster.run(f"%wait {job}", 90)
    assert cell.name == "NodeFailed" and "element 2 failed; 7 of 8" in cell.message, cell.message


def only_folder(tmp_path):
    folder, = [path for path in (tmp_path / "shared").iterdir() if not path.is_symlink()]
    return folder


def run_batch(achar, folder, key, index=0, stride=1000):
    return subprocess.run(
        [achar, "run", "--batch", folder, "--trust", key, "--index", str(index), "--stride",
         str(stride)], capture_output=True, text=True, timeout=60)


def own_key(achar):
    shown = subprocess.run([achar, "key", "--show"], capture_output=True, text=True, check=True)
    return re.search(r"[0-9a-f]{64}", shown.stdout).group()


def test_each_part_is_done_once_and_only_as_it_was_signed(slurm, cluster, achar, tmp_path):
    slurm.run("salloc", "--no-shell", "-N2", "--exclusive")
    job = submit(cluster, "%map f in -> out")
    cluster.run(f"%cancel {job}")
    folder, key = only_folder(tmp_path), own_key(achar)
    assert folder.stat().st_mode & 0o077 == 0

    assert run_batch(achar, folder, key, 0).returncode == 0
    first = (folder / "result.0").stat()
    assert run_batch(achar, folder, key, 0).returncode == 0  # a requeued job
    again = (folder / "result.0").stat()
    assert (first.st_ino, first.st_mtime_ns) == (again.st_ino, again.st_mtime_ns)
    assert not list(folder.glob("result.0.*"))

    other = run_batch(achar, folder, "0" * 64, 1)
    assert other.returncode == 1 and "another key" in other.stderr
    argument = folder / "in.1"
    argument.write_bytes(argument.read_bytes()[:-1] + b"\xff")
    changed = run_batch(achar, folder, key, 1)
    assert changed.returncode == 1 and "was changed" in changed.stderr
    signed = folder / "batch.achar"
    data = bytearray(signed.read_bytes())
    data[-5] ^= 1
    signed.write_bytes(data)
    changed = run_batch(achar, folder, key, 2)
    assert changed.returncode == 1
    assert sorted(path.name for path in folder.glob("result.*")) == ["result.0"]


@pytest.mark.parametrize("magic, part", [
    ("%call f(1) --batch", "slurm"),
    ("%call f(1) --on c --batch --retries 2", "--retries"),
])
def test_mistakes(cluster, magic, part):
    cell = cluster.run(magic)
    assert cell.status == "error" and part in cell.message


def test_what_slurm_refuses_is_said(slurm, cluster, tmp_path):
    cluster.value(f"%executor d = slurm --partition=nonesuch --shared={tmp_path}/shared")
    cell = cluster.run("%call f(1) --on d --batch")
    assert cell.status == "error" and "partition" in cell.message


def test_loops_and_cells_are_followed_by_another_kernel(slurm, kernelspec, tmp_path):
    define = ("#include <stdio.h>\n#include <stdlib.h>\ndouble ys[6];\nint total, base = 3;\n"
              "int check(int i) { if (i == 4) abort(); return i; }")
    executor = f"%executor c = slurm --cpus=1 --shared={tmp_path}/shared"
    slurm.run("salloc", "--no-shell", "-N2", "--exclusive")
    taken, = slurm.jobs()
    first = Session(tmp_path)
    try:
        first.value(define)
        first.value(executor)
        magics = ("%%parfor i 0 6 --out ys --on c --batch --chunk 1\n"
                  'printf("round %d\\n", i);\nys[i] = check(i) + base;',
                  '%%remote --out total --on c --batch\nputs("far");\ntotal = 14 * base;')
        loop, cell = [re.search(r"slurm-\d+", str(first.run(magic).displays)).group()
                      for magic in magics]
    finally:
        first.manager.shutdown_kernel(now=True)
        first.client.stop_channels()
    second = Session(tmp_path)
    try:
        second.value("double ys[6];\nint total;")
        second.value(executor)
        sent = second.send(f"%attach {loop} --on c")
        for _ in range(3):  # it is shown again and again while it waits
            while "waiting" not in str(second.receive(30)["content"].get("data")):
                pass
        slurm.run("scancel", taken)
        assert second.finish(sent, 60).is_ok
        ended = second.run(f"%wait {loop}")
        assert "index 4 failed; 5 of 6" in ended.message and "check (In[1]:" in ended.traceback
        assert second.value("ys[5] + ys[0]") == "11.0" and second.value("ys[4]") == "0.0"
        assert "round 5" in second.run(f"%logs {loop}").stdout
        assert second.run(f"%attach {cell} --on c", 60).is_ok
        assert second.run(f"%wait {cell}").is_ok
        assert second.value("total") == "42" and "far" in second.run(f"%logs {cell}").stdout
    finally:
        second.close()


def test_a_requeued_part_is_done_once(slurm, cluster):
    cluster.value("#include <unistd.h>\nint slow(int x) { usleep(700000); return f(x); }")
    job = submit(cluster, "%call slow(21) -> y")
    number = job.removeprefix("slurm-")
    eventually(lambda: slurm.run("squeue", "-h", "-o", "%T").split() == ["RUNNING"])
    slurm.run("scontrol", "requeue", f"{number}_0")
    eventually(lambda: slurm.run("squeue", "-h", "-o", "%T").split() == ["PENDING"])
    # In the second in which a node has ended a job it starts it no more.
    slurm.run("scontrol", "update", f"jobid={number}_0", "starttime=now+2")
    cell = cluster.run(f"%wait {job}", 90)
    assert cell.is_ok, cell.traceback
    assert cluster.value("y") == "142"


@pytest.fixture
def small_disk(tmp_path):
    """A folder with room for 300 kB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder],
                      capture_output=True).returncode:
        pytest.skip("no right to mount a small disk here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_loses_nothing_silently(slurm, session, small_disk):
    session.value(CODE + """struct block { char x[120000]; } blocks[4];
        struct block make(int n) { struct block b; for (int i = 0; i < 120000; i++) b.x[i] = rand();
                                   return b; }
        int noisy(int n) { for (int i = 0; i < n; i++) printf("%0100d\\n", i); return n; }
        int few[4] = {1, 2, 3, 4};""")
    session.value(f"%executor c = slurm --cpus=1 --shared={small_disk}")
    fill = small_disk / "fill"
    fill.write_bytes(bytes(300 * 1024))
    cell = session.run("%call f(1) -> y --on c --batch")
    assert "No space left" in cell.message and slurm.jobs() == []
    fill.unlink()
    assert list(small_disk.iterdir()) == []  # what was begun is not left behind
    job = submit(session, "%call noisy(5000) -> y")
    assert session.run(f"%wait {job}", 60).is_ok and session.value("y") == "5000"
    log = session.run(f"%logs {job}").stdout
    assert "bytes of the output could not be written: No space left" in log
    job = submit(session, "%map make few -> blocks")
    cell = session.run(f"%wait {job}", 60)
    assert cell.name in ("ResultLost", "BatchLost") and "of 4 are done" in cell.message
    assert "No space left" in cell.message or "the disk is full" in cell.message
