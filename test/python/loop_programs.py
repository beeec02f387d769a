"""Random bodies of loops and branches, over NumPy and weft alike."""

import random

import numpy as np

DTYPES = ["int64", "int32", "float32", "float64", "bool", "uint8"]


class Body:
    """A random function of some arrays that gives arrays of given shapes and dtypes.

    Run on NumPy's arrays it is the reference; integers wrap in both.
    """

    def __init__(self, rng: random.Random, sources: int, outputs: list[tuple]):
        self.outputs = outputs
        self.steps = [
            (rng.choice("+-*mxsw"), rng.randrange(10**6), rng.randrange(10**6))
            for _ in range(rng.randint(1, 4))
        ]
        self.picks = [rng.randrange(10**6) for _ in outputs]

    def __call__(self, xp, sources: list) -> list:
        values = [xp.astype(value, "float64" if _floats(value) else "int64") for value in sources]
        for kind, first, second in self.steps:
            left, right = values[first % len(values)], values[second % len(values)]
            values.append(_step(xp, kind, left, right))
        made = []
        for pick, (shape, dtype) in zip(self.picks, self.outputs, strict=True):
            value = values[-1 - pick % len(values)]
            made.append(_fitted(xp, value, shape, dtype))
        return made


def _floats(value) -> bool:
    return "float" in str(value.dtype)


def _step(xp, kind, left, right):
    if kind == "s":
        return left + xp.sum(right)
    if left.shape != right.shape:
        right = xp.sum(right)
    if kind == "+":
        return left + right
    if kind == "-":
        return left - right
    if kind == "*":
        return left * xp.astype(xp.sum(right) > 0, "int64") + right
    if kind == "m":
        return xp.maximum(left, right + 0 * left)
    if kind == "x":
        return xp.minimum(left, right + 0 * left)
    return xp.where(left > right, left, right + 0 * left)


def _fitted(xp, value, shape, dtype):
    if tuple(value.shape) != shape:
        value = xp.broadcast_to(xp.sum(value), shape)
    if dtype == "bool":
        return value > 0
    if "float" in dtype and not _floats(value):
        value = value % 1024
    if "float" in dtype:
        return xp.astype(value * 0.5 if _floats(value) else value, dtype)
    # Floats of any size are no integers: their sign is.
    return xp.astype(value > 0, dtype) if _floats(value) else xp.astype(value, dtype)


class NumPy:
    """NumPy, with the names of the array API."""

    sum, maximum, minimum = (staticmethod(f) for f in (np.sum, np.maximum, np.minimum))
    where, broadcast_to = staticmethod(np.where), staticmethod(np.broadcast_to)

    @staticmethod
    def astype(value, dtype):
        return np.asarray(value).astype(dtype)


def random_array(rng: random.Random, shape: tuple, dtype: str):
    numbers = np.random.default_rng(rng.randrange(10**9))
    if dtype == "bool":
        return numbers.random(shape) < 0.5
    if "float" in dtype:
        return numbers.standard_normal(shape).astype(dtype)
    return numbers.integers(0, 100, shape).astype(dtype)


def random_shape(rng: random.Random) -> tuple:
    return tuple(rng.choice([0, 1, 2, 3, 5, 17]) for _ in range(rng.randrange(3)))
