"""Assignments to elements: written where the old value lies, and right where it is still needed."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits
from update_programs import program, values


def _address(tensor: weft.Tensor) -> int:
    return np.asarray(tensor).__array_interface__["data"][0]


def _bytes(function: Callable, *arguments: object) -> int:
    """What the kernels of a compiled call read and write."""
    return sum(map(int, re.findall(r"bytes: (\d+)", str(function.explain(*arguments)))))


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


# What is written ------------------------------------------------

ROW = 64


def _row(cache, v):
    cache[3] = v


def _column(cache, v):
    cache[:, 5] = v[0]


def _scaled_row(cache, v):
    cache[3] = v * 2 + 1


def _rows_by_index(cache, v):
    cache[weft.asarray([1, 5, 1])] = v


def _row_by_tensor(cache, v):
    cache[weft.astype(v[0] * 0, weft.int64)] = v


def _through_views(cache, v):
    cache.view(-1, ROW // 2)[7] = v[: ROW // 2]
    cache[9][:2] = 1
    cache.t()[:, 2].fill_(2)


def _in_turn(cache, v):
    for row in range(4):
        cache[row] = cache[row + 1] * v


def _read_before(cache, v):
    total = weft.sum(cache[:4])
    cache[2] = v
    cache[3] = v + total


WRITES = [_row, _scaled_row, _rows_by_index, _row_by_tensor]
#: What reads rows, too: a kernel that reads a part of a tensor counts all of it.
ASSIGNMENTS = [*WRITES, _through_views, _in_turn, _read_before]


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_a_compiled_call_writes_the_state_where_it_is(assignment):
    moved = {}
    for rows in (128, 4096):
        cache = weft.asarray(_random(rows, ROW)) + 0
        step = weft.jit(lambda v, cache=cache: assignment(cache, v))
        v = weft.ones(ROW)
        step(v)
        before = _address(cache)
        step(v)
        assert _address(cache) == before
        moved[rows] = _bytes(step, v)
    if assignment in WRITES:
        assert moved[128] == moved[4096] < 128 * ROW * 4


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_an_eager_assignment_writes_the_tensor_where_it_is(assignment):
    cache = weft.asarray(_random(256, ROW)) + 0
    before = _address(cache)
    assignment(cache, weft.ones(ROW))
    assert _address(cache) == before


def test_a_column_is_as_many_elements_as_there_are_rows():
    cache = weft.zeros(64, 4096)
    step = weft.jit(lambda v: _column(cache, v))
    step(weft.ones(4))
    before = _address(cache)
    step(weft.ones(4))
    assert _address(cache) == before
    assert _bytes(step, weft.ones(4)) < 64 * 4 * 8


def test_rows_by_a_mask_are_read_from_the_mask():
    """The bytes counted are those of all rows: which are wanted is known at run time only."""
    cache, mask = weft.zeros(4096, ROW), np.zeros(4096, bool)
    mask[[7, 4000]] = True
    before = _address(cache)
    cache[weft.asarray(mask)] = 1.0
    step = weft.jit(lambda m: cache.__setitem__(m, 2.0))
    assert np.asarray(cache).sum() == 2 * ROW
    step(weft.asarray(mask))
    assert _address(cache) == before
    assert np.asarray(cache).sum() == 4 * ROW


def test_steps_in_a_function_write_one_place():
    """A value that the function makes and changes row by row is made once."""

    def build(v):
        table = weft.zeros(1024, ROW)
        for row in range(20):
            table[row] = v * row
        return table

    built = weft.jit(build)
    expected = np.zeros((1024, ROW), np.float32)
    expected[:20] = np.arange(20, dtype=np.float32)[:, None]
    assert_same_bits(built(weft.ones(ROW)), expected)
    assert _bytes(built, weft.ones(ROW)) < 1024 * ROW * 4 + 20 * ROW * 16


# What has to be copied ------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_who_holds_the_old_value_keeps_it(compiled):
    def change(x):
        x[1] = 5

    change = weft.jit(change) if compiled else change
    x = weft.zeros(4, 3)
    for hold in (
        lambda x: x.clone(),
        lambda x: +x,
        np.asarray,
        lambda x: x.detach().clone(),
        torch.from_dlpack,
    ):
        x[...] = 0
        held = hold(x)
        kept = np.array(held)
        change(x)
        # What NumPy and PyTorch share is foreign only the other way: it is read-only for us.
        assert_same_bits(np.asarray(held), kept)
        assert np.asarray(x)[1].tolist() == [5, 5, 5]


@pytest.mark.parametrize("compiled", [False, True])
def test_foreign_memory_is_not_written(compiled):
    array = np.zeros((4, 3), np.float32)
    x = weft.from_dlpack(array)

    def change():
        x[1] = 5

    (weft.jit(change) if compiled else change)()
    assert not array.any()
    assert np.asarray(x)[1].tolist() == [5, 5, 5]


def test_a_result_that_is_the_state_keeps_its_value():
    state = weft.zeros(8, 4)

    @weft.jit
    def step(v):
        state[2] = v
        return state + 0, state * 2

    first, _ = step(weft.ones(4))
    second, doubled = step(weft.full(4, 3.0))
    assert np.asarray(first)[2].tolist() == [1] * 4
    assert np.asarray(second)[2].tolist() == [3] * 4
    assert np.asarray(doubled)[2].tolist() == [6] * 4


def test_both_of_two_changes_of_one_value_are_right():
    @weft.jit
    def both(x):
        first, second = x * 1, x * 1
        first[0] = 1
        second[1] = 2
        return first, second, x * 1

    x = _random(3, 2)
    first, second, same = both(weft.asarray(x))
    expected = x.copy(), x.copy()
    expected[0][0], expected[1][1] = 1, 2
    assert_same_bits(first, expected[0])
    assert_same_bits(second, expected[1])
    assert_same_bits(same, x)


# Random programs ------------------------------------------------


def _numpy_run(which, arguments):
    state, kept = [array.copy() for array in arguments[:-1]], []
    for step in which.steps:
        step(state, kept, arguments[-1])
    return state, [np.asarray(array).copy() for array in kept]


@pytest.mark.parametrize("chunk", range(8))
def test_random_programs_agree_with_numpy(chunk):
    for seed in range(chunk * 40, chunk * 40 + 40):
        which = program(seed)
        generator = np.random.default_rng([seed, 1])
        arrays = [values(generator, shape, which.dtype) for shape in which.shapes]
        argument = values(generator, (1,), which.dtype)
        state = [weft.asarray(array.copy()) for array in arrays]

        def run(argument, state=state, which=which):
            kept: list = []
            for step in which.steps:
                step(state, kept, argument)
            return kept

        compiled = weft.jit(run)
        for turn in range(3):
            arrays, expected = _numpy_run(which, [*arrays, argument])
            kept = (run if turn == 1 else compiled)(weft.asarray(argument))
            for ours, theirs in zip([*state, *kept], [*arrays, *expected], strict=True):
                assert np.array_equal(np.asarray(ours), theirs), (seed, turn)


@pytest.mark.parametrize("columns", [1, 63, 64, 5000])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "bool", "int64"])
def test_of_equal_indices_the_last_one_counts(dtype, columns):
    generator = np.random.default_rng(columns)
    rows, count = 37, 400
    index = generator.integers(-rows, rows, count)
    updates = generator.integers(0, 2 if dtype == "bool" else 100, (count, columns))
    x = generator.integers(0, 2, (rows, columns))
    expected = x.copy()
    expected[index] = updates
    for threads in (1, 2):
        former = weft.get_num_threads()
        weft.set_num_threads(threads)
        try:
            tensor = weft.astype(weft.asarray(x), dtype)
            tensor[weft.asarray(index)] = weft.astype(weft.asarray(updates), dtype)
            assert np.array_equal(np.asarray(weft.astype(tensor, "int64")), expected)
        finally:
            weft.set_num_threads(former)


# Gradients ------------------------------------------------


def _cases():
    def slices(x, v):
        y = x * 1
        y[1:4:2, :3] = v[:2, :3] * 2
        y[0] = y[1].clone() * y[2].clone()
        return (y * y).sum()

    def indices(x, v):
        y = x * 1
        y[[3, 0, 4]] = v * 3
        return (y * x).sum()

    def old_value(x, v):
        y = x * 1
        old = y.clone() * 2
        y[2] = v[0]
        y[:, 1] = y[:, 0].clone()
        return (y * 3).sum() + old.sum()

    return [slices, indices, old_value]


@pytest.mark.parametrize("case", _cases())
@pytest.mark.parametrize("way", ["tape", "grad", "jit"])
def test_gradients_through_assignments(case, way):
    x, v = _random(5, 4), _random(3, 4)
    theirs = [torch.tensor(x, requires_grad=True), torch.tensor(v, requires_grad=True)]
    case(*theirs).backward()
    if way == "tape":
        ours = [weft.tensor(x, requires_grad=True), weft.tensor(v, requires_grad=True)]
        case(*ours).backward()
        gradients = [tensor.grad for tensor in ours]
    else:
        gradient = weft.grad(case, argnums=(0, 1))
        gradient = weft.jit(gradient) if way == "jit" else gradient
        gradients = gradient(weft.asarray(x), weft.asarray(v))
    for ours, tensor in zip(gradients, theirs, strict=True):
        np.testing.assert_allclose(np.asarray(ours), tensor.grad.numpy(), rtol=1e-6, atol=1e-6)


def test_a_recorded_value_is_not_written_over():
    x = weft.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    z = y * y
    with weft.no_grad():
        y.data[0] = 100
    z.sum().backward()
    assert x.grad.tolist() == [8, 16, 24]


# Threads ------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
def test_threads_that_write_rows_of_one_tensor_lose_none(compiled):
    shared = weft.zeros(4, 1 << 17)

    def write(row, number):
        shared[row] = number

    steps = [weft.jit(lambda number, row=row: write(row, number)) for row in range(4)]
    done = threading.Event()
    torn = []

    def read():
        while not done.is_set():
            seen = np.asarray(shared + 0)
            if (seen.min(axis=1) != seen.max(axis=1)).any():
                torn.append(seen)

    def work(row):
        for number in range(1, 31):
            steps[row](weft.asarray(float(number))) if compiled else write(row, float(number))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=work, args=(row,)) for row in range(4)]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert not torn
    assert (np.asarray(shared) == 30).all()


# Devices ------------------------------------------------


def test_a_device_writes_the_state_where_it_is():
    device = weft.device("emulator")
    cache = weft.zeros(64, 8, device=device)
    other = weft.zeros(64, 8, device=device)

    @weft.jit
    def step(v, index):
        cache[3] = v
        cache[:, 2] = v[0] * 3
        cache[index] = v + 1
        kept = other * 1
        other[1] = v
        return kept

    v = weft.ones(8).to(device)
    index = weft.asarray([9, 60, 9]).to(device)
    expected = np.zeros((64, 8), np.float32)
    for _ in range(2):
        step(v, index)
        expected[3], expected[:, 2], expected[[9, 60]] = 1, 3, 2
        assert_same_bits(cache.to("cpu"), expected)
    assert _bytes(step, v, index) < 64 * 8 * 4 * 4


# Files ------------------------------------------------


def test_exported_programs_make_a_value_once():
    def build(v):
        table = weft.broadcast_to(v * 0, (32, 8)) + 0
        for row in range(4):
            table[row] = v * row
        return weft.sum(table, axis=0)

    exported = weft.export(build, weft.ones(8))
    assert_same_bits(exported(weft.ones(8)), build(weft.ones(8)))
