"""weft.kernel: programs over blocks beside the same source run by NumPy, and what is refused."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import kernel_programs
import numpy as np
import pytest
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from weft import _guards, blocks

HERE = __file__


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(seed: int, tmp_path: Path) -> None:
    source = kernel_programs.random_source(seed)
    marked = source.replace("R, C)", "R: weft.constexpr, C: weft.constexpr)")
    function = kernel_programs.loaded(tmp_path, marked)
    kernel = weft.kernel(function)
    rng = np.random.default_rng(seed)
    for shape in ((1, 1), (5, 40), (17, 33)):
        x, y = rng.normal(size=(2, *shape))
        rows, columns = (int(rng.choice(sizes)) for sizes in ((1, 4, 7), (8, 16, 37)))
        grid = blocks.cdiv(shape[0], rows), blocks.cdiv(shape[1], columns)
        got = kernel[grid](x, y, weft.spec(shape, "float64"), R=rows, C=columns)
        want = np.zeros(shape)
        kernel_programs.interpret(function, grid, x, y, want, R=rows, C=columns)
        # Some hundred operations, each of some units in the last place; no slope is above 10.
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, err_msg=source)


@weft.kernel
def _scaled(x, out, n, factor, block: weft.constexpr):
    offsets = blocks.program_id(0) * block + blocks.arange(block)
    blocks.store(out, offsets, blocks.load(x, offsets, offsets < n) * factor, offsets < n)


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(0, 300),
    block=st.sampled_from([1, 3, 16, 50, 128]),
    dtype=st.sampled_from(
        ["float32", "float64", "float16", "int8", "int32", "int64", "uint8", "uint32"]
    ),
)
def test_dtypes_and_shapes(n: int, block: int, dtype: str) -> None:
    x = np.arange(n).astype(dtype)
    got = _scaled[blocks.cdiv(n, block)](x, weft.spec(n, dtype), n, 2, block=block)
    np.testing.assert_array_equal(np.asarray(got), x * np.asarray(2, dtype))


def test_bools_and_bfloat16() -> None:
    @weft.kernel
    def negated(x, out, block: weft.constexpr):
        place = blocks.arange(block)
        blocks.store(out, place, ~blocks.load(x, place))

    flags = np.array([True, False, True])
    np.testing.assert_array_equal(negated[1](flags, weft.spec(3, "bool"), block=3), ~flags)
    x = weft.arange(40).astype("bfloat16")
    got = _scaled[3](x, weft.spec(40, "bfloat16"), 40, 3, block=16)
    assert weft.all(got == x * 3)


@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "argmax", "argmin", "any", "all"])
def test_reductions(name: str, axis: int | None, tmp_path: Path) -> None:
    if axis is None and name.startswith("arg"):
        axis = 1
    source = (
        "def program(x, out, R: weft.constexpr, C: weft.constexpr, N: weft.constexpr):\n"
        "    place = blocks.arange(R)[:, None], blocks.arange(C)[None, :]\n"
        f"    made = weft.{name}(blocks.load(x, place) - 1.0, axis={axis})\n"
        "    blocks.store(out, blocks.arange(N), made)\n"
    )
    kernel = weft.kernel(kernel_programs.loaded(tmp_path, source))
    rng = np.random.default_rng(0)
    for rows, columns in ((1, 1), (3, 50), (20, 16)):
        x = rng.uniform(0.5, 1.5, size=(rows, columns)).astype(np.float32)
        want = np.atleast_1d(getattr(np, name)(x - np.float32(1), axis=axis))
        count = want.size
        result = weft.spec(count, "float32" if want.dtype.kind == "f" else str(want.dtype))
        got = kernel[1](x, result, R=rows, C=columns, N=count)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6 * rows * columns)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["cumulative_sum", "cumulative_prod"])
def test_scans(name: str, axis: int, tmp_path: Path) -> None:
    source = (
        "def program(x, out, R: weft.constexpr, C: weft.constexpr):\n"
        "    place = blocks.arange(R)[:, None], blocks.arange(C)[None, :]\n"
        f"    made = weft.{name}(blocks.load(x, place) * 2.0, axis={axis})\n"
        "    blocks.store(out, place, made - 1.0)\n"
    )
    kernel = weft.kernel(kernel_programs.loaded(tmp_path, source))
    reference = np.cumsum if name == "cumulative_sum" else np.cumprod
    for rows, columns in ((1, 1), (3, 50), (20, 16)):
        x = np.random.default_rng(0).uniform(0.4, 0.6, size=(rows, columns))
        got = kernel[1](x, weft.spec((rows, columns), "float64"), R=rows, C=columns)
        np.testing.assert_allclose(got, reference(x * 2, axis=axis) - 1, rtol=1e-12, atol=1e-12)


def _dots(a, b, c, sizes: weft.constexpr, turned: weft.constexpr):
    m, n, k = (blocks.arange(size) for size in sizes)
    if turned[0]:
        left = blocks.load(a, (k[:, None], m[None, :])).T
    else:
        left = blocks.load(a, (m[:, None], k[None, :]))
    if turned[1]:
        right = blocks.load(b, (n[:, None], k[None, :])).T
    else:
        right = blocks.load(b, (k[:, None], n[None, :]))
    blocks.store(c, (m[:, None], n[None, :]), blocks.dot(left, right))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int8", "int64"])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (7, 17, 5), (13, 40, 33)])
def test_products_of_blocks(sizes: tuple[int, int, int], dtype: str) -> None:
    m, n, k = sizes
    kernel, rng = weft.kernel(_dots), np.random.default_rng(0)
    for turned in ((False, False), (True, False), (False, True), (True, True)):
        a, b = rng.integers(-1, 2, size=(m, k)), rng.integers(-1, 2, size=(k, n))
        given = [
            weft.asarray(np.ascontiguousarray(x.T if is_turned else x)).astype(dtype)
            for x, is_turned in zip((a, b), turned, strict=True)
        ]
        got = kernel[1](*given, weft.spec((m, n), dtype), sizes=sizes, turned=turned)
        np.testing.assert_array_equal(got.astype("float64"), a @ b)


def test_elements_at_indices_that_wereloaded() -> None:
    @weft.kernel
    def gathered(x, places, out, n):
        at = blocks.program_id(0) * 16 + blocks.arange(16)
        place = blocks.load(places, at, at < n)
        blocks.store(out, at, blocks.load(x, place, at < n), at < n)

    rng = np.random.default_rng(0)
    x, places = rng.normal(size=50), rng.integers(0, 50, size=70)
    np.testing.assert_array_equal(gathered[5](x, places, weft.spec(70, "float64"), 70), x[places])
    places[33] = 99
    with pytest.raises(weft.OutOfBoundsError, match="load of x in kernel gathered: index 99 of"):
        gathered[5](x, places, weft.spec(70, "float64"), 70)


def test_results_are_values() -> None:
    """What is not stored to is zero, or an element of the tensor that was given."""

    @weft.kernel
    def odd(out):
        place = blocks.arange(4) * 2 + 1
        blocks.store(out, place, place)

    zeros = odd[1](weft.spec(9, "int64"))
    np.testing.assert_array_equal(zeros, [0, 1, 0, 3, 0, 5, 0, 7, 0])
    given = weft.full((9,), -1, dtype="int64")
    np.testing.assert_array_equal(odd[1](given), [-1, 1, -1, 3, -1, 5, -1, 7, -1])
    np.testing.assert_array_equal(given, [-1] * 9)


def test_several_results_in_the_order_of_parameters() -> None:
    @weft.kernel
    def both(first, x, second):
        place = blocks.arange(3)
        blocks.store(second, place, blocks.load(x, place) + 1)
        blocks.store(first, place, blocks.load(x, place) * 2)

    x = np.arange(3, dtype=np.float32)
    doubled, next_ = both[1](weft.spec(3), x, weft.spec(3))
    np.testing.assert_array_equal(doubled, x * 2)
    np.testing.assert_array_equal(next_, x + 1)
    alone = weft.jit(lambda x: both[1](weft.spec(3), x, weft.spec(3))[1])(x)
    np.testing.assert_array_equal(alone, x + 1)


def _kernels_made() -> int:
    """Kernels compiled, or found compiled on disk."""
    statistics = weft.stats()
    return statistics["kernels_compiled"] + statistics["disk_cache_hits"]


def test_one_code_for_all_sizes() -> None:
    x = np.ones(100, np.float32)
    _scaled[4](x, weft.spec(100), 100, 3.0, block=32)
    before = _kernels_made()
    for n in (1, 40, 77):
        _scaled[blocks.cdiv(n, 32)](x[:n], weft.spec(n), n, 5.0, block=32)
    assert _kernels_made() == before


def test_eager_jit_and_export_agree(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=75).astype(np.float32)

    def run(x: Any) -> Any:
        return _scaled[3](x, weft.spec(75), 75, 1.7, block=32)

    eager = np.asarray(run(x))
    np.testing.assert_array_equal(weft.jit(run)(x), eager)
    exported = weft.export(run, weft.spec(75))
    exported.save(tmp_path / "scaled.weft")
    np.testing.assert_array_equal(weft.load(tmp_path / "scaled.weft")(x), eager)


def test_between_other_operations() -> None:
    """What a program reads at other places is not where its results go."""

    @weft.kernel
    def reversed_(x, out, block: weft.constexpr):
        size = x.shape[0]
        place = blocks.program_id(0) * block + blocks.arange(block)
        there = place < size
        blocks.store(out, place, blocks.load(x, size - 1 - place, there), there)

    x = np.random.default_rng(4).normal(size=1000).astype(np.float32)

    def run(x: Any) -> Any:
        y = weft.exp(x)
        for _ in range(3):
            y = reversed_[blocks.cdiv(1000, 64)](y, weft.spec(1000), block=64) * 2
        return y + 1

    want = np.asarray(weft.exp(weft.asarray(x)))[::-1] * 8 + 1
    np.testing.assert_array_equal(weft.jit(run)(x), want)


def test_vmap_adds_an_axis_to_the_grid() -> None:
    x = np.random.default_rng(2).normal(size=(5, 40)).astype(np.float32)
    factors = np.arange(5, dtype=np.float32)
    got = weft.vmap(lambda x, f: _scaled[3](x, weft.spec(40), 40, f, block=16))(x, factors)
    np.testing.assert_array_equal(got, x * factors[:, None])


def test_threads_change_no_bit() -> None:
    x = np.random.default_rng(3).normal(size=100_000).astype(np.float32)
    results, usual = [], weft.get_num_threads()
    for threads in (1, 2):
        weft.set_num_threads(threads)
        made = _scaled[blocks.cdiv(x.size, 64)](x, weft.spec(x.size), x.size, 1.1, block=64)
        results.append(np.asarray(made).tobytes())
    weft.set_num_threads(usual)
    assert results[0] == results[1]


def _position(text: str) -> tuple[int, int]:
    """The line and column of a text of this file, which is there once (and in the test's own)."""
    lines = Path(HERE).read_text().splitlines()
    for number, line in enumerate(lines, 1):
        if text in line:
            return number, line.index(text) + 1
    raise AssertionError(text)


def test_an_element_that_is_not_there() -> None:
    @weft.kernel
    def shifted(x, out, by):
        place = blocks.arange(8)
        blocks.store(out, place, blocks.load(x, place + by))

    line, column = _position("blocks.load(x, place + by)")
    x = np.arange(8, dtype=np.float32)
    np.testing.assert_array_equal(shifted[1](x, weft.spec(8), 0), x)
    for by, index in ((5, 12), (-3, -1)):
        with pytest.raises(weft.OutOfBoundsError) as caught:
            shifted[1](x, weft.spec(8), by)
        text = f"{HERE}:{line}:{column}: load of x in kernel shifted: index {index} of dimension 0"
        assert text in str(caught.value)
    with pytest.raises(weft.OutOfBoundsError, match="store to out"):
        shifted[1](x, weft.spec(7), 0)
    # The next call has no fault.
    np.testing.assert_array_equal(shifted[1](x, weft.spec(8), 0), x)
    with pytest.raises(weft.OutOfBoundsError):
        weft.jit(lambda x: shifted[1](x, weft.spec(8), 1))(x)


def test_programs_that_store_to_one_element() -> None:
    @weft.kernel
    def crowded(out, second, size, by):
        place = blocks.program_id(0) * by + blocks.arange(8)
        blocks.store(out, place, 1.0, place < size)
        blocks.store(second, blocks.program_id(0), 2.0)

    for by in (8, 9):
        both = crowded.checked[4](weft.spec(35), weft.spec(4), 35, by)
        want = crowded[4](weft.spec(35), weft.spec(4), 35, by)
        for got, expected in zip(both, want, strict=True):
            np.testing.assert_array_equal(got, expected)
    with pytest.raises(weft.OutOfBoundsError, match=r"programs \d and \d of the grid"):
        crowded.checked[4](weft.spec(35), weft.spec(4), 35, 7)
    with pytest.raises(weft.UnsupportedError, match="checked is for calls outside"):
        weft.jit(lambda: crowded.checked[4](weft.spec(35), weft.spec(4), 35, 8))()


def test_errors_name_line_and_column() -> None:
    @weft.kernel
    def uneven(x, out):
        pair = blocks.load(x, blocks.arange(2))
        blocks.store(out, blocks.arange(2), pair + blocks.arange(3))

    line, column = _position("pair + blocks.arange(3)")
    with pytest.raises(weft.ShapeError) as caught:
        uneven[1](np.ones(2, np.float32), weft.spec(2))
    assert str(caught.value).startswith(f"{HERE}:{line}:{column}: kernel uneven: ")


def test_a_loaded_result() -> None:
    @weft.kernel
    def doubled(x):
        place = blocks.arange(3)
        blocks.store(x, place, blocks.load(x, place) * 2)

    with pytest.raises(weft.UnsupportedError, match="x is loaded and stored to"):
        doubled[1](np.ones(3, np.float32))


@pytest.mark.parametrize(
    ("text", "body"),
    [
        ("lambda", "    f = lambda: 1\n"),
        ("try", "    try:\n        y = 1\n    finally:\n        y = 2\n"),
        ("else behind a loop", "    while x:\n        y = 1\n    else:\n        y = 2\n"),
        ("at some of its ends", "    if x:\n        return 1\n    y = 2\n"),
        ("at some of its ends,", "    if x:\n        return 1\n    return\n"),
        ("return in a loop gives", "    for i in range(3):\n        return 1\n    return 2\n"),
    ],
)
def test_what_a_kernel_can_not_have(text: str, body: str, tmp_path: Path) -> None:
    function = kernel_programs.loaded(tmp_path, f"def program(x):\n{body}")
    with pytest.raises(weft.UnsupportedError, match=text) as caught:
        weft.kernel(function)
    assert f"{function.__code__.co_filename}:" in str(caught.value)


def test_calls_compare_nothing_that_a_kernel_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a compiled function compares at each call of what its kernels' objects hold."""
    watched: list[Any] = []
    table = _guards.Scanner.table

    def noting(scanner: _guards.Scanner) -> tuple:
        watched.extend(item.value for item in scanner.watched)
        return table(scanner)

    monkeypatch.setattr(_guards.Scanner, "table", noting)
    x = np.ones(100, np.float32)
    weft.jit(lambda x: _scaled[4](x, weft.spec(100), 100, 3.0, block=32))(x)
    assert any(value is _scaled for value in watched)
    assert not any(isinstance(value, (inspect.Signature, inspect.Parameter)) for value in watched)


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(weft.OptionError, match="give it a grid"):
        _scaled(1)
    with pytest.raises(weft.OptionError, match="missing a required argument"):
        _scaled[1](np.ones(3))
    with pytest.raises(weft.OptionError, match="a grid is 1 to 3 ints"):
        _scaled[(1, 1, 1, 1)](np.ones(3), weft.spec(3, "float64"), 3, 1, block=4)
    with pytest.raises(weft.DTypeError, match="x is complex64"):
        _scaled[1](np.ones(3, "complex64"), weft.spec(3), 3, 1, block=4)
    with pytest.raises(weft.DTypeError, match="out is complex64"):
        _scaled[1](np.ones(3), weft.spec(3, "complex64"), 3, 1, block=4)
    with pytest.raises(weft.UnsupportedError, match="for kernels alone"):
        blocks.program_id(0)


def test_blocks_too_large_for_the_stack() -> None:
    @weft.kernel
    def large(x, out, n: weft.constexpr):
        place = blocks.arange(n)
        values = blocks.load(x, place, place < 1)
        blocks.store(out, place, values - weft.sum(values), place < 1)

    with pytest.raises(weft.WeftError, match="take smaller blocks"):
        large[1](np.ones(1, np.float32), weft.spec(1), n=1 << 20)


def test_constants_chosen_by_measuring() -> None:
    tuned = weft.autotune([{"block": 1 << 22}, {"block": 16}, {"block": 64}])(_scaled)
    grid = lambda constants: blocks.cdiv(90, constants["block"])  # noqa: E731
    for n in (90, 80, 90):
        x = np.arange(n, dtype=np.float32)
        np.testing.assert_array_equal(tuned[grid](x, weft.spec(n), n, 2.0), x * 2)
    assert [place[0][2] for place, _ in tuned.choices] == [(90,), (80,)]
    x = weft.arange(90, dtype="float32")
    np.testing.assert_array_equal(
        weft.jit(lambda x: tuned[grid](x, weft.spec(90), 90, 3.0))(x), x * 3
    )
    with pytest.raises(weft.OptionError, match="blok is none of its constants"):
        weft.autotune([{"blok": 3}])(_scaled)
    with pytest.raises(weft.OptionError, match="there are no configs"):
        weft.autotune([])(_scaled)


def test_no_derivative_but_a_given_one() -> None:
    x = weft.ones(3)
    with pytest.raises(weft.WeftError):
        weft.grad(lambda x: weft.sum(_scaled[1](x, weft.spec(3), 3, 2.0, block=4)))(x)
