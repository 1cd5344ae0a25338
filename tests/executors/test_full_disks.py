# SPDX-License-Identifier: BSD-3-Clause
"""Full disks, of the kernel and of a host of ssh: what is said, and that nothing half-written
is taken for whole. Once there is room the same lines work."""
import subprocess

import pytest

from session import Session
from waiting import eventually

CODE = """
#include <string.h>
#include <sys/stat.h>
struct block { char x[1000000]; } blocks[8];
struct block make(int n) { struct block b; memset(&b, n, sizeof b); return b; }
int twice(int n) { return 2 * n; }
int size_of(const char *path) { struct stat s; return stat(path, &s) < 0 ? -1 : (int)s.st_size; }
int in[8] = {1, 2, 3, 4, 5, 6, 7, 8};
"""
COUNT = """
int whole = 0, begun = 0;
for (int i = 0; i < 8; i++) {
    struct block b = make(i + 1);
    whole += memcmp(&b, &blocks[i], sizeof b) == 0;
    begun += memchr(&blocks[i], i + 1, sizeof b) != NULL;
}
whole == begun ? whole : -1
"""


@pytest.fixture
def disk(tmp_path):
    """disk(SIZE): a small disk, the first time, and then how large it is."""
    folder = tmp_path / "small"
    folder.mkdir()
    is_mounted = []

    def resize(size):
        options = f"{'remount,' if is_mounted else ''}size={size}"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
                              capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no right to mount a small disk here: {done.stderr.strip()}")
        is_mounted.append(size)
        return folder
    yield resize
    if is_mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def test_results_that_find_no_room_end_their_job_alone(kernelspec, disk, tmp_path, monkeypatch):
    folder = disk("4m")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("ACHAR_JOBS_MEMORY", "1MB")
    session = Session(tmp_path)
    try:
        session.value(CODE)
        session.value("%executor l = local --workers=1")
        line = "%map make in -> blocks --on l --chunk 1 --async m"
        session.value(line)
        eventually(lambda: "failed" in session.run("%jobs").displays[0]["text/plain"])
        cell = session.run("%wait m", 60)
        assert cell.name == "ExecutorError" and "of 8 are done and stored" in cell.message
        assert f"'{folder}' (TMPDIR" in cell.message and "no room" in cell.message, cell.message
        done = int(cell.message.partition(" of 8")[0].split()[-1])
        assert 1 <= done < 8
        assert session.value(COUNT) == f"{done}"
        disk("20m")
        assert session.run(line).is_ok
        cell = session.run("%wait m", 60)
        assert cell.is_ok, cell.traceback
        assert session.value("blocks[7].x[999999] * 10 + blocks[0].x[5]") == "81"
        assert list(folder.iterdir()) == []
    finally:
        session.close()


def test_files_for_the_tasks_that_find_no_room_are_named(kernelspec, disk, tmp_path, monkeypatch):
    folder = disk("2m")
    monkeypatch.setenv("TMPDIR", str(folder))
    session = Session(tmp_path)
    try:
        session.value(CODE)
        (tmp_path / "data").write_bytes(bytes(range(256)) * 12000)
        line = f'%call size_of("data") --files {tmp_path}/data'
        for _ in range(2):
            cell = session.run(line)
            assert not cell.is_ok and f"'{folder}'" in cell.message and "TMPDIR" in cell.message
            assert session.value("%call twice(21)") == "42"
        disk("20m")
        assert session.value(line) == "3072000"
    finally:
        session.close()


@pytest.mark.parametrize("size", ["256k", "8m"])
def test_a_host_without_room_for_the_kit_is_named(ssh, session, disk, size):
    """Not for what is sent, or not for what is in it."""
    folder = disk(size)
    session.value(CODE)
    session.value(f"%executor s = ssh --hosts a --config {ssh.config} --folder {folder}/kits")
    for _ in range(2):
        cell = session.run("%call twice(21) --on s", 60)
        assert cell.name == "ExecutorError" and "a: no space in" in cell.message, cell.message
        assert str(folder) in cell.message and "--folder" in cell.message
        assert list((folder / "kits").iterdir()) == []
    disk("200m")
    assert session.value("%call twice(21) --on s") == "42"
    assert len(list(folder.glob("kits/*/done"))) == 1
