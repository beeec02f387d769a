"""Programs of any length, of eight shapes: what compiling may cost is a function of the length.

Run as ``long_programs.py SHAPE LENGTH``: traces, compiles and runs one of them, and prints a line
of JSON with the seconds of the first call, the peak memory of the process in bytes, the operations
traced, the kernels launched and how many of them are distinct.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import weft

WIDTH = 64
"""Elements of the vectors that the programs work on."""


class Program(NamedTuple):
    """A function of tensors, and arguments for it."""

    function: Callable[..., weft.Tensor]
    arguments: tuple[np.ndarray, ...]


def _vector(seed: int, size: int = WIDTH) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.5, 1.0, size).astype(np.float32)


def chain(length: int) -> Program:
    """Elementwise operations one after the other."""

    def function(x: weft.Tensor, a: weft.Tensor, b: weft.Tensor) -> weft.Tensor:
        for _ in range(length // 2):
            x = x * a + b
        return x

    return Program(function, (_vector(1), _vector(2), _vector(3)))


def shifted_sums(length: int) -> Program:
    """Each value is read where it is and one element further: prefix sums, stencils."""

    def function(x: weft.Tensor) -> weft.Tensor:
        for _ in range(length // 2):
            x = (x + weft.roll(x, 1, axis=0)) * 0.5
        return x

    return Program(function, (_vector(1),))


def butterflies(length: int) -> Program:
    """Sums and differences of halves, as in a fast Fourier transform."""

    def function(x: weft.Tensor) -> weft.Tensor:
        for _ in range(length // 5):
            even, odd = x[: WIDTH // 2], x[WIDTH // 2 :]
            x = weft.concat([(even + odd) * 0.5, even - odd])
        return x

    return Program(function, (_vector(1),))


def stacked(length: int) -> Program:
    """As many tensors along a new inner dimension."""

    def function(x: weft.Tensor) -> weft.Tensor:
        return weft.stack([x * float(i) for i in range(length // 2)], axis=1)

    return Program(function, (_vector(1),))


def ragged_concat(length: int) -> Program:
    """As many pieces of different sizes one after the other."""

    def function(*vectors: weft.Tensor) -> weft.Tensor:
        pieces = [vectors[i % len(vectors)] * float(i) for i in range(length // 2)]
        return weft.concat(pieces)

    return Program(function, tuple(_vector(size, size) for size in range(1, 6)))


def recurrence(length: int) -> Program:
    """An unrolled recurrent network: matrix products, gates, a state."""
    weights = [np.eye(8, dtype=np.float32) * scale for scale in (0.5, 0.25)]

    def function(x: weft.Tensor, keep: weft.Tensor, new: weft.Tensor) -> weft.Tensor:
        hidden = x
        for _ in range(length // 6):
            gate = weft.sigmoid(hidden @ keep)
            hidden = gate * hidden + (1.0 - gate) * weft.tanh(x @ new)
        return hidden

    return Program(function, (_vector(1, 32).reshape(4, 8), *weights))


def row_updates(length: int) -> Program:
    """Rows of a matrix that are replaced one after the other."""

    def function(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        x = x + 0.0
        for i in range(length // 2):
            x[i % 8] = x[(i + 1) % 8] * y
        return x

    return Program(function, (_vector(1).reshape(8, 8), _vector(2, 8)))


FORWARD = (chain, shifted_sums, butterflies, stacked, ragged_concat, recurrence, row_updates)


def gradient_of(program: Callable[[int], Program]) -> Callable[[int], Program]:
    """The program that differentiates another one, of half the length."""

    def build(length: int) -> Program:
        function, arguments = program(length // 2)
        return Program(weft.grad(lambda *values: weft.sum(function(*values))), arguments)

    return build


SHAPES: dict[str, Callable[[int], Program]] = {
    **{shape.__name__: shape for shape in FORWARD},
    **{f"backward of {shape.__name__}": gradient_of(shape) for shape in FORWARD},
}


def eager_tape(length: int) -> float:
    """Seconds of backward() over as many operations that were executed one by one."""
    program = chain(length)
    x, a, b = (weft.asarray(array) for array in program.arguments)
    x.requires_grad = True
    loss = weft.sum(program.function(x, a, b))
    start = time.perf_counter()
    loss.backward()
    np.asarray(x.grad)
    return time.perf_counter() - start


def _peak_bytes() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM")


def measure(shape: str, length: int) -> dict[str, float]:
    """What the first call of a program takes in this process."""
    if shape == "eager tape":
        return {"seconds": eager_tape(length), "peak_bytes": _peak_bytes()}
    program = SHAPES[shape](length)
    function = weft.jit(program.function)
    arguments = [weft.asarray(array) for array in program.arguments]
    before = weft.stats()["traced_ops"]
    start = time.perf_counter()
    np.asarray(function(*arguments))
    seconds = time.perf_counter() - start
    statistics = function.stats()
    return {
        "seconds": seconds,
        "peak_bytes": _peak_bytes(),
        "operations": weft.stats()["traced_ops"] - before,
        "launches": statistics["kernels"],
        "kernels": sum(
            statistics[key] for key in ("kernels_compiled", "cache_hits", "disk_cache_hits")
        ),
        **{key: statistics[key] for key in statistics if key.endswith("_seconds")},
    }


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
