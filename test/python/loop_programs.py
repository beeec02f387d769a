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


class NestedProgram:
    """Random loops and branches in each other, over a few tensors that all of them hand on.

    What decides how often a loop runs and which branch is taken is an argument, and so are the
    tensors that scans and maps go through.
    """

    def __init__(self, seed: int, depth: int = 3):
        self.rng = random.Random(seed)
        self.entries = [
            (random_shape(self.rng), self.rng.choice(DTYPES)) for _ in range(self.rng.randint(1, 3))
        ]
        self.arrays = [random_array(self.rng, *entry) for entry in self.entries]
        self.root = self._block(depth)

    def __call__(self, weft, *tensors):
        """The values at the end, of the carried tensors and the other arguments."""
        count = len(self.entries)
        return tuple(self.root(weft, list(tensors[:count]), tensors))

    def _argument(self, array) -> int:
        self.arrays.append(np.asarray(array))
        return len(self.arrays) - 1

    def _body(self, more: int = 0):
        body = Body(self.rng, len(self.entries) + more, self.entries)
        return lambda weft, own, others, *values: body(weft, [*own, *values])

    def _block(self, depth: int):
        if depth == 0:
            return self._body()
        kind = self.rng.choice(["scan", "while", "fori", "map", "cond", "switch", "both"])
        return getattr(self, "_" + kind)(depth - 1)

    def _both(self, depth):
        first, second = self._block(depth), self._block(depth)
        return lambda weft, own, others: second(weft, first(weft, own, others), others)

    def _sliced(self) -> tuple[int, int]:
        """The number of an argument, and how many slices it has."""
        length = self.rng.choice([0, 1, 2, 3])
        array = random_array(self.rng, (length, *random_shape(self.rng)), self.rng.choice(DTYPES))
        return self._argument(array), length

    def _scan(self, depth):
        number, length = self._sliced()
        reverse = self.rng.random() < 0.5
        first, inner, last = self._body(more=1), self._block(depth), self._body(more=1)

        def block(weft, own, others):
            def step(carry, x):
                carry = inner(weft, first(weft, list(carry), others, x), others)
                return tuple(carry), (x, carry[0])

            carry, made = weft.scan(
                step, tuple(own), others[number], length=length, reverse=reverse
            )
            return last(weft, list(carry), others, weft.sum(made[1]))

        return block

    def _map(self, depth):
        number, _ = self._sliced()
        inner, last = self._block(depth), self._body(more=2)

        def block(weft, own, others):
            start = others[: len(self.entries)]
            made = weft.map(lambda x: (inner(weft, list(start), others)[0], x), others[number])
            return last(weft, own, others, weft.sum(made[0]), weft.sum(made[1]))

        return block

    def _while(self, depth):
        number, inner = self._argument(self.rng.choice([0, 1, 2, 4])), self._block(depth)

        def block(weft, own, others):
            def step(state):
                return state[0] + 1, tuple(inner(weft, list(state[1]), others))

            state = weft.while_loop(lambda state: state[0] < others[number], step, (0, tuple(own)))
            return list(state[1])

        return block

    def _fori(self, depth):
        count, inner, last = self.rng.choice([0, 1, 3]), self._block(depth), self._body(more=1)

        def block(weft, own, others):
            def step(i, carry):
                return tuple(last(weft, inner(weft, list(carry), others), others, i))

            return list(weft.fori_loop(0, count, step, tuple(own)))

        return block

    def _cond(self, depth):
        number = self._argument(self.rng.random() < 0.5)
        branches = [self._block(depth) for _ in range(2)]

        def block(weft, own, others):
            return weft.cond(
                others[number],
                *[lambda inner=inner: list(inner(weft, own, others)) for inner in branches],
            )

        return block

    def _switch(self, depth):
        branches = [self._block(depth) for _ in range(self.rng.randint(1, 3))]
        number = self._argument(self.rng.randint(-1, len(branches)))

        def block(weft, own, others):
            return weft.switch(
                others[number],
                [lambda own, inner=inner: list(inner(weft, own, others)) for inner in branches],
                own,
            )

        return block
