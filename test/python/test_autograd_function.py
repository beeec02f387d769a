"""weft.autograd.Function against PyTorch's, with the same classes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy

X = np.array([0.5, -1.5, 2.0])


def _square(package: ModuleType, once: bool = False) -> Any:
    """Its slope is 3 x instead of 2 x, so that the rule is told from the function."""
    autograd = package.autograd
    decorate = (
        (
            autograd.function.once_differentiable
            if package is torch
            else autograd.once_differentiable
        )
        if once
        else lambda f: f
    )

    class Square(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, scale: float, unused: Any) -> Any:
            ctx.save_for_backward(x, None)
            ctx.scale = scale
            ctx.seen = ctx.needs_input_grad
            return x * x * scale

        @staticmethod
        @decorate
        def backward(ctx: Any, g: Any) -> Any:
            x, none = ctx.saved_tensors
            assert none is None
            assert ctx.needs_input_grad == ctx.seen
            assert ctx.seen[1:] == (False, False)
            return 3.0 * x * g * ctx.scale, None, None

    return Square


def _leaf(package: ModuleType) -> Any:
    leaf = package.asarray(X.copy())
    leaf.requires_grad = True
    return leaf


def test_backward_uses_the_second_pass() -> None:
    found = []
    for package in (weft, torch):
        leaf = _leaf(package)
        result = _square(package).apply(leaf, 2.0, ["a", "list"])
        package.sum(package.sin(result)).backward()
        found.append(leaf.grad)
    np.testing.assert_allclose(to_numpy(found[0]), found[1].numpy(), rtol=1e-14)


def test_transformations() -> None:
    square = _square(weft)
    x = weft.asarray(X)
    f = lambda x: weft.sum(weft.sin(square.apply(x, 2.0, None)))  # noqa: E731
    assert_same_bits(square.apply(x, 2.0, None), x * x * 2.0)
    expected = 6.0 * X * np.cos(2.0 * X * X)
    np.testing.assert_allclose(to_numpy(eager_and_jit(weft.grad(f), x)), expected, rtol=1e-13)
    mapped = weft.vmap(weft.grad(f))(weft.stack([x, -x]))
    np.testing.assert_allclose(to_numpy(mapped), [expected, -expected], rtol=1e-13)
    looped = lambda x: weft.sum(  # noqa: E731
        weft.scan(lambda c, _: (square.apply(c, 1.0, None), None), x, None, length=2)[0]
    )
    np.testing.assert_allclose(
        to_numpy(eager_and_jit(weft.grad(looped), x)), 9.0 * X**3, rtol=1e-13
    )


def test_gradients_of_gradients_go_through_both_passes() -> None:
    square = _square(weft)
    twice = weft.grad(weft.grad(lambda x: square.apply(x, 2.0, None)))
    leaf = torch.tensor(1.5, requires_grad=True)
    (slope,) = torch.autograd.grad(_square(torch).apply(leaf, 2.0, None), leaf, create_graph=True)
    (second,) = torch.autograd.grad(slope, leaf)
    assert float(eager_and_jit(twice, weft.asarray(1.5))) == float(second) == 6.0


def test_a_pass_that_is_differentiable_once() -> None:
    once = _square(weft, once=True)
    slope = weft.grad(lambda x: once.apply(x, 2.0, None))
    assert float(slope(weft.asarray(1.5))) == 9.0
    with pytest.raises(weft.UnsupportedError, match="differentiable once"):
        weft.grad(slope)(weft.asarray(1.5))


def test_setup_context_and_results_without_gradient() -> None:
    found = []
    for package in (weft, torch):

        class Both(package.autograd.Function):  # type: ignore[name-defined, misc]
            @staticmethod
            def forward(x: Any, y: Any) -> tuple:
                return x * y, x + y

            @staticmethod
            def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
                ctx.save_for_backward(*inputs)
                ctx.mark_non_differentiable(output[1])

            @staticmethod
            def backward(ctx: Any, g: Any, h: Any) -> tuple:
                _, y = ctx.saved_tensors
                return g * y + h * 100.0, None

        leaf, other = _leaf(package), _leaf(package)
        product, total = Both.apply(leaf, other)
        assert product.requires_grad
        assert not total.requires_grad
        package.sum(product * 2.0 + total).backward()
        found.append(leaf.grad)
    np.testing.assert_allclose(to_numpy(found[0]), found[1].numpy(), rtol=1e-15)


def _in_place(package: Any) -> Any:
    class InPlace(package.autograd.Function):  # type: ignore[name-defined, misc]
        @staticmethod
        def forward(ctx: Any, x: Any, y: Any, scale: float, both: bool) -> Any:
            x.mul_(scale).add_(y)
            ctx.mark_dirty(x)
            ctx.scale, ctx.both = scale, both
            return (x, x * 2.0) if both else x

        @staticmethod
        def backward(ctx: Any, g: Any, *more: Any) -> tuple:
            g = g + more[0] * 2.0 if ctx.both else g
            return g * ctx.scale, g, None, None

    return InPlace


# PyTorch itself refuses a view together with two results.
@pytest.mark.parametrize(("both", "view"), [(False, False), (True, False), (False, True)])
def test_arguments_that_change_in_place(both: bool, view: bool) -> None:
    found = []

    def run(package: Any, apply: Any, scale: float) -> list[Any]:
        leaf, other = _leaf(package), _leaf(package)
        whole = leaf * 3.0
        x = whole[1:] if view else whole
        result = apply(x, other[1:] if view else other, scale, both)
        last = result[1] if both else result
        kept = result[0] if both else result
        assert kept is x
        (x * last).sum().backward()
        return [whole, last, leaf.grad, other.grad]

    ours, theirs = _in_place(weft), _in_place(torch)
    for scale in (2.0, 2.0, 3.0, 2.0):
        found = run(weft, ours.apply, scale)
        for have, want in zip(found, run(torch, theirs.apply, scale), strict=True):
            np.testing.assert_allclose(to_numpy(have.detach()), want.detach().numpy(), rtol=1e-12)
    x = weft.asarray(X)
    compiled = weft.jit(lambda x, y: [ours.apply(x, y, 2.0, False), x])
    for _ in range(2):
        x, y = weft.asarray(X), weft.asarray(X)
        assert_same_bits(compiled(x, y)[0], weft.asarray(X) * 2.0 + y)
        assert_same_bits(x, weft.asarray(X) * 2.0 + y)


def test_calls_are_traced_once_for_each_kind_of_arguments() -> None:
    class Scaled(weft.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, scale: Any) -> Any:
            return x * scale

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None

    x, traced = weft.asarray(X), []
    expected = [x * 2.0, x * 3.0]
    for scale in (2.0, 2.0, 3.0, 2.0):
        before = weft.stats()["traced_ops"]
        result = Scaled.apply(x, scale)
        traced.append(weft.stats()["traced_ops"] > before)
        assert_same_bits(result, expected[scale > 2.0])
    assert traced == [True, False, True, False]


def _with(backward: Any, forward: Any = lambda ctx, x, n: x * n) -> Any:
    return type(
        "Wrong",
        (weft.autograd.Function,),
        {"forward": staticmethod(forward), "backward": staticmethod(backward)},
    )


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (_with(lambda ctx, g: g), weft.ShapeError, "for each of 2 arguments of forward, not 1"),
        (_with(lambda ctx, g: (g, g)), weft.GradientError, "argument 1, which is no tensor"),
        (_with(lambda ctx, g: (g[:1], None)), weft.ShapeError, "Wrong.*in the place of"),
        (
            _with(None, lambda ctx, x, n: ctx.save_for_backward(n)),
            weft.DTypeError,
            "a float is no tensor",
        ),
        (
            _with(None, lambda ctx, x, n: (ctx.mark_dirty(x), x * 2)[1]),
            weft.GradientError,
            "no result that it returns",
        ),
        (
            _with(None, lambda ctx, x, n: (y := x * 2, ctx.mark_dirty(y))[0]),
            weft.GradientError,
            "no argument of forward",
        ),
        (
            _with(None, lambda ctx, x, n: ctx.set_materialize_grads(False)),
            weft.UnsupportedError,
            "it gets zeros",
        ),
        (
            _with(None, lambda ctx, x, n: ctx.save_for_forward(x)),
            weft.UnsupportedError,
            "weft.custom_jvp",
        ),
    ],
)
def test_wrong_passes_are_named(function: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        function.apply(weft.asarray(X), 2.0)


def test_there_is_no_derivative_along_tangents() -> None:
    square = _square(weft)
    with pytest.raises(weft.UnsupportedError, match="Square has a rule for gradients only"):
        weft.jvp(lambda x: square.apply(x, 2.0, None), (weft.asarray(X),), (weft.ones(3),))
