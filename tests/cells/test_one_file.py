# SPDX-License-Identifier: BSD-3-Clause
"""Libraries that are one file, written as such libraries are: what their macros stand for,
and where what happens in them is said to be."""


def test_a_macro_declares_functions_before_they_are_defined(session):
    assert session.value(
        "#define API(type) __attribute__((visibility(\"default\"))) type\n"
        "API(int) is_even(int n);\n"
        "API(char *) name(int n) { return is_even(n) ? \"even\" : \"odd\"; }\n"
        "API(int) is_even(int n) { return n % 2 == 0; }\nname(3)") == '"odd"'
    assert session.value("is_even(4)") == "1"


def test_prototypes_may_have_the_name_in_parentheses(session):
    assert session.value("#define API extern\nAPI void (set)(int *, int);\n"
                         "int use(int v) { int n; set(&n, v); return n; }\n"
                         "API void set(int *to, int v) { *to = v; }\nuse(9)") == "9"


def test_static_behind_a_macro(session):
    assert session.value("#define local static\nlocal int twice(int);\n"
                         "int use(int n) { return twice(n); }\n"
                         "local int twice(int n) { return 2 * n; }\nuse(4)") == "8"
    assert session.value("local int base = 3, *at = &base;\n"
                         "local int next(void) { return ++*at; }\nnext()") == "4"
    assert session.value("use(5) + base") == "14"
    assert session.value("#define private_inline local inline\n"
                         "private_inline int thrice(int n) { return 3 * n; }\n"
                         "#undef local\nthrice(base)") == "12"


def test_inline_behind_a_macro(session):
    assert session.value(
        "#define FORCED __attribute__((always_inline)) inline\n"
        "static FORCED int more(int n) { return n + 1; }\n"
        "int use(int n) { return more(n); }\nuse(3)") == "4"
    assert session.value("more(6)") == "7"


def test_a_macro_that_becomes_nothing_hides_no_directive(session):
    assert session.value("#define DECLARE(what)\nDECLARE(int modes[3];)\n"
                         "#define mode(at) (modes[at] & 7)\nint modes[3] = {1, 2, 3};\n"
                         "int look(int at) { return mode(at); }\nlook(2)") == "3"


def test_a_fault_is_at_a_place_of_the_file(session, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "chain.c").write_text(
        "static int deep(int *p)\n{\n    return *p + 1;\n}\n"
        "int outer(int *p)\n{\n    int v = deep(p);\n    return v;\n}\n")
    assert session.run("%include parts/chain.c").is_ok
    wrong = session.run("outer((int *)0)")
    assert wrong.message == "read of address 0x0 (null pointer) in chain.c:3"
    assert "at deep (chain.c:3)\n  at outer (chain.c:7)\n  at (cell) (In[2]:1)" in (
        wrong.traceback)
    assert session.run("%opt now").is_ok
    again = session.run("outer((int *)0)")
    assert again.message == "read of address 0x0 (null pointer) in chain.c:3"
    checked = session.run("%%ubsan\nouter((int *)0)")
    assert "chain.c:3" in checked.message


def test_macros_in_front_of_an_include_are_seen_by_its_header(session):
    assert session.value("#define _GNU_SOURCE\n#define NDEBUG\n#include <assert.h>\n"
                         "#include <sys/mman.h>\n"
                         "int look(void) { assert(nonsense); return MREMAP_MAYMOVE; }\n"
                         "look()") == "1"
    assert session.value("mremap == 0") == "0"
    assert session.value("#define EOF 5\nEOF") == "5"


def test_a_file_of_code_is_never_put_into_every_unit(session, tmp_path):
    (tmp_path / "state.c").write_text("static int count;\nint next(void) { return ++count; }\n"
                                      "int wrong(void) { return missing; }\n")
    wrong = session.run("%include state.c")
    assert "state.c:3:26: error: use of undeclared identifier 'missing'" in wrong.traceback
    (tmp_path / "state.c").write_text("static int count;\nint next(void) { return ++count; }\n")
    assert session.value("%include state.c\nnext() + next()") == "3"
    assert session.value("next()") == "3"


def test_names_of_functions_whose_header_is_not_included_are_free(session):
    assert session.value("int index = 4; index + 1") == "5"
    assert session.value("#include <stdio.h>\nFILE *log; struct exp { int a; } exp = {5};\n"
                         "int use(void) { return index * exp.a; }\nuse()") == "20"
    assert session.value("%%cc gcc\nint abs[2] = {1, 2}; abs[1] + index") == "6"


def test_who_counts_what_files_have_brought(session, tmp_path):
    (tmp_path / "many.c").write_text("#define ONE 1\nint two(void) { return 2; }\n")
    assert session.run("%include many.c\nint own;").is_ok
    listed = session.run("%who").stdout
    assert " own " in listed and " two " not in listed and "2 more come from" in listed
    assert " two " in session.run("%who two").stdout
    assert "2 more come from" in session.run("%whos").stdout
