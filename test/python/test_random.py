"""Random numbers: the generator against its definition, and their distributions."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy
from scipy import stats
from weft import _core, random

_COUNT = 100_000
# The Kolmogorov-Smirnov statistic of n samples is above 2.2 / sqrt(n) once in 10,000 seeds.
_LARGEST_DISTANCE = 2.2 / np.sqrt(_COUNT)


def _threefry(key: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Threefry-2x32 with 20 rounds, after the paper of Salmon et al. (2011)."""
    k0, k1 = key.view(np.uint32)
    keys = [k0, k1, k0 ^ k1 ^ np.uint32(0x1BD11BDA)]
    rotations = [[13, 15, 26, 6], [17, 29, 16, 24]]
    with np.errstate(over="ignore"):
        x = positions.astype(np.uint32) + keys[0]
        y = (positions >> 32).astype(np.uint32) + keys[1]
        for group in range(5):
            for rotation in rotations[group % 2]:
                x = x + y
                y = (y << np.uint32(rotation)) | (y >> np.uint32(32 - rotation))
                y = y ^ x
            x = x + keys[(group + 1) % 3]
            y = y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y


def _bits(key: weft.Tensor, shape: tuple[int, ...], dtype: str) -> weft.Tensor:
    return _core.apply("weft.random_bits", (key,), None, shape, getattr(weft, dtype))


def test_the_reference_gives_the_published_vectors() -> None:
    """Known answers of the authors' Random123 for keys and counters of zeros and of ones."""
    zero = _threefry(np.zeros(2, np.int32), np.zeros(1, np.uint64))
    assert [int(word[0]) for word in zero] == [0x6B200159, 0x99BA4EFE]
    ones = _threefry(np.full(2, -1, np.int32), np.full(1, 2**64 - 1, np.uint64))
    assert [int(word[0]) for word in ones] == [0x1CB996FC, 0xBB002BE7]


@pytest.mark.parametrize("number", [0, 1, 12345, 2**63 + 7])
@pytest.mark.parametrize("shape", [(), (1,), (37,), (5, 13), (3, 1, 17)])
def test_bits_are_threefrys(number: int, shape: tuple[int, ...]) -> None:
    key = random.key(number)
    positions = np.arange(int(np.prod(shape)), dtype=np.uint64)
    first, second = _threefry(to_numpy(key), positions)
    words = eager_and_jit(lambda k: _bits(k, shape, "int32"), key)
    assert_same_bits(words, first.view(np.int32).reshape(shape))
    both = eager_and_jit(lambda k: _bits(k, shape, "int64"), key)
    expected = (second.astype(np.uint64) << np.uint64(32)) | first
    assert_same_bits(both, expected.view(np.int64).reshape(shape))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers(dtype: str) -> None:
    x = to_numpy(random.uniform(_COUNT, key=random.key(1), dtype=dtype))
    assert x.dtype == dtype
    assert 0 <= x.min() < x.max() < 1
    assert stats.kstest(x, "uniform").statistic < _LARGEST_DISTANCE
    scaled = to_numpy(random.uniform(_COUNT, -3, 5, key=random.key(2), dtype=dtype))
    assert stats.kstest(scaled, stats.uniform(-3, 8).cdf).statistic < _LARGEST_DISTANCE


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normal_numbers(dtype: str) -> None:
    x = to_numpy(random.normal(_COUNT, key=random.key(3), dtype=dtype))
    assert x.dtype == dtype
    assert np.isfinite(x).all()
    assert stats.kstest(x, "norm").statistic < _LARGEST_DISTANCE
    # Five standard deviations of each moment.
    assert abs(x.mean()) < 5 / np.sqrt(_COUNT)
    assert abs(x.var() - 1) < 5 * np.sqrt(2 / _COUNT)
    assert abs((x.astype(np.float64) ** 4).mean() - 3) < 5 * np.sqrt(96 / _COUNT)
    shifted = to_numpy(random.normal(_COUNT, 2.0, 3.0, key=random.key(4), dtype=dtype))
    assert stats.kstest(shifted, stats.norm(2, 3).cdf).statistic < _LARGEST_DISTANCE


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype: str) -> None:
    x = random.normal((100, 100), key=random.key(5), dtype=dtype)
    assert x.dtype == dtype
    assert abs(float(weft.mean(x.astype("float32")))) < 0.05


def test_integers_and_choices() -> None:
    x = to_numpy(random.randint(-3, 4, (_COUNT,), key=random.key(6)))
    counts = np.bincount(x + 3, minlength=7)
    assert len(counts) == 7
    # Chi-squared with 6 degrees of freedom is above 28 once in 10,000 seeds.
    assert stats.chisquare(counts).statistic < 28
    heads = to_numpy(random.bernoulli(0.3, (_COUNT,), key=random.key(7)))
    assert abs(heads.mean() - 0.3) < 5 * np.sqrt(0.21 / _COUNT)
    order = to_numpy(random.permutation(1000, key=random.key(8)))
    assert sorted(order.tolist()) == list(range(1000))
    assert (order != np.arange(1000)).any()
    with pytest.raises(weft.ShapeError, match="empty"):
        random.randint(3, 3)


def test_a_key_gives_the_same_numbers_in_eager_and_jit() -> None:
    key = random.key(9)
    for draw in (random.uniform, random.normal):
        drawn = eager_and_jit(lambda k, draw=draw: draw((13, 17), key=k), key)
        assert_same_bits(draw((13, 17), key=key), drawn)
        other = to_numpy(draw((13, 17), key=random.key(10)))
        assert (to_numpy(drawn) != other).all()


def test_the_seed_decides_and_each_draw_differs() -> None:
    weft.manual_seed(42)
    first, second = weft.rand(100), weft.rand(100)
    assert (to_numpy(first) != to_numpy(second)).all()
    weft.manual_seed(42)
    draw = weft.jit(lambda: weft.rand(100))
    assert_same_bits([draw(), draw()], [first, second])
    assert_same_bits(weft.manual_seed(42) or weft.rand(100), first)


def test_draws_of_one_compiled_call_are_independent() -> None:
    x, y = weft.jit(lambda: (weft.randn(_COUNT), weft.randn(_COUNT)))()
    correlation = np.corrcoef(to_numpy(x), to_numpy(y))[0, 1]
    assert abs(correlation) < 5 / np.sqrt(_COUNT)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [
        ("float16", -40000, 40000),
        ("float32", -3e38, 3e38),
        ("float64", -1.7e308, 1.7e308),
        ("float32", 0, np.inf),
        ("float32", np.nan, 1.0),
    ],
)
def test_bounds_too_far_apart(dtype, low, high):
    with pytest.raises(weft.OutOfRangeError, match="further than the largest " + dtype):
        weft.random.uniform((2,), low=low, high=high, dtype=dtype)


@pytest.mark.parametrize("replace", [True, False])
def test_impossible_weights_are_refused_where_they_are_known(replace: bool) -> None:
    draw = lambda p, n=1: random.choice(3, (n,), replace, weft.asarray(p))  # noqa: E731
    for weights, words in (
        ([0.5, -0.1, 0.6], "each weight has to be in"),
        ([0.5, float("nan"), 0.6], "each weight has to be in"),
        ([0.5, float("inf"), 0.6], "no finite sum"),
        ([0.0, 0.0, 0.0], "0 weights are above 0, but 1 are needed"),
    ):
        with pytest.raises(weft.OutOfRangeError, match=words):
            draw(weights)
    assert draw([0.0, 1.0, 0.0]).tolist() == [1]
    assert draw([0.0, 0.0, 0.0], 0).shape == (0,)
    if not replace:
        with pytest.raises(weft.OutOfRangeError, match="1 weights are above 0, but 2 are needed"):
            draw([0.0, 1.0, 0.0], 2)
