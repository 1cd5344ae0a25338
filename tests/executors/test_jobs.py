# SPDX-License-Identifier: BSD-3-Clause
"""Options of the magics that use executors, jobs that go on, and how they end."""
import os
import re
import signal
import time

from session import Session
from waiting import eventually, wait_for_output

SLOW = """
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int factor = 2;
int slow(int x)
{
    usleep(30000);
    return factor * x;
}
int xs[20], ys[20];
for (int i = 0; i < 20; i++)
    xs[i] = i;
"""
HELD = """
void hold(const char *file)
{
    while (access(file, F_OK))
        usleep(1000);
}
char begin[1000];
int held(int x)
{
    hold(begin);
    return factor * x;
}
int stuck(int x)
{
    while (x >= 11)
        usleep(1000);
    return factor * x;
}
"""
BUSY = """
#include <stdio.h>
int busy(int x)
{
    printf("pid begins\\n");
    for (volatile int i = x; i >= 0;)
        ;
    return x;
}
"""


def wait_for_text(session, text):
    """Until a stream message has it; the text of that message."""
    while True:
        message = session.client.get_iopub_msg(timeout=20)
        if message["msg_type"] == "stream" and text in message["content"]["text"]:
            return message["content"]["text"]


MISTAKES = [
    ("%call 1 --chunk 3", "--chunk has no meaning with %call"),
    ("%call 1 --out a", "EXPR -> LVALUE"),
    ("%call 1 ->", "takes EXPR [-> LVALUE]"),
    ("int numbers[3];\n%call 1 -> numbers", "'int[3]' and cannot take what '1' gives: 'int'"),
    ("%%parfor 0 10\n;", "%%parfor takes more than this: %%parfor INDEX FROM TO"),
    ("%map f a -> b --out c", "FUNCTION ARRAY -> ARRAY"),
    ("%call 1 --tmeout 3", "did you mean --timeout?"),
    ("%call 1 --timeout soon", "is no time"),
    ("%call 1 --timeout 0", "1ms at least"),
    ("%call 1 --retries -1", "from 0 to"),
    ("%call 1 --stream never", "live, end or no"),
    ("%call 1 --env A", "NAME=VALUE"),
    ("%call 1 --async 3", "starts with a letter"),
    ("%call 1 --files /none/x", "No such file"),
    ("%call 1 --files x --cwd /", "does not go with --cwd"),
    ("%call 1 --cwd /none", "No such file"),
    ("%call 1 --on locl", "did you mean 'local'?"),
    ("%wait nothing", "no job 'nothing'"),
    ("%%remote local --on local\n1;", "two executors"),
    ("%%remote local --chunk 3\n1;", "--chunk has no meaning"),
    ("%%remote local --gather x\n1;", "type mpi"),
]


def test_mistakes(session):
    for line, part in MISTAKES:
        cell = session.run(line)
        assert cell.status == "error" and part in cell.message, cell.message


LARGE = """
struct block { char bytes[1000000]; };
struct block fill(int x)
{
    struct block block;
    for (int i = 0; i < 1000000; i++)
        block.bytes[i] = x + i;
    return block;
}
int twice(int x) { return 2 * x; }
int xs[12], n_wrong;
struct block blocks[12], one;
for (int i = 0; i < 12; i++)
    xs[i] = i;
"""
CHECK = """
for (int k = 0; k < 12; k++)
    for (int i = 0; i < 1000000; i++)
        n_wrong += blocks[k].bytes[i] != (char)(k + i);
n_wrong
"""


def test_results_that_wait_go_to_disk_and_then_jobs_pause(kernelspec, tmp_path, monkeypatch):
    monkeypatch.setenv("ACHAR_JOBS_MEMORY", "2MB")
    monkeypatch.setenv("ACHAR_JOBS_DISK", "4MB")
    opened = Session(tmp_path)
    try:
        opened.value(LARGE)
        opened.value("%map fill xs -> blocks --async all --chunk 1")
        end = time.monotonic() + 30
        while "paused" not in (table := opened.run("%jobs").displays[0]["text/plain"]):
            assert time.monotonic() < end, table
        assert "no room for more results: %wait" in table
        # what is waited for is taken as it comes
        opened.value("%call fill(5) -> one")
        assert opened.value("%call twice(21)") == "42"
        assert opened.value("one.bytes[1]") == "'\\006' (6)"
        assert opened.run("%wait all").is_ok
        assert opened.value(CHECK) == "0"
        assert "on disk" not in opened.run("%jobs").displays[0]["text/plain"]
    finally:
        opened.close()


def test_failures_are_listed_in_order(session):
    session.value("int f(int x)\n{\n    return x % 11 == 5 ? *(volatile int *)0 : x;\n}\n"
                  "int xs[100], ys[100];\nfor (int i = 0; i < 100; i++)\n    xs[i] = i;")
    cell = session.run("%map f xs -> ys")
    assert "elements 5, 16, 27, 38, 49, 60, 71, 82, 93 failed; 91 of 100 are done" in cell.message


def test_a_map_of_many_elements_can_be_left(session):
    session.value("#include <stdio.h>\nint stuck_from = 100000;\nint f(int x)\n{\n"
                  '    if (x == stuck_from)\n        puts("stuck");\n'
                  "    while (x >= stuck_from)\n        ;\n    return x + 1;\n}\n"
                  "int xs[100000], ys[100000];\nfor (int i = 0; i < 100000; i++)\n    xs[i] = i;\n"
                  "int wrong(int n)\n{\n    int sum = 0;\n    for (int i = 0; i < n; i++)\n"
                  "        sum += ys[i] != i + 1;\n    return sum;\n}")
    assert session.run("%map f xs -> ys").is_ok
    assert session.value("wrong(100000)") == "0"
    session.value("for (int i = 0; i < 100000; i++)\n    ys[i] = 0;\nstuck_from = 60000;")
    sent = session.send("%map f xs -> ys --chunk 1000")
    wait_for_text(session, "stuck")
    session.interrupt()
    cell = session.finish(sent)
    done = re.search(r"(\d+) of 100000 elements are done and stored", cell.message)
    assert cell.name == "Interrupted" and 50000 <= int(done[1]) <= 60000, cell.message
    assert session.value("wrong(50000)") == "0"


def test_of_very_much_output_the_end_is_kept(session):
    session.value("#include <stdio.h>\nint flood(int n)\n{\n    for (int i = 0; i < n; i++)\n"
                  '        printf("%099d\\n", i);\n    return 7;\n}')
    cell = session.run("%call flood(150000) --stream end")
    assert cell.value == "7" and "bytes of output are left out here]" in cell.stderr
    assert cell.stdout.endswith("0149999\n") and 1 << 20 < len(cell.stdout) <= 4 << 20


def test_default_executor(session):
    session.value("%executor one = local --workers=1")
    session.value("%executor one")
    session.value("int f(int x) { return x; }")
    assert session.value("%call f(3)") == "3"
    listed = session.run("%executor").stdout
    assert "(default)" in [line for line in listed.splitlines() if "one" in line][0]
    assert "1 worker" in listed and session.run("%executor tow").name == "UsageError"


def test_several_jobs_on_several_executors_while_a_cell_runs(session, tmp_path):
    session.value(SLOW + HELD)
    session.value("%executor other = local --workers=1")
    session.value(f'strcpy(begin, "{tmp_path}/begin");\nchar end[] = "{tmp_path}/end";')
    for number in range(3):
        session.value(f"%map held xs -> out{number} --async job{number}"
                      f"{' --on other' if number else ''}")
    sent, done = session.send('puts("runs");\nfflush(stdout);\nhold(end);'), set()
    wait_for_output(session, sent, "runs")
    (tmp_path / "begin").touch()
    while len(done) < 3:
        content = session.receive(30)["content"]
        if "done" in str(content.get("data")):
            done.add(content["transient"]["display_id"])
    (tmp_path / "end").touch()
    assert session.finish(sent).is_ok
    table = session.run("%jobs").displays[0]
    assert [line.split()[3] for line in table["text/plain"].splitlines()[1:4]] == ["done"] * 3
    assert table["text/html"].count("<tr>") == 4 and "job2" in table["text/html"]
    assert session.run("%wait").is_ok
    assert session.value("out0[3] + out1[4] + out2[5]") == "24"
    assert session.run("%jobs --purge").stdout == "3 jobs forgotten\n"
    assert "no jobs" in session.run("%jobs").stdout


def test_its_display_follows_a_job_after_its_cell(session):
    session.value(SLOW)
    cell = session.run("%map slow xs -> ys --async seen")
    assert "running" in cell.displays[0]["text/plain"]
    shown = [content["transient"]["display_id"] for kind, content in cell.shown
             if kind == "display_data"]
    while True:
        message = session.client.get_iopub_msg(timeout=20)
        if message["msg_type"] != "update_display_data":
            continue
        assert message["content"]["transient"]["display_id"] == shown[0]
        if "done" in message["content"]["data"]["text/plain"]:
            break
    assert "20/20" in message["content"]["data"]["text/plain"]


def test_a_changed_target_is_said(session):
    session.value(SLOW)
    for name, change in (("a", "ys[3] = 5;"), ("b", "int ys[20];"), ("c", "int other;")):
        session.value(f"%map slow xs -> ys --async {name}")
        session.value(change)
        cell = session.run(f"%wait {name}")
        assert cell.is_ok, cell.traceback
        expected = {"a": "'ys' was changed", "b": "'ys' was redefined", "c": ""}[name]
        assert expected in cell.stderr and bool(expected) == bool(cell.stderr), cell.stderr
    assert session.value("ys[19]") == "38"


def test_a_target_of_another_type_keeps_the_result(session):
    session.value(SLOW)
    session.value("%call slow(4) -> answer --async a")
    session.value("double answer;")
    cell = session.run("%wait a")
    assert cell.name == "TypeError" and "'double' now" in cell.message
    while session.run("%result a").name == "NotReady":
        time.sleep(0.05)
    assert session.value("%result a") == "8"
    session.value("int answer;")
    assert session.run("%wait a").is_ok and session.value("answer") == "8"
    assert "taken before" in session.run("%wait a").stdout


def test_remote_brings_home_what_out_names(session):
    session.value("int a = 1, b = 1;")
    session.value("%%remote --out b\na = 5;\nb = 6;")
    assert session.value("a * 10 + b") == "16"
    session.value("%%remote --async later --out a\na = 7;\nb = 8;")
    assert session.value("a") == "1"
    assert session.run("%wait later").is_ok
    assert session.value("a * 10 + b") == "76"
    session.value("%%remote --async none\na = 9;")
    assert session.run("%wait none").is_ok and session.value("a") == "7"


def test_logs_result_and_attach(session):
    session.value('#include <stdio.h>\n#include <unistd.h>\nint f(int n)\n{\n'
                  '    for (int i = 0; i < n; i++) {\n        printf("step %d\\n", i);\n'
                  '        usleep(100000);\n    }\n    return n;\n}')
    cell = session.run("%call f(8) --async a")
    assert not cell.stdout
    assert session.run("%result a").name == "NotReady"
    sent = session.send("%attach a")
    wait_for_text(session, "step 2")
    session.interrupt()
    cell = session.finish(sent)
    assert cell.name == "Interrupted" and "goes on" in cell.message
    cell = session.run("%attach 1")
    assert cell.is_ok and "step 0\n" in cell.stdout and "step 7\n" in cell.stdout
    assert session.run("%logs a").stdout.count("step") == 8
    assert session.value("%result a") == "8"
    assert session.value("%wait a") == "8"


def test_cancel_keeps_what_is_done(session):
    session.value(SLOW + HELD)
    session.value("%executor two = local --workers=2")
    session.value("%map stuck xs -> ys --on two --async a --chunk 1")
    eventually(lambda: "11/20" in session.run("%jobs").displays[0]["text/plain"])
    assert session.run("%cancel a").is_ok
    cell = session.run("%wait a")
    assert cell.name == "Interrupted" and "11 of 20 elements are done and stored" in cell.message
    assert session.value("ys[10]") == "20" and session.value("ys[19]") == "0"
    assert "cancelled already" in session.run("%cancel a").stdout


def test_a_name_is_not_taken_twice(session):
    session.value(SLOW)
    session.value("%map slow xs -> ys --async a")
    assert "is running" in session.run("%call slow(1) --async a").message
    while session.run("%result a").name == "NotReady":
        time.sleep(0.05)
    assert "were not taken" in session.run("%call slow(1) --async a").message
    assert session.run("%wait a").is_ok
    assert session.run("%call slow(1) --async a").is_ok


def test_interrupt_of_wait_gives_what_is_done(session):
    session.value(SLOW + "int stuck(int x)\n{\n    while (x == 11)\n        ;\n    return x + 1;\n}")
    session.value("%map stuck xs -> ys --async a --chunk 1")
    eventually(lambda: "19/20" in session.run("%jobs").displays[0]["text/plain"])
    pause, cell = 0.1, None
    while not cell or "nothing was run" in cell.message:  # it came before the magic waited
        sent, pause = session.send("%wait a"), 2 * pause
        time.sleep(pause)
        session.interrupt()
        cell = session.finish(sent)
    assert cell.name == "Interrupted" and "19 of 20" in cell.message
    assert session.value("ys[19]") == "20"


def test_timeout_has_a_name_and_costs_no_other_element(session):
    session.value("int f(int x)\n{\n    while (x == 3)\n        ;\n    return x + 1;\n}\n"
                  "int xs[8] = {0, 1, 2, 3, 4, 5, 6, 7}, ys[8];")
    cell = session.run("%call f(3) --timeout 200ms")
    assert cell.name == "TimeLimit" and "%call f(3)" in cell.message
    cell = session.run("%map f xs -> ys --timeout 300ms")
    assert cell.name == "TimeLimit" and "element 3 failed; 7 of 8" in cell.message
    assert session.value("ys[7]") == "8"


def test_retries(session, tmp_path):
    count = "#include <stdio.h>\nint tries(void)\n{\n    FILE *file = fopen(\"%s\", \"a+\");\n" \
            "    fputc('x', file);\n    int n = (int)ftell(file);\n    fclose(file);\n" \
            "    return n;\n}\n" % (tmp_path / "tries")
    session.value("#include <signal.h>\n" + count + "int flaky(int n)\n{\n    if (tries() < n)\n"
                  "        raise(SIGKILL);\n    return n;\n}\n"
                  "int crash(void)\n{\n    tries();\n    return *(volatile int *)8;\n}")
    assert session.value("%call flaky(3) --retries 5") == "3"
    (tmp_path / "tries").unlink()
    cell = session.run("%call flaky(9) --retries 2")
    assert cell.name == "SIGKILL" and "%call flaky(9)" in cell.message
    assert "tried 3 times" in cell.message and (tmp_path / "tries").read_text() == "xxx"
    (tmp_path / "tries").unlink()
    cell = session.run("%call crash() --retries 50")  # the same crash twice is enough
    assert cell.name == "SIGSEGV" and (tmp_path / "tries").read_text() == "xx"


def test_output_of_several_tasks_is_labelled(session):
    session.value('#include <stdio.h>\nint f(int x)\n{\n    printf("a of %d\\nb of %d", x, x);\n'
                  "    return x;\n}\nint xs[3] = {4, 5, 6}, ys[3];")
    expected = {f"[{i}] {text} of {i + 4}" for i in range(3) for text in "ab"}
    for when in ("live", "end"):
        assert set(session.run(f"%map f xs -> ys --stream {when}").stdout.splitlines()) == expected
    assert session.run("%map f xs -> ys --stream no").stdout == ""
    assert session.run("%call f(1) --stream no").stdout == ""
    assert session.run("%call f(1) --stream end").stdout == "a of 1\nb of 1"


def test_output_before_an_error_is_kept(session):
    session.value('#include <stdio.h>\nint f(int x)\n{\n    printf("before %d", x);\n'
                  "    return 1 / (x - 1);\n}\nint xs[3] = {0, 1, 2}, ys[3];")
    for line in ("%call f(1)", "%map f xs -> ys", "%call f(1) --stream end"):
        cell = session.run(line)
        assert cell.name == "SIGFPE" and "before 1" in cell.stdout
    assert session.value("ys[2]") == "1"


def test_progress_is_one_display_updated_in_place(session):
    session.value(SLOW)
    cell = session.run("%map slow xs -> ys --progress-after 100ms --chunk 1")
    kinds = [kind for kind, _ in cell.shown]
    assert kinds.count("display_data") == 1 and "update_display_data" in kinds
    assert len({content["transient"]["display_id"] for _, content in cell.shown}) == 1
    texts = [display["text/plain"] for display in cell.displays]
    assert "/s" in texts[0] and " left" in texts[0] and "20/20" in texts[-1]
    assert all("<progress" in display["text/html"] for display in cell.displays)
    assert not session.run("%map slow xs -> ys --progress-after never").displays


def test_files_folder_and_environment(kernelspec, tmp_path):
    session = Session(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    (data / "data.txt").write_text("staged\n")
    session.value("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
                  "void show(void)\n{\n    char text[100] = \"nothing\\n\", folder[1000];\n"
                  "    FILE *file = fopen(\"data.txt\", \"r\");\n    if (file)\n"
                  "        fgets(text, sizeof(text), file);\n"
                  "    printf(\"%s%s %s\\n\", text, getenv(\"A\") ? getenv(\"A\") : \"-\", "
                  "getcwd(folder, sizeof(folder)));\n}")
    assert session.run("%call show()").stdout.startswith("nothing\n- ")
    lines = session.run("%call show() --files data/data.txt --env 'A=1, 2'").stdout
    assert lines.startswith("staged\n1, 2 ")
    folder = lines.split()[-1]
    assert os.path.isdir(folder) and folder != str(data)
    lines = session.run("%call show() --cwd data --env A=x,B=y").stdout
    assert lines == f"staged\nx {data}\n"
    session.close()
    for _ in range(200):
        if not os.path.exists(folder):
            break
        time.sleep(0.05)
    assert not os.path.exists(folder)


def test_sizes_are_said_when_asked(session):
    session.value("double big[1000];\nbig[7] = 1;\ndouble f(void) { return big[7]; }")
    assert not session.run("%call f()").stderr
    text = session.run("%call f() --verbose").stderr
    assert "sends 'big' (8 kB)" in text and "brought back" in text


def test_a_redefined_executor_ends_its_jobs(session):
    session.value(BUSY)
    session.value("%executor mine = local --workers=1")
    session.value("%call busy(1) --on mine --async a")
    session.value("%executor mine = local --workers=2")
    cell = session.run("%wait a")
    assert cell.status == "error" and "executor was ended" in cell.message
    assert session.value("%call 1 + 1 --on mine") == "2"


def test_sigkill_of_the_kernel_ends_async_tasks(kernelspec, tmp_path):
    session = Session(tmp_path)
    session.value("#include <unistd.h>\n#include <stdio.h>\nint f(void)\n{\n    printf(\"pid %d\\n\", "
                  "getpid());\n    for (;;)\n        ;\n}")
    session.value("%call f() --async a")
    while "pid" not in (text := session.run("%logs a").stdout):
        time.sleep(0.05)
    pid = int(text.split()[1])
    os.kill(session.manager.provisioner.process.pid, signal.SIGKILL)
    for _ in range(200):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        raise AssertionError(f"{pid} still runs")
    session.close()
