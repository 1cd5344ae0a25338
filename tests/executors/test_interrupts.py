# SPDX-License-Identifier: BSD-3-Clause
"""An interrupt ends the cell that it was sent behind, whatever the cell is doing then: being
received, analysed or compiled, collecting values, waiting for a pool, a job, or its result."""
import time

import pytest

STUCK = """
int stuck(int x)
{
    for (volatile int i = x; i >= 0;)
        ;
    return x;
}
int quick(int x) { return x + 1; }
"""
LIST = """
#include <stdlib.h>
struct node { struct node *next; int value; } *list;
for (int i = 0; i < 400000; i++) {
    struct node *node = malloc(sizeof(*node));
    node->next = list;
    node->value = i;
    list = node;
}
int length(void)
{
    int n = 0;
    for (struct node *node = list; node; node = node->next)
        n++;
    return n;
}
"""


def interrupt_behind(session, code, delay):
    sent = session.send(code)
    end = time.perf_counter() + delay
    while time.perf_counter() < end:
        pass
    session.interrupt()
    return session.finish(sent, seconds=20)


@pytest.mark.parametrize("code", ["%call stuck(1)", "quick(2);\n%call stuck(1)",
                                  "%call stuck(1) --async once\n%wait once"])
def test_an_interrupt_right_behind_a_cell_ends_it(session, code):
    session.value(STUCK)
    session.value("%call quick(1)")
    for i in range(40):
        cell = interrupt_behind(session, code.replace("once", f"job{i}"), i % 20 / 1000)
        assert cell.name == "Interrupted", (i, cell)
        if "--async" in code:  # which may have begun, and was not waited for yet
            session.run(f"%cancel job{i}")
    assert session.value("%call quick(41)") == "42"


def test_an_interrupt_while_values_are_collected(session):
    session.value(LIST)
    assert session.value("%call length()") == "400000"
    names = {interrupt_behind(session, "%call length()", i / 120).name for i in range(12)}
    assert names <= {"Interrupted", ""}, names
    assert "Interrupted" in names
    assert session.value("%call length()") == "400000"


def test_an_interrupt_of_nothing_is_for_nobody(session):
    session.value(STUCK)
    for _ in range(25):
        session.interrupt()
        assert session.value("%call quick(1)") == "2"
    session.interrupt()
    reply = session.client.complete("qui", reply=True, timeout=20)
    assert "quick" in reply["content"]["matches"]
