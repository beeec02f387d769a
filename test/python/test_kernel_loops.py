"""What loops a kernel shares, leaves out or turns: results beside NumPy's, of all shapes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from weft import blocks


@weft.kernel
def _shown(x, out, end, size: weft.constexpr, start: weft.constexpr, apart: weft.constexpr):
    place = start + blocks.program_id(0) * apart + blocks.arange(size)
    blocks.store(out, place, blocks.load(x, place, place < end), place < end)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 200),
    end=st.integers(-3, 220),
    grid=st.integers(0, 6),
    size=st.sampled_from([1, 7, 16, 40]),
    start=st.sampled_from([0, 0, 3]),
    apart=st.sampled_from([0, 1]),
)
def test_zeros_where_nothing_is_stored(
    n: int, end: int, grid: int, size: int, start: int, apart: int
) -> None:
    """Blocks side by side or with gaps, fewer and more than there are elements, under a mask."""
    x = np.arange(1, n + 1, dtype=np.float32)
    end = min(end, n)
    got = _shown[grid](x, weft.spec(n), end, size=size, start=start, apart=size + apart)
    want = np.zeros(n, np.float32)
    for first in (start + number * (size + apart) for number in range(grid)):
        there = slice(first, max(first, min(first + size, end)))
        want[there] = x[there]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("end", [-(2**63), -(2**62), 2**63 - 1])
def test_masks_of_numbers_far_away(end: int) -> None:
    x = np.arange(1, 101, dtype=np.float32)

    @weft.kernel
    def chosen(x, out, end):
        place = blocks.program_id(0) * 40 + blocks.arange(40)
        inside = place < x.shape[0]
        values = weft.where(place < end, blocks.load(x, place, inside), -1.0)
        blocks.store(out, place, values, inside)

    want = x if end > 0 else np.full(100, -1, np.float32)
    np.testing.assert_array_equal(chosen[3](x, weft.spec(100), end), want)


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(0, 9), columns=st.integers(0, 70), step=st.sampled_from([16, 24]))
def test_stores_of_loops_that_count(rows: int, columns: int, step: int) -> None:
    """A loop that covers a row, and one that goes on by less or by more than it stores."""

    @weft.kernel
    def walked(x, out, step: weft.constexpr, size: weft.constexpr):
        row = blocks.program_id(0)
        for start in range(0, x.shape[1], step):
            place = start + blocks.arange(size)
            there = place < x.shape[1]
            blocks.store(out, (row, place), blocks.load(x, (row, place), there) + 1, there)

    x = np.random.default_rng(0).normal(size=(rows, columns)).astype(np.float32)
    got = walked[rows](x, weft.spec(x.shape), step=step, size=16)
    want = np.where(np.arange(columns) % step < 16, x + 1, 0)
    np.testing.assert_array_equal(got, want)
    # Of another size than the loop goes on to.
    wide = walked[rows](x, weft.spec((rows, columns + 3)), step=step, size=16)
    np.testing.assert_array_equal(wide, np.pad(want, ((0, 0), (0, 3))))


def test_stores_in_branches_and_on_some_axes() -> None:
    @weft.kernel
    def some(out, again, limit):
        place = blocks.program_id(0) * 8 + blocks.arange(8)
        if blocks.program_id(0) < limit:
            blocks.store(out, place, 1.0)
        blocks.store(again, place, 2.0, place < limit * 8)
        blocks.store(again, place, 3.0, place < 4)

    out, again = some[4](weft.spec(32), weft.spec(32), 2)
    place = np.arange(32)
    np.testing.assert_array_equal(out, np.where(place < 16, 1, 0))
    np.testing.assert_array_equal(again, np.where(place < 4, 3, np.where(place < 16, 2, 0)))

    @weft.kernel
    def across(out):
        place = blocks.program_id(1) * 8 + blocks.arange(8)
        blocks.store(out, place, 1.0, place // 8 == blocks.program_id(0))

    np.testing.assert_array_equal(across[4, 4](weft.spec(32)), np.ones(32))


@settings(max_examples=20, deadline=None)
@given(
    m=st.integers(1, 40),
    n=st.integers(1, 40),
    k=st.integers(1, 40),
    dtype=st.sampled_from(["float32", "float64", "float16", "int32"]),
    turned=st.booleans(),
)
def test_products_that_are_added_and_scaled(
    m: int, n: int, k: int, dtype: str, turned: bool
) -> None:
    """Sums of products in a loop; what is computed of a product is exact for small integers."""

    @weft.kernel
    def products(
        a,
        b,
        c,
        d,
        height: weft.constexpr,
        width: weft.constexpr,
        deep: weft.constexpr,
        turn: weft.constexpr,
    ):
        rows, columns, depth = blocks.arange(height), blocks.arange(width), blocks.arange(deep)
        left = blocks.load(a, (rows[:, None], depth[None, :]))
        if turn:
            right = blocks.load(b, (columns[:, None], depth[None, :])).T
        else:
            right = blocks.load(b, (depth[:, None], columns[None, :]))
        total = blocks.zeros((height, width), dtype=a.dtype)
        for _ in range(3):
            total = total - blocks.dot(left, right)
        both = blocks.dot(left, right) * 2 + blocks.dot(left, right)
        blocks.store(c, (rows[:, None], columns[None, :]), total)
        blocks.store(d, (rows[:, None], columns[None, :]), both + total)

    rng = np.random.default_rng(m * 10007 + n * 101 + k)
    a, b = rng.integers(-3, 4, (m, k)).astype(dtype), rng.integers(-3, 4, (k, n)).astype(dtype)
    given = np.ascontiguousarray(b.T) if turned else b
    specs = weft.spec((m, n), dtype), weft.spec((m, n), dtype)
    c, d = products[1](a, given, *specs, height=m, width=n, deep=k, turn=turned)
    np.testing.assert_array_equal(c, -3 * (a @ b))
    np.testing.assert_array_equal(d, np.zeros_like(a @ b))


def test_a_carried_block_that_is_read_again() -> None:
    """What comes after a block may be written over it only if nothing reads it afterwards."""

    @weft.kernel
    def fibonacci(out, count, size: weft.constexpr):
        place = blocks.arange(size)
        first, second = blocks.zeros((size,)), blocks.full((size,), 1.0)
        for _ in range(count):
            first, second = second, first + second
        blocks.store(out, place, first)

    for count, want in ((0, 0), (1, 1), (10, 55), (30, 832040)):
        got = fibonacci[1](weft.spec(50), count, size=50)
        np.testing.assert_array_equal(got, np.full(50, want))

    @weft.kernel
    def reversed_(x, out, count, size: weft.constexpr):
        place = blocks.arange(size)
        values = blocks.load(x, place)
        for _ in range(count):
            turned = weft.flip(values, axis=0)
            values = weft.tanh(weft.exp(weft.sin(values))) + turned
        blocks.store(out, place, values)

    x = np.random.default_rng(1).normal(size=50)
    want = x
    for _ in range(3):
        want = np.tanh(np.exp(np.sin(want))) + want[::-1]
    np.testing.assert_allclose(reversed_[1](x, weft.spec(50, "float64"), 3, size=50), want)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 150),
    dtype=st.sampled_from(["float32", "float64", "int32", "int8"]),
)
def test_reductions_and_scans_of_many_rows(rows: int, columns: int, dtype: str) -> None:
    """Of integers, so that the order is no matter; of whole rows, and of more than there is."""

    @weft.kernel
    def all_(x, sums, most, where_, scanned, back, high: weft.constexpr, wide: weft.constexpr):
        row, column = blocks.arange(high), blocks.arange(wide)
        there = (row < x.shape[0])[:, None] & (column < x.shape[1])[None, :]
        place = (row[:, None], column[None, :])
        values = blocks.load(x, place, there)
        inside = row < x.shape[0]
        blocks.store(sums, row, weft.sum(values * values + values, axis=1, dtype="int64"), inside)
        blocks.store(most, row, weft.max(values, axis=1), inside)
        blocks.store(where_, row, weft.argmax(values, axis=1), inside)
        blocks.store(scanned, place, weft.cumulative_sum(values, axis=1, dtype="int64"), there)
        loaded = weft.cumulative_sum(blocks.load(x, place, there), axis=0, dtype="int64")
        blocks.store(back, place, loaded, there)

    rng = np.random.default_rng(rows * 1000 + columns)
    x = rng.integers(1, 5, (rows, columns)).astype(dtype)
    size, shape = weft.spec(rows, "int64"), weft.spec(x.shape, "int64")
    for extra in (0, 3):
        sums, most, where_, scanned, back = all_[1](
            x,
            size,
            weft.spec(rows, dtype),
            size,
            shape,
            shape,
            high=rows + extra,
            wide=columns + extra,
        )
        np.testing.assert_array_equal(sums, np.sum(x * x + x, axis=1, dtype=np.int64))
        np.testing.assert_array_equal(most, x.max(axis=1))
        np.testing.assert_array_equal(where_, x.argmax(axis=1))
        np.testing.assert_array_equal(scanned, np.cumsum(x, axis=1, dtype=np.int64))
        np.testing.assert_array_equal(back, np.cumsum(x, axis=0, dtype=np.int64))


@pytest.mark.parametrize("by", [0, 3, -2])
def test_a_scan_reports_the_first_element_that_is_not_there(by: int) -> None:
    @weft.kernel
    def scanned(x, out, by):
        rows, columns = blocks.arange(20)[:, None], blocks.arange(24)[None, :]
        blocks.store(
            out, (rows, columns), weft.cumulative_sum(blocks.load(x, (rows, columns + by)), axis=1)
        )

    x = np.random.default_rng(2).normal(size=(20, 24))
    call: Any = lambda: scanned[1](x, weft.spec(x.shape, "float64"), by)  # noqa: E731
    if by == 0:
        np.testing.assert_array_equal(call(), np.cumsum(x, axis=1))
        return
    index = 24 if by > 0 else -2
    with pytest.raises(weft.OutOfBoundsError, match=f"index {index} of dimension 1"):
        call()


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(0, 9),
    columns=st.integers(0, 90),
    end=st.integers(-3, 100),
    high=st.sampled_from([1, 4, 9]),
    wide=st.sampled_from([8, 16, 40, 150]),
    dtype=st.sampled_from(["float32", "float64", "float16", "int8"]),
    seed=st.integers(0, 99),
)
def test_masks_of_runs_and_of_elements(
    rows: int, columns: int, end: int, high: int, wide: int, dtype: str, seed: int
) -> None:
    """Masks that compare an index, that compare what was loaded, and both; rows partly there."""

    @weft.kernel
    def chosen(x, marks, out, sums, end, limit, high: weft.constexpr, wide: weft.constexpr):
        row = (blocks.program_id(0) * high + blocks.arange(high))[:, None]
        column = blocks.arange(wide)[None, :]
        there = (row < x.shape[0]) & (column < x.shape[1])
        marked = blocks.load(marks, (row, column), there, other=100) < limit
        wanted = marked & there & (column < end)
        values = blocks.load(x, (row, column), wanted, other=3)
        blocks.store(out, (row, column), values + 1, marked & there)
        inside = blocks.program_id(0) * high + blocks.arange(high)
        total = weft.sum(values, axis=1, dtype="float64")
        blocks.store(sums, inside, total, inside < x.shape[0])

    columns = min(columns, wide)
    rng = np.random.default_rng(seed)
    x = rng.integers(-9, 9, (rows, columns)).astype(dtype)
    marks = rng.integers(0, 9, (rows, columns))
    limit = int(rng.integers(0, 10))
    grid = blocks.cdiv(rows, high)
    out, sums = chosen[grid](
        x,
        marks,
        weft.spec(x.shape, dtype),
        weft.spec(rows, "float64"),
        end,
        limit,
        high=high,
        wide=wide,
    )
    marked = marks < limit
    values = np.where(marked & (np.arange(columns) < end), x, 3).astype(dtype)
    np.testing.assert_array_equal(out, np.where(marked, values + 1, 0))
    want = values.sum(axis=1, dtype=np.float64) + 3 * (wide - columns)
    np.testing.assert_array_equal(sums, want)


@pytest.mark.parametrize("wide", [16, 40, 150])
@pytest.mark.parametrize("extra", [-1, 0, 1, 20])
def test_masks_that_want_what_is_not_there(wide: int, extra: int) -> None:
    """A mask that ends behind the end of a row is an error, and one that ends before it is none."""

    @weft.kernel
    def copied(x, out, end, wide: weft.constexpr):
        column = blocks.arange(wide)
        values = blocks.load(x, (blocks.program_id(0), column), column < end)
        blocks.store(out, (blocks.program_id(0), column), values, column < x.shape[1])

    columns = wide - 5
    x = np.random.default_rng(wide).normal(size=(3, columns))
    call: Any = lambda: copied[3](  # noqa: E731
        x, weft.spec(x.shape, "float64"), columns + extra, wide=wide
    )
    if extra <= 0:
        np.testing.assert_array_equal(call(), np.where(np.arange(columns) < columns + extra, x, 0))
        return
    index = min(columns + extra, wide) - 1
    with pytest.raises(weft.OutOfBoundsError, match=rf"load of x .* index {index} of dimension 1"):
        call()


def test_products_that_meet_in_more_than_one_operation() -> None:
    """What is computed of one product along with it reads another one."""

    @weft.kernel
    def both(a, b, out, size: weft.constexpr):
        rows, columns = blocks.arange(size)[:, None], blocks.arange(size)[None, :]
        left, right = blocks.load(a, (rows, columns)), blocks.load(b, (rows, columns))
        joined = (blocks.dot(left, right) - blocks.dot(right, left) * 2) * left + right
        blocks.store(out, (rows, columns), joined)

    rng = np.random.default_rng(0)
    for size in (1, 5, 20):
        a, b = rng.integers(-5, 6, (2, size, size)).astype(np.float32)
        got = both[1](a, b, weft.spec((size, size)), size=size)
        np.testing.assert_array_equal(got, (a @ b - (b @ a) * 2) * a + b)
