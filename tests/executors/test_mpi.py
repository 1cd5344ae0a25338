# SPDX-License-Identifier: BSD-3-Clause
"""%%remote on ranks of MPI: state, output, results, and every way in which a rank fails."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

from waiting import cmdline, processes_below

SECONDS = 60  # ranks are started again, on a busy machine
MPIRUN = "mpi --np=2 --allow-run-as-root --oversubscribe"
DEFINE = "%executor ranks = " + MPIRUN
SETUP = """%%remote ranks
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int rank, size;
void setup(void)
{
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
}
setup();"""


@pytest.fixture(scope="module")
def mpi_session(kernelspec, tmp_path_factory):
    if not shutil.which("mpirun"):
        pytest.skip("no MPI here: there is no 'mpirun' (openmpi-bin)")
    from session import Session
    opened = Session(tmp_path_factory.mktemp("mpi"))
    opened.value(DEFINE)
    yield opened
    opened.close()


@pytest.fixture
def ranks(mpi_session):
    """A session with two ranks that know their numbers: on(code) runs a cell on them."""
    def on(code, options="", seconds=SECONDS):
        return mpi_session.run(f"%%remote ranks {options}\n{code}", seconds)

    cell = mpi_session.run(SETUP, SECONDS)
    assert cell.is_ok, cell.traceback
    on.session = mpi_session
    return on


def good(cell):
    assert cell.is_ok, cell.traceback
    return cell


def lines(text):
    return sorted(text.splitlines())


def test_ranks_know_each_other(ranks):
    cell = good(ranks('printf("%d of %d\\n", rank, size);\nint sum;\n'
                      "MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);\nsum"))
    assert lines(cell.stdout) == ["[0] 0 of 2", "[1] 1 of 2"]
    assert cell.value == "1"


def test_ranks_keep_their_variables(ranks):
    good(ranks("int mine = 10 * (rank + 1);\nint *heap = malloc(4);\n*heap = mine + 1;"))
    good(ranks("mine++;\n++*heap;"))
    cell = good(ranks('printf("%d %d\\n", mine, *heap);'))
    assert lines(cell.stdout) == ["[0] 11 12", "[1] 21 22"]


def test_ranks_are_the_same_processes(ranks):
    before = good(ranks('printf("%d\\n", (int)getpid());')).stdout
    assert lines(good(ranks('printf("%d\\n", (int)getpid());')).stdout) == lines(before)


def test_definitions_and_values_of_the_session_travel(ranks):
    ranks.session.value("struct point { int x; double y; };\n"
                        "struct point points[3] = {{1, 0.5}, {2, 1.5}};\n"
                        "struct point *second = &points[1];\n"
                        "int scale(int x) { return 3 * x; }")
    cell = good(ranks('printf("%d %g %d\\n", scale(points[0].x), points[1].y, second->x);'))
    assert lines(cell.stdout) == ["[0] 3 1.5 2", "[1] 3 1.5 2"]


def test_redefinition_reaches_the_ranks(ranks):
    ranks.session.value("int version(void) { return 1; }")
    good(ranks("int ask(void) { return version(); }\nint (*kept)(void) = version;"))
    ranks.session.value("int version(void) { return 2; }")
    cell = good(ranks('printf("%d %d\\n", ask(), kept());'))
    assert lines(cell.stdout) == ["[0] 2 2", "[1] 2 2"]


def test_a_value_is_sent_again_only_when_it_has_changed_here(ranks):
    ranks.session.value("int counter = 5;")
    good(ranks("counter += rank;"))
    assert lines(good(ranks('printf("%d\\n", counter);')).stdout) == ["[0] 5", "[1] 6"]
    ranks.session.value("int unrelated = 1;")
    assert lines(good(ranks('printf("%d\\n", counter);')).stdout) == ["[0] 5", "[1] 6"]
    assert ranks.session.value("counter") == "5"
    ranks.session.run("counter = 50;")
    assert lines(good(ranks('printf("%d\\n", counter);')).stdout) == ["[0] 50", "[1] 50"]


def test_values_come_home(ranks):
    good(ranks("double part[2] = {rank, rank + 0.5};\nint total;\n"
               "MPI_Reduce(&size, &total, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);",
               "--out total --gather parts=part"))
    assert ranks.session.value("total") == "4"
    assert ranks.session.value("parts[1][1]") == "1.5"
    good(ranks("part[0] = 7 + rank;", "--gather part"))
    assert ranks.session.value("part_ranks[1][0]") == "8.0"
    # what came home from rank 0 does not go to rank 1
    assert lines(good(ranks('printf("%d\\n", total);')).stdout)[0] == "[0] 4"
    for wanted in ("--gather nothing_of_that_name", "--out nothing_of_that_name"):
        assert ranks('printf("it ran");', wanted).name == "NameError"
        assert "it ran" not in ranks('printf("it ran");', wanted).stdout


@pytest.mark.parametrize("group, shown", [
    ("rank", ["[0] a0\n[0] b0\n", "[0] e0\n", "[1] a1\n[1] b1\n", "[1] e1\n"]),
    ("type", ["[0] a0\n[0] b0\n[1] a1\n[1] b1\n", "[0] e0\n[1] e1\n"]),
])
def test_output_is_grouped(ranks, group, shown):
    cell = good(ranks('printf("a%d\\n", rank);\nfprintf(stderr, "e%d\\n", rank);\n'
                      'printf("b%d\\n", rank);', f"--group {group}"))
    streams = []
    for _, content in cell.shown:
        if streams and streams[-1][0] == content["name"]:
            streams[-1][1] += content["text"]
        else:
            streams.append([content["name"], content["text"]])
    assert [text for _, text in streams] == shown


def test_output_comes_while_ranks_run(ranks):
    flag = pathlib.Path(ranks.session.value("#include <unistd.h>\ngetcwd(0, 0)").strip('"'))
    flag = flag.resolve() / "go"
    sent = ranks.session.send(
        '%%remote ranks\nif (rank == 0) { printf("no newline yet"); fflush(stdout); }\n'
        f'while (access("{flag}", F_OK)) usleep(1000);')
    while True:
        message = ranks.session.receive(SECONDS)
        if message["msg_type"] == "stream":
            break
    assert message["content"]["text"] == "[0] no newline yet"
    flag.touch()
    assert ranks.session.finish(sent, SECONDS).is_ok


def test_a_whole_program_runs_again_and_again(ranks):
    program = ("int main(int argc, char **argv)\n{\n    int rank, before, after;\n"
               "    MPI_Init(&argc, &argv);\n    MPI_Init(&argc, &argv);\n"
               "    MPI_Comm_rank(MPI_COMM_WORLD, &rank);\n"
               "    MPI_Initialized(&before);\n    MPI_Finalize();\n"
               "    MPI_Finalized(&after);\n    MPI_Barrier(MPI_COMM_WORLD);\n"
               '    printf("%d: %d %d\\n", rank, before, after);\n    return 0;\n}')
    for _ in range(2):
        assert lines(good(ranks(program)).stdout) == ["[0] 0: 1 0", "[1] 1: 1 0"]


def test_threads_are_asked_about_truthfully(ranks):
    cell = good(ranks("int got = -1, really = -2;\n"
                      "MPI_Init_thread(0, 0, MPI_THREAD_MULTIPLE, &got);\n"
                      "MPI_Query_thread(&really);\ngot == really && got >= MPI_THREAD_SINGLE"))
    assert cell.value == "1"


# ---- failures: each ends the cell, and the next one runs ----

def check_alive(ranks, seconds=SECONDS):
    cell = good(ranks('setup();\nMPI_Barrier(MPI_COMM_WORLD);\nprintf("%d\\n", rank);',
                      seconds=seconds))
    assert lines(cell.stdout) == ["[0] 0", "[1] 1"]


@pytest.mark.parametrize("code, name, message, line", [
    ("*(volatile int *)0 = 1;", "SIGSEGV", "null pointer", 5),
    ("abort();", "SIGABRT", "abort", 5),
    ("MPI_Abort(MPI_COMM_WORLD, 7);", "MPI_Abort", "error code 7", 5),
    ("exit(3);", "ExitStatus", "exit status 3", 5),
    ("MPI_Send(&rank, 1, MPI_INT, 17, 0, MPI_COMM_WORLD);", "MPIError", "invalid rank", 5),
    ("kill(getpid(), SIGKILL);", "SIGKILL", "killed", None),
])
def test_a_rank_that_fails_while_the_others_wait(ranks, code, name, message, line):
    cell = ranks('printf("before\\n"); MPI_Barrier(MPI_COMM_WORLD);\nif (rank == 1)\n    setup();\n'
                 f"if (rank == 1) {code}\nMPI_Barrier(MPI_COMM_WORLD);")
    assert (cell.status, cell.name) == ("error", name)
    assert "rank 1" in cell.message and message in cell.message
    assert "All ranks are started again" in cell.traceback
    assert lines(cell.stdout) == ["[0] before", "[1] before"]
    if line:
        assert re.search(rf"In\[\d+\]:{line}\b", cell.traceback)
    check_alive(ranks)


def test_a_fault_that_nobody_waits_for_keeps_the_ranks(ranks):
    good(ranks("int mark = 40 + rank;"))
    cell = ranks("volatile int zero = 0;\nif (rank == 0) mark = 1 / zero;")
    assert cell.name == "SIGFPE" and "rank 0" in cell.message
    assert "The ranks go on" in cell.traceback
    assert lines(good(ranks('printf("%d\\n", mark);')).stdout) == ["[0] 40", "[1] 41"]


def test_all_ranks_that_fail_are_named(ranks):
    cell = ranks("volatile int zero = 0;\nif (rank == 0) zero = 1 / zero;\n"
                 "else *(volatile int *)0 = 1;")
    assert "SIGFPE" in cell.traceback and "SIGSEGV" in cell.traceback
    check_alive(ranks)


@pytest.mark.parametrize("code, note", [
    ("for (volatile long i = 0;; i++);", "The ranks go on"),
    ("sleep(1000);", "The ranks go on"),
    ("int got;\nMPI_Recv(&got, 1, MPI_INT, 1 - rank, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);",
     "All ranks are started again"),
])
def test_an_interrupt_reaches_all_ranks(ranks, code, note):
    sent = ranks.session.send('%%remote ranks\nprintf("up\\n");\n' + code)
    seen = ""
    while seen.count("up") < 2:
        message = ranks.session.receive(SECONDS)
        if message["msg_type"] == "stream":
            seen += message["content"]["text"]
    ranks.session.interrupt()
    cell = ranks.session.finish(sent, SECONDS)
    assert cell.name == "Interrupted" and note in cell.traceback
    check_alive(ranks)


def test_a_rank_that_leaves_while_the_others_wait_for_it(ranks):
    cell = ranks("setup();\nif (rank == 1)\n    exit(0);\nMPI_Barrier(MPI_COMM_WORLD);")
    assert cell.name == "RankLeft"
    assert re.search(r"rank 0: rank 1 has left by exit\(0\) at In\[\d+\]:4, without "
                     r"MPI_Finalize\(\), while this one waits in MPI_Barrier in In\[\d+\]:5",
                     cell.message)
    check_alive(ranks)


def test_leaving_is_no_failure_where_nobody_waits(ranks):
    good(ranks("setup();\nint mark = 7;\nif (rank == 1) exit(0);\nmark++;"))
    assert good(ranks("MPI_Finalize();\nexit(0);")).status == "ok"
    assert lines(good(ranks('printf("%d\\n", mark);')).stdout) == ["[0] 8", "[1] 7"]


def test_ranks_that_wait_for_each_other_for_ever(ranks):
    """A note says where; the interrupt says so for each of them."""
    sent = ranks.session.send(
        "%%remote ranks\nsetup();\nint got;\nif (rank == 0)\n"
        "    MPI_Recv(&got, 1, MPI_INT, 1, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);\n"
        "MPI_Barrier(MPI_COMM_WORLD);")
    noted = ""
    while noted.count("note:") < 2:
        message = ranks.session.receive(SECONDS)
        if message["msg_type"] == "stream":
            noted += message["content"]["text"]
    assert re.search(r"\[0\] note: waits in MPI_Recv at In\[\d+\]:5,", noted)
    assert re.search(r"\[1\] note: waits in MPI_Barrier at In\[\d+\]:6,", noted)
    ranks.session.interrupt()
    cell = ranks.session.finish(sent, SECONDS)
    assert cell.name == "Interrupted" and "started again" in cell.traceback
    assert re.search(r"MPI_Recv in In\[\d+\]:5", cell.message + cell.traceback)
    assert re.search(r"MPI_Barrier in In\[\d+\]:6", cell.message + cell.traceback)
    check_alive(ranks)


def test_a_launcher_that_is_killed(ranks):
    pid = int(good(ranks('if (rank == 0) printf("%d\\n", (int)getpid());')).stdout.split()[1])
    parent = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    launcher = int(pathlib.Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
    assert "mpirun" in pathlib.Path(f"/proc/{launcher}/cmdline").read_text()
    os.kill(launcher, signal.SIGKILL)
    end = time.monotonic() + SECONDS
    while pathlib.Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    check_alive(ranks)


def test_what_is_wrong_with_a_cell_is_said_before_it_runs(ranks):
    assert ranks("undeclared_name + 1").name == "CompileError"
    assert ranks("int missing(void);\nmissing();").status == "error"
    assert ranks("1", "--group sideways").name == "UsageError"
    assert "length of an array" in ranks("int n = 3;\nint a[n];").message
    check_alive(ranks)


def test_single_tasks_run_beside_the_ranks(ranks):
    ranks.session.value("int squared(int x) { return x * x; }\nint in[9], out[9];\n"
                        "for (int i = 0; i < 9; i++) in[i] = i;")
    assert ranks.session.value("%call squared(7) --on ranks") == "49"
    good(ranks.session.run("%map squared in -> out --on ranks", SECONDS))
    assert ranks.session.value("out[8]") == "64"
    cell = ranks.session.run("%call squared(*(int *)0) --on ranks", SECONDS)
    assert cell.name == "SIGSEGV"
    check_alive(ranks)


@pytest.mark.parametrize("definition, says", [
    ("mpi --np=2 --launcher=no-such-launcher", "no-such-launcher"),
    ("mpi --np=2 --no-such-option=3", "no-such-option"),
    ('mpi --np=2 --launcher="echo so it is"', "so it is"),
])
def test_ranks_that_do_not_start_say_why(mpi_session, definition, says):
    mpi_session.value("%executor bad = " + definition)
    cell = mpi_session.run("%%remote bad\n1;", SECONDS)
    assert cell.name == "ExecutorError" and says in cell.message


@pytest.mark.parametrize("definition", ["mpi", "mpi --np=0", "mpi --np=two", "mpi --np=5000"])
def test_options_are_checked_when_an_executor_is_named(mpi_session, definition):
    assert "np" in mpi_session.run("%executor bad = " + definition).message


def test_undo_and_reset_reach_the_ranks(session):
    if not shutil.which("mpirun"):
        pytest.skip("no MPI here: there is no 'mpirun' (openmpi-bin)")
    session.value(DEFINE)
    session.value("int f(void) { return 1; }")
    assert session.run("%%remote ranks\nf()", SECONDS).value == "1"
    session.value("int f(void) { return 2; }")
    assert session.run("%%remote ranks\nf()", SECONDS).value == "2"
    session.value("%undo 2")
    cell = session.run("%%remote ranks\nf()", SECONDS)
    assert cell.value == "1" and "started again" in cell.stderr
    session.value("%reset")
    assert session.run("%%remote ranks\nint g(void) { return 5; }\ng()", SECONDS).value == "5"


def test_mpi_in_the_session_itself(session):
    if not shutil.which("mpirun"):
        pytest.skip("no MPI here: there is no 'mpirun' (openmpi-bin)")
    program = ('#include <mpi.h>\n#include <stdio.h>\nint main(int argc, char **argv)\n{\n'
               "    int rank, size;\n    MPI_Init(&argc, &argv);\n"
               "    MPI_Comm_rank(MPI_COMM_WORLD, &rank);\n"
               "    MPI_Comm_size(MPI_COMM_WORLD, &size);\n"
               '    printf("%d of %d\\n", rank, size);\n    MPI_Finalize();\n    return 0;\n}')
    assert good(session.run(program, SECONDS)).stdout == "0 of 1\n"
    cell = good(session.run(program, SECONDS))
    assert cell.stdout == "0 of 1\n" and "started MPI" in cell.stderr
    assert not session.run("1;").stderr  # it is said once


def test_nothing_is_left_when_the_kernel_is_killed(session, tmp_path):
    if not shutil.which("mpirun"):
        pytest.skip("no MPI here: there is no 'mpirun' (openmpi-bin)")
    session.value(DEFINE)
    good(session.run("%%remote ranks\nint x = 1;", SECONDS))
    kernel = session.manager.provisioner.process.pid
    below = processes_below(kernel)
    temporary = pathlib.Path(os.environ.get("TMPDIR") or "/tmp")
    pool = [pid for pid in below if b"--ranks" in cmdline(pid)][0]
    ours = {os.readlink(link) for link in pathlib.Path(f"/proc/{pool}/fd").iterdir()}
    folders = [path for path in temporary.glob("achar-ranks-*") if str(path) in ours]
    assert folders
    os.kill(kernel, signal.SIGKILL)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        alive = [pid for pid in below if pathlib.Path(f"/proc/{pid}/exe").exists()]
        left = [path for path in folders if path.exists()]
        if not alive and not left:
            return
        time.sleep(0.02)
    assert not alive and not left


def test_srun_starts_ranks(slurm, session):
    plugins = subprocess.run(["srun", "--mpi=list"], capture_output=True, text=True)
    if "pmix" not in plugins.stdout + plugins.stderr:
        pytest.skip("this Slurm has no pmix: " + plugins.stderr.strip())
    session.value('%executor ranks = mpi --np=2 --launcher="srun --mpi=pmix" --nodes=2')
    cell = session.run("%%remote ranks\n#include <mpi.h>\n#include <stdio.h>\n"
                       "#include <stdlib.h>\nint rank, sum;\n"
                       "MPI_Comm_rank(MPI_COMM_WORLD, &rank);\n"
                       "MPI_Allreduce(&rank, &sum, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);\n"
                       'printf("%d on %s\\n", rank, getenv("SLURMD_NODENAME"));\nsum',
                       2 * SECONDS)
    assert cell.is_ok, cell.traceback
    assert cell.value == "1"
    assert lines(cell.stdout) == ["[0] 0 on n1", "[1] 1 on n2"]
    cell = session.run("%%remote ranks\nif (rank == 1) exit(3);\nMPI_Barrier(MPI_COMM_WORLD);",
                       SECONDS)
    assert cell.name == "ExitStatus"
    assert session.run("%%remote ranks\n42", 2 * SECONDS).value == "42"
