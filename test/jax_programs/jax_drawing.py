"""Draws JAX programs: calls whose functions, operands, dtypes, shapes and settings are drawn.

JAX gives the shape and dtype of each call's results as it is drawn, for the next ones, and what it
refuses is not drawn. Elements are known of inputs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import ml_dtypes  # noqa: F401 - lets NumPy know bfloat16
import numpy as np
from drawing_rules import NotDrawnError, Rules

SIGNED = ("int32", "int64", "int8", "int16")
UNSIGNED = ("uint32", "uint8", "uint16", "uint64")
INTEGERS = (*SIGNED, *UNSIGNED)
FLOATS = ("float32", "float32", "float64", "float16", "bfloat16")
COMPLEX = ("complex64", "complex128")
REAL = (*FLOATS, *INTEGERS)
ALL = (*REAL, *COMPLEX, "bool")
SIZES = (0, 1, 1, 2, 3, 4, 5)
#: What a call may give at most.
LARGEST = 4000


def is_float(dtype: Any) -> bool:
    """Whether it is a dtype of real numbers; NumPy has no letter for bfloat16."""
    return np.dtype(dtype).name in FLOATS


def unknown(x: Any) -> np.ndarray:
    """What stands for a result: NaN where there is one, so that no rule takes it for finite."""
    value = np.nan if is_float(x.dtype) or x.dtype.kind == "c" else 0
    return np.full(x.shape, value).astype(x.dtype)


@dataclass(frozen=True)
class Bound:
    """How far a call's results may be off, in units in the last place.

    Attributes:
        units: how many of them; 0 is the same bits.
        of: of what: "result", of each element, but at least of 1; "largest", of the largest
            element; "terms", of what the function gives of the operands' magnitudes.
    """

    units: float = 0.0
    of: str = "result"


EXACT = Bound()


@dataclass
class Call:
    """One call: its name with the settings, the function, and the numbers of its operands."""

    name: str
    function: Callable[..., Any]
    operands: tuple[int, ...]
    results: tuple[int, ...]
    bound: Bound


@dataclass(eq=False)
class DrawnProgram:
    """A program, and what it is called with."""

    inputs: list[np.ndarray]
    calls: list[Call]

    def __call__(self, *inputs: Any) -> tuple[Any, ...]:
        """The results of all calls."""
        values: dict[int, Any] = dict(enumerate(inputs))
        for call in self.calls:
            made = call.function(*(values[i] for i in call.operands))
            made = made if isinstance(made, (tuple, list)) else (made,)
            values.update(zip(call.results, made, strict=True))
        return tuple(values[i] for call in self.calls for i in call.results)


@dataclass
class Drawer:
    """A program that grows: inputs first, and then calls."""

    random: np.random.Generator
    wide: bool
    inputs: dict[int, np.ndarray] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    values: dict[int, np.ndarray] = field(default_factory=dict)

    def pick(self, *values: Any) -> Any:
        """One of them."""
        return values[int(self.random.integers(len(values)))]

    def chance(self, share: float) -> bool:
        """True in this share of the calls."""
        return bool(self.random.random() < share)

    def dtype(self, dtypes: Sequence[str]) -> str:
        """One of these, of 64 bits only where JAX has them."""
        narrow = [t for t in dtypes if self.wide or t not in WIDE]
        return self.pick(*narrow)

    def shape(self, rank: int | None = None, least: int = 0) -> tuple[int, ...]:
        """Some sizes, seldom 0."""
        rank = int(self.random.integers(0, 5)) if rank is None else rank
        sizes = [n for n in (SIZES if self.chance(0.2) else SIZES[1:]) if n >= least]
        return tuple(self.pick(*sizes) for _ in range(rank))

    def array(self, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
        """Numbers, small ones mostly; seldom those at the ends of the dtype."""
        if dtype == "bool":
            return np.asarray(self.random.random(shape) < 0.5)
        if dtype in COMPLEX:
            parts = [self.random.standard_normal(shape) for _ in range(2)]
            return np.asarray(parts[0] + 1j * parts[1]).astype(dtype)
        if is_float(dtype):
            x = self.random.standard_normal(shape)
            x = np.asarray(np.round(4 * x) / 4 if self.chance(0.3) else x)
            special = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e4, -1e-3)
        else:
            low = 0 if dtype in UNSIGNED else -6
            x = np.asarray(self.random.integers(low, 7, shape))
            limits = np.iinfo(dtype)
            special = (limits.min, limits.max, 0, limits.max // 2)
            x = x.astype(dtype)
        if self.chance(0.15):
            chosen = self.random.random(shape) < 0.3
            ends = np.asarray(self.random.choice(np.array(special, object), shape), object)
            x = np.where(chosen, ends.astype(x.dtype), x)
        return np.asarray(x).astype(dtype)

    def give(self, array: np.ndarray) -> int:
        """A new input."""
        number = len(self.values)
        self.values[number] = self.inputs[number] = np.asarray(array)
        return number

    def fresh(self, dtypes: Sequence[str], shape: tuple[int, ...] | None = None) -> int:
        """A new input of one of these dtypes."""
        return self.give(self.array(self.dtype(dtypes), self.shape() if shape is None else shape))

    def of(
        self,
        dtypes: Sequence[str] = ALL,
        rank: int = 0,
        fits: Callable[[np.ndarray], bool] = lambda x: True,
    ) -> int:
        """A value of one of these dtypes, of so many dimensions at least."""
        found = [
            number
            for number, x in self.values.items()
            if x.dtype.name in dtypes and x.ndim >= rank and x.size <= LARGEST and fits(x)
        ]
        if found and not self.chance(0.25):
            # Late values rather than early ones, for deep programs.
            return found[-1 - min(int(self.random.geometric(0.3)) - 1, len(found) - 1)]
        for _ in range(20):
            array = self.array(self.dtype(dtypes), self.shape(max(rank, self.pick(0, 1, 2, 3))))
            if fits(array):
                return self.give(array)
        raise NotDrawnError

    def like(self, number: int) -> int:
        """A value of the same dtype and shape."""
        x = self.values[number]
        same = lambda y: y.shape == x.shape  # noqa: E731
        if self.chance(0.4):
            return self.of((x.dtype.name,), x.ndim, same)
        return self.give(self.array(x.dtype.name, x.shape))

    def axis(self, x: np.ndarray) -> int:
        """A dimension."""
        if not x.ndim:
            raise NotDrawnError
        return int(self.random.integers(x.ndim))

    def axes(self, x: np.ndarray) -> tuple[int, ...]:
        """Some dimensions, in any order."""
        count = int(self.random.integers(0, x.ndim + 1))
        return tuple(int(a) for a in self.random.permutation(x.ndim)[:count])

    def call(
        self, name: str, function: Callable[..., Any], *operands: int, bound: Bound = EXACT
    ) -> list[int]:
        """Adds a call; raises NotDrawnError if JAX refuses it."""
        try:
            made = jax.eval_shape(function, *(self.values[i] for i in operands))
        except (TypeError, ValueError, NotImplementedError, IndexError):
            raise NotDrawnError from None
        made = [unknown(x) for x in (made if isinstance(made, (tuple, list)) else (made,))]
        if any(x.dtype.name not in ALL or x.size > LARGEST for x in made):
            raise NotDrawnError
        numbers = tuple(range(len(self.values), len(self.values) + len(made)))
        self.values.update(zip(numbers, made, strict=True))
        self.calls.append(Call(name, function, tuple(operands), numbers, bound))
        return list(numbers)


WIDE = ("int64", "uint64", "float64", "complex128")
RULES = Rules[Drawer]()
rule, step = RULES.rule, RULES.step


def is_wide(seed: int) -> bool:
    """Whether JAX has its 64-bit types in the program of a seed."""
    return seed % 2 == 1


def draw(seed: int, count: int) -> DrawnProgram:
    """The program of a seed, of so many calls; under `jax.enable_x64(is_wide(seed))`."""
    drawer = Drawer(np.random.default_rng(seed), is_wide(seed))
    for _ in range(count):
        step(drawer)
    return renumbered(drawer)


def renumbered(drawer: Drawer) -> DrawnProgram:
    """What was drawn, with the inputs that are read at the front."""
    read = {i for call in drawer.calls for i in call.operands}
    inputs = [i for i in drawer.inputs if i in read]
    made = [i for call in drawer.calls for i in call.results]
    places = {old: new for new, old in enumerate((*inputs, *made))}
    calls = [
        Call(
            call.name,
            call.function,
            tuple(places[i] for i in call.operands),
            tuple(places[i] for i in call.results),
            call.bound,
        )
        for call in drawer.calls
    ]
    return DrawnProgram([drawer.inputs[i] for i in inputs], calls)


def enabled(seed: int) -> Any:
    """The context in which the program of a seed is drawn, called and read."""
    return jax.enable_x64(is_wide(seed))
