# SPDX-License-Identifier: BSD-3-Clause
"""The executor `ssh` on a real sshd: what is copied, what is said when it fails, how it ends."""
import os
import signal

import pytest

from waiting import cmdline, eventually, is_busy, kernel_pid

CODE = """
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int twice(int n) { return 2 * n; }
int slow(int n) { usleep(20000); return n + 1; }
double root(double x) { return sqrt(x); }
int spin(int n) { puts("begun"); fflush(stdout); for (volatile int i = 0; ; ) i = n; }
int crash(int n) { return *(volatile int *)0 + n; }
int in[200], out[200];
for (int i = 0; i < 200; i++) in[i] = i;
"""


def pools(ssh):
    return [pid for pid in ssh.pids() if b"--stdio" in cmdline(pid)]


@pytest.fixture
def hosts(ssh, session):
    session.value(CODE)
    session.value(f"%executor s = ssh --hosts a,b --workers 2 --config {ssh.config}")
    return session


def test_a_failure_names_its_host(hosts):
    cell = hosts.run("%call crash(1) --on s")
    assert cell.name == "SIGSEGV" and "crash" in cell.traceback
    assert "It ran in a job worker on a:" in cell.traceback or "on b:" in cell.traceback


def test_nothing_of_the_host_is_used_but_its_kernel(ssh, hosts):
    assert hosts.value("%call root(2.0) --on s").startswith("1.414")
    cell = hosts.run("""%%remote s
{ char line[512]; FILE *maps = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, maps)) if (strstr(line, ".so")) fputs(line, stdout); }""")
    assert cell.is_ok, cell.traceback
    assert "libc.so.6" in cell.stdout
    for line in cell.stdout.splitlines():
        assert str(ssh.home) in line, line
    # Both hosts share the home; the one that unpacked second takes its copy away, also when the
    # kernel that had asked for it is gone.
    eventually(lambda: "2 pools" in hosts.run("%executor").stdout)
    eventually(lambda: len(list((ssh.home / ".cache/achar").iterdir())) == 1)
    kit, = (ssh.home / ".cache/achar").iterdir()
    assert (kit / "done").exists()


def test_both_hosts_work_and_one_that_dies_costs_no_other_task(ssh, hosts):
    hosts.value("%call twice(1) --on s")
    eventually(lambda: "2 pools, 4 workers" in hosts.run("%executor").stdout)
    hosts.value("%map twice in -> out --on s")
    assert hosts.value("out[199]") == "398"
    victim = pools(ssh)[0]
    sent = hosts.send("%map slow in -> out --on s")
    eventually(lambda: len([pid for pid in ssh.pids() if b"zygote" in cmdline(pid)]) > 1)
    os.kill(victim, signal.SIGKILL)
    cell = hosts.finish(sent)
    if not cell.is_ok:  # an element that had begun there may be lost, and is named
        assert "lost" in "".join(cell.traceback)
    assert hosts.value("%call twice(21) --on s") == "42"


def test_a_killed_kernel_leaves_nothing_on_the_hosts(ssh, hosts):
    sent = hosts.send("%call spin(1) --on s")
    eventually(lambda: any(map(is_busy, ssh.pids())))
    assert sent
    os.kill(kernel_pid(hosts), signal.SIGKILL)
    eventually(lambda: not ssh.pids())


def test_an_interrupt_ends_the_task_there(ssh, hosts):
    hosts.value("%call twice(1) --on s")
    sent = hosts.send("%call spin(1) --on s")
    while hosts.receive(30)["msg_type"] != "stream":
        pass  # an interrupt before the cell runs is for nobody
    eventually(lambda: any(map(is_busy, ssh.pids())))
    hosts.interrupt()
    cell = hosts.finish(sent)
    assert cell.name == "Interrupted"
    eventually(lambda: not any(map(is_busy, ssh.pids())))


def test_large_values_come_and_go(ssh, hosts):
    hosts.value("struct big { char bytes[30000000]; } big, back;"
                "struct big turn(int n) { struct big *b = &big; b->bytes[n] = 7; return *b; }")
    assert hosts.run("big.bytes[5] = 9; big.bytes[29999999] = 3;").is_ok
    cell = hosts.run("%%remote s\nbig.bytes[6] = big.bytes[5] + 1;")
    assert cell.is_ok, cell.traceback
    assert hosts.value("big.bytes[6] * 100 + big.bytes[29999999]") == "1003"


@pytest.mark.parametrize("host, says", [
    ("unknown", "log in once by hand"),
    ("refused", "no key of yours is accepted"),
    ("silent", "Connection refused"),
])
def test_a_host_that_cannot_be_reached_is_explained(ssh, session, host, says):
    session.value(CODE)
    session.value(f"%executor s = ssh --hosts {host} --config {ssh.config}")
    cell = session.run("%call twice(1) --on s")
    assert cell.name == "ExecutorError"
    assert says in "".join(cell.traceback) and host in "".join(cell.traceback)


def fake(ssh, name, text):
    path = ssh.programs / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name, text, says", [
    ("uname", "echo vax", "run 'achar kit FILE' on an achar built for 'vax'"),
    ("head", "/usr/bin/head -c 1000; exit 1", "no space in"),
    ("mkdir", "exit 1", "cannot make a folder in"),
    ("gzip", "exit 1", "no space in"),
])
def test_a_host_that_cannot_take_the_kit_is_explained(ssh, session, name, text, says, tmp_path):
    session.value(CODE)
    session.value(f"%executor s = ssh --hosts a --config {ssh.config} --folder {tmp_path}/kits")
    made = fake(ssh, name, text)
    try:
        cell = session.run("%call twice(1) --on s")
    finally:
        made.unlink()
    assert cell.name == "ExecutorError"
    assert says in "".join(cell.traceback)
    assert not [path for path in (tmp_path / "kits").glob("*") if path.is_dir()]


def test_a_shell_that_prints_does_no_harm(ssh, session):
    session.value(CODE)
    made = fake(ssh, "uname", "echo noise >&2; /bin/uname \"$@\"")
    session.value(f"%executor s = ssh --hosts a --config {ssh.config}")
    try:
        assert session.value("%call twice(4) --on s") == "8"
    finally:
        made.unlink()


@pytest.mark.parametrize("line, says", [
    ("ssh", "which hosts?"),
    ("ssh --hosts -oProxyCommand=x", "is not the name of a host"),
    ("ssh --hosts a,,b", "is not the name of a host"),
    ("ssh --hosts a --host b", "did you mean --hosts?"),
    ("ssh --hosts a --lease 0", "'--lease=0' is not a number"),
    ("command", "which command?"),
])
def test_mistakes_are_told_when_it_is_named(shared_session, line, says):
    cell = shared_session.run(f"%executor s = {line}")
    assert cell.name == "UsageError"
    assert says in "".join(cell.traceback)


def test_a_command_of_the_user_ends_in_a_pool(session):
    session.value(CODE)
    session.value('%executor c = command --pools 2 -- sh -c "echo Welcome; exec {pool} {arguments}"')
    assert session.value("%call twice(21) --on c") == "42"
    session.value("%map twice in -> out --on c")
    assert session.value("out[100]") == "200"


def test_a_prologue_is_run_before_the_pool(ssh, session):
    """Quotes, lines and what it reads or prints harm nobody; also where nothing is copied."""
    session.value("#include <stdlib.h>\n#include <string.h>\nint length(int n)\n{\n"
                  '    return getenv("SAID") ? strlen(getenv("SAID")) + n : -1;\n}')
    session.value(f"""%executor p = ssh --hosts a,b --config {ssh.config} --prologue="""
                  """"export SAID='it is \\here!'; echo noise; cat" """)
    for _ in range(3):
        assert session.value("%call length(0) --on p") == str(len("it is \\here!"))


@pytest.mark.parametrize("executor, part", [
    ("command --prologue x -- cat", "sh -c"), ("local --prologue x", "--env"),
    ("mpi --np 2 --prologue x", "--launcher")])
def test_a_prologue_means_the_same_or_is_refused(session, executor, part):
    cell = session.run(f"%executor p = {executor}")
    assert not cell.is_ok and "--prologue" in cell.message and part in cell.message
