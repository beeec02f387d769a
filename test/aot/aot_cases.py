"""Programs of all kinds, with inputs: what the tests here compile."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import weft
from aot_models import Case
from weft import nn

FLOATS = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float32": np.float32,
    "float64": np.float64,
}
FLOATS_OF_A_BYTE = {
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}
INTEGERS = {
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
}


def normal(*shape: int, dtype: type = np.float32, seed: int = 0) -> np.ndarray:
    """Normally distributed numbers, a fixed function of the seed."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def integers(*shape: int, dtype: type = np.int32, seed: int = 0) -> np.ndarray:
    """Numbers from 0 to 99."""
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


def convolutional_network(x: weft.Tensor, *weights: weft.Tensor) -> weft.Tensor:
    """Two convolutions with pooling, and a dense layer."""
    first, second, dense = weights
    x = nn.functional.relu(nn.functional.conv2d(x, first, padding=1))
    x = nn.functional.max_pool2d(x, 2)
    x = nn.functional.relu(nn.functional.conv2d(x, second, padding=1))
    x = nn.functional.max_pool2d(x, 2)
    return weft.log_softmax(weft.reshape(x, (x.shape[0], -1)) @ dense, -1)


def constants_and_inputs(x: weft.Tensor) -> tuple[weft.Tensor, ...]:
    """Outputs that no kernel writes: an input twice, a constant, and a result twice."""
    table = weft.arange(40, dtype=weft.float32)
    doubled = x * 2.0
    return x, weft.asarray(table), doubled, doubled, x


def places(x: weft.Tensor, i: weft.Tensor) -> tuple[weft.Tensor, ...]:
    """Slices, paddings, updates and scatters, of which equal kernels are called at other places."""
    pieces = [x[5 * k : 5 * k + 4, ::-2] + x[k + 3 :: -k - 1][:1, ::-2] for k in range(3)]
    changed = x * 1.0
    for k in range(3):
        changed[k] = x[k + 4]
        changed[k + 3 :: 7, 2::5] = float(k)
    changed[i] = x[:11] * 2.0
    return (*pieces, weft.pad(x, [(2, 1), (0, 3)], 7.0), changed)


def stacked_layers(weights: weft.Tensor, x: weft.Tensor) -> tuple[weft.Tensor, ...]:
    """Layers whose weights are parts of one argument, read where they are; one part is returned."""
    for number in range(weights.shape[0]):
        x = weft.tanh(x @ weights[number]) + weights[number, number]
    return x, weights[1:, 3]


def loops(x: weft.Tensor, limit: weft.Tensor) -> tuple[weft.Tensor, ...]:
    """Loops of all kinds in each other, with branches in them."""

    def step(state):
        total, count = state
        return weft.cond(count % 2 == 0, lambda: total * 2, lambda: total - 1), count + 1

    def nested(c, row):
        last, made = weft.scan(lambda d, e: (d * 0.5 + e, d * e), c, row, reverse=True)
        return last, (made, c)

    total, count = weft.while_loop(lambda state: state[1] < limit, step, (x, 0))
    last, (made, before) = weft.scan(nested, weft.sum(x), x)
    filled = weft.fori_loop(0, 3, lambda i, v: v.at[i].set(weft.exp(v[i + 1])), x)
    return total, count, last, made, before, filled, weft.map(lambda row: row - weft.sum(row), x)


def recurrence(weight: weft.Tensor, state: weft.Tensor, inputs: weft.Tensor):
    """A recurrent network."""

    def step(state, x):
        state = weft.tanh(state @ weight + x)
        return state, state

    return weft.scan(step, state, inputs)


def recurrence_over_constants(state: weft.Tensor, inputs: weft.Tensor):
    """A recurrent network whose weight is part of the program."""
    weight = weft.sin(weft.arange(64 * 64, dtype=weft.float32))
    return recurrence(weft.reshape(weight, (64, 64)) / 8, state, inputs)


def loop_cases() -> dict[str, Case]:
    """Programs with loops and branches."""
    products = [normal(24, 24) / 5, normal(3, 24, seed=1), normal(7, 3, 24, seed=2)]
    return {
        "loops": Case(loops, [normal(6, 9), np.asarray(5)]),
        "loops of no iterations": Case(loops, [normal(6, 9), np.asarray(0)]),
        "loops of products": Case(recurrence, products),
        "loops over constants": Case(
            recurrence_over_constants, [normal(4, 64), normal(7, 4, 64, seed=1)]
        ),
    }


def of_dtypes() -> dict[str, Case]:
    """A program for each real dtype."""
    result = {}
    for name, dtype in FLOATS.items():
        a, b = normal(33, 17, dtype=dtype), normal(17, 21, dtype=dtype, seed=1)
        result[f"{name}"] = Case(lambda a, b: (weft.exp(a), a @ b, weft.sum(a * a)), [a, b])
    for name, dtype in FLOATS_OF_A_BYTE.items():
        every = np.arange(256, dtype=np.uint8).view(dtype)
        # Without NaNs, whose signs are the processor's.
        a = every[~np.isnan(every.astype(np.float32))]
        result[f"{name}"] = Case(
            lambda a, name=name: (
                a.astype("float32"),
                (a.astype("float32") * 0.3).astype(name),
                weft.flip(a, axis=0),
            ),
            [a],
        )
    for name, dtype in INTEGERS.items():
        a, b = integers(6, 50, dtype=dtype), integers(6, 50, dtype=dtype, seed=1)
        result[f"{name}"] = Case(
            lambda a, b: (a + b, a * b, weft.max(a, axis=1), a // (b + 1)), [a, b]
        )
    return result


def cases() -> dict[str, Case]:
    """The programs by name."""
    x, y = normal(37, 19), normal(37, 19, seed=1)
    network = [
        normal(3, 1, 28, 28),
        normal(8, 1, 3, 3, seed=1),
        normal(16, 8, 3, 3, seed=2),
        normal(16 * 7 * 7, 10, seed=3),
    ]
    result = {
        "elementwise": Case(lambda a, b: weft.exp(-a * a) * weft.sin(b) + weft.tanh(a), [x, y]),
        "scalar": Case(lambda a: a * 3.0 + 1.0, [np.array(0.5, np.float32)]),
        "dense": Case(
            lambda a, w, b: nn.functional.relu(a @ w + b),
            [normal(65, 130), normal(130, 47, seed=1), normal(47, seed=2)],
        ),
        "softmax": Case(lambda a: weft.softmax(a, -1), [x]),
        "columns": Case(lambda a: (weft.sum(a, axis=0), weft.mean(a), weft.argmax(a, axis=1)), [x]),
        "network": Case(convolutional_network, network),
        "several outputs": Case(lambda a, b: (a + b, a @ b.T, weft.max(a, axis=0)), [x, y]),
        "outputs that no kernel writes": Case(constants_and_inputs, [normal(5)]),
        "movement": Case(lambda a: weft.concat([a.T[2:9], weft.flip(a.T, axis=0)], axis=0), [x]),
        "gather": Case(
            lambda a, i: weft.take(a, i, axis=0), [x, integers(11, dtype=np.int64) % 37]
        ),
        "places": Case(places, [x, integers(11, dtype=np.int64) % 37]),
        "parts of arguments": Case(stacked_layers, [normal(3, 21, 21), normal(6, 21, seed=1)]),
        # Of positive numbers: the sign of a NaN is the processor's.
        "powers": Case(
            lambda a: tuple(a**n for n in (-2, -1, -0.5, 0, 0.5, 1, 2, 3, 4, 1.7)), [np.abs(x)]
        ),
        "no elements": Case(
            lambda a, b: (a @ b, weft.sum(a, axis=0)), [normal(0, 4), normal(4, 3)]
        ),
        "sum of nothing": Case(lambda a, b: a @ b, [normal(3, 0), normal(0, 5)]),
        "along axes": Case(
            lambda a: (
                weft.cumulative_sum(a, axis=0),
                weft.cumulative_prod(a, axis=1),
                weft.sort(a, axis=0),
                weft.argsort(a),
            ),
            [normal(4100, 3)],
        ),
        "comparison": Case(lambda a, b: (a > b, weft.where(a > b, a, b)), [x, y]),
    }
    result |= of_dtypes()
    z = (normal(7, 12) + 1j * normal(7, 12, seed=1)).astype(np.complex64)
    result["complex"] = Case(lambda a: (a * weft.conj(a) + 1j, weft.abs(a), weft.exp(a).T), [z])
    bits = integers(9, 31) % 2 == 0
    result["bool"] = Case(
        lambda a, b: (a & b, weft.logical_not(a), weft.any(b, axis=1)), [bits, ~bits]
    )
    return result | loop_cases()
