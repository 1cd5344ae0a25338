# SPDX-License-Identifier: BSD-3-Clause
"""Names that come and go: %who, %whos, %undef, %reset, and cells that are edited."""


def rerun(session, code, cell_id, deleted=()):
    """Runs a cell as JupyterLab sends it."""
    message = session.client.session.msg(
        "execute_request",
        {"code": code, "silent": False, "store_history": True, "user_expressions": {},
         "allow_stdin": False, "stop_on_error": True},
        metadata={"cellId": cell_id, "deletedCells": list(deleted)})
    session.client.shell_channel.send(message)
    return session.finish(message["header"]["msg_id"])


START = """int n = 5; struct pair { int x, y; } p = {1, 2};
#define K 3
int helper(int a) { static int calls; return a + calls++; }
int f(void) { return helper(K); }"""


def lines(cell):
    return {line.split()[0]: line
            for line in cell.displays[0]["text/plain"].splitlines()[1:]}


def test_who_takes_kinds_and_patterns(session):
    session.value(START)
    assert "helper" in session.run("%who functions").stdout
    assert "pair" not in session.run("%who functions").stdout
    assert session.run("%who h*").stdout.splitlines()[1:] == [
        line for line in session.run("%who").stdout.splitlines() if " helper " in line]
    assert "nothing of that" in session.run("%who x*").stdout
    wrong = session.run("%who fonction")
    assert not wrong.is_ok and "did you mean 'function'" in wrong.message


def test_whos(session):
    session.value(START)
    session.value("double m[2][2] = {{1, 2}, {3, 4}}; char *s = \"text\";")
    rows = lines(session.run("%whos"))
    assert rows["n"].split()[1:] == ["variable", "int", "4", "In[1]", "5"]
    assert rows["p"].endswith("{.x = 1, .y = 2}") and " 8 " in rows["p"]
    assert rows["helper"].split()[-2:] == ["1", "In[1]"]  # used by f
    assert rows["m"].endswith("{{1.0, 2.0}, {3.0, 4.0}}") and " 32 " in rows["m"]
    assert '"text"' in rows["s"]
    assert rows["K"].endswith("3")
    table = session.run("%whos m").displays[0]["text/html"]
    assert table.count("<tr>") == 2 and ">double[2][2]</td>" in table
    session.value("int many[100]; many[0] = 1;")
    assert len(lines(session.run("%whos many"))["many"]) <= 110


def test_undef(session):
    session.value(START)
    used = session.run("%undef helper")
    assert used.name == "NameInUse" and "'f' (In[1])" in used.message
    assert session.value("f()") == "3"
    assert session.run("%undef helper f K n").is_ok
    for name in ("helper(1)", "f()", "K", "n"):
        gone = session.run(name)
        assert gone.name == "CompileError" and "undeclared" in gone.message, gone
    assert "NameError" in session.run("%undef n").traceback
    assert session.value("double n = 2.5;\nn") == "2.5"
    assert session.value("int helper(int a) { return 10 * a; }\nhelper(2)") == "20"


def test_undef_by_force(session):
    session.value(START)
    assert session.run("%undef helper --force").is_ok
    assert "'helper' is declared but not defined" in session.run("f()").message
    assert session.value("int helper(int a) { return -a; }\nf()") == "-3"


def test_what_is_forgotten_stays_forgotten(session):
    """Also when the process that analyses, or the one that runs cells, is a new one."""
    session.value(START)
    assert session.run("%undef n K").is_ok
    assert not session.run("-" * 200000 + "1").is_ok
    assert session.run("#define M(x) (x)\n" + "M(" * 3000 + "1" + ")" * 3000).status
    assert "undeclared" in session.run("n").message
    assert "undeclared" in session.run("K").message
    session.run("__builtin_trap();")
    session.run("_exit(3);")
    assert session.run("#include <signal.h>\n#include <unistd.h>\nkill(getpid(), SIGKILL);")
    assert "undeclared" in session.run("n").message
    assert session.value("f()") == "3"


def test_reset_variables(session):
    session.value(START)
    session.value("n = 100; p.x = 7;")
    assert session.run("%reset variables").is_ok
    assert session.value("n") == "5"
    assert session.value("p") == "{.x = 1, .y = 2}"


def test_reset(session):
    session.value("#include <math.h>\n" + START)
    assert session.run("%reset -f").is_ok
    assert session.run("%who").stdout == "nothing is defined\n"
    assert "undeclared" in session.run("n").message
    assert session.value("int n = 1;\nn") == "1"
    assert session.run("%reset twice").name == "UsageError"


def test_reset_leaves_settings(session, tmp_path):
    """Flags and libraries are no definitions; `all` is all."""
    (tmp_path / "six.c").write_text("int six(void) { return 6; }")
    (tmp_path / "answer.h").write_text("#define ANSWER 42\n")
    assert session.run("%link six.c").is_ok
    assert session.value("int six(void); int n = six(); n") == "6"
    reset = session.run("%reset -f")
    assert "%undo cannot take this back" in reset.stdout and "stay" in reset.stdout
    assert "undeclared" in session.run("n").message
    assert session.value("int six(void);\nsix()") == "6"
    assert session.run("%reset all").is_ok
    session.run("int six(void);")
    assert session.run("six()").name == "UndefinedFunction"
    assert session.run("%undo").stdout.endswith("undone\n")


def test_edited_cell(session):
    """What the new text lacks and nothing uses is forgotten, variables are kept."""
    first = "int old(void) { return 1; }\nint used(void) { return 2; }\nint state = 3;"
    assert rerun(session, first, "a").is_ok
    assert rerun(session, "int user(void) { return used(); }", "b").is_ok
    edited = rerun(session, "int new(void) { return 4; }", "a")
    assert edited.is_ok
    assert "'old' is no longer in its cell and forgotten" in edited.stderr
    assert "'used' is no longer in its cell; 'user' (In[2]) still uses it" in edited.stderr
    assert "undeclared" in session.run("old()").message
    assert session.value("user() + state") == "5"
    rows = lines(session.run("%whos"))
    assert "(cell edited)" in rows["state"] and "(cell edited)" in rows["used"]
    assert "(cell" not in rows["user"] and "(cell" not in rows["new"]


def test_edited_cell_that_fails_changes_nothing(session):
    assert rerun(session, "int f(void) { return 1; }", "a").is_ok
    assert not rerun(session, "int g(void) { return x; }", "a").is_ok
    assert session.value("f()") == "1"
    again = rerun(session, "int f(void) { return 2; }", "a")
    assert again.is_ok and not again.stderr
    assert session.value("f()") == "2"


def test_types_that_are_defined_as_before_stay(session):
    text = "struct s { int a; };\n#define K 4\nint f(struct s *s) { return s->a * K; }"
    assert rerun(session, text, "a").is_ok
    again = rerun(session, text + "\nint g;", "a")
    assert again.is_ok and not again.stderr
    assert "edited" not in session.run("%who").stdout


def test_text_that_moved_to_another_cell(session):
    assert rerun(session, "int f(void) { return 1; }\nint g(void) { return 2; }", "a").is_ok
    assert rerun(session, "int g(void) { return 3; }", "b").is_ok
    again = rerun(session, "int f(void) { return 1; }", "a")
    assert again.is_ok and not again.stderr
    assert session.value("g()") == "3"


def test_deleted_cell(session):
    """Deleting a cell deletes no state; it is shown."""
    assert rerun(session, "int f(void) { return 1; }", "a").is_ok
    assert rerun(session, "int n = 2;", "b", deleted=["a", "unknown"]).is_ok
    assert session.value("f()") == "1"
    assert "(cell deleted)" in lines(session.run("%whos"))["f"]
    assert "(cell" not in lines(session.run("%whos"))["n"]
    assert rerun(session, "int f(void) { return 1; }", "a").is_ok
    assert "deleted" not in session.run("%whos").displays[0]["text/plain"]


def test_a_macro_is_popped(session):
    """As a definition of the session too, not only inside of the cell."""
    assert session.value('#define M 1\n#pragma push_macro("M")\n#undef M\n#define M \\\n 2\n'
                         '#pragma push_macro("M")\n#define M 3\nint a = M;\n'
                         '#pragma pop_macro("M")\nint b = M;\n#pragma pop_macro("M")\n'
                         "a * 100 + b * 10 + M") == "321"
    assert session.value("M") == "1"
    assert session.run('#pragma push_macro("NEW")\n#define NEW 5\nint five = NEW;\n'
                       '#pragma pop_macro("NEW")').is_ok
    assert session.value("#ifdef NEW\n1\n#else\nfive\n#endif") == "5"
