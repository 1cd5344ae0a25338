# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of all suites. $ACHAR names the executable under test."""
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # session.py, executable.py

from executable import ACHAR, IS_ASAN  # noqa: E402


def pytest_runtest_setup(item):
    """`not_with_asan(reason)`: what AddressSanitizer does to memory or says of it by design."""
    marker = item.get_closest_marker("not_with_asan")
    if marker and IS_ASAN:
        pytest.skip(f"not with AddressSanitizer: {marker.args[0]}")


@pytest.fixture(scope="session")
def achar():
    """Path of the executable under test."""
    assert ACHAR.is_file(), f"'{ACHAR}' does not exist: ./dev build"
    return ACHAR


@pytest.fixture(scope="session")
def kernelspec(achar, tmp_path_factory):
    """Installs the kernelspec where only this run's Jupyter clients find it."""
    prefix = tmp_path_factory.mktemp("prefix")
    subprocess.run([achar, "install", "--prefix", prefix], check=True, timeout=30)
    clean = pytest.MonkeyPatch()
    clean.setenv("JUPYTER_PATH", str(prefix / "share/jupyter"))
    clean.setenv("JUPYTER_RUNTIME_DIR", str(prefix / "runtime"))
    clean.setenv("JUPYTER_CONFIG_DIR", str(prefix / "config"))
    clean.setenv("XDG_DATA_HOME", str(prefix / "data"))  # the kernel's history
    clean.setenv("XDG_CACHE_HOME", str(prefix / "cache"))  # compiled objects
    clean.setenv("ACHAR_KEYS", str(prefix / "keys"))
    yield prefix / "share/jupyter/kernels/achar"
    clean.undo()


@pytest.fixture
def session(kernelspec, tmp_path):
    """A fresh kernel in an empty folder: session.run(code) gives a session.Cell."""
    from session import Session
    opened = Session(tmp_path)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def shared_session(kernelspec, tmp_path_factory):
    """As `session`, one for a whole file: for tests that leave nothing behind."""
    from session import Session
    opened = Session(tmp_path_factory.mktemp("session"))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def slurm_cluster():
    """A running Slurm (engines/slurm.py); $SLURM_CONF leads to it."""
    from engines.daemons import EngineError
    from engines.slurm import Slurm
    try:
        cluster = Slurm()
    except EngineError as error:
        pytest.skip(f"no Slurm here: {error}")
    clean = pytest.MonkeyPatch()
    clean.setenv("SLURM_CONF", cluster.environment["SLURM_CONF"])
    yield cluster
    clean.undo()
    cluster.close()


@pytest.fixture
def slurm(slurm_cluster):
    """The same, without jobs; jobs that the test leaves are cancelled."""
    yield slurm_cluster
    slurm_cluster.clear()


@pytest.fixture(scope="session")
def ssh():
    """A running sshd (engines/ssh.py) with hosts in ssh.config."""
    from engines.daemons import EngineError
    from engines.ssh import Ssh
    try:
        server = Ssh()
    except EngineError as error:
        pytest.skip(f"no sshd here: {error}")
    yield server
    server.close()
