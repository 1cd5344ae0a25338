# SPDX-License-Identifier: BSD-3-Clause
"""Every program of programs.py: the kernel lives, the error has its name, message and line, and
the session's state is what the error says it is."""
import os

import programs
import pytest

from session import Session

KEPT, REPLACED, ROLLED_BACK = "keep what", "was replaced", "as before"


class Kernel:
    """One kernel for many programs, and how often its state was changed and kept so far."""

    def __init__(self, folder, is_held):
        self.folder, self.is_held = folder, is_held
        self.session = None

    def open(self):
        self.session = Session(self.folder)
        assert self.session.run(programs.SETUP).is_ok
        if self.is_held:
            assert self.session.run(programs.HELD).is_ok
        self.n_marks = 0

    def close(self):
        if self.session:
            self.session.close()
        self.session = None


@pytest.fixture(scope="module")
def kernels(kernelspec, tmp_path_factory):
    opened = {is_held: Kernel(tmp_path_factory.mktemp("faults"), is_held)
              for is_held in (False, True)}
    yield opened
    for kernel in opened.values():
        kernel.close()


def promised_marks(kernel, cell, is_exit):
    """How many calls of mark() the state must show, by what the traceback says of it."""
    if not kernel.is_held and not is_exit:
        assert ROLLED_BACK in cell.traceback
    if ROLLED_BACK in cell.traceback:
        return kernel.n_marks
    if REPLACED in cell.traceback:
        return 0
    assert KEPT in cell.traceback or cell.name == "ExitStatus", cell.traceback
    return kernel.n_marks + 1


def run_all(kernel, program):
    """Runs the cells; hands back the last one and its place in the session."""
    numbers = []
    for text in program.cells:
        cell = kernel.session.run(text)
        numbers.append(cell.reply["execution_count"])
        assert cell.is_ok or len(numbers) == len(program.cells), cell.traceback
    return cell, numbers


IS_ALL = "ACHAR_FAULTS" in os.environ  # every kind in every place: some minutes
CASES = [pytest.param(is_held, program, id=f"{'held' if is_held else 'free'}-{program.name}")
         for is_held in (False, True) for program in programs.programs(is_held, IS_ALL)]


@pytest.mark.parametrize("is_held, program", CASES)
def test_program(kernels, is_held, program):
    kernel = kernels[is_held]
    if not kernel.session:
        kernel.open()
    try:
        check(kernel, program)
    except BaseException:
        kernel.close()  # the next program starts afresh
        raise


def test_there_are_enough():
    assert len(CASES) >= 400


def check(kernel, program):
    kind = program.kind
    cell, numbers = run_all(kernel, program)
    assert cell.status == "error"
    assert cell.name == kind.error
    assert kind.message in cell.message
    at = program.fault_at()
    if at:
        assert f"In[{numbers[at[0]]}]:{at[1]}" in cell.traceback
    for frame in kind.frames.split():
        assert frame in cell.traceback
    kernel.n_marks = promised_marks(kernel, cell, kind.name == "exit-status")
    state = kernel.session.run("show_state();")
    assert state.is_ok, state.traceback
    assert state.stdout == programs.state(kernel.n_marks), cell.traceback
    if kernel.is_held and REPLACED in cell.traceback:
        assert kernel.session.run("pipe(held_ends);").is_ok
