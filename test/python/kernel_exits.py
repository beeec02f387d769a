"""Random sources of kernels with loops, branches, and exits from them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import devices
import kernel_programs
import numpy as np
import weft

# Never reached: behind an exit there is no store, and no check of an index.
_TRAP = "blocks.store(out, p * 16, blocks.load(x, n + 1000000))"


class RandomExits:
    """Writes one source: numbers `a` and `b` and a block `v` go through it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.count = 0
        self.lines = [
            "def program(x, out, n, C):",
            "    p = blocks.program_id(0)",
            "    a = (p * 7 + n) % 11",
            "    b = (n + 3) % 5",
            "    v = (blocks.arange(C) + p) % 13",
        ]

    def source(self) -> str:
        """The whole source."""
        self.block(1, [], in_loop=False)
        self.lines += [
            "    blocks.store(out, p * 16 + 15, a + b)",
            "    blocks.store(out, p * 16 + blocks.arange(C), v, v % 2 == 0)",
        ]
        return "\n".join(self.lines) + "\n"

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def one_of(self, *texts: str) -> str:
        return str(self.rng.choice(texts))

    def condition(self, variables: list[str]) -> str:
        name = self.one_of("a", "b", "p", *variables)
        kinds = (
            f"({name} + {int(self.rng.integers(5))}) % 3 == 0",
            "a > b",
            "weft.sum(v) % 2 == 0",
            "n > 2",
            "C > 8",
        )
        return str(self.rng.choice(kinds, p=[0.5, 0.15, 0.15, 0.1, 0.1]))

    def block(self, depth: int, variables: list[str], in_loop: bool) -> None:
        for _ in range(int(self.rng.integers(1, 4 if depth < 4 else 2))):
            self.statement(depth, variables, in_loop)

    def statement(self, depth: int, variables: list[str], in_loop: bool) -> None:
        kind = self.rng.integers(9 if depth < 4 else 3)
        if kind < 2:
            self.line(
                depth,
                self.one_of(
                    "a = (a * 3 + b + 1) % 101",
                    "b = (b + a) % 53",
                    "v = (v * 2 + a) % 211",
                ),
            )
        elif kind == 2:
            self.line(depth, f"blocks.store(out, p * 16 + {int(self.rng.integers(16))}, a + b)")
        elif kind < 5:
            self.branch(depth, variables, in_loop)
        elif kind == 5 and in_loop and variables:
            name = variables[-1]
            self.line(depth, f"if {name} >= n:")
            self.line(depth + 1, self.one_of("break", "continue", "return"))
            self.line(depth, f"a = (a + blocks.load(x, {name})) % 101")
        else:
            self.loop(depth, variables)

    def exit(self, depth: int, in_loop: bool) -> None:
        names = ("break", "continue", "break", "continue", "return") if in_loop else ("return",)
        self.line(depth, self.one_of(*names))
        if self.rng.integers(2):
            self.line(depth, _TRAP)

    def branch(self, depth: int, variables: list[str], in_loop: bool) -> None:
        self.line(depth, f"if {self.condition(variables)}:")
        leaves = bool(self.rng.integers(2)) and (in_loop or bool(self.rng.integers(3) == 0))
        if not leaves or self.rng.integers(2):
            self.block(depth + 1, variables, in_loop)
        if leaves:
            self.exit(depth + 1, in_loop)
        if self.rng.integers(3) == 0:
            self.line(depth, "else:")
            self.block(depth + 1, variables, in_loop)
            if in_loop and self.rng.integers(4) == 0:
                self.exit(depth + 1, in_loop)

    def loop(self, depth: int, variables: list[str]) -> None:
        self.count += 1
        name, kind = f"i{self.count}", self.rng.integers(4)
        if kind == 0:
            self.line(depth, f"for {name} in range({self.one_of('4', 'a % 5', 'n + 2', '0')}):")
        elif kind == 1:
            self.line(depth, f"for {name} in range(b % 6 + 2, -1, -2):")
        elif kind == 2:
            self.line(depth, f"for {name} in blocks.static_range(3):")
        else:
            self.line(depth, f"{name} = -1")
            condition = self.one_of(f"{name} < 4", f"{name} < b % 5", "True")
            self.line(depth, f"while {condition}:")
            self.line(depth + 1, f"{name} = {name} + 1")
            if condition == "True":
                self.line(depth + 1, f"if {name} > 3:")
                self.line(depth + 2, "break")
        self.block(depth + 1, [*variables, name], in_loop=True)


def check_random_exits(
    seed: int, folder: Path, cases: Iterable[tuple[int, int]], device: weft.device | None = None
) -> None:
    """Compares a random kernel with what Python makes of it.

    Args:
        cases: numbers of elements and widths.
        device: where it runs, in each order of threads that the device has; None: on the processor.
    """
    source = RandomExits(seed).source()
    function = kernel_programs.loaded(folder, source.replace("C):", "C: weft.constexpr):", 1))
    kernel = weft.kernel(function)
    for n, width in cases:
        x, want = np.arange(1, n + 1), np.zeros(48, np.int64)
        kernel_programs.interpret(function, (3,), x, want, np.int64(n), C=width)
        # No array is empty, so that one of no elements is one that is not read.
        given = weft.asarray(x if n else np.zeros(0, np.int64), device=device)
        # Elements may be stored to by several threads, all of which then store the same.
        for _ in devices.schedules(device) if device else (None,):
            got = kernel[3](given, weft.spec(48, "int64"), n, C=width)
            np.testing.assert_array_equal(got.cpu(), want, err_msg=source)
