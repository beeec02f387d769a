"""In place: through views, on intermediates, on gradients; what is refused; what shares nothing."""

from __future__ import annotations

import gc
import operator
import threading
import weakref
from collections.abc import Callable

import numpy as np
import pytest
import torch
import weft


def _leaf(*values: float) -> weft.Tensor:
    return weft.tensor([float(value) for value in values], requires_grad=True)


def _either(compiled: bool, function: Callable) -> Callable:
    return weft.jit(function) if compiled else function


# Through views ------------------------------------------------


def _fill_row(x):
    x[0].fill_(1)


def _add_to_row(x):
    row = x[0]
    row += 1


def _set_in_flat_view(x):
    x.view(-1)[3] = 1


def _add_to_chunk(x):
    first, _ = x.chunk(2)
    first += 1


def _unbind(x):
    for number, row in enumerate(x.unbind()):
        row.mul_(number)


def _transposed_and_cut(x):
    x.t()[1:].sub_(3)


def _detached(x):
    x.detach().add_(2)


def _twice(x):
    half = x[:2]
    half[1].copy_(half[0])


WRITES = [
    _fill_row,
    _add_to_row,
    _set_in_flat_view,
    _add_to_chunk,
    _unbind,
    _transposed_and_cut,
    _detached,
    _twice,
]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("write", WRITES)
def test_writes_through_views_are_pytorchs(write: Callable, compiled: bool) -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    ours, theirs = weft.array(values), torch.from_numpy(values.copy())
    function = _either(compiled, write)
    for _ in range(2):
        function(ours)
        write(theirs)
        assert np.array_equal(ours.numpy(), theirs.numpy())


def test_views_keep_the_slot_that_their_tensor_leaves() -> None:
    x = weft.ones((3,))
    view, other = x[:2], x[1:]
    view += 1
    x.data = weft.zeros((3,))
    view += 1
    assert x.tolist() == [0, 0, 0]
    assert view.tolist() == [3, 3]
    assert other.tolist() == [3, 1]


def test_a_compiled_function_leaves_slots_to_views_or_refuses() -> None:
    @weft.jit
    def leave(x):
        x.data = weft.zeros((3,))

    @weft.jit
    def write_and_leave(x):
        x += 1
        x.data = weft.zeros((3,))

    x = weft.ones((3,))
    view = x[:2]
    leave(x)
    view += 1
    assert x.tolist() == [0, 0, 0]
    assert view.tolist() == [2, 2]
    with pytest.raises(weft.UnsupportedError, match="assign"):
        write_and_leave(x)


def test_a_compiled_function_leaves_slots_of_tensors_from_outside() -> None:
    x = weft.ones((3,))
    view = x[:2]

    @weft.jit
    def leave():
        x.data = weft.zeros((3,))

    for _ in range(2):
        leave()
    view += 1
    assert x.tolist() == [0, 0, 0]
    assert view.tolist() == [2, 2]


@pytest.mark.parametrize("container", [lambda x: x, lambda x: [x], lambda x: {"k": (x,)}])
def test_an_argument_is_written_where_it_is(container: Callable) -> None:
    """Unless another one has its old value: a copy, NumPy, an argument that is the same."""

    def leaf(given):
        while not isinstance(given, weft.Tensor):
            given = given["k"] if isinstance(given, dict) else given[0]
        return given

    @weft.jit
    def write(given, place, value):
        leaf(given)[place] = value
        return leaf(given)[0, 0] + value[0]

    x = weft.zeros((1 << 10, 1 << 8))
    given, expected = container(x), np.zeros((1 << 10, 1 << 8), np.float32)
    for number in range(4):
        row = np.full(1 << 8, number + 1, np.float32)
        weft.stats(reset_peak=True)
        before = weft.stats()["peak_bytes_in_use"]
        write(given, weft.asarray(number), weft.asarray(row))
        taken = weft.stats()["peak_bytes_in_use"] - before
        expected[number] = row
    assert taken < expected.nbytes / 8
    np.testing.assert_array_equal(x.numpy(), expected)
    copy, seen, part = x.clone(), np.asarray(x), x[:2]
    write(given, weft.asarray(5), weft.ones(1 << 8))
    np.testing.assert_array_equal(copy.numpy(), expected)
    np.testing.assert_array_equal(seen, expected)
    write(given, weft.asarray(0), weft.ones(1 << 8))
    assert part[0, 0].item() == 1


@pytest.mark.parametrize("shape", [(3,), (0,), (2, 0), ()])
def test_a_view_as_an_argument_is_written(shape: tuple[int, ...]) -> None:
    """And has its values after it, also where nothing was to be written."""

    @weft.jit
    def write(x):
        x.sigmoid_()
        return x

    for _ in range(2):
        root = weft.zeros((2, *shape))
        part = root[1]
        assert write(part) is part
        np.testing.assert_array_equal(part.numpy(), np.full(shape, 0.5))
        np.testing.assert_array_equal(root.numpy()[1], np.full(shape, 0.5))


def test_an_argument_that_is_written_and_given_twice() -> None:
    @weft.jit
    def write(x, y):
        before = y * 2
        x += 1
        return before, y * 3

    x = weft.ones((4,))
    for number in range(1, 4):
        before, after = write(x, x)
        assert before.tolist() == [2 * number] * 4
        assert after.tolist() == [3 * (number + 1)] * 4
    y = x.clone()
    before, after = write(x, y)
    assert after.tolist() == [12] * 4
    assert y.tolist() == [4] * 4
    assert x.tolist() == [5] * 4


def test_state_dicts_write_parameters() -> None:
    module = weft.nn.Linear(2, 2)
    with weft.no_grad():
        module.state_dict()["weight"].copy_(weft.ones((2, 2)))
    assert module.weight.tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_flow_through_writes(compiled: bool) -> None:
    def function(w):
        y = w * 2
        y += 1
        row = y[0]
        row *= w[1]
        y[2:].zero_()
        return (y * y).sum()

    w, reference = _leaf(1, 2, 3, 4), torch.tensor([1.0, 2, 3, 4], requires_grad=True)
    _either(compiled, function)(w).backward()
    function(reference).backward()
    assert np.array_equal(w.grad.numpy(), reference.grad.numpy())


@pytest.mark.parametrize("compiled", [False, True])
def test_a_compiled_write_keeps_the_history_of_its_argument(compiled: bool) -> None:
    def scale(y):
        y *= 3

    w = _leaf(1, 2)
    y = w * w
    _either(compiled, scale)(y)
    y.sum().backward()
    assert w.grad.tolist() == [6, 12]


@pytest.mark.parametrize("compiled", [False, True])
def test_gradients_and_data_are_places(compiled: bool) -> None:
    def step(p):
        (p * p).sum().backward()
        p.data.sub_(p.grad * 0.25)
        p.grad.data.zero_()

    p, reference = _leaf(1, 2), torch.tensor([1.0, 2], requires_grad=True)
    function = _either(compiled, step)
    for _ in range(3):
        function(p)
        step(reference)
        assert np.array_equal(p.numpy(), reference.detach().numpy())
        assert p.grad.tolist() == [0, 0]
        assert p.is_leaf
        assert p.requires_grad
    former = p.grad
    (p * 2).sum().backward()
    assert former.tolist() == [2, 2]


# Refused ------------------------------------------------


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("write", "error"),
    [
        (lambda x, p: weft.broadcast_to(x[:1], (3,)).add_(1), weft.UnsupportedError),
        (lambda x, p: p.add_(1), weft.GradientError),
        (lambda x, p: p[0].add_(1), weft.GradientError),
        (lambda x, p: x.T.T.reshape(1, 2).T.view(2).view(3), weft.ShapeError),
    ],
)
def test_refusals(write: Callable, error: type, compiled: bool) -> None:
    x, p = weft.ones((2,)), _leaf(1, 2)
    with pytest.raises(error):
        _either(compiled, write)(x, p)
    assert x.tolist() == [1, 1]
    assert p.tolist() == [1, 2]


def test_a_view_that_can_only_be_a_copy_is_refused() -> None:
    with pytest.raises(weft.ShapeError, match="reshape"):
        weft.ones((2, 3)).T.view(-1)


def test_writes_to_arrays_among_the_arguments_are_refused() -> None:
    @weft.jit
    def function(x):
        x += 1

    with pytest.raises(weft.UnsupportedError, match="array"):
        function(np.ones(3, np.float32))


def test_a_history_from_before_the_call_is_refused() -> None:
    w = _leaf(1, 2)
    hidden = w * 2

    @weft.jit
    def function():
        (hidden * hidden).sum().backward()

    with pytest.raises(weft.UnsupportedError, match="before the call"):
        function()
    assert w.grad is None
    assert hidden.tolist() == [2, 4]


# Nothing else shares ------------------------------------------------

COPIES = {
    "array": weft.array,
    "asarray": lambda x: weft.asarray(x, copy=True),
    "tensor": weft.tensor,
    "astype": lambda x: x.astype(x.dtype),
    "concat": lambda x: weft.concat([x]),
    "roll": lambda x: weft.roll(x, 0),
    "flip": lambda x: weft.flip(x, axis=[]),
    "positive": lambda x: +x,
    "clip": lambda x: weft.clip(x),
    "tile": lambda x: weft.tile(x, (1,)),
    "repeat": lambda x: weft.repeat(x, 1),
    "sum": lambda x: weft.sum(x, axis=()),
    "max": lambda x: weft.max(x, axis=()),
    "mean": lambda x: weft.mean(x, axis=()),
    "dropout": lambda x: weft.nn.functional.dropout(x, 0.0),
    "evaluated": lambda x: weft.nn.functional.dropout(x, 0.5, training=False),
    "take": lambda x: weft.take(x, weft.asarray([0, 1])),
    "indexed": lambda x: x[weft.asarray([0, 1])],
    "masked": lambda x: weft.where(True, x, x),
    "copied": lambda x: x.T.contiguous().clone(),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", COPIES)
def test_results_are_handles_of_their_own(name: str, compiled: bool) -> None:
    x = weft.array([1.0, 2.0])
    y = _either(compiled, COPIES[name])(x)
    y += 1
    assert x.tolist() == [1, 2]
    assert y.tolist() == [2, 3]


# What compiled functions reach in several ways ------------------------------------------------


def test_an_argument_that_is_also_a_global_is_one_tensor() -> None:
    outside = weft.ones((2,))

    @weft.jit
    def function(x):
        x += 1
        return outside * 10

    assert function(outside).tolist() == [20, 20]
    assert function(weft.zeros((2,))).tolist() == [20, 20]
    assert function(outside).tolist() == [30, 30]


def test_many_arguments_that_are_one_tensor() -> None:
    @weft.jit
    def function(tensors):
        tensors[0] += 1
        return tensors[-1] * 2

    x = weft.zeros((2,))
    tensors = [x, *(weft.zeros((2,)) for _ in range(100))]
    assert function([*tensors, weft.zeros((2,))]).tolist() == [0, 0]
    assert function([*tensors, x]).tolist() == [4, 4]


def test_arguments_that_overlap() -> None:
    @weft.jit
    def function(a, b):
        a += 1
        return b * 2

    x, y = weft.zeros((4,)), weft.zeros((4,))
    assert function(x[:2], y[1:3]).tolist() == [0, 0]
    assert function(x[:2], x[1:3]).tolist() == [4, 0]
    assert function(x[2:], x[1:3]).tolist() == [4, 2]
    assert x.tolist() == [2, 2, 1, 1]


def test_results_are_views_of_arguments_as_in_eager() -> None:
    @weft.jit
    def function(x):
        y = x * 2
        return x, x[0], y, y.T

    x = weft.zeros((2, 3))
    same, row, y, turned = function(x)
    assert same is x
    row += 1
    assert x.tolist() == [[1, 1, 1], [0, 0, 0]]
    turned[0] = 5
    assert y.tolist() == [[5, 0, 0], [5, 0, 0]]


def test_a_view_alone_does_not_keep_what_it_looks_into() -> None:
    x = weft.ones((4, 3))
    alone = weft.jit(lambda x: (x * 2)[0]).lower(x).ir("weft")
    together = weft.jit(lambda x: (lambda y: (y[0], y.T))(x * 2)).lower(x).ir("weft")
    assert "-> tensor<3xf32> {" in alone
    assert "-> (tensor<3xf32>, tensor<3x4xf32>, tensor<4x3xf32>) {" in together


def test_a_failed_trace_changes_nothing_and_shows_no_tracer() -> None:
    outside = weft.ones((2,))
    seen: list[list[float]] = []

    @weft.jit
    def function(x):
        row = outside[0:1]
        row += 1
        x.fill_(3)
        other = threading.Thread(target=lambda: seen.append(outside.tolist()))
        other.start()
        other.join()
        raise KeyError("the user's")

    x = weft.zeros((2,))
    with pytest.raises(KeyError):
        function(x)
    assert seen == [[1, 1]]
    assert outside.tolist() == [1, 1]
    assert x.tolist() == [0, 0]


def test_updates_of_several_threads_are_all_kept() -> None:
    total = weft.zeros((4096,))

    @weft.jit
    def function(amount):
        total.add_(amount)

    function(0.0)

    def work() -> None:
        for _ in range(50):
            function(1.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total.tolist() == [200.0] * 4096


# Python numbers among the arguments ------------------------------------------------


def test_arithmetic_on_numbers_stays_pythons() -> None:
    table = {3: "three", 4: "four"}

    def function(x, n, rate):
        pieces = [weft.zeros(n * 2), x[: n + 1], x[n - 2 :] * rate]
        half = x if n // 2 == 1 else -x
        key = {f"k{n}": half}.get("k2", x * 0)
        choice = table.get(n + 1, "none")
        return [*pieces, key], choice, [10, 20, 30, 40, 50][n], f"{rate:.1f}", -n in (-2, 0)

    compiled = weft.jit(function)
    x = weft.arange(6.0)
    for n, rate in [(2, 0.5), (3, 0.5), (2, -0.0), (2, 0.0), (4, 2.0)]:
        have, want = compiled(x, n, rate), function(x, n, rate)
        assert [t.tolist() for t in have[0]] == [t.tolist() for t in want[0]]
        assert have[1:] == want[1:]


def test_numbers_that_are_not_asked_for_trace_nothing() -> None:
    compiled = weft.jit(lambda x, n: x * (n + 1) / 2)
    x = weft.ones((2,))
    for n in range(5):
        assert compiled(x, n).tolist() == [(n + 1) / 2] * 2
    assert compiled.stats()["traces"] == 1


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32"])
def test_numbers_beyond_a_dtype_are_as_in_eager(dtype: str) -> None:
    x = weft.asarray([1, 2], dtype=dtype)
    greater, add = weft.jit(lambda x, n: x > n), weft.jit(lambda x, n: x + n)
    derived = weft.jit(lambda x, n: x >= n - 1)
    for number in (1, -1, 300, 70_000, 2**40, 5, -(2**40), 1):
        assert greater(x, number).tolist() == (x > number).tolist()
        assert derived(x, number).tolist() == (x >= number - 1).tolist()
        try:
            expected = (x + number).tolist()
        except weft.OutOfRangeError:
            with pytest.raises(weft.OutOfRangeError):
                add(x, number)
        else:
            assert add(x, number).tolist() == expected
    assert add.stats()["traces"] <= 6


def test_pythons_errors_are_pythons() -> None:
    with pytest.raises(ZeroDivisionError):
        weft.jit(lambda x, n: x * (1 // n))(weft.ones(2), 0)


# Whole programs --------------------------------------------------------------------------------


def test_training_with_writes_through_views_is_pytorchs() -> None:
    def step(x, optimizer):
        optimizer.zero_grad()
        y = x * 2
        y[0] *= 3
        y += 1
        rest = y.view(3, 1)[1:]
        rest *= 2
        loss = (y * y).sum()
        loss.backward()
        optimizer.step()

    ours, theirs = _leaf(1, 2, 3), torch.tensor([1.0, 2, 3], requires_grad=True)
    options = {"lr": 0.01, "momentum": 0.9}
    optimizer = weft.optim.SGD([ours], **options)
    reference = torch.optim.SGD([theirs], **options)
    compiled = weft.jit(step)
    for _ in range(4):
        compiled(ours, optimizer)
        step(theirs, reference)
    # Four steps of some ten operations, each within a unit roundoff.
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=40 * 2.0**-24 * 4)


@pytest.mark.parametrize("compiled", [False, True])
def test_moving_averages_of_parameters(compiled: bool) -> None:
    model, average = weft.nn.Linear(3, 2), weft.nn.Linear(3, 2)
    expected = average.weight.numpy().copy()

    def update(decay):
        for kept, parameter in zip(average.parameters(), model.parameters(), strict=True):
            kept.data.mul_(decay).add_(parameter.data, alpha=1 - decay)

    function = _either(compiled, update)
    for _ in range(3):
        function(0.5)
        expected = expected * np.float32(0.5) + model.weight.numpy() * np.float32(0.5)
        assert np.array_equal(average.weight.numpy(), expected)
    assert average.weight.requires_grad


def test_a_cache_is_written_row_by_row() -> None:
    cache = weft.zeros((5, 2))

    @weft.jit
    def put(row, place):
        cache[place] = row
        return cache.sum()

    for place in range(5):
        put(weft.full((2,), float(place)), weft.asarray(place))
    assert cache[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert put.stats()["traces"] == 1


def test_programs_that_keep_a_compiled_method_are_collected() -> None:
    class Trainer:
        def __init__(self) -> None:
            self.total = weft.zeros((2,))
            self.step = weft.jit(self._step)

        def _step(self, x):
            self.total += x
            return self.total * 1

    trainer = Trainer()
    trainer.step(weft.ones((2,)))
    watched = weakref.ref(trainer)
    del trainer
    gc.collect()
    assert watched() is None


def test_vjp_and_jvp_call_the_function_once() -> None:
    calls = []

    def square(x):
        calls.append(x)
        return x * x

    value, pull = weft.vjp(square, weft.array([1.0, 2.0]))
    assert value.tolist() == [1, 4]
    assert pull(weft.ones(2))[0].tolist() == [2, 4]
    assert pull(weft.array([1.0, 0.0]))[0].tolist() == [2, 0]
    assert len(calls) == 1
    weft.jvp(square, (weft.ones(2),), (weft.ones(2),))
    assert len(calls) == 2


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(
    ("dtype", "operation", "other", "expected"),
    [
        ("int32", operator.iadd, 0.5, None),
        ("int64", operator.iadd, 1.5, None),
        ("int64", operator.itruediv, 2, None),
        ("int64", operator.ipow, 0.5, None),
        ("uint8", operator.imul, weft.asarray([0.5, 0.5]), None),
        ("bool", operator.iadd, 1, None),
        ("bool", operator.iand, False, [False, False]),
        ("int8", operator.iadd, weft.asarray([1, 2], dtype="int32"), [2, 3]),
        ("int64", operator.ifloordiv, 2, [0, 0]),
        ("float16", operator.imul, weft.asarray([0.5, 2.0], dtype="float64"), [0.5, 2.0]),
        ("float32", operator.iadd, True, [2.0, 2.0]),
    ],
)
def test_results_fit_into_what_they_replace(
    dtype: str, operation: Callable, other: object, expected: list | None, compiled: bool
) -> None:
    """As by NumPy's rule "same_kind": no fraction is lost, and no number becomes a truth value."""
    x = weft.ones((2,), dtype=dtype)
    run = _either(compiled, lambda value: operation(value, other))
    if expected is None:
        with pytest.raises(weft.DTypeError, match=f"does not fit into a tensor of {dtype}"):
            run(x)
        expected = [1, 1]
    else:
        run(x)
    assert x.tolist() == expected
    assert x.dtype.name == dtype
