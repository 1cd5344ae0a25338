# SPDX-License-Identifier: BSD-3-Clause
"""Files of the person's own that %link takes, and takes again when they have changed."""
import shutil
import subprocess

import pytest

COMPILER = shutil.which("gcc") or shutil.which("clang-19")
pytestmark = pytest.mark.skipif(not COMPILER, reason="no C compiler")


def build(folder, text):
    """libown.so of the text; a new file, as an editor's or make's are."""
    (folder / "own.c").write_text(text)
    subprocess.run([COMPILER, "-shared", "-fPIC", "-o", "new.so", "own.c"], cwd=folder,
                   check=True)
    (folder / "new.so").rename(folder / "libown.so")


def test_thread_local_variables_of_a_library(session, tmp_path):
    build(tmp_path, "_Thread_local int pad, counter = 5;\nint bump(void) { return ++counter; }\n")
    assert session.run("%link ./libown.so").is_ok
    session.run("#include <pthread.h>\nextern _Thread_local int counter;\nint bump(void);\n"
                "int elsewhere;\nvoid *work(void *p) { elsewhere = counter; counter = 9; return p; }\n")
    assert session.value("counter = 50;\nbump()") == "51"
    assert session.value("pthread_t thread;\npthread_create(&thread, NULL, work, NULL);\n"
                         "pthread_join(thread, NULL);\nelsewhere * 100 + counter") == "551"


def test_a_source_file_is_linked_again(session, tmp_path):
    own = tmp_path / "own.c"
    own.write_text("int inner(void) { return 3; }\nint outer(void) { return inner(); }\n")
    assert session.run("%link own.c").is_ok
    assert session.value("int outer(void);\nint user(void) { return outer(); }\n"
                         "int (*pointer)(void) = outer;\nuser() + pointer()") == "6"
    own.write_text("int inner(void) { return 4; }\nint outer(void) { return 10 * inner(); }\n")
    assert session.run("%link own.c").is_ok
    assert session.value("user() + pointer() + outer()") == "120"


def test_a_changed_library_is_said(session, tmp_path):
    build(tmp_path, "int version(void) { return 1; }\n")
    session.run("%link ./libown.so")
    assert session.value("int version(void);\nversion()") == "1"
    assert session.run("%link ./libown.so").is_ok
    build(tmp_path, "int version(void) { return 22; }\n")
    changed = session.run("%link ./libown.so")
    assert changed.name == "LinkError" and "has changed" in changed.message
    assert session.run("%reset all").is_ok and session.run("%link ./libown.so").is_ok
    assert session.value("int version(void);\nversion()") == "22"
