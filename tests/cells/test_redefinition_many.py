# SPDX-License-Identifier: BSD-3-Clause
"""A thousand different definitions, run out of order and again: every one means what was run
last, and callers that ran before follow."""
import random

DEFINITIONS = 1000
PER_CELL = 25
SEED = 11


class Model:
    """Cells of a notebook, what they define, and the values that must come out."""

    def __init__(self):
        self.random = random.Random(SEED)
        self.versions = [0] * DEFINITIONS

    def text(self, i):
        """Definition i: a function that calls others, a variable, a macro, a struct with a
        function that uses it, an enum; each carries its version."""
        value = self.own(i)
        if i % 5 == 0:
            callees = " + ".join(f"f{k}(x)" for k in self.callees(i)) or "0"
            declared = "".join(f"int f{k}(int); " for k in self.callees(i))
            return f"{declared}int f{i}(int x) {{ return x + {value} + {callees}; }}"
        return {1: f"int v{i} = {value};",
                2: f"#undef M{i}\n#define M{i} ({value})",
                3: (f"struct s{i} {{ {'double pad; ' * (self.versions[i] % 2)}int a; }};\n"
                    f"int g{i}(void) {{ struct s{i} s = {{.a = {value}}}; return s.a; }}"),
                4: f"enum e{i} {{ E{i} = {value} }};"}[i % 5]

    def own(self, i):
        return i * 3 + self.versions[i] * 1000

    @staticmethod
    def callees(i):
        return [i + 5 * k for k in (1, 7) if i + 5 * k < DEFINITIONS and i % 20 == 0]

    def value(self, i):
        """Of the expression that shows definition i."""
        if i % 5:
            return self.own(i)
        return 1 + self.own(i) + sum(self.value(k) for k in self.callees(i))

    @staticmethod
    def shown(i):
        return {0: f"f{i}(1)", 1: f"v{i}", 2: f"M{i}", 3: f"g{i}()", 4: f"E{i}"}[i % 5]

    def run(self, session, cell):
        text = "\n".join(self.text(i) for i in self.members(cell))
        ran = session.run(text)
        assert ran.is_ok, ran.traceback

    @staticmethod
    def members(cell):
        return range(cell, DEFINITIONS, DEFINITIONS // PER_CELL)

    def check(self, session, sample):
        chosen = self.random.sample(range(DEFINITIONS), sample)
        shown = " + ".join(f"(long long){self.shown(i)} * {n + 1}" for n, i in enumerate(chosen))
        expected = sum(self.value(i) * (n + 1) for n, i in enumerate(chosen))
        assert session.value(shown) == str(expected), chosen


def test_a_thousand_definitions(session):
    model = Model()
    cells = list(range(DEFINITIONS // PER_CELL))
    model.random.shuffle(cells)
    for cell in cells:
        model.run(session, cell)
    model.check(session, 200)
    for _ in range(3):
        model.random.shuffle(cells)
        for cell in cells[:12]:
            for i in model.members(cell):
                model.versions[i] += model.random.random() < 0.6
            model.run(session, cell)
        model.check(session, 200)
    who = session.run("%who").stdout
    assert all(name in who for name in ("f995", "v1", "g3", "M992"))
    assert session.run("int f0(int x) { return *(int *)0; }\nf0(1)").status == "error"
    model.check(session, 100)
