# SPDX-License-Identifier: BSD-3-Clause
"""`arm`: an executor whose pool is that of another architecture, under qemu."""
import os
import pathlib
import shutil

import pytest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "build-aarch64"


@pytest.fixture(scope="module")
def arm(kernelspec, tmp_path_factory):
    """A session with an executor `arm`."""
    if not (FOLDER / "run/achar-pool").exists() or not shutil.which("qemu-aarch64"):
        pytest.skip("there is no pool for aarch64, or no qemu: ./dev remote")
    from session import Session
    session = Session(tmp_path_factory.mktemp("arm"))
    path = f"{FOLDER}/tools:{os.environ['PATH']}"
    session.value(f"%executor arm = command --workers 2 --lease 30 -- "
                  f"env ACHAR_LIBEXEC={FOLDER}/run 'PATH={path}' {FOLDER}/run/achar-pool")
    yield session
    session.close()
