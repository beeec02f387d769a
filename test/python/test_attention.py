"""Attention as one kernel: against NumPy's doubles, over random shapes, and against itself."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import weft
from weft.nn import functional as F

attend = F.scaled_dot_product_attention
ULP = {"float32": 2.0**-23, "float64": 2.0**-52, "float16": 2.0**-10, "bfloat16": 2.0**-7}


def reference(query, key, value, scale, causal):
    """The definition, in doubles."""
    query, key, value = (x.astype(np.float64) for x in (query, key, value))
    scores = query @ np.swapaxes(key, -2, -1) * scale
    if causal:
        hidden = np.arange(key.shape[-2]) > np.arange(query.shape[-2])[:, None]
        scores = np.where(hidden, -np.inf, scores)
    if key.shape[-2] == 0:
        return np.zeros((*query.shape[:-1], value.shape[-1]))
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True) @ value


def bound(query, key, value, scale, dtype):
    """Of the error: what the scores' rounding does to each weight, and the sums' own rounding."""
    ulp = max(ULP["float32"], ULP[dtype]) if dtype != "float64" else ULP["float64"]
    computed = ULP["float64"] if dtype == "float64" else ULP["float32"]
    depth, keys = query.shape[-1], key.shape[-2]
    if 0 in (*query.shape, *key.shape, *value.shape):
        return ulp
    products = np.abs(query.astype(np.float64)) @ np.swapaxes(
        np.abs(key.astype(np.float64)), -2, -1
    )
    of_score = (depth + 3) * computed * products.max() * abs(scale)
    most = np.abs(value.astype(np.float64)).max()
    return most * (2 * of_score + (keys + 16) * computed + ulp) + 1e-30


def arrays(generator, batch, queries, keys, depth, columns, spread):
    """Query, key and value of normal numbers."""
    shapes = [(*batch, queries, depth), (*batch, keys, depth), (*batch, keys, columns)]
    return [spread * generator.standard_normal(shape) for shape in shapes]


def random_case(seed):
    """Sizes around those of vectors, tiles and blocks of keys, and the number that there is."""
    generator = np.random.default_rng(seed)
    pick = lambda *sizes: int(generator.choice(sizes))  # noqa: E731
    batch = [(), (1,), (3,), (2, 3), (0,)][pick(0, 1, 2, 3, 3, 2, 4)]
    queries = pick(0, 1, 2, 5, 6, 7, 17, 64, 97, 130)
    keys = pick(0, 1, 3, 16, 63, 64, 65, 128, 200)
    depth, columns = pick(0, 1, 7, 8, 16, 40, 64, 80), pick(0, 1, 5, 16, 33, 64, 100)
    dtype = ["float32", "float64", "float16", "bfloat16"][pick(0, 0, 1, 2, 3)]
    given = arrays(
        generator, batch, queries, keys, depth, columns, float(generator.choice([0.5, 2]))
    )
    return given, dtype, bool(generator.integers(2)), float(generator.choice([0.125, 1.0, -0.3]))


@pytest.mark.parametrize("seed", range(60))
def test_random_sizes_types_and_masks(seed):
    given, dtype, causal, scale = random_case(seed)
    tensors = [weft.asarray(x.astype(np.float32)).astype(getattr(weft, dtype)) for x in given]
    if dtype == "float64":
        tensors = [weft.asarray(x) for x in given]
    exact = [np.array(x.astype(weft.float64)) for x in tensors]
    expected = reference(*exact, scale, causal)
    eager = attend(*tensors, is_causal=causal, scale=scale)
    assert eager.dtype.name == dtype
    assert eager.shape == expected.shape
    found = np.array(eager.astype(weft.float64))
    assert np.abs(found - expected).max(initial=0) <= bound(*exact, scale, dtype)
    compiled = weft.jit(lambda q, k, v: attend(q, k, v, is_causal=causal, scale=scale))(*tensors)
    assert np.array(compiled.astype(weft.float64)).tobytes() == found.tobytes()


def test_what_comes_before_and_behind_it():
    """Operands that are computed, and a result that is used on the spot."""
    generator = np.random.default_rng(1)
    given = [x.astype(np.float32) for x in arrays(generator, (2,), 70, 90, 24, 24, 1.0)]

    def function(q, k, v):
        y = attend(q * 2.0, k.reshape(2, 90, 24), weft.exp(v))
        return weft.tanh(y) + q

    result = np.array(weft.jit(function)(*map(weft.asarray, given)))
    q, k, v = given
    expected = np.tanh(reference(q * 2, k, np.exp(v), 24**-0.5, causal=False)) + q
    np.testing.assert_allclose(result, expected, atol=2e-5)


def one_launch(causal):
    """The text of the kernels of a function that attends."""
    given = [weft.asarray(np.zeros((2, 128, 64), np.float32)) for _ in range(3)]
    return weft.jit(lambda q, k, v: attend(q, k, v, is_causal=causal)).lower(*given).ir("kernels")


@pytest.mark.parametrize("causal", [False, True])
def test_it_is_one_kernel_without_the_scores(causal):
    text = one_launch(causal)
    assert text.count("weft.launch @") == 1
    assert "128x128" not in text


MEMORY = """
import numpy as np, weft
from weft.nn import functional as F
q = weft.asarray(np.ones((1, 4096, 8), np.float32))
weft.jit(lambda q: F.scaled_dot_product_attention(q, q, q))(q)
print(weft.stats()["peak_bytes_in_use"])
"""


def test_memory_does_not_grow_with_the_square_of_the_length():
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 4096 * 4096  # a fourth of the scores


def test_extremes():
    """Scores that overflow exp, that are infinite, that are all -inf; numbers that are none."""
    q = np.array([[[1e4], [-1e4], [0.0], [np.nan]]], np.float32)
    k = np.linspace(-3, 3, 70, dtype=np.float32).reshape(1, 70, 1)
    v = np.arange(70, dtype=np.float32).reshape(1, 70, 1)
    found = np.array(attend(weft.asarray(q), weft.asarray(k), weft.asarray(v), scale=1.0))
    assert found[0, :2, 0].tolist() == [69.0, 0.0]
    assert abs(found[0, 2, 0] - 34.5) < 1e-4
    assert np.isnan(found[0, 3, 0])
    low = np.full((1, 70, 1), -np.inf, np.float32)
    nothing = np.array(attend(weft.asarray(q[:, :1]), weft.asarray(low), weft.asarray(v)))
    assert np.isnan(nothing).all()
    late = low.copy()
    late[0, 69, 0] = 1.0
    some = np.array(attend(weft.asarray(q[:, :1]), weft.asarray(late), weft.asarray(v)))
    assert some.tolist() == [[[69.0]]]


def test_what_is_hidden_does_not_matter():
    """Keys and values behind the last query that sees them may hold anything."""
    generator = np.random.default_rng(2)
    q, k, v = (x.astype(np.float32) for x in arrays(generator, (1,), 40, 200, 16, 16, 1.0))
    clean = np.array(attend(*map(weft.asarray, (q, k, v)), is_causal=True))
    k[:, 64:], v[:, 64:] = np.nan, np.inf
    assert (
        np.array(attend(*map(weft.asarray, (q, k, v)), is_causal=True)).tobytes() == clean.tobytes()
    )


@pytest.mark.parametrize("causal", [False, True])
def test_gradients(causal):
    """Against finite differences of the definition in doubles."""
    generator = np.random.default_rng(3)
    given = arrays(generator, (2,), 9, 70, 5, 4, 1.0)
    direction = arrays(generator, (2,), 9, 70, 5, 4, 1.0)
    weights = generator.standard_normal((2, 9, 4))

    def loss(q, k, v):
        return (attend(q, k, v, is_causal=causal) * weft.asarray(weights)).sum()

    gradients = weft.grad(loss, argnums=(0, 1, 2))(*map(weft.asarray, given))
    slope = sum(float((np.array(g) * d).sum()) for g, d in zip(gradients, direction, strict=True))
    step = 1e-5
    above, below = (
        (
            reference(
                *(x + sign * step * d for x, d in zip(given, direction, strict=True)),
                5**-0.5,
                causal,
            )
            * weights
        ).sum()
        for sign in (1, -1)
    )
    assert abs(slope - (above - below) / (2 * step)) < 1e-6 * (1 + abs(slope))


def test_the_value_beside_a_gradient_is_the_value():
    generator = np.random.default_rng(4)
    given = [
        weft.asarray(x.astype(np.float32)) for x in arrays(generator, (2,), 70, 70, 16, 16, 1.0)
    ]

    def loss(q, k, v):
        return attend(q, k, v).sum()

    value, _ = weft.value_and_grad(loss)(*given)
    assert np.array(value).tobytes() == np.array(loss(*given)).tobytes()


PROGRAM = """
import sys, numpy as np, weft
from weft.nn import functional as F
g = np.random.default_rng(5)
q, k, v = (weft.asarray(g.standard_normal((3, 150, 20), np.float32)) for _ in range(3))
sys.stdout.buffer.write(np.array(F.scaled_dot_product_attention(q, k, v, is_causal=True)).tobytes())
"""


def test_the_bits_are_those_of_any_number_of_threads():
    results = set()
    for threads in ("1", "2", "4"):
        environment = {**os.environ, "WEFT_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True
        )
        results.add(run.stdout)
    assert len(results) == 1
