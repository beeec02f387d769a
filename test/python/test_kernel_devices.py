"""Kernels of weft.kernel on a GPU, and on the emulator of one: the processor's bits, and NumPy's.

Whatever kernels are run here are run under several orders of the emulator's threads, which ends a
test where two of them meet or an element is not there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import devices
import numpy as np
import pytest
import weft
from kernel_exits import check_random_exits
from kernel_programs import interpret, loaded, random_source
from weft import blocks

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from examples import block_kernels


@pytest.fixture(params=devices.DEVICES)
def device(request: pytest.FixtureRequest) -> weft.device:
    return weft.device(request.param)


def _same(device: weft.device, run: Callable, *arrays: np.ndarray) -> list[np.ndarray]:
    """The results of `run` on the processor, whose bits a device has under all its schedules."""
    expected = run(*(weft.asarray(array) for array in arrays))
    expected = [
        np.asarray(each) for each in (expected if isinstance(expected, tuple) else (expected,))
    ]
    for _ in devices.schedules(device):
        made = run(*(weft.asarray(array, device=device) for array in arrays))
        for mine, theirs in zip(
            made if isinstance(made, tuple) else (made,), expected, strict=True
        ):
            assert mine.device == device
            np.testing.assert_array_equal(mine.cpu().numpy(), theirs)
    return expected


@weft.kernel
def _add(x, y, out, n, block: weft.constexpr):
    offsets = blocks.program_id(0) * block + blocks.arange(block)
    mask = offsets < n
    total = blocks.load(x, offsets, mask) + blocks.load(y, offsets, mask, 1)
    blocks.store(out, offsets, total, mask)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "int64", "float64"])
@pytest.mark.parametrize(("n", "block"), [(0, 4), (1, 1), (100, 32), (1000, 256), (37, 512)])
def test_masks(device: weft.device, n: int, block: int, dtype: str) -> None:
    x = np.arange(n).astype(dtype)
    run = lambda x, y: _add[blocks.cdiv(n, block)](x, y, weft.spec(n, dtype), n, block=block)  # noqa: E731
    (made,) = _same(device, run, x, x[::-1].copy())
    np.testing.assert_array_equal(made, x + x[::-1])


@pytest.mark.parametrize("seed", range(12))
def test_random_programs(device: weft.device, seed: int, tmp_path: Path) -> None:
    source = random_source(seed)
    function = loaded(tmp_path, source.replace("R, C)", "R: weft.constexpr, C: weft.constexpr)"))
    kernel = weft.kernel(function)
    rng = np.random.default_rng(seed)
    for shape in ((1, 1), (5, 40), (17, 33)):
        x, y = rng.normal(size=(2, *shape))
        rows, columns = (int(rng.choice(sizes)) for sizes in ((1, 4, 7), (8, 16, 37)))
        grid = blocks.cdiv(shape[0], rows), blocks.cdiv(shape[1], columns)
        run = lambda x, y: kernel[grid](x, y, weft.spec(shape, "float64"), R=rows, C=columns)  # noqa: E731
        (made,) = _same(device, run, x, y)
        want = np.zeros(shape)
        interpret(function, grid, x, y, want, R=rows, C=columns)
        # Some hundred operations, each of some units in the last place; no slope is above 10.
        np.testing.assert_allclose(made, want, rtol=1e-9, atol=1e-9, err_msg=source)


@weft.kernel
def _reduced(x, out, name: weft.constexpr, axis: weft.constexpr, shape: weft.constexpr):
    rows, columns = blocks.arange(shape[0])[:, None], blocks.arange(shape[1])[None, :]
    made = getattr(weft, name)(blocks.load(x, (rows, columns)), axis=axis)
    if axis is None:
        blocks.store(out, 0, made)
    else:
        blocks.store(out, blocks.arange(shape[1 - axis]), made)


@pytest.mark.parametrize("axis", [0, 1, None])
@pytest.mark.parametrize("name", ["sum", "max", "prod", "argmax", "any"])
@pytest.mark.parametrize("shape", [(1, 1), (3, 17), (17, 130), (2, 300)])
def test_reductions(device: weft.device, name: str, axis: int | None, shape: tuple) -> None:
    x = np.random.default_rng(shape[1]).normal(size=shape).astype(np.float32)
    if name == "any":
        x = x > 1
    if name == "argmax" and axis is None:
        return
    dtype = {"argmax": "int64", "any": "bool"}.get(name, "float32")
    size = 1 if axis is None else shape[1 - axis]
    run = lambda x: _reduced[1](x, weft.spec(size, dtype), name=name, axis=axis, shape=shape)  # noqa: E731
    (made,) = _same(device, run, x)
    want = getattr(np, name)(x, axis=axis).reshape(-1)
    # Of a sum of n numbers below 5, each step is rounded.
    np.testing.assert_allclose(made, want, rtol=2e-5, atol=5 * x.size * 2**-24)


@weft.kernel
def _scanned(x, out, axis: weft.constexpr, turned: weft.constexpr, shape: weft.constexpr):
    place = blocks.arange(shape[0])[:, None], blocks.arange(shape[1])[None, :]
    sums = weft.cumulative_sum(blocks.load(x, place), axis=axis)
    if turned:
        blocks.store(out, (place[1].T, place[0].T), sums.T)
    else:
        blocks.store(out, place, sums)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("axis", [0, 1])
def test_scans(device: weft.device, axis: int, turned: bool) -> None:
    x = np.random.default_rng(axis).integers(-9, 9, (19, 33)).astype(np.float32)
    result = weft.spec((33, 19) if turned else (19, 33))
    run = lambda x: _scanned[1](x, result, axis=axis, turned=turned, shape=(19, 33))  # noqa: E731
    (made,) = _same(device, run, x)
    want = np.cumsum(x, axis=axis)
    np.testing.assert_array_equal(made, want.T if turned else want)


@weft.kernel
def _multiplied(a, b, c, sizes: weft.constexpr, turned: weft.constexpr):
    rows, columns, depth = (blocks.arange(size) for size in sizes)
    left = blocks.load(a, (rows[:, None], depth[None, :]))
    if turned:
        right = blocks.load(b, (columns[:, None], depth[None, :])).T
    else:
        right = blocks.load(b, (depth[:, None], columns[None, :]))
    made = blocks.dot(left, right) + 1
    blocks.store(c, (rows[:, None], columns[None, :]), made)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32", "float64"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (7, 33, 5), (16, 16, 20), (4, 70, 9)])
def test_products(device: weft.device, sizes: tuple, turned: bool, dtype: str) -> None:
    m, n, k = sizes
    rng = np.random.default_rng(m)
    a, b = (rng.integers(-4, 5, shape).astype(dtype) for shape in ((m, k), (k, n)))
    given = np.ascontiguousarray(b.T) if turned else b
    run = lambda a, b: _multiplied[1](a, b, weft.spec((m, n), dtype), sizes=sizes, turned=turned)  # noqa: E731
    (made,) = _same(device, run, a, given)
    np.testing.assert_array_equal(made, a @ b + 1)


@weft.kernel
def _combined(index, values, out, how: weft.constexpr, block: weft.constexpr):
    place = blocks.program_id(0) * block + blocks.arange(block)
    there = place < index.shape[0]
    combine = {"add": blocks.atomic_add, "max": blocks.atomic_max, "min": blocks.atomic_min}[how]
    combine(out, blocks.load(index, place, there), blocks.load(values, place, there), there)


@pytest.mark.parametrize("how", ["add", "max", "min"])
@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "uint8", "int16", "float32"])
def test_atomics(device: weft.device, dtype: str, how: str) -> None:
    rng = np.random.default_rng(5)
    index = rng.integers(0, 7, 100)
    values = rng.integers(0, 100, 100).astype(dtype)
    if dtype == "float32":
        values = rng.normal(size=100).astype(dtype)
    run = lambda i, v: _combined[blocks.cdiv(100, 16)](i, v, weft.spec(7, dtype), how=how, block=16)  # noqa: E731
    (made,) = _same(device, run, index, values)
    want = np.zeros(7, dtype)
    {"add": np.add, "max": np.maximum, "min": np.minimum}[how].at(want, index, values)
    np.testing.assert_array_equal(made, want)


@weft.kernel
def _found(x, out, wanted, block: weft.constexpr):
    row = blocks.program_id(0)
    for start in range(0, x.shape[1], block):
        columns = start + blocks.arange(block)
        mask = columns < x.shape[1]
        same = (blocks.load(x, (row, columns), mask) == wanted) & mask
        if weft.any(same):
            blocks.store(out, row, weft.min(weft.where(same, columns, x.shape[1])))
            return
    blocks.store(out, row, -1)


def test_loops_that_end_early(device: weft.device) -> None:
    texts = np.random.default_rng(0).integers(0, 30, (9, 21))
    run = lambda x: _found[9](x, weft.spec(9, "int64"), 5, block=4)  # noqa: E731
    (made,) = _same(device, run, texts)
    want = [next((i for i, value in enumerate(row) if value == 5), -1) for row in texts]
    np.testing.assert_array_equal(made, want)


@weft.kernel
def _turned(x, out, steps, size: weft.constexpr):
    place = blocks.arange(size)
    a = blocks.load(x, place)
    b, c = a * 2, a
    for i in range(steps):
        if i % 3 == 1:
            c = weft.cumulative_sum(b).astype("int32")
        a, b = b, weft.flip(a) + b + c
    blocks.store(out, place, a + b)
    blocks.store(out, place[: size // 2], c[: size // 2], place[: size // 2] % 2 == 0)


@pytest.mark.parametrize("steps", [0, 1, 2, 7])
@pytest.mark.parametrize("size", [2, 64, 301])
def test_carried_blocks_that_others_read(device: weft.device, size: int, steps: int) -> None:
    x = np.random.default_rng(size).integers(-100, 100, size).astype(np.int32)
    run = lambda x: _turned[1](x, weft.spec(size, "int32"), steps, size=size)  # noqa: E731
    (made,) = _same(device, run, x)
    a, b, c = x, x * 2, x
    for i in range(steps):
        if i % 3 == 1:
            c = np.cumsum(b, dtype=np.int32)
        a, b = b, a[::-1] + b + c
    want = a + b
    want[: size // 2 : 2] = c[: size // 2 : 2]
    np.testing.assert_array_equal(made, want)


def _fault(device: weft.device, call: Callable) -> str:
    texts = set()
    for _ in devices.schedules(device):
        with pytest.raises(weft.OutOfBoundsError) as caught:
            call()
        texts.add(str(caught.value))
    (text,) = texts
    return text


@weft.kernel
def _shifted(x, out, by):
    place = blocks.arange(8)
    blocks.store(out, place, blocks.load(x, place + by))


@pytest.mark.parametrize("by", [3, -2, 1 << 40])
def test_an_element_that_is_not_there(device: weft.device, by: int) -> None:
    x = weft.ones(8, device=device)

    def call(where: weft.device) -> str:
        return _fault(where, lambda: _shifted[1](x.to(where), weft.spec(8), by))

    # The message begins with the line of the call.
    assert call(device) == call(weft.device("cpu"))
    run = weft.jit(lambda x: _shifted[1](x * 2, weft.spec(8), by) + 1)
    assert "load of x in kernel _shifted: index" in _fault(device, lambda: run(x))
    np.testing.assert_array_equal(_shifted[1](x, weft.spec(8), 0).cpu(), np.ones(8))


@weft.kernel
def _crowded(x, out):
    blocks.store(out, blocks.program_id(0) // 2, blocks.load(x, 0))


def test_two_programs_that_store_to_one_element_are_a_race() -> None:
    x = weft.ones(1, device="emulator")
    for _ in devices.schedules(weft.device("emulator")):
        with pytest.raises(weft.WeftError, match="race"):
            _crowded[4](x, weft.spec(2))


@weft.kernel
def _repeated(x, out):
    blocks.store(out, blocks.arange(64) // 2, blocks.load(x, blocks.arange(64)))


def test_one_program_that_stores_twice_to_an_element_is_a_race() -> None:
    x = weft.ones(64, device="emulator")
    with pytest.raises(weft.WeftError, match="race"):
        _repeated[1](x, weft.spec(32))


@weft.kernel
def _large(x, out, n: weft.constexpr):
    place = blocks.arange(n)
    values = blocks.load(x, place, place < 1)
    blocks.store(out, place, values - weft.sum(values), place < 1)


def test_blocks_too_large_for_shared_memory(device: weft.device) -> None:
    x = weft.ones(1, device=device)
    with pytest.raises(weft.WeftError, match=r"shared memory.*take smaller blocks"):
        _large[1](x, weft.spec(1), n=1 << 16)
    tuned = weft.autotune([{"n": 1 << 16}, {"n": 8}, {"n": 16}])(_large)
    np.testing.assert_array_equal(tuned[1](x, weft.spec(1)).cpu(), [0])
    ((place, chosen),) = tuned.choices
    assert place[-1] == ("device", str(device))
    assert chosen["n"] in (8, 16)


def test_between_operations_and_mapped(device: weft.device) -> None:
    x = np.random.default_rng(2).normal(size=(5, 40)).astype(np.float32)
    one = lambda x: _add[2](x, x * 2, weft.spec(40), 40, block=32)  # noqa: E731
    (made,) = _same(device, weft.jit(weft.vmap(one)), x)
    np.testing.assert_allclose(made, x * 3, rtol=1e-6)
    text = weft.jit(one).lower(weft.ones(40), target="cuda:sm_90a").ir("ptx")
    assert "atom" in text


def test_checked_kernels(device: weft.device) -> None:
    x = np.arange(100, dtype=np.float32)
    run = lambda x: _add.checked[4](x, x, weft.spec(100), 100, block=32)  # noqa: E731
    (made,) = _same(device, run, x)
    np.testing.assert_array_equal(made, x + x)


@pytest.mark.device
def test_checked_kernels_name_two_programs() -> None:
    x = weft.ones(1, device="cuda")
    with pytest.raises(weft.OutOfBoundsError, match=r"programs [02] and [13] of the grid"):
        _crowded.checked[4](x, weft.spec(2))


@pytest.mark.parametrize("seed", range(16))
def test_random_exits(device: weft.device, seed: int, tmp_path: Path) -> None:
    check_random_exits(seed, tmp_path, ((1, 8), (6, 11)), device)


def test_the_kernels_of_the_page(device: weft.device) -> None:
    rng = np.random.default_rng(1)
    x, a, b = (rng.normal(size=s).astype(np.float32) for s in ((7, 100), (40, 35), (35, 33)))
    q, k, v = rng.normal(size=(3, 37, 16)).astype(np.float32)
    spec = weft.spec
    _same(device, lambda x: block_kernels.softmax[7](x, spec(x.shape), BLOCK=128), x)
    _same(
        device,
        lambda x, w, b: block_kernels.layer_norm[7](x, w, b, spec(x.shape), 1e-5, BLOCK=128),
        *(x, x[0], x[1]),
    )
    _same(
        device,
        lambda a, b: block_kernels.matmul[3, 3](a, b, spec((40, 33)), BM=16, BN=16, BK=16),
        a,
        b,
    )
    _same(device, lambda x: block_kernels.cumulative[1](x, spec(x.shape), ROWS=16, BLOCK=32), x)
    _same(
        device,
        lambda q, k, v: block_kernels.attention[3](
            q, k, v, spec(q.shape), 0.25, BM=16, BN=16, D=16
        ),
        *(q, k, v),
    )
    counted = (np.abs(x) * 3).astype(np.int64).reshape(-1)
    _same(device, lambda x: block_kernels.histogram[6](x, spec(20, "int32"), BLOCK=128), counted)
