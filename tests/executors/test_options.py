# SPDX-License-Identifier: BSD-3-Clause
"""The options of %call, %map, %%remote and %%parfor mean the same on every executor."""
import pytest

from waiting import eventually

CODE = """
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
int in[12], out[12], n = 1, untouched = 1;
for (int i = 0; i < 12; i++) in[i] = i;
int twice(int x) { printf("twice %d\\n", x); return 2 * x; }
int spin(int x) { for (volatile int i = 0; ; ) i = x; }
int tell(void) { const char *text = getenv("A"); puts(text ? text : "none"); return 0; }
int size_of(const char *path)
{
    char text[100] = "";
    int fd = open(path, O_RDONLY);
    return fd < 0 ? -1 : (int)read(fd, text, sizeof text);
}
int only_second(int x)
{
    if (open("begun", O_CREAT | O_EXCL, 0600) >= 0)
        abort();
    return x;
}
"""


@pytest.fixture(params=["local", "command", "ssh", "slurm"])
def executor(request):
    """A session with an executor 'x' of each type; it knows an engine that was there first."""
    if request.param in ("ssh", "slurm"):
        engine = request.getfixturevalue(request.param)
    session = request.getfixturevalue("session")
    line = {"local": "local --workers=2",
            "command": 'command --workers 2 -- sh -c "exec {pool} {arguments}"',
            "ssh": "ssh --hosts a,b --workers 2 --config ",
            "slurm": "slurm --nodes=1 --cpus=2 --time=10"}[request.param]
    if request.param == "ssh":
        line += str(engine.config)
    session.value(CODE)
    session.value(f"%executor x = {line}")
    return session


def test_options_mean_the_same_everywhere(executor, tmp_path):
    run = executor.run
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o777)
    (data / "five").write_text("12345")

    cell = run("%call tell() --on x", seconds=90)
    assert cell.stdout == "none\n", cell
    assert run("%call tell() --on x --env A=word,B=2").stdout == "word\n"
    assert run("%call tell() --on x --env 'A=a, b'").stdout == "a, b\n"
    assert executor.value(f'%call size_of("five") --on x --cwd {data}') == "5"
    assert executor.value('%call size_of("five") --on x') == "-1"
    assert executor.value(f'%call size_of("five") --on x --files {data}/five') == "5"

    labels = {line.split()[0] for line in run("%map twice in -> out --on x --chunk 5")
              .stdout.splitlines()}
    assert labels == {"[0-4]", "[5-9]", "[10-11]"} and executor.value("out[11]") == "22"
    assert run("%map twice in -> out --on x --stream no").stdout == ""

    cell = run("%%remote x --out n\nn = 5;\nuntouched = 5;")
    assert cell.is_ok and executor.value("n * 10 + untouched") == "51"
    cell = run("%%parfor i 0 12 --on x --out out --chunk 4\nout[i] = 3 * i;")
    assert cell.is_ok and executor.value("out[11]") == "33"

    cell = run(f"%call only_second(7) --on x --cwd {data}")
    assert cell.name == "SIGABRT" and "only_second" in cell.traceback
    (data / "begun").unlink()
    assert executor.value(f"%call only_second(7) --on x --cwd {data} --retries 1") == "7"

    cell = run("%call spin(1) --on x --timeout 300ms")
    assert cell.name == "TimeLimit" and "--timeout of 0.3 s" in cell.message
    assert executor.value("%call twice(21) --on x --timeout 60s") == "42"


@pytest.mark.parametrize("options, says", [
    ("--chunk 0", "from 1 to"), ("--retries x", "from 0 to"), ("--timeout 1parsec", "is no time"),
    ("--env A", "NAME=VALUE"), ("--files /none", "No such file"), ("--cwd /none", "No such file"),
    ("--stream some", "live, end or no"), ("--out a", "ARRAY -> ARRAY")])
def test_bad_values_are_told(executor_once, options, says):
    cell = executor_once.run(f"%map twice in -> out --on x {options}")
    assert cell.status == "error" and says in cell.message, cell.message


@pytest.fixture(scope="module")
def executor_once(shared_session):
    shared_session.value(CODE)
    shared_session.value('%executor x = command --workers 1 -- sh -c "exec {pool} {arguments}"')
    eventually(lambda: shared_session.run("%call twice(1) --on x").is_ok)
    return shared_session


def test_options_mean_the_same_in_a_batch_job(slurm, session, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "five").write_text("12345")
    session.value(CODE)
    session.value("%executor x = slurm --cpus=1 --time=10")
    lines = {f'%call size_of("five") -> n --on x --batch --cwd {data}': ("n", "5"),
             f'%call size_of("five") -> untouched --on x --batch --files {data}/five':
             ("untouched", "5"),
             "%map twice in -> out --on x --batch --chunk 5 --env A=1": ("out[11]", "22")}
    for line in lines:
        assert session.run(line).is_ok
    cell = session.run("%wait", seconds=120)
    assert cell.is_ok, cell.traceback
    for value, expected in lines.values():
        assert session.value(value) == expected
