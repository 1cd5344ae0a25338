# SPDX-License-Identifier: BSD-3-Clause
"""The connection between kernel and pool when what lies between them does not close it, but harms it."""
import collections
import pathlib

import pytest

from executable import ACHAR
from relay import Relay
from waiting import cmdline, eventually, is_alive, wait_for_output

pytestmark = pytest.mark.not_with_asan("the detour is loaded before the sanitizer")

CODE = """
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int twice(int n) { return 2 * n; }
int spin(int n) { puts("begun"); fflush(stdout); for (volatile int i = 0; ; ) i = n; }
struct block { char bytes[15000]; } block, back;
struct block turn(int n) { struct block b = block; b.bytes[1] = n; return b; }
int note(int i)
{
    char line[16];
    int fd = open("BEGUN", O_WRONLY | O_APPEND | O_CREAT, 0600);
    int size = snprintf(line, sizeof line, "%d\\n", i);
    if (write(fd, line, size) == size) close(fd);
    usleep(3000);
    return i + 1;
}
int in[400], out[400];
for (int i = 0; i < 400; i++) in[i] = i;
"""


@pytest.fixture
def relay():
    with Relay() as relay:
        yield relay


@pytest.fixture
def harmed(slurm, session, relay, tmp_path):
    session.value(CODE.replace("BEGUN", str(tmp_path / "begun")))
    prologue = (f"export ACHAR_TEST_RELAY={relay.port} "
                f"LD_PRELOAD={ACHAR.parents[2]}/tests/executors/detour.so")
    session.executor = f'%executor c = slurm --nodes=1 --cpus=2 --lease=1 --prologue="{prologue}"'
    session.value(session.executor)
    assert session.value("%call twice(2) --on c") == "4"
    assert relay.carried
    yield session
    relay.mode = "open"


def pools(relay):
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and b"achar-pool" in cmdline(entry.name).split(b"\0")[0] and (
                    f"ACHAR_TEST_RELAY={relay.port}".encode() in (entry / "environ").read_bytes()):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


@pytest.mark.parametrize("mode, says", [
    ("cut", "nothing was heard of it for 1000 ms"), ("down", "the kernel is lost: nothing was heard of it for 1000 ms"),
    ("up", "nothing was heard of it for 1000 ms"), ("corrupt", "what came was damaged on its way")])
def test_both_sides_notice_and_nothing_is_left(harmed, relay, mode, says):
    before = pools(relay)
    assert before
    sent = harmed.send("%call spin(1) --on c")
    wait_for_output(harmed, sent, "begun")
    relay.mode = mode
    cell = harmed.finish(sent)
    assert cell.name == "PoolLost" and says in cell.message, cell.message
    relay.mode = "open"
    eventually(lambda: not any(map(is_alive, before)))
    assert harmed.value("%call twice(21) --on c") == "42"


def test_tasks_end_once_when_the_cable_is_cut(harmed, relay, tmp_path):
    sent = harmed.send("%map note in -> out --on c --chunk 4")
    eventually(lambda: (tmp_path / "begun").exists() and
               len((tmp_path / "begun").read_text().split()) > 40)
    relay.mode = "cut"
    eventually(lambda: relay.n_open == 0)
    relay.mode = "open"
    cell = harmed.finish(sent)
    assert cell.name == "PoolLost" and "of 400 are done" in cell.message, cell.message
    done = int(harmed.value("({ int n = 0; for (int i = 0; i < 400; i++) n += out[i] == i + 1; n; })"))
    assert f"{done} of 400" in cell.message and done < 400
    begun = collections.Counter((tmp_path / "begun").read_text().split())
    assert set(begun.values()) == {1}


def test_a_slow_connection_is_no_dead_one(harmed, relay):
    """A record of TLS is 16 kB at most, and must come within the lease."""
    harmed.value(harmed.executor.replace("--lease=1", "--lease=5"))
    harmed.value("for (int i = 0; i < 15000; i++) block.bytes[i] = (i * 7919) ^ (i >> 3);")
    relay.mode = "slow"
    cell = harmed.run("%call turn(5) -> back --on c", 60)
    assert cell.is_ok, cell.traceback
    assert harmed.value("back.bytes[1] == 5 && !memcmp(back.bytes + 2, block.bytes + 2, 14998)") == "1"
