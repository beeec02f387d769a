"""Programs as text: inputs, statements over named tensors, results, and what is known of each name.

A statement is a few lines of Python; `check` says what NumPy gives for it. A name whose definition
is taken out becomes an input of the same dtype and shape, so that any part of a program is one.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import ml_dtypes
import numpy as np
from numerics import as_bits

NAME = re.compile(r"\b[vxb]\d+\b")


def make_array(dtype: str, shape: tuple[int, ...], layout: str, seed: int) -> Any:
    """An array that is a fixed function of these; `layout` is how it lies in memory.

    Seeds that 4 divides have infinities, NaN, zeros of both signs and ends of ranges among them.
    """
    random = np.random.default_rng(seed)
    real = np.where(random.random(shape) < 0.5, random.normal(0, 2, shape), random.random(shape))
    real = np.round(real * 4) / 4 if seed % 3 == 0 else real
    if seed % 4 == 0:
        special = random.choice(
            [0.0, -0.0, 1.0, -1.0, 0.5, np.inf, -np.inf, np.nan, 1e-45, 3e38], shape
        )
        real = np.where(random.random(shape) < 0.3, special, real)
    if dtype == "bool":
        array = real > 0.3
    elif "int" in dtype:
        limits = np.iinfo(dtype)
        ends = random.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
        small = random.integers(0 if dtype[0] == "u" else -5, 9, shape).astype(dtype)
        array = np.where(random.random(shape) < (0.3 if seed % 4 == 0 else 0.0), ends, small)
    elif dtype.startswith("complex"):
        array = real + 1j * random.normal(0, 2, shape)
    else:
        array = real
    with np.errstate(all="ignore"):
        array = np.asarray(array).astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    if layout == "transposed":
        array = np.ascontiguousarray(array.T).T
    elif layout == "backwards" and array.ndim:
        array = np.ascontiguousarray(array[::-1])[::-1]
    elif layout == "apart" and array.ndim:
        array = np.repeat(array, 2, axis=-1)[..., ::2]
    return array


@dataclass(frozen=True)
class Input:
    """How make_array makes an input."""

    dtype: str
    shape: tuple[int, ...]
    layout: str = "dense"
    seed: int = 1

    def array(self) -> np.ndarray:
        """A new array."""
        return make_array(self.dtype, self.shape, self.layout, self.seed)


@dataclass(frozen=True)
class Check:
    """What a statement has to give by NumPy.

    `kind` names a way in references.py, `code` is an argument for it, `operands` are read before
    the statement, and `target` after it.
    """

    kind: str
    code: str
    operands: tuple[str, ...]
    target: str


@dataclass(frozen=True)
class Statement:
    """Lines that belong together, as a nested function and its call."""

    lines: tuple[str, ...]
    check: Check | None = None

    def text(self) -> str:
        """The lines as they are in a module."""
        return "\n".join(self.lines) + "\n"

    def names(self) -> set[str]:
        """All names of tensors in it."""
        return set(NAME.findall(self.text()))

    def defines(self) -> set[str]:
        """Names that it gives values, parameters of its functions among them."""
        found: set[str] = set()
        for line in self.lines:
            target = re.match(r"\s*([vxb\d, ]+?) = ", line)
            found |= set(NAME.findall(target[1])) if target else set()
            found |= set(NAME.findall(line)) if re.match(r"\s*def ", line) else set()
        return found


@dataclass
class Program:
    """Text with its inputs and results."""

    inputs: dict[str, Input] = field(default_factory=dict)
    statements: list[Statement] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    #: dtype and shape of each name, by which it becomes an input.
    known: dict[str, Input] = field(default_factory=dict)

    def text(self) -> str:
        """The program as a function of its inputs."""
        lines = [line for statement in self.statements for line in statement.lines]
        returned = f"return ({''.join(f'{name}, ' for name in self.results)})"
        body = "".join(f"    {line}\n" for line in [*lines, returned])
        return f"def program({', '.join(self.inputs)}):\n{body}"

    def with_statements(self, statements: list[Statement]) -> Program:
        """These statements alone: names without a definition become inputs, unread ones go."""
        defined: set[str] = set()
        inputs: dict[str, Input] = {}
        for statement in statements:
            for name in sorted(statement.names() - statement.defines() - defined):
                if name not in inputs:
                    inputs[name] = self.inputs.get(name) or self.known[name]
            defined |= statement.defines()
        outer = {name for s in statements for line in s.lines for name in _defined_outside(line)}
        present = outer | set(inputs)
        results = [name for name in self.results if name in present] or sorted(outer)[-1:]
        return replace(self, inputs=inputs, statements=statements, results=results)


def _defined_outside(line: str) -> list[str]:
    target = re.match(r"([vx\d, ]+?) = ", line)
    return NAME.findall(target[1]) if target else []


REPRODUCER = '''"""{title}"""

from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import weft


{make_array}

{as_bits}

def arrays():
    """The arguments."""
    return [
{inputs}    ]


{program}

{step}
if __name__ == "__main__":
    eager = {called}(*[weft.asarray(x, copy=True) for x in arrays()])
    compiled = weft.jit({called})(*[weft.asarray(x, copy=True) for x in arrays()])
    for number, (have, want) in enumerate(zip(compiled, eager, strict=True)):
        print(number, "compiled:", have, "eager:", want)
        np.testing.assert_array_equal(as_bits(have.numpy()), as_bits(want.numpy()))
'''


def reproducer(program: Program, title: str, step: Callable[..., Any] | None = None) -> str:
    """A module that needs nothing of the fuzzer; what was found is its docstring.

    `step` makes of the program what is called: its gradients, for example.
    """
    inputs = "".join(
        f"        make_array({x.dtype!r}, {x.shape!r}, {x.layout!r}, {x.seed}),\n"
        for x in program.inputs.values()
    )
    return REPRODUCER.format(
        title=title.replace("\\", "/").replace('"""', "'''"),
        make_array=inspect.getsource(make_array),
        as_bits=inspect.getsource(as_bits),
        program=program.text(),
        step=inspect.getsource(step) + "\n" if step else "",
        called=f"{step.__name__}(program)" if step else "program",
        inputs=inputs,
    )
