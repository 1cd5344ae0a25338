# SPDX-License-Identifier: BSD-3-Clause
"""Reading: whatever reads asks the front end, once a line."""
import time

import pytest

HEADERS = ("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n"
           "#include <termios.h>\n#include <poll.h>\n#include <sys/select.h>\n#include <pthread.h>")
EOF = "\x04"


@pytest.fixture(scope="module")
def reading(kernelspec, tmp_path_factory):
    """One session for all that leaves nothing behind."""
    from session import Session
    opened = Session(tmp_path_factory.mktemp("stdin"))
    opened.value(HEADERS)
    yield opened
    opened.close()


def ask(session, code, *answers):
    """The cell, which must have asked as often as there are answers."""
    cell = session.run(code, answers=answers)
    assert cell.is_ok, cell.traceback
    assert len(cell.prompts) == len(answers), cell.prompts
    return cell


@pytest.mark.parametrize("code, answers, prompts, value", [
    ('int a, b;\nprintf("two numbers: ");\nscanf("%d%d", &a, &b);\na * b',
     ["6 7"], ["two numbers: "], "42"),
    ('int c, d;\nscanf("%d", &c);\nscanf("%d", &d);\nc - d', ["9 4"], [""], "5"),
    ('int e, f;\nscanf("%d", &e);\nprintf("next? ");\nscanf("%d", &f);\ne - f',
     ["9", "4"], ["", "next? "], "5"),
    ('int n = 0;\nwhile (getchar() != \'\\n\') n++;\nn', ["five!"], [""], "5"),
    ('char l[99];\nprintf("first\\nname: ");\nfgets(l, sizeof l, stdin);\nstrlen(l)',
     ["Zoë"], ["name: "], "5"),
    ('char *g = NULL;\nsize_t z = 0;\ngetline(&g, &z, stdin)', ["x" * 50000], [""], "50001"),
    ('char r[99];\nprintf("raw? ");\nread(0, r, sizeof r)', ["abc"], ["raw? "], "4"),
    ('char y[9];\nprintf("program? ");\nsystem("read x")', ["abc"], ["program? "], "0"),
    ('char s[99];\nread(0, s, sizeof s) + read(0, s, sizeof s)', ["abc\nde"], [""], "7"),
    ('char m[99];\nputs("no prompt");\nfgets(m, sizeof m, stdin);\nstrlen(m)', [""], [""], "1"),
])
def test_ways_to_read(reading, code, answers, prompts, value):
    cell = ask(reading, code, *answers)
    assert cell.value == value
    assert cell.prompts == prompts


def test_shell_commands_read(reading):
    cell = ask(reading, "!echo -n 'name: '; read n; echo \"hello $n\"; head -n 1", "Zoë", "more")
    assert cell.prompts == ["name: ", ""] and cell.stdout == "hello Zoë\nmore\n"
    cell = ask(reading, "!stty -echo; echo -n 'word: ' >&2; read w; echo ${#w}", "secret")
    assert cell.prompts == ["word: *"] and cell.stdout == "6\n"
    assert ask(reading, "!cat; echo end", "one", EOF).stdout == "one\nend\n"
    assert reading.run("!cat; echo end", allow_stdin=False).stdout == "end\n"
    cell = reading.run("!cat", answers=[reading.interrupt])
    assert cell.name == "Interrupted"


def test_the_prompt_is_not_printed_as_well(reading):
    cell = ask(reading, 'printf("above\\nname: ");\ngetchar();\nprintf("below\\n");', "x")
    assert (cell.prompts, cell.stdout) == (["name: "], "above\nbelow\n")


def test_a_prompt_on_stderr(reading):
    cell = ask(reading, 'fprintf(stderr, "who? ");\ngetchar()', "x")
    assert (cell.prompts, cell.stderr) == (["who? "], "")


def test_hidden_input(reading):
    cell = ask(reading, 'char *p = getpass("Password: ");\nstrcmp(p, "secret")', "secret")
    assert (cell.prompts, cell.value) == (["Password: *"], "0")
    assert "secret" not in cell.stdout + cell.stderr
    assert ask(reading, "getchar()", "x").prompts == [""]


@pytest.mark.parametrize("command, answers, output", [
    ("read x; echo got $x", ["it"], "got it\n"),
    ("head -1", ["a line"], "a line\n"),
    ("cat", ["one", "two", EOF], "one\ntwo\n"),
    ("sh -c 'sh -c \\\"read x; echo \\\\$x\\\"'", ["deep"], "deep\n"),
    ("python3 -c 'print(input()[::-1])'", ["abc"], "cba\n"),
])
def test_programs_that_read(reading, command, answers, output):
    assert ask(reading, f'system("{command}");', *answers).stdout == output


def test_a_program_that_asks_for_a_password(reading):
    cell = ask(reading, "system(\"python3 -c 'import getpass; print(len(getpass.getpass()))'\");",
               "four")
    assert cell.stdout.endswith("4\n") and cell.prompts[0].endswith("*")


def test_end_of_input(reading):
    code = 'int v, sum = 0;\nwhile (scanf("%d", &v) == 1) sum += v;\nsum'
    assert ask(reading, code, "1 2", "3", EOF).value == "6"
    assert ask(reading, "getchar()", "^D").value == "-1"
    assert ask(reading, "getchar()", "x").value == "120"
    assert ask(reading, "char t[9];\nread(0, t, 9) * 10 + read(0, t, 9)",
               "abc" + EOF, EOF).value == "30"


def test_what_is_not_read_is_gone(reading):
    assert ask(reading, "getchar()", "rest of the line\nand more").value == "114"
    assert ask(reading, "getchar()", "z").value == "122"


def test_characters_that_a_terminal_would_eat(reading):
    code = "char k[99];\nint w = read(0, k, 99);\nw * 1000 + k[0] * 100 + k[w - 2]"
    assert ask(reading, code, "\x03\x16\x15\x7f\x1a\x0d").value == str(7 * 1000 + 300 + 13)


def test_interrupt_at_the_prompt(reading):
    cell = reading.run("int kept = 5;\ngetchar();\nkept = 6;", answers=[reading.interrupt])
    assert (cell.name, cell.prompts) == ("Interrupted", [""])
    assert reading.value("kept") == "5"
    assert ask(reading, 'scanf("%*s")', "x").value == "0"


def test_interrupt_while_a_program_asks(reading):
    cell = reading.run('system("cat");', answers=[reading.interrupt])
    assert cell.name == "Interrupted"
    assert ask(reading, "getchar()", "y").value == "121"


@pytest.mark.parametrize("code", ["getchar();", 'system("cat");', 'char b[9];\nread(0, b, 9);'])
def test_a_front_end_without_input(reading, code):
    cell = reading.run('printf("prompt: ");\nint told = 1;\n' + code + "\ntold = 2;",
                       allow_stdin=False)
    assert cell.name == "StdinNotImplementedError"
    assert "does not allow input" in cell.message
    assert cell.stdout == "prompt: " and cell.prompts == []
    assert reading.value("told") == "1"


def test_poll_and_select(reading):
    poll = ('struct pollfd on = {0, POLLIN, 0};\nint ready = poll(&on, 1, -1);\n'
            'char u[9];\nready * 10 + read(0, u, 9)')
    assert ask(reading, poll, "ab").value == "13"
    select = ('fd_set set;\nFD_ZERO(&set);\nFD_SET(0, &set);\n'
              'int many = select(1, &set, NULL, NULL, NULL);\nmany * 10 + read(0, u, 9)')
    assert ask(reading, select, "ab").value == "13"
    assert reading.value("on.fd = 0;\npoll(&on, 1, 50)") == "0"


def test_a_thread_that_reads(reading):
    reading.value("void *get(void *to) { *(int *)to = getchar(); return NULL; }")
    assert ask(reading, "int got;\npthread_t t;\npthread_create(&t, NULL, get, &got);\n"
               "pthread_join(t, NULL);\ngot", "A").value == "65"


def test_it_is_a_terminal(reading):
    assert reading.value("isatty(0) + !isatty(1)") == "2"
    cell = ask(reading, "struct termios old, raw;\ntcgetattr(0, &old);\nraw = old;\ncfmakeraw(&raw);"
               "\ntcsetattr(0, TCSANOW, &raw);\nchar key = getchar();\n"
               "tcsetattr(0, TCSANOW, &old);\nkey", "k")
    assert cell.value.startswith("107") or "'k'" in cell.value


def test_what_is_written_to_the_terminal_is_shown(reading):
    cell = ask(reading, 'write(0, "a? ", 3);\nusleep(50000);\ngetchar();\nwrite(0, "b\\n", 2);\n'
               'usleep(50000);', "x")
    assert (cell.prompts, cell.stdout) == (["a? "], "a? b\n")


def test_settings_of_a_cell_that_failed(reading):
    code = ("struct termios quiet;\ntcgetattr(0, &quiet);\nquiet.c_lflag &= ~ECHO;\n"
            "tcsetattr(0, TCSANOW, &quiet);\ngetchar();")
    assert reading.run(code, answers=[reading.interrupt]).prompts == ["*"]
    assert ask(reading, "getchar()", "x").prompts == [""]


def test_after_a_fault(session):
    session.value("#include <stdio.h>\n#include <signal.h>")
    session.run("raise(SIGKILL);")
    assert ask(session, "getchar()", "x").value == "120"


def test_stdin_that_was_closed(reading):
    reading.run("fclose(stdin);")
    assert ask(reading, "getchar()", "c").value == "99"
    reading.run("close(0);")
    assert ask(reading, "getchar()", "d").value == "100"


def test_late_and_foreign_answers(reading):
    reading.client.input("late")
    other = reading.manager.blocking_client()
    other.start_channels()
    other.wait_for_ready(timeout=30)
    cell = ask(reading, "getchar()", lambda: (other.input("foreign"), time.sleep(0.3),
                                              reading.client.input("own")))
    other.stop_channels()
    assert cell.value == "111"


def test_sleeping_is_not_reading(reading):
    assert reading.run("usleep(300000);").prompts == []
    assert reading.run('system("sleep 0.3");').prompts == []


def test_the_time_limit_stands_still_at_a_prompt(session):
    """Only the time of the cell counts, not that of the person."""
    session.value(HEADERS)

    def think():
        time.sleep(1.5)
        session.client.input("7")

    cell = session.run('%%limit time 1s\nint n;\nscanf("%d", &n);\nn', answers=[think])
    assert cell.value == "7", cell.traceback
    cell = session.run('%%limit time 300ms\nscanf("%d", &n);\nfor (;;) n++;', answers=[think])
    assert cell.name == "TimeLimit", cell.traceback
