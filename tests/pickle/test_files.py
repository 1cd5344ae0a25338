# SPDX-License-Identifier: BSD-3-Clause
"""Payload files: checked before anything in them is compiled or run; achar run, inspect, key."""
import os
import subprocess

import pytest

PROGRAM = """
#include <stdio.h>
int calls = 40;
int main(int argc, char **argv)
{
    printf("%d %s\\n", calls + argc, argc > 1 ? argv[1] : "-");
    return 5;
}
"""


@pytest.fixture
def achar_command(achar, tmp_path):
    def call(*arguments, **environment):
        return subprocess.run([achar, *map(str, arguments)], capture_output=True, text=True,
                              timeout=30, cwd=tmp_path, env=os.environ | environment)
    return call


@pytest.fixture
def file(session, tmp_path):
    session.value("#include <stdio.h>\nstruct box { int w, h; } box = {2, 3};\n"
                  'int area(void) { printf("computing\\n"); return box.w * box.h; }')
    session.value("%pickle area > area.achar")
    return tmp_path / "area.achar"


def test_flipped_bytes(session, file):
    data = file.read_bytes()
    positions = {*range(0, 130), *range(130, len(data), max(1, len(data) // 40)), len(data) - 1}
    for position in sorted(position for position in positions if position < len(data)):
        changed = bytearray(data)
        changed[position] ^= 1
        file.write_bytes(changed)
        cell = session.run("%unpickle area.achar")
        assert cell.status == "error" and not cell.stdout, position
        assert "area.achar" in cell.traceback
    assert session.value("area()") == "6"


def test_cut_short(session, file):
    data = file.read_bytes()
    for size in (0, 1, 5, 40, 111, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:size])
        assert session.run("%unpickle area.achar").status == "error", size


def test_longer(session, file):
    file.write_bytes(file.read_bytes() + b"x")
    assert session.run("%unpickle area.achar").status == "error"


def test_foreign_key(achar_command, file, tmp_path):
    done = achar_command("run", file, ACHAR_KEYS=str(tmp_path / "stranger"))
    assert done.returncode != 0 and "computing" not in done.stdout
    assert "trust" in done.stderr


def test_inspect(achar_command, file):
    done = achar_command("inspect", file)
    assert done.returncode == 0, done.stderr
    for part in ("area", "box", "struct box"):
        assert part in done.stdout


def test_inspect_of_something_else(achar_command, tmp_path):
    (tmp_path / "text.achar").write_text("hello")
    done = achar_command("inspect", "text.achar")
    assert done.returncode == 1 and "text.achar" in done.stderr


def test_run_of_main(session, achar_command, tmp_path):
    session.run(PROGRAM)
    session.value("%pickle main > main.achar")
    done = achar_command("run", "main.achar", "argument")
    assert done.stdout == "42 argument\n", done.stderr
    assert done.returncode == 5


SEVERAL = """
#include <stdio.h>
enum color { RED, GREEN = 5 };
struct node { int value; struct node *next; } last = {2}, first = {1, &last};
double scaled(int n, double by) { puts("computing"); return n * by; }
const char *named(const char *who, enum color c, _Bool loud)
{
    static char text[100];
    snprintf(text, sizeof text, "%s %d%c", who, c, loud ? '!' : '.');
    return text;
}
int deref(int n)
{
    int *p = 0;
    return *p + n;
}
"""


@pytest.mark.parametrize("arguments, output, complaint, status", [
    (["scaled", "3", "0.5"], "computing\n1.5\n", "", 0),
    (["scaled", "3", "abc"], "", "argument 2 of 'scaled' is 'double': 'abc' is not a number", 1),
    (["scaled", "3"], "", "'scaled' takes 2 arguments (int, double), 1 given", 1),
    (["named", 'a "b"', "GREEN", "true"], '"a \\"b\\" 5!"\n', "", 0),
    (["named", "a", "BLUE", "true"], "", "'BLUE' is not one of its names", 1),
    (["last"], "{.value = 2, .next = NULL}\n", "", 0),
    (["deref", "1"], "", "In[1]:14", 1),
    (["nothing"], "", "'nothing'", 1),
])
def test_run_by_name(session, achar_command, arguments, output, complaint, status):
    session.value(SEVERAL.strip())
    session.value("%pickle scaled named first last deref > all.achar")
    done = achar_command("run", "--name", arguments[0], "all.achar", *arguments[1:])
    assert (done.stdout, done.returncode) == (output, status), done.stderr
    assert complaint in done.stderr
    assert complaint or not done.stderr


def test_run_needs_a_choice(session, achar_command):
    session.value(SEVERAL.strip())
    session.value("%pickle scaled last > all.achar")
    done = achar_command("run", "all.achar")
    assert done.returncode == 1 and "'scaled', 'last'" in done.stderr


def test_trusting_a_key(session, achar_command, tmp_path):
    session.value("int seven = 7;\n%pickle seven > seven.achar")
    stranger = str(tmp_path / "stranger")
    shown = achar_command("inspect", "seven.achar", ACHAR_KEYS=stranger)
    assert shown.returncode == 0 and "NOT TRUSTED" in shown.stdout
    key = achar_command("key", "--show").stdout.strip()
    assert key in shown.stdout
    assert achar_command("key", "--trust", key, "a friend", ACHAR_KEYS=stranger).returncode == 0
    done = achar_command("run", "seven.achar", ACHAR_KEYS=stranger)
    assert (done.stdout, done.returncode) == ("7\n", 0), done.stderr
    assert "a friend" in achar_command("inspect", "seven.achar", ACHAR_KEYS=stranger).stdout


def test_source(session, achar_command):
    session.value("int twice(int n) { return 2 * n; }\n%pickle twice > twice.achar")
    done = achar_command("inspect", "--source", "twice.achar")
    assert "int twice(int n) { return 2 * n; }" in done.stdout


def test_key_is_private(achar_command, tmp_path):
    keys = tmp_path / "keys"
    assert achar_command("key", ACHAR_KEYS=str(keys)).returncode == 0
    assert (keys / "key.pem").stat().st_mode & 0o077 == 0
    again = achar_command("key", ACHAR_KEYS=str(keys))
    assert "exist" in again.stdout + again.stderr


def test_unwritable_file(session):
    session.value("int n = 1;")
    cell = session.run("%pickle n > /no/such/folder/n.achar")
    assert not cell.is_ok and "/no/such/folder" in cell.traceback


def test_missing_file(session):
    cell = session.run("%unpickle nothing.achar")
    assert not cell.is_ok and "nothing.achar" in cell.traceback
