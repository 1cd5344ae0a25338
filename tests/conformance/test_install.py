# SPDX-License-Identifier: BSD-3-Clause
"""achar install puts the kernelspec where Jupyter looks for it."""
import json
import os
import shutil
import subprocess

import pytest

KERNEL = "kernels/achar/kernel.json"


@pytest.fixture
def install(achar, tmp_path):
    """install(arguments..., environment, program): runs it with nothing else set."""
    def call(*arguments, program=achar, **environment):
        base = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
        return subprocess.run([program, "install", *map(str, arguments)], text=True, timeout=30,
                              capture_output=True, env=base | environment)
    return call


def argv_of(folder):
    return json.loads((folder / KERNEL).read_text())["argv"]


def test_user_is_the_default(install, achar, tmp_path):
    for arguments in ([], ["--user"]):
        shutil.rmtree(tmp_path / "home", ignore_errors=True)
        done = install(*arguments)
        assert done.returncode == 0, done.stderr
        folder = tmp_path / "home/.local/share/jupyter"
        assert str(folder / "kernels/achar") in done.stdout
        assert argv_of(folder)[0] == str(achar)


@pytest.mark.parametrize("name, inside", [("JUPYTER_DATA_DIR", ""), ("XDG_DATA_HOME", "jupyter")])
def test_user_folder_from_the_environment(install, tmp_path, name, inside):
    assert install(**{name: str(tmp_path / "data")}).returncode == 0
    assert argv_of(tmp_path / "data" / inside)


@pytest.mark.parametrize("name", ["VIRTUAL_ENV", "CONDA_PREFIX"])
def test_active_environment(install, tmp_path, name):
    assert install("--sys-prefix", **{name: str(tmp_path / "env")}).returncode == 0
    assert argv_of(tmp_path / "env/share/jupyter")


def test_sys_prefix_asks_python(install, tmp_path):
    python = tmp_path / "bin/python3"
    python.parent.mkdir()
    python.write_text(f"#!/bin/sh\necho '{tmp_path}/python'\n")
    python.chmod(0o755)
    path = f"{python.parent}:{os.environ['PATH']}"
    assert install("--sys-prefix", PATH=path).returncode == 0
    assert argv_of(tmp_path / "python/share/jupyter")


def test_again_over_itself(install, tmp_path):
    for _ in range(2):
        assert install("--prefix", tmp_path / "p").returncode == 0
    folder = tmp_path / "p/share/jupyter/kernels/achar"
    assert sorted(path.name for path in folder.iterdir()) == [
        "kernel.json", "logo-32x32.png", "logo-64x64.png", "logo-svg.svg"]


def test_odd_path(install, achar, tmp_path):
    """A path that JSON must escape; the executable alone, without its build tree."""
    program = tmp_path / 'a "quoted" \\ folder' / "achar"
    program.parent.mkdir()
    shutil.copy(achar, program)
    assert install("--prefix", tmp_path / "p", program=program).returncode == 0
    assert argv_of(tmp_path / "p/share/jupyter")[0] == str(program)


@pytest.mark.parametrize("arguments, complaint", [
    (["--prefix"], "needs a folder"), (["--nowhere"], "unknown argument '--nowhere'"),
    (["--user", "--sys-prefix"], "one of")])
def test_wrong_arguments(install, arguments, complaint):
    done = install(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr and "achar install --help" in done.stderr


def test_no_place(install, tmp_path):
    (tmp_path / "file").write_text("")
    done = install("--prefix", tmp_path / "file")
    assert done.returncode == 1
    assert f"'{tmp_path}/file" in done.stderr


def test_sys_prefix_without_python(install):
    """Without any Python, --sys-prefix says what to do."""
    done = install("--sys-prefix", PATH="/nowhere")
    assert done.returncode == 1 and "--prefix" in done.stderr


def test_installed_tree(achar, tmp_path):
    """meson install: the executable finds its helpers in libexec."""
    build = achar.parents[2]
    done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet",
                           "--destdir", tmp_path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    program = next(tmp_path.rglob("bin/achar"))
    helpers = {path.name for path in (program.parents[1] / "libexec/achar").iterdir()}
    assert helpers >= {"achar-analyser", "achar-worker", "achar-pool"}
    version = subprocess.run([program, "--version"], capture_output=True, text=True)
    assert version.stdout.startswith("achar ")
