# SPDX-License-Identifier: BSD-3-Clause
"""Ranks that share no socket with the kernel, as on other hosts, and ranks that fall silent.

All engines run on this machine, so a launcher of the test spoils the name of the socket: the
ranks' parents find nobody there, and have to connect to the kernel."""
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

SECONDS = 60
SETUP = """%%remote far
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int rank;
MPI_Comm_rank(MPI_COMM_WORLD, &rank);"""
AS_ROOT = "--allow-run-as-root --oversubscribe"


def make_launcher(folder, command):
    """An executable that starts `command` with its arguments, with another socket at the end."""
    path = folder / "launcher"
    path.write_text("#!/bin/bash\nargs=(\"$@\")\nlast=$(($# - 1))\n"
                    "args[$last]=${args[$last]/,achar-ranks-/,nobody-}\n"
                    f'exec {command} "${{args[@]}}"\n')
    path.chmod(0o755)
    return path


def good(cell):
    assert cell.is_ok, cell.traceback
    return cell


def lines(text):
    return sorted(text.splitlines())


def need_mpirun():
    if not shutil.which("mpirun"):
        pytest.skip("no MPI here: there is no 'mpirun' (openmpi-bin)")


def need_pmix():
    plugins = subprocess.run(["srun", "--mpi=list"], capture_output=True, text=True)
    if "pmix" not in plugins.stdout + plugins.stderr:
        pytest.skip("this Slurm has no pmix: " + plugins.stderr.strip())


def check_work(session):
    """Everything that passes between a rank and the kernel: both ways, large, in order."""
    session.value("struct pair { int a; double b; };\n"
                  "struct pair pairs[2] = {{1, 0.5}, {2, 1.5}};\n"
                  "int many[400000];\nmany[399999] = 7;")
    cell = good(session.run(SETUP + """
int sum, mine[300000];
MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
for (int i = 0; i < 300000; i++) mine[i] = many[399999] * i + rank;
printf("%d %g\\n", pairs[rank].a, pairs[rank].b);
fprintf(stderr, "to stderr\\n");
struct pair shown = {sum, 2.5};
shown""", 2 * SECONDS))
    assert lines(cell.stdout) == ["[0] 1 0.5", "[1] 2 1.5"]
    assert lines(cell.stderr) == ["[0] to stderr", "[1] to stderr"]
    assert ".a = 1" in cell.value and ".b = 2.5" in cell.value
    good(session.run("%%remote far --out sum --gather all=mine\n0;", SECONDS))
    assert session.value("sum") == "1"
    assert session.value("all[1][299999] - all[0][299999]") == "1"
    assert session.value("all[0][299999]") == str(7 * 299999)


def check_failure(session):
    cell = session.run('%%remote far\nprintf("before\\n"); MPI_Barrier(MPI_COMM_WORLD);\n'
                       "if (rank == 1)\n    *(volatile int *)0 = 1;\nMPI_Barrier(MPI_COMM_WORLD);",
                       SECONDS)
    assert cell.name == "SIGSEGV" and "rank 1" in cell.message
    assert re.search(r"In\[\d+\]:4\b", cell.traceback)
    assert "All ranks are started again" in cell.traceback
    assert lines(cell.stdout) == ["[0] before", "[1] before"]
    assert lines(good(session.run(SETUP + '\nprintf("%d\\n", rank);', 2 * SECONDS)).stdout) == [
        "[0] 0", "[1] 1"]


def test_ranks_without_a_common_socket(session, tmp_path):
    need_mpirun()
    launcher = make_launcher(tmp_path, "mpirun")
    session.value(f"%executor far = mpi --np=2 --launcher={launcher} {AS_ROOT}")
    check_work(session)
    # Order is kept between what is printed and what is shown, and nothing is lost.
    cell = good(session.run("%%remote far --group rank\nfor (int i = 0; i < 20000; i++)\n"
                            '    printf("%d\\n", i);', SECONDS))
    for rank in (0, 1):
        numbers = [line.split()[1] for line in cell.stdout.splitlines()
                   if line.startswith(f"[{rank}]")]
        assert numbers == [str(i) for i in range(20000)]
    check_failure(session)
    sent = session.send('%%remote far\nprintf("up\\n");\nfor (volatile long i = 0;; i++);')
    seen = ""
    while seen.count("up") < 2:
        message = session.receive(SECONDS)
        if message["msg_type"] == "stream":
            seen += message["content"]["text"]
    session.interrupt()
    cell = session.finish(sent, SECONDS)
    assert cell.name == "Interrupted" and "The ranks go on" in cell.traceback


def test_ranks_that_slurm_starts_on_two_nodes(slurm, session, tmp_path):
    need_pmix()
    launcher = make_launcher(tmp_path, "srun --mpi=pmix --nodes=2 -n 2")
    # The script is called neither mpirun nor srun: '-np 2' is dropped by it.
    launcher.write_text(launcher.read_text().replace('("$@")', '("${@:3}")')
                        .replace("$# - 1", "$# - 3"))
    session.value(f"%executor far = mpi --np=2 --launcher={launcher}")
    check_work(session)
    cell = good(session.run('%%remote far\nprintf("%s\\n", getenv("SLURMD_NODENAME"));', SECONDS))
    assert lines(cell.stdout) == ["[0] n1", "[1] n2"]
    check_failure(session)


def test_mpirun_inside_an_allocation_of_two_nodes(slurm, session, tmp_path):
    need_mpirun()
    launcher = make_launcher(tmp_path, "salloc -Q --nodes=2 --ntasks=2 --ntasks-per-node=1 mpirun")
    session.value(f"%executor far = mpi --np=2 --launcher={launcher} --allow-run-as-root")
    check_work(session)
    check_failure(session)


def test_mpirun_with_hosts_over_ssh(ssh, session, tmp_path):
    need_mpirun()
    # Both hosts are this machine: their daemons would write one file of hwloc's at the same time.
    launcher = make_launcher(tmp_path, f"mpirun --mca plm_rsh_agent 'ssh -F {ssh.config}' "
                             "--mca rtc_hwloc_vmhole none")
    session.value(f"%executor far = mpi --np=2 --launcher={launcher} --host=a:1,b:1 "
                  "--allow-run-as-root")
    check_work(session)
    cell = good(session.run('%%remote far\nprintf("%s\\n", getenv("HOME"));', SECONDS))
    assert lines(cell.stdout) == [f"[0] {ssh.home}", f"[1] {ssh.home}"]  # as sshd sets it
    check_failure(session)


def test_ranks_that_cannot_connect_say_why(session, tmp_path):
    need_mpirun()
    launcher = make_launcher(tmp_path, "mpirun")
    session.value(f"%executor far = mpi --np=2 --launcher={launcher} {AS_ROOT} --interface=none")
    cell = session.run("%%remote far\n1", SECONDS)
    assert cell.name == "ExecutorError" and "--interface=none" in cell.message
    cell = session.run("%executor far = mpi --np=2 --interface=nonesuch0")
    assert "nonesuch0" in cell.message


def parent_of(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.parametrize("is_far", [False, True])
def test_a_rank_whose_host_falls_silent(session, tmp_path, is_far):
    need_mpirun()
    launcher = make_launcher(tmp_path, "mpirun") if is_far else "mpirun"
    session.value(f"%executor far = mpi --np=2 --launcher={launcher} {AS_ROOT} --lease=3")
    good(session.run(SETUP, SECONDS))
    sent = session.send('%%remote far\nif (rank == 1) printf("%d\\n", (int)getpid());\n'
                        "for (;;) usleep(1000);")
    while True:
        message = session.receive(SECONDS)
        if message["msg_type"] == "stream":
            break
    pid = int(message["content"]["text"].split()[1])
    parent = parent_of(pid)
    assert b"--rank" in pathlib.Path(f"/proc/{parent}/cmdline").read_bytes()
    os.kill(parent, signal.SIGSTOP)
    cell = session.finish(sent, SECONDS)
    assert cell.name == "RankLost" and "rank 1" in cell.message and "--lease" in cell.message
    assert good(session.run("%%remote far\n42", 2 * SECONDS)).value == "42"
    assert not pathlib.Path(f"/proc/{pid}/exe").exists()
