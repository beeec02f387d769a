"""break, continue and return in kernels, beside the same source run by Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import weft
from kernel_exits import check_random_exits
from weft import blocks


@pytest.mark.parametrize("seed", range(40))
def test_random_exits(seed: int, tmp_path: Path) -> None:
    check_random_exits(seed, tmp_path, ((0, 1), (1, 8), (6, 11)))


def test_the_condition_is_not_asked_behind_a_break() -> None:
    @weft.kernel
    def leading(x, out):
        place = 0
        while blocks.load(x, place) > 0:
            place = place + 1
            if place == x.shape[0]:
                break
        blocks.store(out, 0, place)

    for values, count in (([1, 2, 0, 4], 2), ([1, 2, 3], 3), ([0], 0), ([5], 1)):
        assert int(leading[1](np.array(values), weft.spec(1, "int64"))[0]) == count


def test_a_search_through_blocks() -> None:
    @weft.kernel
    def found(x, out, wanted, block: weft.constexpr):
        row = blocks.program_id(0)
        for start in range(0, x.shape[1], block):
            columns = start + blocks.arange(block)
            mask = columns < x.shape[1]
            same = (blocks.load(x, (row, columns), mask) == wanted) & mask
            if weft.any(same):
                place = weft.min(weft.where(same, columns, x.shape[1]))
                blocks.store(out, row, place)
                return
        blocks.store(out, row, -1)

    x = np.random.default_rng(0).integers(0, 40, size=(30, 50))
    got = found[30](x, weft.spec(30, "int64"), 7, block=16)
    want = [np.argmax(row == 7) if (row == 7).any() else -1 for row in x]
    np.testing.assert_array_equal(got, want)


@weft.kernel
def _sign(x):
    if x > 0:
        return x * 0 + 1
    if x < 0:
        return x * 0 - 1
    return x * 0


def test_functions_of_several_ends() -> None:
    @weft.kernel
    def signs(x, out):
        place = blocks.program_id(0)
        blocks.store(out, place, _sign(blocks.load(x, place)))

    x = np.array([3.0, -2.0, 0.0, 5.0])
    np.testing.assert_array_equal(signs[4](x, weft.spec(4, "float64")), np.sign(x))


def test_the_variable_of_a_loop_behind_it() -> None:
    @weft.kernel
    def last(out):
        i = 5
        for i in range(3):
            blocks.store(out, 0, i)
        blocks.store(out, 0, i)

    with pytest.raises(weft.UnsupportedError, match="i has no value behind its loop"):
        last[1](weft.spec(1))


def test_errors_behind_exits_name_line_and_column() -> None:
    @weft.kernel
    def guarded(x, out):
        for i in range(8):
            if i == 6:
                break
            if i == 2:
                continue
            blocks.store(out, i, blocks.load(x, i))

    np.testing.assert_array_equal(guarded[1](np.ones(6), weft.spec(6)), [1, 1, 0, 1, 1, 1])
    lines = Path(__file__).read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "blocks.load(x, i)" in text)
    column = lines[line - 1].index("blocks.load") + 1
    with pytest.raises(weft.OutOfBoundsError, match=f":{line}:{column}: load of x .* index 5 "):
        guarded[1](np.ones(5), weft.spec(6))


def test_gradients_maps_and_threads() -> None:
    """Exits are branches and loops: all that holds for these holds for them."""

    @weft.kernel
    def partial(x, out, n):
        total = 0.0
        for i in range(x.shape[0]):
            if i == n:
                break
            total = total + blocks.load(x, i)
        blocks.store(out, blocks.program_id(0), total)

    x = np.random.default_rng(0).normal(size=(4, 9)).astype(np.float32)
    got = weft.vmap(lambda row, n: partial[2](row, weft.spec(2), n))(x, np.arange(4))
    want = [[np.add.accumulate([np.float32(0), *row[:n]])[-1]] * 2 for n, row in enumerate(x)]
    np.testing.assert_array_equal(got, np.array(want, np.float32))
