# SPDX-License-Identifier: BSD-3-Clause
"""Random redefinitions in random order, compared with a model: what gcc makes of the newest
definitions in one file, with the values that live variables must have.

    ACHAR_STEPS=5000 ACHAR_SEED=7 pytest tests/cells/test_redefinition_random.py
"""
import os
import random
import subprocess

import pytest

STEPS = int(os.environ.get("ACHAR_STEPS", 60))
SEEDS = [int(seed) for seed in os.environ.get("ACHAR_SEED", "1 2 3").split()]
NUMBERS = ["int", "long", "short", "unsigned", "double", "float"]
CHECK_EVERY = 10


class Model:
    """The newest definitions, and what live variables hold."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.macros = {f"M{i}": i + 1 for i in range(3)}
        self.enums = {f"e{i}": [f"E{i}_A", f"E{i}_B"] for i in range(2)}
        self.typedefs = {f"t{i}": "int" for i in range(2)}
        self.structs = {f"s{i}": {"a": "int"} for i in range(3)}
        self.variables = {f"v{i}": ("int", i) for i in range(4)}
        self.objects = {}   # variable: (struct, {field: value})
        self.lists = {}     # head variable: struct, all nodes hold the same fields
        self.functions = {}  # name: (result, parameters, body with macros of its time, text)
        for i in range(3):
            self.objects[f"o{i}"] = (f"s{i}", {"a": i + 10})
        self.lists = {"s0": [{"a": k} for k in range(4)]}

    # ---- text of definitions -----------------------------------------------------------

    def struct_text(self, name):
        fields = "".join(f" {kind} {field};" for field, kind in self.structs[name].items())
        return f"struct {name} {{{fields} struct {name} *next; }};"

    def enum_text(self, name):
        return f"enum {name} {{ {', '.join(self.enums[name])} }};"

    def start(self):
        parts = ["#include <stdlib.h>"]
        parts += [f"#define {name} {value}" for name, value in self.macros.items()]
        parts += [self.enum_text(name) for name in self.enums]
        parts += [f"typedef {kind} {name};" for name, kind in self.typedefs.items()]
        parts += [self.struct_text(name) for name in self.structs]
        parts += [f"{kind} {name} = {value};" for name, (kind, value) in self.variables.items()]
        parts += [f"struct {of} {name}; struct {of} *p_{name} = &{name}; {name}.a = {values['a']};"
                  for name, (of, values) in self.objects.items()]
        parts += ["struct s0 *head_s0;",
                  "for (int k = 3; k >= 0; k--) { struct s0 *n = calloc(1, sizeof *n); "
                  "n->a = k; n->next = head_s0; head_s0 = n; }"]
        return "\n".join(parts)

    # ---- steps: each changes the model and yields a cell ---------------------------------

    def step(self):
        kinds = [self.redefine_struct, self.redefine_function, self.redefine_function,
                 self.redefine_function, self.redefine_variable, self.redefine_macro,
                 self.redefine_enum, self.redefine_typedef, self.assign]
        return self.random.choice(kinds)()

    def redefine_struct(self):
        name = self.random.choice(list(self.structs))
        old = self.structs[name]
        fields = {"a": self.random.choice(["int", "long", "double"])}
        for field in "bcd":
            if self.random.random() < 0.5:
                fields[field] = self.random.choice(NUMBERS)
        order = list(fields)
        self.random.shuffle(order)
        self.structs[name] = {field: fields[field] for field in order}

        def carried(values):
            return {field: values[field] if field in old else 0 for field in fields}
        for variable, (of, values) in self.objects.items():
            if of == name:
                self.objects[variable] = (of, carried(values))
        for of, nodes in self.lists.items():
            if of == name:
                self.lists[of] = [carried(values) for values in nodes]
        return self.struct_text(name)

    def expression(self, depth=0):
        choose = self.random.random()
        if choose < 0.25 or depth > 2:
            return str(self.random.randrange(1, 9))
        if choose < 0.4:
            return f"(int){self.random.choice(list(self.variables))}"
        if choose < 0.5:
            return f"(int){self.random.choice(list(self.objects))}.a"
        if choose < 0.6:
            return f"(int)p_{self.random.choice(list(self.objects))}->a"
        if choose < 0.7:
            name = self.random.choice(list(self.enums))
            return f"(int)E{name[1:]}_{self.random.choice('AB')}"
        if choose < 0.8:
            return f"(int)(({self.random.choice(list(self.typedefs))})7 / 2 * 2)"
        if choose < 0.85:
            return f"(int)sizeof(struct {self.random.choice(list(self.structs))})"
        return f"({self.expression(depth + 1)} + {self.expression(depth + 1)})"

    def redefine_function(self):
        """It may call functions with a lower number, so that nothing recurses."""
        number = self.random.randrange(8)
        name = f"f{number}"
        parameters = [self.random.choice(["int", "long", "double"])
                      for _ in range(self.random.randrange(3))]
        old = self.functions.get(name)
        if old and self.random.random() < 0.5:
            parameters = old[1]
        result = self.random.choice(["int", "long", "double"])
        body = self.expression()
        for i in range(len(parameters)):
            body += f" + (int)p{i}"
        macro = self.random.choice(list(self.macros))
        frozen, now = body + f" + {self.macros[macro]}", body + f" + {macro}"
        for other in list(self.functions):
            if int(other[1:]) < number and self.random.random() < 0.4:
                call = f" + (int){other}({', '.join('2' for _ in self.functions[other][1])})"
                frozen, now = frozen + call, now + call
        declared = ", ".join(f"{kind} p{i}" for i, kind in enumerate(parameters)) or "void"
        head = f"{result} {name}({declared}) "
        old_count = len(old[1]) if old else len(parameters)
        self.functions[name] = (result, parameters, head + f"{{ return {frozen}; }}",
                                self.calls(frozen))
        text = head + f"{{ return {now}; }}"
        if old_count != len(parameters):  # callers in the old number must be written again
            text += "\n" + "\n".join(self.drop_callers(name))
        return text

    @staticmethod
    def calls(body):
        return {f"f{i}" for i in range(8) if f"f{i}(" in body}

    def drop_callers(self, name):
        """Callers with another number of arguments become constants, and theirs stay."""
        for other, (result, parameters, _, calls) in list(self.functions.items()):
            if name in calls:
                declared = ", ".join(f"{kind} p{i}" for i, kind in enumerate(parameters))
                text = f"{result} {other}({declared or 'void'}) {{ return 5; }}"
                self.functions[other] = (result, parameters, text, set())
                yield text

    def redefine_variable(self):
        name = self.random.choice(list(self.variables))
        kind, value = self.random.choice(NUMBERS), self.random.randrange(100)
        self.variables[name] = (kind, value)
        return f"{kind} {name} = {value};"

    def redefine_macro(self):
        name = self.random.choice(list(self.macros))
        self.macros[name] = self.random.randrange(1, 50)
        return f"#undef {name}\n#define {name} {self.macros[name]}"

    def redefine_enum(self):
        """The same names in another order, and new ones between them."""
        name = self.random.choice(list(self.enums))
        number = name[1:]
        names = [f"E{number}_A", f"E{number}_B"]
        names += [f"E{number}_X{k}" for k in range(self.random.randrange(3))]
        self.random.shuffle(names)
        self.enums[name] = names
        return self.enum_text(name)

    def redefine_typedef(self):
        name = self.random.choice(list(self.typedefs))
        self.typedefs[name] = self.random.choice(["int", "long", "double"])
        return f"typedef {self.typedefs[name]} {name};"

    def assign(self):
        name = self.random.choice(list(self.objects))
        of, values = self.objects[name]
        field = self.random.choice(list(values))
        values[field] = self.random.randrange(100)
        return f"p_{name}->{field} = {values[field]};"

    # ---- what must come out --------------------------------------------------------------

    def probes(self):
        found = [f"(long){name}({', '.join('3' for _ in parameters)})"
                 for name, (_, parameters, _, _) in sorted(self.functions.items())]
        found += [f"(long){name}" for name in self.variables]
        for name, (_, values) in self.objects.items():
            found += [f"(long){name}.{field} + (p_{name} == &{name})" for field in values]
        for of, nodes in self.lists.items():
            for k in range(len(nodes)):
                found += [f"(long)head_{of}{'->next' * k}->{field}" for field in nodes[k]]
        return found

    def program(self):
        parts = ["#include <stdio.h>"]
        parts += [self.enum_text(name) for name in self.enums]
        parts += [f"typedef {kind} {name};" for name, kind in self.typedefs.items()]
        parts += [self.struct_text(name) for name in self.structs]
        parts += [f"{kind} {name} = {value};" for name, (kind, value) in self.variables.items()]
        for name, (of, values) in self.objects.items():
            fields = ", ".join(f".{field} = {value}" for field, value in values.items())
            parts += [f"struct {of} {name} = {{{fields}}}, *p_{name} = &{name};"]
        for of, nodes in self.lists.items():
            for k in reversed(range(len(nodes))):
                fields = "".join(f".{field} = {value}, " for field, value in nodes[k].items())
                after = f"&node_{of}_{k + 1}" if k + 1 < len(nodes) else "0"
                parts += [f"struct {of} node_{of}_{k} = {{{fields} .next = {after}}};"]
            parts += [f"struct {of} *head_{of} = &node_{of}_0;"]
        parts += [text for _, (_, _, text, _) in sorted(self.functions.items())]
        body = " ".join(f'printf("%ld\\n", {probe});' for probe in self.probes())
        return "\n".join(parts) + f"\nint main(void) {{ {body} }}\n"


def expected(model, folder):
    source = folder / "model.c"
    source.write_text(model.program())
    subprocess.run(["gcc", "-w", "-o", folder / "model", source], check=True, timeout=60)
    return subprocess.run([folder / "model"], capture_output=True, text=True, check=True,
                          timeout=60).stdout.split()


def compare(session, model, folder, history):
    probes = model.probes()
    cell = session.run("#include <stdio.h>\n" +
                       "\n".join(f'printf("%ld\\n", {probe});' for probe in probes))
    assert cell.is_ok, cell.traceback + "\n".join(history[-CHECK_EVERY:])
    wrong = [(probe, got, want) for probe, got, want in
             zip(probes, cell.stdout.split(), expected(model, folder), strict=True)
             if got != want]
    assert not wrong, "\n".join(map(str, wrong)) + "\n" + "\n".join(history[-40:])


@pytest.mark.parametrize("seed", SEEDS)
def test_random_redefinitions(session, seed, tmp_path):
    model = Model(seed)
    session.value(model.start())
    history = []
    for i in range(STEPS):
        text = model.step()
        history.append(text)
        cell = session.run(text)
        assert cell.is_ok and "cannot follow" not in cell.stderr, (
            cell.traceback + cell.stderr + "\n" + "\n".join(history[-40:]))
        if i % CHECK_EVERY == CHECK_EVERY - 1:
            compare(session, model, tmp_path, history)
