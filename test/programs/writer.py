"""A program in the making: its values, names in reach, and how statements and functions are drawn.

Each statement is run eagerly when it is drawn, so that dtypes and shapes are those of weft, and one
that weft refuses is drawn again.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import weft
from modes import ERRORS
from op_row import DTYPE_CLASSES
from program import Check, Input, Program, Statement

DTYPES = (
    *("float32", "float32", "float32", "float64", "float16", "bfloat16", "bool"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("complex64", "complex128"),
)
FLOATS = DTYPE_CLASSES["float"]
LAYOUTS = ("dense", "dense", "dense", "transposed", "backwards", "apart")
SIZES = (0, 1, 1, 2, 3, 3, 4, 5, 8, 17, 33)
LARGEST = 3000

Rule = Callable[["Writer"], None]
#: Text with places for operands, and how many of them.
Calls = tuple[tuple[str, int], ...]
RULES: list[tuple[Rule, int]] = []
#: Those that draw no functions themselves, as what is deep within others.
INNER: list[tuple[Rule, int]] = []
#: How deep functions are within functions.
DEEPEST = 2


class NotDrawnError(Exception):
    """A rule found no operands that fit."""


def rule(weight: int, draws_functions: bool = False) -> Callable[[Rule], Rule]:
    """Registers a rule, drawn in proportion to its weight."""

    def register(function: Rule) -> Rule:
        RULES.append((function, weight))
        if not draws_functions:
            INNER.append((function, weight))
        return function

    return register


class Writer:
    """A program in the making: its values, and the names that the next statement may read."""

    def __init__(self, seed: int, calls: Calls = (), large: bool = False) -> None:
        self.random = random.Random(seed)
        self.calls = calls
        self.sizes = (*SIZES, 300, 2500) if large else SIZES
        self.largest = 400_000 if large else LARGEST
        self.program = Program()
        self.values: dict[str, weft.Tensor] = {}
        self.namespace: dict[str, Any] = {"weft": weft, "np": np}
        self.count = 0
        # Names that may be read, in scopes; functions within statements have their own.
        self.scopes: list[list[str]] = [[]]
        # Lines of functions being drawn; None at the top.
        self.lines: list[str] | None = None
        self.depth = 0

    # ---- Names and numbers

    def fresh(self, prefix: str) -> str:
        """A new name."""
        self.count += 1
        return f"{prefix}{self.count}"

    def names(self, fits: Callable[[weft.Tensor], bool] = lambda x: True) -> list[str]:
        """Names in reach whose values fit."""
        return [name for name in self.scopes[-1] if fits(self.values[name])]

    def pick(self, fits: Callable[[weft.Tensor], bool] = lambda x: True) -> str:
        """One of them, mostly a late one."""
        names = self.names(fits)
        if not names:
            raise NotDrawnError
        return names[-1] if self.random.random() < 0.4 else self.random.choice(names)

    def of(self, dtypes: tuple[str, ...], fits: Callable = lambda x: True) -> str:
        """A name of a value with one of the dtypes, perhaps converted first."""
        names = self.names(lambda x: x.dtype.name in dtypes and fits(x))
        if names and self.random.random() < 0.9:
            return names[-1] if self.random.random() < 0.4 else self.random.choice(names)
        source = self.pick(fits)
        dtype = self.random.choice(dtypes)
        if "complex" in self.values[source].dtype.name and not dtype.startswith("complex"):
            raise NotDrawnError
        return self.state(f"{source}.astype('{dtype}')")

    def axis(self, name: str) -> int:
        """A dimension of a value, from either end."""
        rank = self.values[name].ndim
        if rank == 0:
            raise NotDrawnError
        return self.random.randrange(-rank, rank)

    def shape(self, rank: int | None = None) -> tuple[int, ...]:
        """A shape that is not too large."""
        rank = self.random.choice((0, 1, 1, 2, 2, 2, 3, 4)) if rank is None else rank
        while True:
            shape = tuple(self.random.choice(self.sizes) for _ in range(rank))
            if int(np.prod(shape)) <= self.largest:
                return shape

    def number(self, dtype: str) -> str:
        """A Python number beside tensors of the dtype."""
        if dtype == "bool":
            return self.random.choice(("True", "False"))
        if "int" in dtype:
            return self.random.choice(("0", "1", "2", "3", "7", "-1"))
        numbers = ["0", "1", "2", "-1", "0.5", "-2.5", "1.5", "0.0", "-0.0", "3.0", "0.1"]
        return self.random.choice(numbers + (["1j", "(1-2j)"] if "complex" in dtype else []))

    # ---- Statements

    def input(self, dtype: str, shape: tuple[int, ...]) -> str:
        """A new argument of the program."""
        name = self.fresh("x")
        seed = self.random.randrange(1, 10_000)
        given = Input(dtype, shape, self.random.choice(LAYOUTS), seed)
        self.program.inputs[name] = given
        self.values[name] = self.namespace[name] = weft.asarray(given.array(), copy=True)
        for scope in self.scopes:
            scope.append(name)
        return name

    def execute(self, lines: list[str]) -> None:
        """Runs lines eagerly; raises NotDrawnError for what weft refuses."""
        try:
            exec("\n".join(lines), self.namespace)
        except ERRORS:
            raise NotDrawnError from None

    def learn(self, name: str) -> None:
        """Notes the value of a name that lines have defined."""
        value = self.namespace[name]
        if not isinstance(value, weft.Tensor) or value.numel() > self.largest:
            raise NotDrawnError
        self.values[name] = value
        self.program.known[name] = Input(value.dtype.name, tuple(value.shape), "dense", self.count)
        self.scopes[-1].append(name)

    def state(
        self, code: str, check: tuple[str, str, tuple[str, ...]] | None = None, *before: str
    ) -> str:
        """A statement that gives a new name the value of an expression, after other lines."""
        name = self.fresh("v" if self.lines is None else "b")
        lines = [*before, f"{name} = {code}"]
        self.execute(lines)
        self.learn(name)
        self.add(lines, Check(*check, name) if check else None)
        return name

    def add(self, lines: list[str], check: Check | None = None) -> None:
        """Appends lines to the program, or to the function that is drawn."""
        if self.lines is None:
            self.program.statements.append(Statement(tuple(lines), check))
        else:
            self.lines += lines

    def function(self, arguments: list[weft.Tensor], steps: int, same: bool = False) -> Drawn:
        """A nested function, as lines, of values like the arguments.

        With `same`, its result is like the first argument.
        """
        name, outer = self.fresh("f"), self.lines
        parameters = [self.fresh("b") for _ in arguments]
        for parameter, value in zip(parameters, arguments, strict=True):
            self.values[parameter] = self.namespace[parameter] = value
            like = Input(value.dtype.name, tuple(value.shape), "dense", self.count)
            self.program.known[parameter] = like
        self.scopes.append(list(parameters))
        self.lines = []
        self.depth += 1
        try:
            for _ in range(steps):
                self.step(RULES if self.depth < DEEPEST and self.random.random() < 0.5 else INNER)
            result = self.scopes[-1][-1]
            if same:
                result = self._like(result, parameters[0])
            lines = self.lines
        finally:
            self.scopes.pop()
            self.lines = outer
            self.depth -= 1
        body = [f"    {line}" for line in lines]
        return Drawn(
            name, [f"def {name}({', '.join(parameters)}):", *body, f"    return {result}"],
            self.values[result],
        )  # fmt: skip

    def _like(self, name: str, model: str) -> str:
        """A value computed from the name that has dtype and shape of the model."""
        value, like = self.values[name], self.values[model]
        if value.shape != like.shape:
            fit = [n for n in self.scopes[-1] if self.values[n].shape == like.shape]
            name = fit[-1]
            value = self.values[name]
        if value.dtype == like.dtype:
            return name
        if "complex" in value.dtype.name:
            return model
        return self.state(f"{name}.astype('{like.dtype.name}')")

    def step(self, rules: list[tuple[Rule, int]]) -> bool:
        """Draws one statement; False where nothing fitted in some tries."""
        functions, weights = zip(*rules, strict=True)
        for _ in range(8):
            drawn = self.random.choices(functions, weights)[0]
            before = self._mark()
            try:
                drawn(self)
                return True
            except NotDrawnError:
                self._back(before)
        return False

    def _mark(self) -> tuple:
        return (
            len(self.program.statements),
            None if self.lines is None else len(self.lines),
            [len(scope) for scope in self.scopes],
        )

    def _back(self, mark: tuple) -> None:
        statements, lines, scopes = mark
        kept = self.program.inputs
        del self.program.statements[statements:]
        if self.lines is not None:
            del self.lines[lines:]
        for scope, length in zip(self.scopes, scopes, strict=True):
            late = [name for name in scope[length:] if name in kept]
            scope[length:] = late

    # ---- Programs

    def draw(self) -> Program:
        """The program."""
        for _ in range(self.random.randint(1, 3)):
            self.input(self.random.choice(DTYPES), self.shape())
        for _ in range(self.random.randint(1, 7)):
            self.step(RULES)
        made = [name for name in self.scopes[0] if name not in self.program.inputs]
        chosen = self.random.sample(made, min(len(made), self.random.randint(1, 3)))
        self.program.results = list(dict.fromkeys([*chosen, *made[-1:]]))
        if not self.program.results:
            self.program.results = [self.scopes[0][0]]
        return self.program


class Drawn:
    """A nested function: its name, its lines, and what it returned for the arguments."""

    def __init__(self, name: str, lines: list[str], result: weft.Tensor) -> None:
        self.name, self.lines, self.result = name, lines, result
