# SPDX-License-Identifier: BSD-3-Clause
"""Every header compiles alone, so that includes can stand in any order."""
import glob
import subprocess

import pytest
import tree

FLAGS = ["-std=gnu11", "-D_GNU_SOURCE", "-DACHAR_VERSION=\"0\"", "-Wall", "-Wextra",
         "-Wno-unused-parameter", "-Werror", "-fsyntax-only", "-I."]
FLAGS += [flag for folder in sorted(glob.glob("/usr/lib/llvm-*/include"))
          for flag in ("-isystem", folder)]


@pytest.mark.parametrize("header", tree.files(".h"), ids=str)
def test_alone(header):
    source = f'#include "{header}"\ntypedef int not_empty;\n'
    done = subprocess.run(["cc", *FLAGS, "-x", "c", "-"], input=source, cwd=tree.ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [
    ["c++", "-x", "c++", "-Wall", "-Wextra", "-Werror"], ["tcc", "-Wall", "-Werror"],
    ["cc", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]], ids=lambda it: it[0])
def test_header_of_cells(command, tmp_path):
    """Users include it, whatever compiles their code."""
    source = tmp_path / "unit.c"
    source.write_text(f'#include "{tree.ROOT}/pickler/achar.h"\nint not_empty;\n')
    done = subprocess.run([*command, "-c", source, "-o", tmp_path / "unit.o"],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
