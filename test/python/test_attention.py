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


def reference(query, key, value, scale, causal, mask=None):
    """The definition, in doubles; heads of key and value are repeated for those of the query."""
    query, key, value = (x.astype(np.float64) for x in (query, key, value))
    if query.ndim > 2 and key.shape[-3] not in (0, query.shape[-3]):
        key, value = (np.repeat(x, query.shape[-3] // x.shape[-3], -3) for x in (key, value))
    scores = query @ np.swapaxes(key, -2, -1) * scale
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    if causal:
        hidden = np.arange(key.shape[-2]) > np.arange(query.shape[-2])[:, None]
        scores = np.where(hidden, -np.inf, scores)
    if key.shape[-2] == 0:
        return np.zeros((*query.shape[:-1], value.shape[-1]))
    largest = scores.max(-1, keepdims=True)
    weights = np.exp(scores - np.where(largest == -np.inf, 0, largest))
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) @ value


def bound(query, key, value, scale, dtype, mask=None):
    """Of the error: what the scores' rounding does to each weight, and the sums' own rounding."""
    ulp = max(ULP["float32"], ULP[dtype]) if dtype != "float64" else ULP["float64"]
    computed = ULP["float64"] if dtype == "float64" else ULP["float32"]
    depth, keys = query.shape[-1], key.shape[-2]
    if 0 in (*query.shape, *key.shape, *value.shape):
        return ulp
    most_of_query, most_of_key = (np.abs(x.astype(np.float64)).max() for x in (query, key))
    of_score = (depth + 3) * computed * depth * most_of_query * most_of_key * abs(scale)
    if mask is not None and mask.dtype != bool:
        of_score += computed * np.abs(mask[np.isfinite(mask)]).max(initial=0)
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


def random_mask(generator, batch, queries, keys):
    """None, bool or floating; of any shape that broadcasts, and with rows that hide all keys."""
    shape = [size if generator.random() < 0.7 else 1 for size in (*batch, queries, keys)]
    shape = shape[int(generator.integers(0, len(shape) - 1)) :]
    kind = int(generator.integers(3))
    if kind == 0:
        return None
    seen = generator.random(shape) < generator.choice([0.02, 0.6])
    return seen if kind == 1 else np.where(seen, generator.standard_normal(shape), -np.inf)


@pytest.mark.parametrize("seed", range(60))
def test_random_masks_and_shared_heads(seed):
    generator = np.random.default_rng(1000 + seed)
    (_, _, _), dtype, causal, scale = random_case(seed)
    batch, shared, groups = (
        [(), (2,), (1, 3)][seed % 3],
        1 + int(generator.integers(3)),
        1 + int(generator.integers(4)),
    )
    queries, keys = (int(generator.choice([0, 1, 5, 17, 64, 70, 130])) for _ in range(2))
    heads = (*batch, shared * groups)
    shapes = [(*heads, queries, 8), (*batch, shared, keys, 8), (*batch, shared, keys, 20)]
    given = [generator.standard_normal(shape) for shape in shapes]
    mask = None if causal else random_mask(generator, heads, queries, keys)
    if mask is not None and mask.dtype != bool and dtype != "float64":
        mask = mask.astype(np.float32)
    tensors = [weft.asarray(x).astype(getattr(weft, dtype)) for x in given]
    exact = [np.array(x.astype(weft.float64)) for x in tensors]
    expected = reference(*exact, scale, causal, mask)
    options = {"is_causal": causal, "scale": scale, "enable_gqa": groups > 1 or seed % 2 == 0}
    masks = [] if mask is None else [weft.asarray(mask)]
    eager = attend(*tensors, *masks, **options)
    assert eager.shape == expected.shape
    found = np.array(eager.astype(weft.float64))
    assert np.abs(found - expected).max(initial=0) <= bound(*exact, scale, dtype, mask)
    compiled = weft.jit(lambda *all: attend(*all, **options))(*tensors, *masks)
    assert np.array(compiled.astype(weft.float64)).tobytes() == found.tobytes()


def test_a_mask_is_repeated_where_it_is_used():
    """One row for all queries of all heads stays one."""
    q = weft.asarray(np.ones((2, 4, 64, 8), np.float32))
    padding = weft.asarray(np.ones((2, 1, 1, 64), np.float32))
    compiled = weft.jit(lambda q, padding: attend(q, q, q, attn_mask=padding > 0.5))
    assert "64x64" not in compiled.lower(q, padding).ir("kernels")


def test_shared_heads_are_not_copied():
    q = weft.asarray(np.ones((1, 8, 16, 8), np.float32))
    k = weft.asarray(np.ones((1, 2, 32, 8), np.float32))
    for causal in (False, True):
        compiled = weft.jit(lambda q, k: attend(q, k, k, is_causal=causal, enable_gqa=True))
        text = compiled.lower(q, k).ir("kernels")
        assert text.count("weft.launch @") == 1
        assert "1x8x32x8" not in text


def test_batches_of_shared_heads_broadcast():
    generator = np.random.default_rng(8)
    shapes = (1, 4, 5, 8), (3, 2, 6, 8), (1, 2, 6, 8)
    given = [generator.standard_normal(shape).astype(np.float32) for shape in shapes]
    found = np.array(attend(*map(weft.asarray, given), enable_gqa=True))
    wide = [np.broadcast_to(x, (3, *x.shape[1:])) for x in given]
    np.testing.assert_allclose(found, reference(*wide, 8**-0.5, causal=False), atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 1e-9])
def test_the_result_has_the_dtype_of_the_query(dropout):
    q = weft.ones(2, 3, 4, dtype="float16")
    assert attend(q, q, q, weft.zeros(3, 3), dropout_p=dropout).dtype == weft.float16


def test_one_tensor_may_be_all_operands():
    """Also the mask, which is computed in the kernel, where the query is read from memory."""
    x = np.random.default_rng(6).standard_normal((2, 24, 24)).astype(np.float32)

    def function(x):
        y = weft.tanh(x)
        return attend(y, y, y, attn_mask=y)

    result = np.array(weft.jit(function)(weft.asarray(x)))
    y = np.tanh(x)
    np.testing.assert_allclose(
        result, reference(y, y, y, 24**-0.5, causal=False, mask=y), atol=1e-5
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q, k, v: attend(q, k, v, attn_mask=weft.ones(5, 7)), r"mask of shape \(5, 7\)"),
        (lambda q, k, v: attend(q, k, v, weft.ones(6, 7), is_causal=True), "not both"),
        (lambda q, k, v: attend(q, k, v, attn_mask=weft.ones(6, 7, dtype="int32")), "int32"),
        (lambda q, k, v: attend(q, k.astype("float64"), v), "float32, float64"),
        (lambda q, k, v: attend(q, k[:, :3], v[:, :3], enable_gqa=True), "multiple of K"),
        (lambda q, k, v: attend(q[0], k[0], v[0, 0], enable_gqa=True), "multiple of K"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    q, k, v = weft.ones(1, 4, 6, 8), weft.ones(1, 4, 7, 8), weft.ones(1, 4, 7, 8)
    with pytest.raises((weft.ShapeError, weft.DTypeError), match=message) as raised:
        change(q, k, v)
    assert "scaled_dot_product_attention" in str(raised.value)


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


def added_mask(generator):
    mask = generator.standard_normal((2, 9, 70))
    mask[:, 3] = -np.inf
    return mask


@pytest.mark.parametrize("kind", ["plain", "causal", "added", "seen", "shared"])
def test_gradients(kind):
    """Against finite differences of the definition in doubles."""
    generator = np.random.default_rng(3)
    shapes = [(4 if kind == "shared" else 2, 9, 5), (2, 70, 5), (2, 70, 4)]
    given, direction = ([generator.standard_normal(shape) for shape in shapes] for _ in range(2))
    causal, mask = kind in ("causal", "shared"), None
    if kind == "added":
        given.append(added_mask(generator))
        direction.append(np.ones_like(given[3]) * generator.standard_normal((9, 70)))
    if kind == "seen":
        mask = generator.random((9, 70)) < 0.5
    weights = generator.standard_normal((*shapes[0][:2], 4))
    seen = [] if mask is None else [weft.asarray(mask)]

    def loss(*inputs):
        result = attend(*inputs, *seen, is_causal=causal, enable_gqa=kind == "shared")
        return (result * weft.asarray(weights)).sum()

    numbers = tuple(range(len(given)))
    gradients = weft.grad(loss, argnums=numbers)(*map(weft.asarray, given))
    slope = sum(float((np.array(g) * d).sum()) for g, d in zip(gradients, direction, strict=True))
    step = 1e-5

    def moved(sign):
        inputs = [x + sign * step * d for x, d in zip(given, direction, strict=True)]
        bias = inputs.pop() if kind == "added" else mask
        return (reference(*inputs, 5**-0.5, causal, bias) * weights).sum()

    assert abs(slope - (moved(1) - moved(-1)) / (2 * step)) < 1e-6 * (1 + abs(slope))


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
