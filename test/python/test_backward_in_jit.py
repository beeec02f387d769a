"""backward() within and behind compiled functions, against PyTorch: leaves that change or are made
there, histories that are used up, flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import weft

torch = pytest.importorskip("torch")


def _same(function: Callable) -> Callable:
    return function


def _numbers(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_numbers(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def check(program: Callable[[Any, Callable], Any]) -> None:
    """``program(library, compile)`` gives the same with PyTorch, eager and compiled."""
    expected = _numbers(program(torch, _same))
    assert _numbers(program(weft, _same)) == expected, "eager"
    assert _numbers(program(weft, weft.jit)) == expected, "jit"


def _leaf(library: Any, *values: float) -> Any:
    return library.tensor(list(values)).requires_grad_()


def test_a_leaf_gets_the_value_of_an_argument() -> None:
    def program(library: Any, compiled: Callable) -> Any:
        w = _leaf(library, 1.0, 1.0)

        @compiled
        def step(x: Any) -> None:
            with library.no_grad():
                w.copy_(x)
            (w * x).sum().backward()

        step(library.tensor([3.0, 4.0]))
        return w, w.grad

    check(program)


COPIES = {
    "one": lambda w, u, x: w.copy_(u),
    "two": lambda w, u, x: (w.copy_(x), u.copy_(x)),
    "back": lambda w, u, x: u.copy_(w),
}


@pytest.mark.parametrize("name", COPIES)
def test_leaves_of_one_value_are_told_apart(name: str) -> None:
    copy = COPIES[name]

    def program(library: Any, compiled: Callable) -> Any:
        w, u = _leaf(library, 1.0, 2.0), _leaf(library, 3.0, 4.0)

        @compiled
        def step(x: Any) -> None:
            with library.no_grad():
                copy(w, u, x)
            (w * w * u * x).sum().backward()

        step(library.tensor([5.0, 6.0]))
        return w, u, w.grad, u.grad

    check(program)


MADE: dict[str, Callable] = {
    "clone": lambda x: x.clone(),
    "detach": lambda x: x.detach(),
    "computed": lambda x: x * 1,
    "itself": lambda x: x,
    "view": lambda x: x[:1],
}


@pytest.mark.parametrize("name", MADE)
def test_a_leaf_is_made_of_an_argument(name: str) -> None:
    make = MADE[name]

    def program(library: Any, compiled: Callable) -> Any:
        @compiled
        def step(x: Any) -> Any:
            v = make(x).detach().requires_grad_()
            (v * x).sum().backward()
            return v.grad

        return step(library.tensor([3.0, 4.0]))

    check(program)


def test_a_second_result_has_its_own_history() -> None:
    def program(library: Any, compiled: Callable) -> Any:
        w = _leaf(library, 1.0, 2.0)

        @compiled
        def step(x: Any) -> Any:
            loss = (w * x).sum()
            loss.backward()
            return (w * x * 3).sum(), loss

        result, loss = step(library.tensor([3.0, 4.0]))
        (result + (w * 5).sum()).backward()
        return w.grad, result, loss, result.requires_grad, loss.requires_grad

    check(program)


def test_a_history_is_used_once() -> None:
    def program(library: Any, compiled: Callable) -> Any:
        w = _leaf(library, 1.0, 2.0)
        errors = (RuntimeError,)

        @compiled
        def step(x: Any) -> Any:
            loss = (w * w * x).sum()
            loss.backward()
            return loss

        loss = step(library.tensor([3.0, 4.0]))
        with pytest.raises(errors):
            loss.backward()

        @compiled
        def twice(x: Any) -> None:
            shared = w * w * x
            shared.sum().backward()
            (shared * 2).sum().backward()

        with pytest.raises(errors):
            twice(library.tensor([3.0, 4.0]))

        @compiled
        def retained(x: Any) -> None:
            shared = w * w * x
            shared.sum().backward(retain_graph=True)
            (shared * 2).sum().backward()

        w.grad = None
        retained(library.tensor([3.0, 4.0]))
        return w.grad

    check(program)
    w = _leaf(weft, 1.0)
    loss = (w * w).sum()
    loss.backward()
    with pytest.raises(weft.GradientError, match="released by an earlier"):
        loss.backward()


def test_overwriting_a_value_ends_its_history() -> None:
    for compiled in (_same, weft.jit):
        w, x = _leaf(weft, 1.0, 2.0), weft.zeros(2)

        def fill(w: weft.Tensor = w, x: weft.Tensor = x) -> None:
            x.copy_(w * 2)
            x.copy_(weft.ones(2))

        compiled(fill)()
        assert not x.requires_grad
        assert x.is_leaf
        x.add_(1)
        assert x.tolist() == [2.0, 2.0]


def test_a_leaf_stays_a_leaf() -> None:
    for compiled in (_same, weft.jit):
        w = _leaf(weft, 1.0, 2.0)

        def update(w: weft.Tensor = w) -> None:
            with weft.no_grad():
                w.mul_(2)

        compiled(update)()
        assert w.requires_grad
        assert w.is_leaf
        assert w.tolist() == [2.0, 4.0]


REFUSED = {
    "a leaf changes": "with weft.no_grad(): w.mul_(2)\nreturn (w * x).sum()",
    "before and after": "y = w * x\nwith weft.no_grad(): w.mul_(2)\nreturn y, (w * x).sum()",
    "a leaf is returned": "v = x.detach().requires_grad_()\nreturn v, (v * x).sum()",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_gradient_can_reach_is_refused(name: str) -> None:
    body = "".join(f"    {line}\n" for line in REFUSED[name].split("\n"))
    names: dict[str, Any] = {"weft": weft, "w": _leaf(weft, 1.0, 2.0)}
    exec("def function(x):\n" + body, names)
    with pytest.raises(weft.UnsupportedError, match="gradients that are asked for after the call"):
        weft.jit(names["function"])(weft.ones(2))
    assert names["w"].tolist() == [1.0, 2.0]
    with weft.no_grad():
        weft.jit(names["function"])(weft.ones(2))


def test_a_new_leaf_is_a_result() -> None:
    leaf = weft.jit(lambda x: (x * 2).requires_grad_())(weft.ones(2))
    assert leaf.requires_grad
    assert leaf.is_leaf
    (leaf * 3).sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.tolist() == [3.0, 3.0]


def test_several_rounds_in_one_call() -> None:
    """A gradient is a constant for what is computed from it."""

    def program(library: Any, compiled: Callable) -> Any:
        w = _leaf(library, 2.0, 3.0)

        @compiled
        def step(x: Any) -> Any:
            for _ in range(3):
                w.grad = None
                (w**2 * x).sum().backward()
                with library.no_grad():
                    w.sub_(0.125 * w.grad)
            (w.grad * w * x).sum().backward()
            return (w.grad * 2).sum()

        return step(library.tensor([1.0, 0.5])), w, w.grad

    check(program)


def test_data_is_updated_in_place() -> None:
    def program(library: Any, compiled: Callable) -> Any:
        w = _leaf(library, 2.0, 3.0)

        @compiled
        def step(x: Any) -> None:
            (w * x).sum().backward()
            w.data -= 0.5 * w.grad
            w.data *= 2.0

        for _ in range(2):
            step(library.tensor([1.0, 0.5]))
        return w, w.grad, w.requires_grad, w.is_leaf

    check(program)
