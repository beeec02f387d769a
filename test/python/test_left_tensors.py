"""Tensors that a compiled function leaves in objects: they have their values after the call."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft

MODES: dict[str, Callable] = {"eager": lambda function: function, "jit": weft.jit}


@pytest.fixture(params=MODES)
def compiled(request: pytest.FixtureRequest) -> Callable:
    return MODES[request.param]


def test_an_attribute_is_a_state(compiled: Callable) -> None:
    cell = types.SimpleNamespace(state=weft.zeros(3))

    @compiled
    def step(x: weft.Tensor) -> weft.Tensor:
        cell.state = weft.tanh(cell.state + x)
        return cell.state * 2

    expected = np.zeros(3, np.float32)
    for number in range(4):
        x = np.full(3, number / 4, np.float32)
        expected = np.tanh(expected + x)
        np.testing.assert_allclose(step(weft.asarray(x)), expected * 2, rtol=1e-6)
        np.testing.assert_allclose(cell.state, expected, rtol=1e-6)
    cell.state += 1
    np.testing.assert_allclose(cell.state, expected + 1, rtol=1e-6)


def test_a_list_grows(compiled: Callable) -> None:
    log: list[weft.Tensor] = []

    @compiled
    def step(x: weft.Tensor) -> weft.Tensor:
        log.append(x * 2)
        log.append(log[-1] + 1)
        return x + len(log)

    for number in range(3):
        assert step(weft.asarray([float(number)])).tolist() == [3.0 * number + 2]
    assert [tensor.tolist() for tensor in log] == [[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]


def test_what_is_returned_and_left_is_one_tensor(compiled: Callable) -> None:
    place = types.SimpleNamespace(last=None)

    @compiled
    def step(x: weft.Tensor) -> weft.Tensor:
        place.last = x * 2
        return place.last

    result = step(weft.ones(2))
    assert result is place.last
    result += 1
    assert place.last.tolist() == [3.0, 3.0]


def test_an_argument_that_is_left_shows_what_becomes_of_it(compiled: Callable) -> None:
    place = types.SimpleNamespace()

    @compiled
    def step(x: weft.Tensor) -> weft.Tensor:
        place.whole, place.row = x, x[0]
        return x.sum()

    x = weft.zeros((2, 2))
    step(x)
    x += 1
    place.row[0] = 5.0
    place.whole[1, 1] = 7.0
    assert x.tolist() == [[5.0, 1.0], [1.0, 7.0]]
    assert place.whole.tolist() == x.tolist()


def test_views_of_each_other_stay_so(compiled: Callable) -> None:
    place = types.SimpleNamespace()

    @compiled
    def step(x: weft.Tensor) -> None:
        place.base = x * 1
        place.row = place.base[1]
        place.flat = place.base.reshape(-1)

    step(weft.ones((2, 3)))
    place.row += 1
    place.flat[0] = 9.0
    assert place.base.tolist() == [[9.0, 1.0, 1.0], [2.0, 2.0, 2.0]]


def test_a_view_keeps_what_it_looks_into(compiled: Callable) -> None:
    rows: list[weft.Tensor] = []

    @compiled
    def step(x: weft.Tensor) -> None:
        base = x * 1
        rows.extend([base[0], base[0, 1:]])

    step(weft.ones((2, 3)))
    rows[0] += 1
    assert rows[1].tolist() == [2.0, 2.0]


def test_gradients_flow_through_what_is_left(compiled: Callable) -> None:
    place = types.SimpleNamespace()
    w = weft.tensor([1.0, 2.0], requires_grad=True)

    @compiled
    def step(x: weft.Tensor) -> weft.Tensor:
        place.product = w * x
        place.first = place.product[0]
        place.weight = w
        place.detached = place.product.detach()
        return (place.product * 2).sum()

    loss = step(weft.tensor([3.0, 4.0]))
    assert place.product.requires_grad
    assert not place.detached.requires_grad
    (loss + place.product.sum() + place.first + place.weight.sum()).backward()
    assert w.grad is not None
    assert w.grad.tolist() == [3.0 * 3 + 3 + 1, 4.0 * 3 + 1]


def test_a_gradient_that_is_left(compiled: Callable) -> None:
    place = types.SimpleNamespace()
    w = weft.tensor([1.0, 2.0], requires_grad=True)

    @compiled
    def step(x: weft.Tensor) -> None:
        (w * x).sum().backward()
        place.gradient = w.grad

    step(weft.tensor([3.0, 4.0]))
    assert place.gradient.tolist() == [3.0, 4.0]
    assert w.grad is not None
    w.grad.zero_()
    assert place.gradient.tolist() == [0.0, 0.0]


def test_a_module_keeps_a_new_buffer(compiled: Callable) -> None:
    class Recurrent(weft.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = weft.nn.Linear(2, 2)
            self.hidden = None

        def forward(self, x: weft.Tensor) -> weft.Tensor:
            hidden = weft.zeros(2) if self.hidden is None else self.hidden
            self.hidden = weft.tanh(self.linear(x) + hidden)
            return self.hidden

    weft.manual_seed(0)
    network = Recurrent()
    weight, bias = (network.linear.weight.numpy(), network.linear.bias.numpy())
    forward = compiled(network.forward)
    hidden = np.zeros(2, np.float32)
    with weft.no_grad():
        for _ in range(3):
            hidden = np.tanh(weight @ np.ones(2, np.float32) + bias + hidden)
            np.testing.assert_allclose(forward(weft.ones(2)), hidden, rtol=1e-5)
    np.testing.assert_allclose(network.hidden, hidden, rtol=1e-5)


def test_an_exception_leaves_dead_tensors() -> None:
    kept: list[weft.Tensor] = []

    @weft.jit
    def step(x: weft.Tensor) -> None:
        kept.append(x * 2)
        raise ValueError("as the user wants")

    with pytest.raises(ValueError, match="as the user wants"):
        step(weft.ones(2))
    with pytest.raises(weft.TracerLeakError):
        kept[0].numpy()


def test_explain_tells_that_it_is_traced_at_each_call() -> None:
    place = types.SimpleNamespace()

    @weft.jit
    def step(x: weft.Tensor) -> weft.Tensor:
        place.last = x * 2
        return x

    for _ in range(3):
        step(weft.ones(2))
    assert "leaves a tensor" in str(step.explain(weft.ones(2)))


def test_garbage_is_not_left() -> None:
    @weft.jit
    def step(x: weft.Tensor) -> weft.Tensor:
        y = x * 2

        def countdown(n: int) -> weft.Tensor:
            return y + countdown(n - 1) if n else y

        return countdown(3)

    for _ in range(3):
        assert step(weft.ones(2)).tolist() == [8.0, 8.0]
    assert step.stats()["traces"] == 1


def test_a_buffer_is_assigned_by_each_call(compiled: Callable) -> None:
    class Average(weft.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", weft.zeros(2))

        def forward(self, x: weft.Tensor) -> weft.Tensor:
            self.mean = self.mean * 0.5
            self.mean = self.mean + x
            return self.mean

    module, other = Average(), Average()
    forward = compiled(lambda module, x: module(x))
    first = module.mean
    results = [forward(module, weft.ones(2)) for _ in range(3)]
    assert [result.tolist() for result in results] == [[1.0] * 2, [1.5] * 2, [1.75] * 2]
    assert results[-1] is module.mean
    assert first.tolist() == [0.0, 0.0]
    assert forward(other, weft.ones(2)).tolist() == [1.0, 1.0]
    assert module.mean.tolist() == [1.75, 1.75]
    if compiled is weft.jit:
        assert forward.stats()["traces"] == 1
    with pytest.raises(weft.UnsupportedError, match="assigns the buffer mean"):
        weft.export(module, weft.spec((2,)))
    assert module.mean.tolist() == [1.75, 1.75]


def test_a_result_looks_into_what_is_stored(compiled: Callable) -> None:
    module, place = weft.nn.Module(), types.SimpleNamespace()
    module.register_buffer("mean", weft.zeros(3))

    @compiled
    def step(x: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        module.mean = x * 2
        place.last = x * 3
        return module.mean[1:], place.last[:1]

    row, first = step(weft.ones(3))
    row += 1
    first += 1
    assert module.mean.tolist() == [2.0, 3.0, 3.0]
    assert place.last.tolist() == [4.0, 3.0, 3.0]


def test_a_buffer_is_as_it_was_after_an_exception() -> None:
    module = weft.nn.Module()
    module.register_buffer("mean", weft.zeros(2))

    @weft.jit
    def step(x: weft.Tensor) -> None:
        module.mean = x * 2
        raise ValueError("as the user wants")

    with pytest.raises(ValueError, match="as the user wants"):
        step(weft.ones(2))
    assert module.mean.tolist() == [0.0, 0.0]


# Numbers among the arguments ---------------------------------------------------------------------


class WithSlot:
    __slots__ = ("best",)


def _keepers() -> dict[str, tuple[Callable[[], Any], Callable[[Any, Any], None]]]:
    """What holds numbers, and how a function puts one there."""

    def into_slot(holder: Any, n: Any) -> None:
        holder.best = max(getattr(holder, "best", 0), n)

    def into_list_in_slot(holder: Any, n: Any) -> None:
        holder.best = [n, (n,)]

    def into_attribute(holder: Any, n: Any) -> None:
        holder.best = max(holder.best, n)
        holder.all = (holder.best, [n, n + 1], {"n": n * 2})

    def into_key(holder: dict, n: Any) -> None:
        holder[n] = holder.get(n, 0) + n
        holder["last"] = n

    def into_class(holder: Any, n: Any) -> None:
        holder.seen += n

    return {
        "attribute": (lambda: types.SimpleNamespace(best=0, all=None), into_attribute),
        "slot": (WithSlot, into_slot),
        "list_in_slot": (WithSlot, into_list_in_slot),
        "list": (list, lambda holder, n: holder.append(n)),
        "nested": (lambda: [[0]], lambda holder, n: holder[0].insert(0, (n, (n, -n)))),
        "deque": (collections.deque, lambda holder, n: holder.appendleft(n + 1)),
        "set": (set, lambda holder, n: holder.add(n)),
        "dict": (dict, into_key),
        "class": (lambda: type("Seen", (), {"seen": 0}), into_class),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, type):
        return value.seen
    if isinstance(value, WithSlot):
        return value.best
    return vars(value) if isinstance(value, types.SimpleNamespace) else value


@pytest.mark.parametrize("kind", _keepers())
@pytest.mark.parametrize("numbers", [(1, 3, 2, 3), (True, False, True), (0.5, -0.0, 0.5)])
def test_numbers_that_a_function_keeps_are_numbers(kind: str, numbers: tuple) -> None:
    make, keep = _keepers()[kind]
    ours, theirs = make(), make()

    def step(holder: Any) -> Callable:
        def run(x: weft.Tensor, n: Any) -> weft.Tensor:
            keep(holder, n)
            return x * n

        return run

    compiled = weft.jit(step(ours))
    for n in numbers:
        plain = step(theirs)(weft.ones(2), n)
        assert np.array_equal(compiled(weft.ones(2), n), plain)
        # Their types, too: True is not 1.
        assert repr(_plain(ours)) == repr(_plain(theirs))


def test_a_number_in_a_cell_is_a_number() -> None:
    last = None

    @weft.jit
    def keep(x: weft.Tensor, n: int) -> weft.Tensor:
        nonlocal last
        last = n
        return x + n

    for n in (3, 4):
        keep(weft.ones(1), n)
        assert type(last) is int
        assert last == n
