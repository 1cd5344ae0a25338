# SPDX-License-Identifier: BSD-3-Clause
"""What travels to pools, and how often: large values and the files of --files."""
import os
import re
import signal
import subprocess

import pytest

from waiting import kernel_pid, name_of, processes_below

LINES = {"local": "local --workers=2",
         "stdio": 'command --workers 2 -- sh -c "exec {pool} {arguments}"'}
UNITS = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def sent(cell):
    """Bytes that a cell with --verbose says it has sent."""
    number, unit = re.search(r"\[sent ([\d.]+) (\w+), ", cell.stderr).groups()
    return float(number) * UNITS[unit]


@pytest.fixture(params=LINES)
def pool(request, session):
    session.value(f"%executor x = {LINES[request.param]}")
    return session


VALUES = """
#include <stdlib.h>
#include <string.h>
struct point { int id; double at[3]; };
double flat[6000000];
int *heap; double *tail;
struct point *points;
char text[700000];
int small = 5;
heap = malloc(500000 * sizeof *heap);
points = calloc(40000, sizeof *points);
for (int i = 0; i < 6000000; i++) flat[i] = i % 1000 < 300 ? 0 : i * 0.5;
for (int i = 0; i < 500000; i++) heap[i] = i * 7;
for (int i = 0; i < 40000; i++) points[i] = (struct point){i, {i, -i, i * 0.25}};
memset(text, 'x', sizeof text - 1);
tail = flat + 5999999;
double all(void)
{
    double sum = small + *tail + strlen(text);
    for (int i = 0; i < 6000000; i++) sum += flat[i];
    for (int i = 0; i < 500000; i++) sum += heap[i];
    for (int i = 0; i < 40000; i++) sum += points[i].id + points[i].at[2];
    return sum;
}
"""


def test_large_values_travel_once_whatever_becomes_of_the_code(pool):
    pool.value(VALUES)
    first = pool.run("%call all() --on x --verbose")
    assert first.value == pool.value("all()") and sent(first) > 35e6
    pool.value("double all(void) { return small + flat[700] + heap[3] + points[2].at[2] + *tail; }")
    cell = pool.run("%call all() --on x --verbose")
    assert cell.value == pool.value("all()") and sent(cell) < 100e3
    pool.value("small = 9;")
    cell = pool.run("%call all() --on x --verbose")
    assert cell.value == pool.value("all()") and sent(cell) < 100e3
    pool.value("flat[700] = 123.5;")
    cell = pool.run("%call all() --on x --verbose")
    assert cell.value == pool.value("all()") and 1e6 < sent(cell) < 20e6
    pool.value("points[2].at[2] = 3; heap[3] = 1;")
    cell = pool.run("%call all() --on x --verbose")
    assert cell.value == pool.value("all()") and 1e6 < sent(cell) < 5e6


def test_a_lost_pool_takes_nothing_along(pool):
    pool.value("#include <signal.h>\n#include <unistd.h>\ndouble numbers[300000];\n"
               "for (int i = 0; i < 300000; i++) numbers[i] = i + 1;\n"
               "double last(int i) { return numbers[299999] + i; }")
    assert pool.value("%call last(0) --on x") == "300000.0"
    for pid in processes_below(kernel_pid(pool)):
        if name_of(pid) == "achar-pool":
            os.kill(pid, signal.SIGKILL)
    cell = pool.run("%call last(1) --on x --retries 2 --verbose", seconds=60)
    if not cell.is_ok:  # the end of a pool may be noticed after the executor was asked
        cell = pool.run("%call last(1) --on x --verbose", seconds=60)
    assert cell.value == "300001.0"


FILES = """
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
long size_of(const char *path) { struct stat s; return stat(path, &s) ? -1 : s.st_size; }
int show(void) { fflush(stdout); return system("find . | sort; cat data/sub/*.txt; data/run"); }
int changes(void)
{
    FILE *file = fopen("data/first.txt", "a");
    fputs("more", file);
    fclose(file);
    return size_of("data/first.txt");
}
int changes_small(int i)
{
    int fd = open("first.txt", O_WRONLY | O_APPEND);
    write(fd, "+", 1);
    return (int)lseek(fd, 0, SEEK_CUR);
}
int by_task(int i) { return size_of("data/large.bin") == 2000000 ? i : -1; }
int in[6] = {1, 2, 3, 4, 5, 6}, out[6];
"""


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    (folder / "sub" / "empty").mkdir(parents=True)
    (folder / "first.txt").write_text("first")
    (folder / "nothing").touch()
    (folder / "sub" / "one.txt").write_text("one\n")
    (folder / "sub" / "two.txt").symlink_to("one.txt")
    (folder / "large.bin").write_bytes(os.urandom(2000000))
    (folder / "run").write_text("#!/bin/sh\necho ran\n")
    (folder / "run").chmod(0o755)
    return folder


def test_folders_are_staged_with_all_that_is_in_them(pool, data):
    pool.value(FILES)
    cell = pool.run(f"%call show() --on x --files {data}/")
    assert cell.value == "0"
    assert cell.stdout.split() == [
        ".", "./data", "./data/first.txt", "./data/large.bin", "./data/nothing", "./data/run",
        "./data/sub", "./data/sub/empty", "./data/sub/one.txt", "./data/sub/two.txt",
        "one", "one", "ran"]


def test_contents_travel_once_and_changes_stay_in_their_job(pool, data):
    pool.value(FILES)
    first = pool.run(f"%call changes() --on x --files {data} --verbose")
    assert first.value == "9" and sent(first) > 1.9e6
    small = pool.run(f"%map changes_small in -> out --on x --chunk 1 --files {data}/first.txt")
    assert small.is_ok and pool.value("out[0] + out[1] + out[2] + out[3] + out[4] + out[5]") == "51"
    (data / "copy.bin").write_bytes((data / "large.bin").read_bytes())
    pool.value("int other(void) { return size_of(\"data/copy.bin\") + changes(); }")
    for _ in range(2):  # the same payload otherwise, yet no job sees another's files
        cell = pool.run(f"%call other() --on x --files {data} --verbose")
        assert cell.value == "2000009" and sent(cell) < 20e3
    cell = pool.run(f"%map by_task in -> out --on x --chunk 2 --files {data}")
    assert cell.is_ok and pool.value("out[0] + out[5]") == "7"


def test_what_was_staged_is_as_it_was_at_submission(pool, data):
    pool.value(FILES + "#include <unistd.h>\n"
               "long later(void) { usleep(300000); return size_of(\"first.txt\"); }")
    pool.run("%call size_of(\"x\") --on x")
    assert pool.run(f"%call later() --on x --async one --files {data}/first.txt").is_ok
    (data / "first.txt").write_text("something else")
    (data / "first.txt").unlink()
    assert pool.run("%wait one").value == "5"


def test_what_is_made_when_it_is_read_is_staged(session):
    session.value(FILES)
    cell = session.run('%call system("cat version") --files /proc/version')
    assert cell.value == "0" and cell.stdout.startswith("Linux version"), cell


def test_what_cannot_be_staged_is_told(session, data):
    session.value(FILES)
    (data.parent / "other").mkdir()
    (data.parent / "other" / "first.txt").write_text("x")
    os.mkfifo(data / "sub" / "pipe")
    (data / "sub" / "back").symlink_to(data)
    says = {f"{data}/first.txt,{data.parent}/other/first.txt": "second 'first.txt'",
            f"{data}/gone": "No such file", f"{data}/sub/pipe": "neither a file nor a folder",
            f"{data}/sub": "back", ".": "give the folder by its name"}
    for files, expected in says.items():
        cell = session.run(f"%call size_of(\"x\") --files {files}")
        assert cell.name == "UsageError" and expected in cell.message, (files, cell.message)
    (data / "sub" / "back").unlink()
    (data / "sub" / "pipe").unlink()
    if os.geteuid():
        (data / "first.txt").chmod(0)
        cell = session.run(f"%call size_of(\"x\") --files {data}")
        assert "Permission denied" in cell.message and "first.txt" in cell.message
    for number in range(10001):
        (data / "sub" / str(number)).touch()
    cell = session.run(f"%call size_of(\"x\") --files {data}")
    assert cell.name == "UsageError" and "more than 10000" in cell.message


def test_a_file_that_changes_while_it_is_read_is_told(session, tmp_path):
    session.value(FILES)
    path = tmp_path / "growing"
    path.touch()
    os.truncate(path, 512 << 20)  # long enough for the writer to have a processor meanwhile
    writer = subprocess.Popen(["sh", "-c", 'while :; do echo x >>"$0"; done', path])
    try:
        cell = session.run(f"%call size_of(\"growing\") --files {path}")
    finally:
        writer.kill()
        writer.wait()
    assert cell.name == "UsageError" and "changed while it was read" in cell.message, cell


@pytest.fixture
def full_disk(tmp_path):
    folder = tmp_path / "full"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder],
                      capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_on_the_host_is_told(session, data, full_disk):
    session.value(FILES)
    session.value("%executor x = command --workers 1 -- sh -c "
                  f"\"TMPDIR={full_disk} exec {{pool}} {{arguments}}\"")
    cell = session.run(f"%call size_of(\"data\") --on x --files {data}")
    assert cell.name == "NoRoom" and str(full_disk) in cell.message, cell
    assert "No space left" in cell.message and "TMPDIR" in cell.message
    assert session.value(f"%call size_of(\"first.txt\") --on x --files {data}/first.txt") == "5"
    (data / "large.bin").write_bytes(os.urandom(700000))  # it fits once, but not twice
    cell = session.run(f"%call size_of(\"data\") --on x --files {data}")
    assert cell.name == "NoRoom" and "data/large.bin" in cell.message, cell
    assert not list(full_disk.glob("*/data"))
