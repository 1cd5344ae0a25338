# SPDX-License-Identifier: BSD-3-Clause
"""Kernels for the tests of the protocol: the toy one, and the real one."""
import os
import pathlib

import pytest

from wire import Kernel


@pytest.fixture(scope="session")
def fake():
    """Path of the kernel with the toy session, in the build folder."""
    build = pathlib.Path(__file__).resolve().parents[2] / "build"
    if "ACHAR" in os.environ:
        build = pathlib.Path(os.environ["ACHAR"]).resolve().parents[2]
    path = pathlib.Path(os.environ.get("ACHAR_BUILD", build)).resolve()
    path = path / "tests/protocol/achar-fake"
    assert path.is_file(), f"'{path}' does not exist: ./dev build"
    return path


@pytest.fixture
def start(fake, tmp_path):
    """Starts toy kernels; they are ended with the test."""
    kernels = []

    def start_one(**options):
        kernels.append(Kernel([fake], tmp_path / f"kernel-{len(kernels)}", **options))
        return kernels[-1]

    yield start_one
    for kernel in kernels:
        kernel.end()


@pytest.fixture
def kernel(start):
    """One toy kernel with a client that is subscribed."""
    return start()
