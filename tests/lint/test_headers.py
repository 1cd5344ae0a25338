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
