"""Random Python functions whose control flow depends on the values of tensors, as source text."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import weft

#: What programs read and change: tensors `S` (in place) and `W`, Python's own `FACTOR`.
STATE_SIZE = 3
_HEAD = "def program(x, y):\n    a, b = x * 1, y + 0\n"
_TAIL = "    return a, b, a.sum() - b.max()\n"


class _Writer:
    """Writes one program. All numbers stay small: what is added is damped by a tanh."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.counters = 0
        self.left = 14

    def write(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def name(self) -> str:
        return self.random.choice("ab")

    def tensor(self) -> str:
        first, second = self.name(), self.random.choice(["a", "b", "S", "W", "x", "y"])
        return self.random.choice(
            [
                f"{first} * 0.5 + {second}",
                f"weft.tanh({first}) - {second} * 0.25",
                f"weft.where({first} > 0, {second}, -{first})",
                f"weft.sort({first}) * FACTOR",
                f"{first} + weft.rand(3)",
                f"weft.flip({first}) + {second}[1]",
            ]
        )

    def condition(self, depth: int = 0) -> str:
        first, second = self.name(), self.random.choice(["a", "b", "S", "W"])
        bound = self.random.choice(["0", "0.5", "-1", "1.5"])
        choices = [
            f"{first}.sum() > {bound}",
            f"({first} > {second}).any()",
            f"{first}[0] < {second}[2]",
            f"bool(weft.max({first}) < {bound})",
            f"{first}.sum().item() > {bound}",
            f"int(weft.floor({first}[1])) % 2 == 0",
            f"{first}.tolist()[0] < {bound}",
        ]
        if depth < 1:
            left, right = self.condition(1), self.condition(1)
            choices += [f"({left}) and ({right})", f"({left}) or ({right})", f"not ({left})"]
        return self.random.choice(choices)

    def block(self, depth: int, in_loop: bool) -> None:
        for _ in range(self.random.randint(1, 3)):
            self.statement(depth, in_loop)

    def statement(self, depth: int, in_loop: bool) -> None:
        self.left -= 1
        if self.left < 0 or depth > 3 or self.random.random() < 0.5:
            self.simple(depth)
            return
        kind = self.random.choice(["if", "else", "while", "for", "for", "return", "raise"])
        if kind in ("if", "else"):
            self.write(depth, f"if {self.condition()}:")
            self.block(depth + 1, in_loop)
            if in_loop and self.random.random() < 0.3:
                self.write(depth + 1, self.random.choice(["break", "continue"]))
            if kind == "else":
                self.write(depth, "else:")
                self.block(depth + 1, in_loop)
        elif kind == "while":
            self.counters += 1
            counter = f"n{self.counters}"
            self.write(depth, f"{counter} = 0")
            self.write(depth, f"while {counter} < 4 and {self.condition(1)}:")
            self.write(depth + 1, f"{counter} += 1")
            self.block(depth + 1, True)
        elif kind == "for":
            self.counters += 1
            self.write(depth, f"for i{self.counters} in range({self.random.randint(1, 4)}):")
            self.block(depth + 1, True)
            self.write(depth + 1, f"if {self.condition(1)}:")
            self.write(depth + 2, "break")
        elif kind == "return":
            self.write(depth, f"if {self.condition(1)}:")
            self.write(depth + 1, f"return {self.name()} * 2, FACTOR")
        else:
            self.write(depth, f"if {self.name()}.sum() > 6:")
            self.write(depth + 1, "raise ValueError('too large')")

    def simple(self, depth: int) -> None:
        name = self.name()
        self.write(
            depth,
            self.random.choice(
                [
                    f"{name} = weft.tanh({self.tensor()})",
                    f"{name} = {self.tensor()}",
                    f"{name} *= 0.75",
                    f"{name}[1] = {self.name()}[0] * 0.5",
                    f"{name}[:2].add_(1)",
                    f"S.copy_(weft.tanh({self.tensor()}))",
                    f"S[0] = {name}[2] * 0.5",
                    f"{name} = {name} + float({self.name()}[0]) * 0.125",
                    f"{name} = {name} * len([v for v in {self.name()}.tolist() if v > 0])",
                ]
            ),
        )


def source_of(seed: int) -> str:
    writer = _Writer(seed)
    writer.block(1, False)
    while writer.left > 0:
        writer.statement(1, False)
    return _HEAD + "\n".join(writer.lines) + "\n" + _TAIL


def function_of(source: str) -> tuple[Any, dict[str, Any]]:
    """The function, and the variables that it reads and changes."""
    variables: dict[str, Any] = {
        "weft": weft,
        "S": weft.asarray(np.array([0.5, -0.25, 1.0], np.float32)),
        "W": weft.asarray(np.array([-0.5, 0.75, 0.1], np.float32)),
        "FACTOR": 0.5,
    }
    exec(compile(source, "program.py", "exec"), variables)
    return variables["program"], variables
