"""Atomic additions, maxima and minima in kernels, beside NumPy's `ufunc.at`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from weft import blocks

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]


@weft.kernel
def _scattered(index, values, out, how: weft.constexpr, block: weft.constexpr):
    place = blocks.program_id(0) * block + blocks.arange(block)
    there = place < index.shape[0]
    at, value = blocks.load(index, place, there), blocks.load(values, place, there)
    how(out, at, value, there & (at >= 0))


_WAYS = {
    "add": (blocks.atomic_add, np.add),
    "max": (blocks.atomic_max, np.maximum),
    "min": (blocks.atomic_min, np.minimum),
}


def _scatter(how: str, block: int, index: np.ndarray, values: object, out: object) -> np.ndarray:
    grid = blocks.cdiv(index.size, block)
    return _scattered[grid](index, values, out, how=_WAYS[how][0], block=block)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 300),
    size=st.integers(1, 20),
    block=st.sampled_from([1, 3, 16, 37, 64]),
    dtype=st.sampled_from(INTEGERS),
    how=st.sampled_from(sorted(_WAYS)),
    seed=st.integers(0, 1000),
)
def test_integers(count: int, size: int, block: int, dtype: str, how: str, seed: int) -> None:
    rng, limits = np.random.default_rng(seed), np.iinfo(dtype)
    index = rng.integers(-1, size, count)
    values = rng.integers(limits.min, limits.max, count, dtype=dtype, endpoint=True)
    out = rng.integers(limits.min, limits.max, size, dtype=dtype, endpoint=True)
    want, there = out.copy(), index >= 0
    _WAYS[how][1].at(want, index[there], values[there])
    np.testing.assert_array_equal(_scatter(how, block, index, values, out), want)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("how", sorted(_WAYS))
def test_floats_in_the_order_of_the_grid(how: str, dtype: str) -> None:
    """To the bit: each sum is rounded as soon as it is there, in the order of the elements."""
    rng = np.random.default_rng(0)
    index, values = rng.integers(-1, 7, 500), rng.normal(size=500).astype(np.float32)
    given, first = weft.asarray(values).astype(dtype), weft.ones(7, dtype=dtype)
    want = [weft.asarray(1.0).astype(dtype)] * 7
    functions = {"add": weft.add, "max": weft.maximum, "min": weft.minimum}
    for place, value in zip(index, given, strict=True):
        if place >= 0:
            want[place] = functions[how](want[place], value)
    for block in (1, 16, 50):
        got = _scatter(how, block, index, given, first)
        assert weft.all(got == weft.stack(want))


def test_nan_stays() -> None:
    values = np.array([1.0, np.nan, 3.0, -np.inf], np.float32)
    for how in ("max", "min"):
        got = _scatter(how, 4, np.zeros(4, np.int64), values, weft.spec(2))
        np.testing.assert_array_equal(got, [np.nan, 0.0])


def test_sums_of_floats_do_not_depend_on_threads() -> None:
    rng, usual = np.random.default_rng(0), weft.get_num_threads()
    index, values = rng.integers(0, 5, 20_000), rng.normal(size=20_000).astype(np.float32)
    made = []
    for threads in (1, 2, 4):
        weft.set_num_threads(threads)
        made += [np.asarray(_scatter("add", 16, index, values, weft.spec(5))) for _ in range(3)]
    weft.set_num_threads(usual)
    assert len({x.tobytes() for x in made}) == 1
    np.testing.assert_allclose(made[0], np.bincount(index, values), rtol=1e-3)


def test_many_threads_lose_nothing() -> None:
    usual = weft.get_num_threads()
    weft.set_num_threads(4)
    index = np.random.default_rng(0).integers(0, 3, 400_000)
    got = _scatter("add", 64, index, np.ones(index.size, np.int32), weft.spec(3, "int32"))
    weft.set_num_threads(usual)
    np.testing.assert_array_equal(got, np.bincount(index))


@weft.kernel
def _histogram(x, out, block: weft.constexpr):
    place = blocks.program_id(0) * block + blocks.arange(block)
    blocks.atomic_add(out, blocks.load(x, place, place < x.shape[0]), 1, place < x.shape[0])


def test_checked_maps_and_exports(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 6, (3, 40))
    want = np.stack([np.bincount(row, minlength=6) for row in x])
    result = weft.spec(6, "int64")
    np.testing.assert_array_equal(_histogram.checked[5](x[0], result, block=8), want[0])
    got = weft.vmap(lambda row: _histogram[5](row, result, block=8))(x)
    np.testing.assert_array_equal(got, want)
    exported = weft.export(lambda row: _histogram[5](row, result, block=8), weft.spec(40, "int64"))
    exported.save(tmp_path / "histogram.weft")
    np.testing.assert_array_equal(weft.load(tmp_path / "histogram.weft")(x[1]), want[1])
    with pytest.raises(weft.OutOfBoundsError, match="atomic_add to out in kernel _histogram"):
        _histogram[5](x[0] + 1, result, block=8)


def test_two_dimensions_and_loops() -> None:
    @weft.kernel
    def sums(x, out):
        column = blocks.arange(4)
        for row in range(x.shape[0]):
            if row % 2 == 1:
                continue
            blocks.atomic_add(out, (row % 3, column), blocks.load(x, (row, column)))
            blocks.atomic_add(out, (0, 0), 1)

    x = np.random.default_rng(0).integers(0, 100, (9, 4))
    want = np.zeros((3, 4), np.int64)
    for row in range(0, 9, 2):
        want[row % 3] += x[row]
        want[0, 0] += 1
    np.testing.assert_array_equal(sums[2](x, weft.spec((3, 4), "int64")), want * 2)


def test_what_is_refused() -> None:
    @weft.kernel
    def mixed(out):
        blocks.store(out, 0, 1)
        blocks.atomic_add(out, 0, 1)

    with pytest.raises(weft.UnsupportedError, match="out is also written to by store"):
        mixed[1](weft.spec(1, "int64"))
    with pytest.raises(weft.DTypeError, match="atomic_add: out has bools"):
        _scatter("add", 1, np.zeros(1, np.int64), np.ones(1), weft.spec(1, "bool"))
    with pytest.raises(weft.UnsupportedError, match="for kernels alone"):
        blocks.atomic_max(None, 0, 1)


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_one_program_for_each_element(dtype: str) -> None:
    """Where every element is combined with once, what was there counts all the same."""
    values = weft.arange(96, dtype=dtype)
    index, before = weft.arange(96, dtype="int64"), weft.full((96,), 7, dtype=dtype)

    @weft.kernel
    def once(values, out, block: weft.constexpr):
        place = blocks.program_id(0) * block + blocks.arange(block)
        blocks.atomic_add(out, place, blocks.load(values, place))

    np.testing.assert_array_equal(once[6](values, before, block=16), values + 7)
    np.testing.assert_array_equal(once[6](values, weft.spec((96,), dtype), block=16), values)
    assert _scatter("add", 16, np.asarray(index), values, before)[0] == 7


@pytest.mark.parametrize("how", [blocks.atomic_add, blocks.atomic_max])
@pytest.mark.parametrize("dtype", ["int32", "float64", "float16"])
@pytest.mark.parametrize("size", [1, 16, 18, 40])
def test_each_element_of_a_block_at_one_index(size: int, dtype: str, how: Callable) -> None:
    """Of a vector whose lanes all go to one place each is one."""

    @weft.kernel
    def gathered(x, out, size: weft.constexpr, how: weft.constexpr):
        place = weft.broadcast_to(blocks.program_id(0) % 2, (size,))
        values = blocks.load(x, blocks.arange(size))
        how(out, place, values, blocks.program_id(0) < 3)
        how(out, place, values)

    x = (np.arange(size) % 4).astype(dtype)
    got = gathered[4](x, weft.spec(2, dtype), size=size, how=how)
    total = x.sum(dtype=dtype)
    want = [4 * total, 3 * total] if how is blocks.atomic_add else [x.max()] * 2
    np.testing.assert_array_equal(got, np.asarray(want, dtype))
