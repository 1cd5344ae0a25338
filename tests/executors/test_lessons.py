# SPDX-License-Identifier: BSD-3-Clause
"""What users of other systems with remote cells have missed most; each here from its side
of the screen. What has a test beside its subject (test_jobs.py) is not repeated: timeouts,
cancelling, progress, frozen code, identical crashes, output before an error."""
import os
import queue
import time


def test_the_first_line_is_seen_while_the_task_runs(session):
    """Without fflush(), in every magic; the task waits until the line was seen."""
    session.value("#include <stdio.h>\n#include <unistd.h>\nint f(const char *go)\n{\n"
                  '    puts("seen");\n    while (access(go, F_OK))\n        usleep(1000);\n'
                  "    return 3;\n}\nconst char *gos[1] = {\"go\"};\nint out[1];")
    folder = session.run("char folder[1000];\ngetcwd(folder, sizeof(folder))").value.strip('"')
    for cell in ("%call f(gos[0])", "%%remote\nf(gos[0]);", "%map f gos -> out",
                 "%%parfor i 0 1 --out out\nout[i] = f(gos[i]);"):
        if os.path.exists(f"{folder}/go"):
            os.unlink(f"{folder}/go")
        sent = session.send(cell)
        while True:
            message = session.client.get_iopub_msg(timeout=20)
            if message["msg_type"] == "stream" and "seen" in message["content"]["text"]:
                break
        open(f"{folder}/go", "w").close()
        assert session.finish(sent).is_ok


def test_comments_before_a_cell_magic_and_behind_a_line_magic(session):
    session.value("int f(int x) { return x; }\nint xs[3] = {1, 2, 3}, ys[3];")
    assert session.value("%call f(3) // three") == "3"
    assert session.run("%map f xs -> ys --chunk 2 // a note").is_ok
    assert session.run("// what it is for\n\n/* and\n   why */\n%%parfor i 0 3 --out ys // note\n"
                       "ys[i] = 5;").is_ok
    assert session.value("ys[2]") == "5"
    assert session.value('%call "a // b"') == '"a // b"'


def test_nothing_is_expanded_in_code(session):
    session.value("#include <stdio.h>\nint x = 1;")
    cell = session.run('%%remote\nprintf("{x} $x $HOME %%d {} $(date)\\n");')
    assert cell.stdout == "{x} $x $HOME %d {} $(date)\n"


def test_no_mode_stays_behind(session):
    session.value("#include <unistd.h>\nint here = getpid();")
    session.run("%%remote\nint there = getpid();")
    assert session.value("here == getpid() && there != here") == "1"


def test_a_crash_is_named_with_its_place(session):
    session.value("int depth(int *p)\n{\n    return *p + 1;\n}\nint outer(void)\n{\n"
                  "    return depth(0);\n}")
    cell = session.run("%call outer() --async a")
    assert cell.is_ok
    cell = session.run("%wait a")
    assert cell.name == "SIGSEGV" and "In[1]:3" in cell.traceback and "outer" in cell.traceback
    assert "In[1]:7" in cell.traceback and "In[2]" in cell.traceback


def test_what_was_printed_comes_with_the_error(session):
    """Also where nobody wanted to see it."""
    session.value("#include <stdio.h>\n#include <stdlib.h>\nint f(int x)\n{\n"
                  '    printf("x is %d", x);\n    if (x > 1)\n        abort();\n    return x;\n}')
    for stream in ("live", "end", "no"):
        cell = session.run(f"%call f(2) --stream {stream}")
        assert (cell.name, cell.stdout) == ("SIGABRT", "x is 2"), cell
        cell = session.run(f"%%remote --stream {stream}\nf(3);")
        assert (cell.name, cell.stdout) == ("SIGABRT", "x is 3"), cell
    assert session.run("%call f(1) --stream no").stdout == ""


def test_code_is_that_of_its_flags(session):
    """The same text under other flags or another version of C is other code."""
    text = "int scale(void) { return SCALE * 1000 + (__STDC_VERSION__ > 201112L); }"
    for number in (2, 3, 2):
        session.value(f"%cc -DSCALE={number}")
        session.value(text)
        assert session.value("%call scale()") == session.value("scale()")
        assert session.value("%call scale() / 1000") == str(number)
    session.value("%std c11")
    session.value(text)
    assert session.value("%call scale()") == "2000"


def test_several_named_waits_and_an_idle_kernel(session):
    """Work goes on while nobody waits and no cell runs."""
    session.value("#include <unistd.h>\nint f(int x)\n{\n    usleep(100000);\n    return x;\n}\n"
                  "int xs[12], a[12];\nfor (int i = 0; i < 12; i++)\n    xs[i] = i + 1;")
    session.value("%map f xs -> a --async idle --chunk 1")
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            message = session.client.get_iopub_msg(timeout=1)
        except queue.Empty:
            continue
        if "12/12" in str(message["content"].get("data", "")):
            break
    else:
        raise AssertionError("the job did not end by itself")
    assert session.run("%wait idle").is_ok and session.value("a[11]") == "12"
