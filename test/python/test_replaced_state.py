"""Functions that put other objects where they found some: alike as these are, they are others."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft
from weft import nn


class Slotted:
    __slots__ = ("a", "b")


class OfClass:
    a: Any = None
    b: Any = None


def pair(make: Callable[[float], Any], kind: str) -> tuple[Any, Any, Callable[[], None]]:
    """What holds two things, a getter of both, and a function that swaps them."""
    first, second = make(1.0), make(2.0)
    if kind in ("namespace", "slots", "class"):
        holder: Any = {"namespace": types.SimpleNamespace, "slots": Slotted}.get(kind, OfClass)
        holder = holder if kind == "class" else holder()
        holder.a, holder.b = first, second

        def swap() -> None:
            holder.a, holder.b = holder.b, holder.a

        return holder, lambda: (holder.a, holder.b), swap
    if kind == "dict":
        table = {"a": first, "b": second}

        def swap_entries() -> None:
            table["a"], table["b"] = table["b"], table["a"]

        return table, lambda: tuple(table.values()), swap_entries
    if kind == "cell":

        def exchange() -> None:
            nonlocal first, second
            first, second = second, first

        return None, lambda: (first, second), exchange
    items: Any = [first, second] if kind != "deque" else collections.deque([first, second])
    turns = {
        "list": lambda: items.reverse(),
        "popped": lambda: items.append(items.pop(0)),
        "deque": lambda: items.rotate(1),
    }
    return items, lambda: tuple(items), turns[kind]


KINDS = ["namespace", "slots", "class", "dict", "cell", "list", "popped", "deque"]
THINGS: dict[str, tuple[Callable[[float], Any], Callable[[Any], weft.Tensor]]] = {
    "tensor": (lambda value: weft.full((2,), value), lambda thing: thing),
    "object": (
        lambda value: types.SimpleNamespace(t=weft.full((2,), value)),
        lambda thing: thing.t,
    ),
    "list": (lambda value: [weft.full((2,), value)], lambda thing: thing[0]),
    "parameter": (lambda value: nn.Parameter(weft.full((2,), value)), lambda thing: thing),
    "layer": (lambda value: constant_layer(value), lambda thing: thing.weight[0]),
}


def constant_layer(value: float) -> nn.Linear:
    layer = nn.Linear(2, 1)
    with weft.no_grad():
        layer.weight.fill_(value)
    return layer


def rounds(kind: str, thing: str, when: str, compiled: bool) -> list[Any]:
    """The results of some calls, and the state after them."""
    make, read = THINGS[thing]
    _, both, swap = pair(make, kind)

    def step(x: weft.Tensor) -> weft.Tensor:
        if when == "before":
            swap()
        y = read(both()[0]) * x + read(both()[1])
        if when == "after":
            swap()
        if when == "written":
            swap()
            with weft.no_grad():
                read(both()[0]).add_(x)
        return y

    run = weft.jit(step) if compiled else step
    results = [run(weft.full((2,), float(i + 1))).tolist() for i in range(5)]
    return [*results, *(read(item).tolist() for item in both())]


@pytest.mark.parametrize("thing", THINGS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_exchanged_is_exchanged(kind: str, thing: str) -> None:
    for when in ("before", "after", "written"):
        assert rounds(kind, thing, when, True) == rounds(kind, thing, when, False), when


FIRST = weft.full((2,), 1.0)
SECOND = weft.full((2,), 2.0)


def test_globals_are_exchanged() -> None:
    def step(x: weft.Tensor) -> weft.Tensor:
        global FIRST, SECOND
        y = FIRST * x
        FIRST, SECOND = SECOND, FIRST
        return y

    run = weft.jit(step)
    assert [run(weft.ones(2)).tolist()[0] for _ in range(4)] == [1.0, 2.0, 1.0, 2.0]


def test_a_modules_parameters_are_exchanged() -> None:
    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.p = nn.Parameter(weft.full((1,), 1.0))
            self.q = nn.Parameter(weft.full((1,), -1.0))

        def forward(self, x: weft.Tensor) -> weft.Tensor:
            y = x * self.p
            self.p, self.q = self.q, self.p
            return y

    net = Pair()
    run = weft.jit(net)
    assert [run(weft.ones(1)).item() for _ in range(4)] == [1.0, -1.0, 1.0, -1.0]


@pytest.mark.parametrize("make", [list, dict, set, types.SimpleNamespace, collections.deque])
def test_a_container_that_is_made_anew_is_another_one(make: Callable[[], Any]) -> None:
    holder = types.SimpleNamespace(log=make())

    @weft.jit
    def reset(x: weft.Tensor) -> weft.Tensor:
        holder.log = make()
        return x + 1

    found = []
    for _ in range(3):
        reset(weft.ones(1))
        found.append(holder.log)
    assert len({id(item) for item in found}) == 3


def test_what_is_put_back_costs_no_trace() -> None:
    holder = types.SimpleNamespace(a=weft.ones(1), b=weft.zeros(1), n=3, log=[])

    @weft.jit
    def step(x: weft.Tensor) -> weft.Tensor:
        holder.a, holder.b = holder.b, holder.a
        y = holder.a + x
        holder.a, holder.b = holder.b, holder.a
        holder.n = 3
        return y

    for _ in range(4):
        step(weft.ones(1))
    assert step.stats()["traces"] == 1


def test_an_array_is_refused_after_a_tensor_too() -> None:
    @weft.jit
    def add(x: weft.Tensor) -> weft.Tensor:
        x += 1
        return x

    add(weft.zeros(2))
    array = np.zeros(2, np.float32)
    with pytest.raises(weft.UnsupportedError, match="the array would not change"):
        add(array)

    @weft.jit
    def whole(x: weft.Tensor) -> weft.Tensor:
        return x

    whole(weft.zeros(2))
    result = whole(array)
    array[:] = 7
    assert np.array_equal(result, [0, 0])


# Classes and attributes of tensors -----------------------------------------------------------


class Scaled(nn.Parameter):
    def scaled(self) -> weft.Tensor:
        return self * self.factor


def test_arguments_have_their_class_and_attributes() -> None:
    parameter = nn.Parameter(weft.ones(2))
    parameter.factor = 5.0

    def use(p: weft.Tensor, x: weft.Tensor) -> weft.Tensor:
        return p * x * getattr(p, "factor", 1.0) + (10 if isinstance(p, nn.Parameter) else 0)

    run = weft.jit(use)
    for factor in (5.0, 7.0, 5.0):
        parameter.factor = factor
        assert np.array_equal(run(parameter, weft.ones(2)), use(parameter, weft.ones(2)))
    plain = weft.ones(2)
    assert np.array_equal(run(plain, plain), use(plain, plain))
    del parameter.factor
    assert np.array_equal(run(parameter, plain), use(parameter, plain))


def test_methods_of_arguments_classes_run() -> None:
    parameter = Scaled(weft.ones(2))
    parameter.factor = weft.full((2,), 3.0)
    run = weft.jit(lambda p: p.scaled())
    assert run(parameter).tolist() == [3.0, 3.0]
    parameter.factor += 1
    assert run(parameter).tolist() == [4.0, 4.0]


def test_attributes_that_are_set_stay_set() -> None:
    parameter = nn.Parameter(weft.ones(2))

    @weft.jit
    def mark(p: weft.Tensor) -> weft.Tensor:
        p.seen = getattr(p, "seen", 0) + 1
        return p * p.seen

    assert [mark(parameter).tolist()[0] for _ in range(3)] == [1.0, 2.0, 3.0]
    assert parameter.seen == 3


def test_results_have_their_class() -> None:
    @weft.jit
    def make(x: weft.Tensor) -> nn.Parameter:
        made = nn.Parameter(x * 2)
        made.tag = "new"
        return made

    made = make(weft.ones(2))
    assert type(made) is nn.Parameter
    assert made.requires_grad
    assert made.tag == "new"
    assert make(weft.ones(2)) is not made


class Bare(weft.Tensor):
    pass


def test_the_first_attribute_is_kept_too() -> None:
    @weft.jit
    def mark(q: weft.Tensor) -> weft.Tensor:
        q.tag = "x"
        return q * 1

    for _ in range(3):
        q = Bare([1.0, 2.0])
        mark(q)
        assert q.tag == "x"


def test_attributes_that_no_code_reads_cost_no_trace() -> None:
    parameter = nn.Parameter(weft.ones(3))
    use = weft.jit(lambda q: q * q.scale)
    parameter.scale = 2.0
    for i in range(5):
        parameter.hits = i
        use(parameter)
    assert use.stats()["traces"] == 1


def test_each_call_has_objects_of_its_own() -> None:
    @weft.jit
    def make(x: weft.Tensor) -> tuple:
        made = Bare(x * 2)
        made.log = []
        return made, {1}, bytearray(b"a"), types.SimpleNamespace(n=1)

    made, numbers, memory, space = make(weft.ones(1))
    made.log.append(1)
    numbers.add(9)
    memory.extend(b"b")
    space.n = 2
    made, numbers, memory, space = make(weft.ones(1))
    assert (made.log, numbers, memory, space.n) == ([], {1}, bytearray(b"a"), 1)


def test_objects_from_outside_are_returned_as_they_are() -> None:
    config, names = types.SimpleNamespace(scale=2.0), {"a"}

    @weft.jit
    def use(x: weft.Tensor) -> tuple:
        return x * config.scale, config, names, len, np, x.dtype

    for _ in range(2):
        _, *others = use(weft.ones(1))
        assert all(a is b for a, b in zip(others, (config, names, len, np, weft.float32)))
    assert use.stats()["traces"] == 1


@pytest.mark.parametrize("view", [lambda y: y.T, lambda y: y[:, ::2], lambda y: y[:1].expand(3, 2)])
def test_views_that_are_results_lie_as_they_did(view: Callable) -> None:
    x = weft.asarray([[1.0, 2.0], [3.0, 4.0]])
    found = []
    for function in (lambda x: view(x * 2), weft.jit(lambda x: view(x * 2))):
        result = function(x)
        flat = result.reshape(-1)
        if result.is_contiguous() or flat.is_contiguous():
            flat.fill_(0)
        found.append((result.tolist(), result.is_contiguous()))
    assert found[0] == found[1]


# Gradients ---------------------------------------------------------------------------------------


def test_two_results_have_gradients_of_their_own() -> None:
    w = weft.asarray([1.0, 2.0]).requires_grad_()

    @weft.jit
    def both(x: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        return (w * x).sum(), (w * w).sum()

    first, second = both(weft.asarray([3.0, 4.0]))
    first.backward()
    assert w.grad.tolist() == [3.0, 4.0]
    second.backward()
    assert w.grad.tolist() == [5.0, 8.0]
    for used in (first, second):
        with pytest.raises(weft.GradientError, match="released"):
            used.backward()


def test_who_holds_a_gradient_sees_it_change() -> None:
    w = nn.Parameter(weft.asarray([3.0, 4.0]))
    for change, expected in (
        (lambda: nn.utils.clip_grad_value_([w], 2.0), [2.0, 2.0]),
        (lambda: nn.utils.clip_grad_norm_([w], 1.0), [0.6, 0.8]),
        (lambda: weft.optim.SGD([w]).zero_grad(set_to_none=False), [0.0, 0.0]),
    ):
        w.grad = weft.asarray([3.0, 4.0])
        held = w.grad
        change()
        assert np.allclose(held, expected, atol=1e-6)
        assert held is w.grad


def test_a_copied_parameter_has_no_gradient() -> None:
    import copy

    layer = nn.Linear(2, 1)
    layer(weft.ones((1, 2))).sum().backward()
    copied = copy.deepcopy(layer)
    assert copied.weight.grad is None
    assert layer.weight.grad is not None
    assert np.array_equal(copied.weight.detach(), layer.weight.detach())


@pytest.mark.parametrize("compiled", [False, True])
def test_what_a_result_does_not_need_has_no_gradient(compiled: bool) -> None:
    """Not zeros: weight decay and momentum would move it."""
    x, w = nn.Parameter(weft.ones(2)), nn.Parameter(weft.ones(2))

    def both(x: weft.Tensor, w: weft.Tensor) -> tuple[weft.Tensor, weft.Tensor]:
        return (x * w).sum(), (w * 2 + x.detach()).sum()

    run = weft.jit(both) if compiled else both
    optimizer = weft.optim.SGD([x, w], lr=0.1, weight_decay=1.0)
    run(x, w)[1].backward()
    optimizer.step()
    assert x.grad is None
    assert x.tolist() == [1.0, 1.0]
    assert np.allclose(w.detach(), 0.7)
