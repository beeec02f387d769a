"""Kernels' sources run by NumPy, program after program: what they are to compute; and random ones.

A source is Python, so that the reference needs no compiler: `weft` and `blocks` are replaced by the
modules here, and loops and branches are Python's own.
"""

from __future__ import annotations

import importlib.util
import itertools
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def loaded(folder: Path, source: str) -> Callable:
    """The function of a source, in a file of its own, as kernels need it."""
    path = folder / f"source_{abs(hash(source))}.py"
    path.write_text(f"import weft\nfrom weft import blocks\n\n{source}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.program


class _Blocks:
    """`weft.blocks` on NumPy's arrays."""

    static_range = range

    def __init__(self, place: tuple[int, ...], grid: tuple[int, ...]) -> None:
        self._place, self._grid = place, grid

    def program_id(self, axis: int = 0) -> np.ndarray:
        return np.array(self._place[axis])

    def num_programs(self, axis: int = 0) -> np.ndarray:
        return np.array(self._grid[axis])

    def arange(self, *bounds: int) -> np.ndarray:
        return np.arange(*bounds)

    def zeros(self, shape: Any, dtype: str = "float32") -> np.ndarray:
        return np.zeros(shape, dtype)

    def full(self, shape: Any, value: float, dtype: str = "float32") -> np.ndarray:
        return np.full(shape, value, dtype)

    def cdiv(self, a: Any, b: int) -> Any:
        return (a + b - 1) // b

    def dot(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a @ b

    def _split(self, array: np.ndarray, index: Any, mask: Any) -> tuple[np.ndarray, Any, Any]:
        parts = index if isinstance(index, tuple) else (index,)
        if len(parts) == 1:
            array = array.reshape(-1)
        *parts, mask = np.broadcast_arrays(*parts, True if mask is None else mask)
        return array, tuple(np.where(mask, part, 0) for part in parts), mask

    def load(self, array: np.ndarray, index: Any, mask: Any = None, other: Any = 0) -> np.ndarray:
        flat, parts, there = self._split(array, index, mask)
        other = np.asarray(0 if other is None else other).astype(array.dtype)
        if not np.any(there):
            return np.broadcast_to(other, there.shape)
        return np.where(there, flat[parts], other)

    def store(self, array: np.ndarray, index: Any, value: Any, mask: Any = None) -> None:
        flat, parts, there = self._split(array, index, mask)
        value = np.broadcast_to(value, there.shape).astype(array.dtype)
        for place in zip(*(part[there] for part in parts), value[there], strict=True):
            flat[place[:-1]] = place[-1]

    def _combine(self, ufunc: np.ufunc, array: np.ndarray, index: Any, value: Any, mask: Any):
        flat, parts, there = self._split(array, index, mask)
        value = np.broadcast_to(value, there.shape).astype(array.dtype)
        ufunc.at(flat, tuple(part[there] for part in parts), value[there])

    def atomic_add(self, array: np.ndarray, index: Any, value: Any, mask: Any = None) -> None:
        self._combine(np.add, array, index, value, mask)

    def atomic_max(self, array: np.ndarray, index: Any, value: Any, mask: Any = None) -> None:
        self._combine(np.maximum, array, index, value, mask)

    def atomic_min(self, array: np.ndarray, index: Any, value: Any, mask: Any = None) -> None:
        self._combine(np.minimum, array, index, value, mask)


def _reduction(function: Callable) -> Callable:
    return lambda x, axis=None, keepdims=False: np.asarray(
        function(x, axis=axis, keepdims=keepdims)
    )


_SAME_NAMES = (
    *("exp", "sqrt", "abs", "maximum", "minimum", "where", "tanh", "sin", "inf"),
    *("round", "floor", "ceil", "trunc", "flip", "reshape", "broadcast_to", "concat"),
)
NUMPY = types.SimpleNamespace(
    **{name: getattr(np, name) for name in _SAME_NAMES},
    **{
        name: _reduction(getattr(np, name))
        for name in ("sum", "prod", "max", "min", "any", "all", "argmax", "argmin")
    },
    cumulative_sum=np.cumsum,
    cumulative_prod=np.cumprod,
    number=lambda number, dtype: np.asarray(number, dtype),
)


def interpret(function: Callable, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
    """Runs a kernel's function for each place of the grid; it stores to NumPy's arrays."""
    for place in itertools.product(*map(range, grid)):
        names = {**function.__globals__, "blocks": _Blocks(place, grid), "weft": NUMPY}
        twin = types.FunctionType(
            function.__code__, names, "twin", function.__defaults__, function.__closure__
        )
        with np.errstate(all="ignore"):
            twin(*arguments, **constants)


_UNARY = ["weft.exp(-weft.abs({0}))", "weft.tanh({0})", "weft.sqrt(weft.abs({0}))", "-{0}"]
_BINARY = ["({0} + {1})", "({0} - {1})", "({0} * {1})", "weft.maximum({0}, {1})"]
_ROWS = [
    "weft.sum({0}, axis=1)[:, None]",
    "weft.max({0}, axis=0)[None, :]",
    "weft.min({0}, axis=1)[:, None]",
    "weft.sum({0}, axis=0)[None, :]",
    "weft.max({0})",
]


def random_source(seed: int) -> str:
    """The source of a kernel of an array with two dimensions, of random statements."""
    rng = np.random.default_rng(seed)
    lines = [
        "def program(x, y, out, R, C):",
        "    rows = (blocks.program_id(0) * R + blocks.arange(R))[:, None]",
        "    columns = (blocks.program_id(1) * C + blocks.arange(C))[None, :]",
        "    inside = (rows < x.shape[0]) & (columns < x.shape[1])",
        "    v0 = blocks.load(x, (rows, columns), inside)",
        "    v1 = blocks.load(y, rows * x.shape[1] + columns, inside, other=1.0)",
    ]
    names = ["v0", "v1"]

    def expression(depth: int) -> str:
        if depth == 0:
            return str(rng.choice(names))
        kind = rng.integers(4)
        if kind == 0:
            return str(rng.choice(_UNARY)).format(expression(depth - 1))
        if kind == 1:
            inner = expression(depth - 1)
            return f"({inner} - {str(rng.choice(_ROWS)).format(f'weft.tanh({inner})')})"
        first, second = expression(depth - 1), expression(depth - 1)
        if kind == 2:
            return f"weft.where({first} > 0.1, {second}, {first})"
        return str(rng.choice(_BINARY)).format(first, second)

    for number in range(2, 2 + int(rng.integers(2, 6))):
        name, form = f"v{number}", rng.integers(4)
        made = f"weft.tanh({expression(int(rng.integers(1, 4)))})"
        if form == 0:
            lines += [
                f"    {name} = {made}",
                f"    for i in range({int(rng.integers(0, 3))}, x.shape[1], 16):",
                f"        {name} = {name} * 0.5 + weft.tanh({expression(1)} + i)",
            ]
        elif form == 1:
            lines += [
                f"    {name} = {made}",
                f"    if weft.sum({rng.choice(names)}) > 0:",
                f"        {name} = {name} + {expression(1)}",
                "    else:",
                f"        {name} = -{name}",
            ]
        else:
            lines.append(f"    {name} = {made}")
        names.append(name)
    lines.append(f"    blocks.store(out, (rows, columns), {names[-1]} + {expression(2)}, inside)")
    return "\n".join(lines) + "\n"
