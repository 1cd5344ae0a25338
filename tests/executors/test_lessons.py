# SPDX-License-Identifier: BSD-3-Clause
"""What users of other systems with remote cells complain about most: one test for each
complaint, which its first line quotes, from this system's side of the screen."""
import os
import shutil
import time

import pytest

from waiting import eventually, is_alive, wait_for_output

COMMAND = 'command --workers 1 -- sh -c "exec {pool} {arguments}"'
PATIENT = """
#include <stdio.h>
#include <unistd.h>
int f(const char *go)
{
    puts("seen");
    while (access(go, F_OK))
        usleep(1000);
    return 3;
}
int out[1];
"""


def test_a_cell_shows_nothing_until_it_ends(session, tmp_path):
    """Here it does: without fflush(), in every magic; the task waits until its line was seen."""
    session.value(PATIENT + f'const char *gos[1] = {{"{tmp_path}/go"}};')
    for cell in ("%call f(gos[0])", "%%remote\nf(gos[0]);", "%map f gos -> out",
                 "%%parfor i 0 1 --out out\nout[i] = f(gos[i]);"):
        (tmp_path / "go").unlink(missing_ok=True)
        sent = session.send(cell)
        wait_for_output(session, sent, "seen")
        (tmp_path / "go").touch()
        assert session.finish(sent).is_ok


@pytest.mark.parametrize("engine", ["command", "ssh", "slurm", "mpi"])
def test_remote_output_comes_in_one_piece_at_the_end(engine, tmp_path, request):
    """Here it comes line by line from whatever carries it: pipes, ssh, srun, mpirun."""
    if engine == "mpi" and not shutil.which("mpirun"):
        pytest.skip("no MPI here: there is no 'mpirun' (openmpi-bin)")
    options = {"command": COMMAND, "slurm": "slurm --nodes=1 --cpus=1", "ssh": "ssh --hosts a --config ",
               "mpi": "mpi --np=1 --allow-run-as-root --oversubscribe"}[engine]
    if engine in ("ssh", "slurm"):  # which the session must find
        options += str(getattr(request.getfixturevalue(engine), "config", ""))
    session = request.getfixturevalue("session")
    session.value(f"%executor x = {options}")
    session.value(PATIENT)
    sent = session.send(f'%%remote x\nf("{tmp_path}/go");')
    wait_for_output(session, sent, "seen", 60)
    (tmp_path / "go").touch()
    assert session.finish(sent, 60).is_ok


def test_an_interrupt_stops_the_waiting_and_not_the_work(session):
    """Here it ends the task, also one that does not listen, and the next one has a worker."""
    session.value("#include <unistd.h>\n#include <signal.h>\n#include <stdio.h>\nint f(int x)\n{\n"
                  '    signal(SIGINT, SIG_IGN);\n    printf("pid %d.\\n", getpid());\n'
                  "    for (;;)\n        x++;\n}")
    session.value("%executor one = local --workers=1")
    sent = session.send("%call f(1) --on one")
    pid = int(wait_for_output(session, sent, ".\n").split()[1].rstrip("."))
    session.interrupt()
    assert session.finish(sent).name == "Interrupted"
    assert not is_alive(pid)
    assert session.value("%call 6 * 7 --on one") == "42"


@pytest.mark.skipif(not shutil.which("mpirun"), reason="no MPI here: there is no 'mpirun' (openmpi-bin)")
def test_a_barrier_of_mpi_waits_for_ever_for_a_rank_that_is_dead(session):
    """Here its death ends the cell and names it; a time limit ends what merely waits."""
    session.value("%executor ranks = mpi --np=2 --allow-run-as-root --oversubscribe")
    setup = ("#include <mpi.h>\n#include <stdlib.h>\nint rank;\n"
             "MPI_Comm_rank(MPI_COMM_WORLD, &rank);\n")
    cell = session.run(f"%%remote ranks\n{setup}if (rank == 1)\n    abort();\n"
                       "MPI_Barrier(MPI_COMM_WORLD);", 60)
    assert cell.name == "SIGABRT" and "rank 1" in cell.message and "In[2]:7" in cell.traceback
    cell = session.run(f"%%remote ranks --timeout 1s\n{setup}if (rank == 0)\n"
                       "    MPI_Barrier(MPI_COMM_WORLD);", 60)
    assert cell.name == "TimeLimit" and "--timeout" in cell.message
    assert session.run("%%remote ranks\nMPI_Barrier(MPI_COMM_WORLD);", 60).is_ok


def test_a_mode_stays_on_and_cells_run_where_nobody_expects_it(session):
    """Here each cell says for itself that it runs elsewhere."""
    session.value("#include <unistd.h>\nint here = getpid();")
    session.value("%executor other = local --workers=1")
    session.value("%executor other")  # the default of magics, not of cells
    session.value("%%remote\nint there = getpid();")
    assert session.value("here == getpid() && there != here") == "1"


def test_a_cell_with_a_magic_is_no_code_for_any_tool(session, tmp_path):
    """Here a magic may be a comment: the same text is a cell and a file for every compiler."""
    cells = ["#include <stdio.h>\nint half(int x) { return x / 2; }\nint xs[2] = {4, 6}, ys[2];",
             "// Where it runs is said by the next line.\n//achar:%%remote --out ys\n"
             "for (int i = 0; i < 2; i++)\n    ys[i] = half(xs[i]) + 10;",
             "xs[0] = 8;\n  //achar:%map half xs -> ys // a note\nys[1] += 20;"]
    text = "\n".join([cells[0], "int main(void)\n{", *cells[1:], "}"])
    (tmp_path / "cells.c").write_text(text)
    compiled = os.spawnlp(os.P_WAIT, "cc", "cc", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                          str(tmp_path / "cells.c"))
    assert compiled == 0
    session.value(cells[0])
    assert session.run(cells[1]).is_ok and session.value("ys[0] * 100 + ys[1]") == "1213"
    assert session.run(cells[2]).is_ok and session.value("ys[0] * 100 + ys[1]") == "423"
    assert "did you mean %remote" in session.run("//achar:%%remoet\nint x;").message
    assert session.run("// achar:%who\n//%who\n/*\n//achar:%who\n*/").stdout == ""
    matches = session.client.complete("int x;\n//achar:%remo", reply=True, timeout=20)["content"]
    assert matches["matches"] == ["%remote"], matches


def test_a_comment_above_a_magic_breaks_it(session):
    """Here it does not; code above a cell's magic is an error that says what to do."""
    session.value("int ys[3];")
    assert session.run("// what it is for\n\n/* and\n   why */\n%%parfor i 0 3 --out ys\n"
                       "ys[i] = 5;").is_ok
    assert session.value("ys[2]") == "5"
    assert "on the cell's first line" in session.run("int z;\n%%remote\nz = 1;").message


def test_a_comment_behind_a_magic_is_taken_for_arguments(session):
    """Here it is a comment, except in a string."""
    session.value("int f(int x) { return x; }\nint xs[3] = {1, 2, 3}, ys[3];")
    assert session.value("%call f(3) // three") == "3"
    assert session.run("%map f xs -> ys --chunk 2 // a note").is_ok
    assert session.run("%%parfor i 0 3 --out ys // a note\nys[i] = i + 7;").is_ok
    assert session.value("ys[2]") == "9"
    assert session.value('%call "a // b"') == '"a // b"'


def test_braces_and_dollars_in_code_are_expanded(session):
    """Here code is left as it is, in cells and in lines."""
    session.value("#include <stdio.h>\nint x = 1;")
    cell = session.run('%%remote\nprintf("{x} $x $HOME %%d {} $(date)\\n");')
    assert cell.stdout == "{x} $x $HOME %d {} $(date)\n"
    assert session.value('%call "{x} $x $HOME {} $(date)"') == '"{x} $x $HOME {} $(date)"'


def test_what_was_printed_before_an_error_is_lost(session):
    """Here it comes with the error, also where nobody wanted to see output."""
    session.value("#include <stdio.h>\n#include <stdlib.h>\nint f(int x)\n{\n"
                  '    printf("x is %d", x);\n    if (x > 1)\n        abort();\n    return x;\n}')
    for stream in ("live", "end", "no"):
        cell = session.run(f"%call f(2) --stream {stream}")
        assert (cell.name, cell.stdout) == ("SIGABRT", "x is 2"), cell
        cell = session.run(f"%%remote --stream {stream}\nf(3);")
        assert (cell.name, cell.stdout) == ("SIGABRT", "x is 3"), cell
    assert session.run("%call f(1) --stream no").stdout == ""


def test_a_session_dies_of_idleness_while_its_cell_computes(session, tmp_path):
    """Here a pool lives as long as its kernel does, however long nothing is said: silent work
    and idleness of two leases both leave it there."""
    session.value("#include <time.h>\nint quiet(int seconds)\n{\n    struct timespec now, end;\n"
                  "    clock_gettime(CLOCK_MONOTONIC, &end);\n    end.tv_sec += seconds;\n    do\n"
                  "        clock_gettime(CLOCK_MONOTONIC, &now);\n"
                  "    while (now.tv_sec <= end.tv_sec);\n    return seconds;\n}")
    session.value(f'%executor x = command --lease 1 --workers 1 -- sh -c "echo >>{tmp_path}/starts; '
                  'exec {pool} {arguments}"')
    assert session.value("%call quiet(2) --on x") == "2"
    time.sleep(2)
    assert session.value("%call quiet(0) --on x") == "0"
    assert (tmp_path / "starts").read_text() == "\n"


def test_long_work_shows_no_progress_and_cannot_be_cancelled(session, tmp_path):
    """Here both, and what is done by then is kept."""
    session.value("#include <unistd.h>\nint f(int x)\n{\n    while (x == 7)\n        usleep(1000);\n"
                  "    return x + 1;\n}\nint xs[12], ys[12];\nfor (int i = 0; i < 12; i++)\n"
                  "    xs[i] = i;")
    session.value("%executor two = local --workers=2")
    session.value("%map f xs -> ys --on two --chunk 1 --async a")
    shown = lambda: session.run("%jobs").displays[0]["text/plain"]  # noqa: E731
    eventually(lambda: "11/12" in shown())
    assert session.run("%cancel a").is_ok
    cell = session.run("%wait a")
    assert cell.name == "Interrupted" and "11 of 12 elements are done and stored" in cell.message
    assert session.value("ys[11]") == "12"


def test_old_machine_code_runs_because_only_the_text_was_compared(session, tmp_path):
    """Here the same text under other flags, another standard or another header is other code."""
    text = "int scale(void) { return SCALE * 1000 + (__STDC_VERSION__ > 201112L); }"
    for number in (2, 3, 2):
        session.value(f"%cc -DSCALE={number}")
        session.value(text)
        assert session.value("%call scale()") == session.value("scale()")
        assert session.value("%call scale() / 1000") == str(number)
    session.value("%std c11")
    session.value(text)
    assert session.value("%call scale()") == "2000"
    session.value("%cc auto")
    for number in (4, 5, 4):
        (tmp_path / "scale.h").write_text(f"#undef SCALE\n#define SCALE {number}\n")
        session.value('#include "scale.h"\n' + text)
        assert session.value("%call scale()") == f"{number}000"


def test_a_crash_is_a_dead_worker_without_a_name(session, tmp_path):
    """Here it has a signal, a function and a line; it is tried again only as long as it crashes
    in another way; and the next task has a worker."""
    session.value("#include <stdio.h>\nint depth(int *p)\n{\n    return *p + 1;\n}\nint outer(void)\n{\n"
                  f'    FILE *tries = fopen("{tmp_path}/tries", "a");\n'
                  "    fputc('x', tries);\n    fclose(tries);\n    return depth(0);\n}")
    cell = session.run("%call outer() --retries 50 --async a")
    assert cell.is_ok
    cell = session.run("%wait a")
    assert cell.name == "SIGSEGV" and "In[1]:4" in cell.traceback and "outer" in cell.traceback
    assert "In[1]:11" in cell.traceback and "In[2]" in cell.traceback
    assert (tmp_path / "tries").read_text() == "xx"
    assert session.value("%call 6 * 7") == "42"


def test_a_queued_job_runs_the_code_of_the_day_it_starts(session, tmp_path):
    """Here code and state are those of the submission."""
    session.value("#include <unistd.h>\nint factor = 2;\nint wait_for(const char *path)\n{\n"
                  "    while (access(path, F_OK))\n        usleep(1000);\n    return 0;\n}\n"
                  "int f(int x) { return factor * x; }\nint xs[3] = {1, 2, 3}, ys[3];")
    session.value("%executor one = local --workers=1")
    session.value(f'%call wait_for("{tmp_path}/go") --on one --async first')
    session.value("%map f xs -> ys --on one --async second")
    session.value("%call f(50) -> answer --on one --async third")
    session.value("int f(int x) { return -1; }\nfactor = 7;\nxs[2] = 0;")
    assert session.value("ys[2] + answer") == "0"
    (tmp_path / "go").touch()
    assert session.run("%wait first second third").is_ok
    assert session.value("ys[2] * 1000 + answer") == "6100"


def test_work_stands_still_while_nobody_waits_for_it(session):
    """Here it goes on, and shows how far it is, while no cell runs."""
    session.value("#include <unistd.h>\nint f(int x)\n{\n    usleep(100000);\n    return x;\n}\n"
                  "int xs[6], a[6];\nfor (int i = 0; i < 6; i++)\n    xs[i] = i + 1;")
    session.value("%map f xs -> a --async idle --chunk 1")
    while "6/6" not in str(session.receive(30)["content"].get("data")):
        pass
    assert session.run("%wait idle").is_ok and session.value("a[5]") == "6"
