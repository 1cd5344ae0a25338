# SPDX-License-Identifier: BSD-3-Clause
"""The value of a last expression, shown by its type."""
import pytest

SETUP = """
enum colour { RED, GREEN = 5, BLUE };
struct point { int x, y; };
struct line { struct point from, to; const char *name; };
int numbers[4] = {1, 2, 3, 4};
struct line line = {{0, 1}, {2, 3}, "edge"};
"""


@pytest.mark.parametrize("expression, value", [
    ("1 == 1", "1"), ("(_Bool)1", "true"), ("'x'", "120"), ("(char)'x'", "'x' (120)"),
    ("(char)'\\n'", "'\\n' (10)"), ("(unsigned char)200", "200"), ("1.5f", "1.5"), ("0.1", "0.1"),
    ("1e300 * 1e10", "inf"), ("-0.0", "-0.0"), ("18446744073709551615UL", "18446744073709551615"),
    ("-9223372036854775807L - 1", "-9223372036854775808"), ("1.0L / 4", "0.25"),
    ("BLUE", "6"), ("(enum colour)5", "GREEN"), ("(enum colour)99", "(enum colour)99"),
    ('"text"', '"text"'), ('(char *)0', "NULL"), ('"a\\"b\\n"', '"a\\"b\\n"'),
    ("numbers", "{1, 2, 3, 4}"), ("line.to", "{.x = 2, .y = 3}"),
    ("line", '{.from = {.x = 0, .y = 1}, .to = {.x = 2, .y = 3}, .name = "edge"}'),
])
def test_value(shared_session, expression, value):
    shared_session.run(SETUP)
    assert shared_session.value(expression) == value


def test_pointers(shared_session):
    shared_session.run(SETUP)
    assert "{.x = 0, .y = 1}" in shared_session.value("&line.from")
    assert "0x10" in shared_session.value("(int *)16")


def test_function_is_named(shared_session):
    shared_session.run("int shown(int x) { return x; }")
    assert "shown" in shared_session.value("shown")


def test_void_has_no_value(shared_session):
    cell = shared_session.run("(void)1")
    assert cell.is_ok and cell.value is None


def test_no_value_with_a_semicolon(shared_session):
    assert shared_session.run("1 + 1;").value is None


def test_long_values_are_cut(shared_session):
    text = shared_session.value("int many[100000];\nmany")
    assert len(text) < 70000 and "more" in text
