"""weft.autograd.grad, its functional forms and its checks, against PyTorch's and compiled ones."""

from __future__ import annotations

import gc
import random
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft
from weft.autograd import functional, grad, gradcheck, gradgradcheck

torch = pytest.importorskip("torch")


def both(program: Callable[[Any], Any]) -> None:
    """What the program gives with weft is what it gives with PyTorch, in double precision."""
    have, want = program(weft), program(torch)
    for number, (first, second) in enumerate(zip(have, want, strict=True)):
        if first is None or second is None:
            assert first is second, number
            continue
        first, second = first.detach().numpy(), second.detach().numpy()
        # Sums of few products of numbers below 10: 1e-12 is thousands of their ulps.
        np.testing.assert_allclose(first, second, rtol=1e-12, atol=1e-12, err_msg=str(number))


def leaf(package: Any, *shape: int, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).normal(size=shape)
    return package.tensor(values, requires_grad=True)


def test_leaves_and_results_on_the_way() -> None:
    def program(package: Any) -> Any:
        x, w = leaf(package, 3, 4), leaf(package, 4, 2, seed=1)
        y = package.tanh(x @ w)
        z = (y * y).sum() + (x * 2).sum()
        gradients = package.autograd.grad(z, [x, y, w, x])
        assert x.grad is None
        return gradients

    both(program)


def test_a_penalty_of_gradients() -> None:
    def program(package: Any) -> Any:
        x, w = leaf(package, 3, 4), leaf(package, 4, 2, seed=1)
        y = package.tanh(x @ w).sum()
        (slope,) = package.autograd.grad(y, x, create_graph=True)
        loss = ((slope**2).sum(dim=1) - 1).pow(2).mean() + y
        loss.backward()
        return x.grad, w.grad, slope

    both(program)


def test_inner_steps_of_learning_to_learn() -> None:
    def program(package: Any) -> Any:
        w, rate = leaf(package, 4), leaf(package, 1, seed=2)
        x = leaf(package, 5, 4, seed=3).detach()
        fast = w
        for _ in range(3):
            loss = ((x @ fast).tanh() ** 2).sum()
            (slope,) = package.autograd.grad(loss, fast, create_graph=True)
            fast = fast - rate * slope
        ((x @ fast) ** 2).sum().backward()
        return w.grad, rate.grad, fast

    both(program)


def test_many_outputs_cotangents_and_what_is_unused() -> None:
    def program(package: Any) -> Any:
        x, w, unused = leaf(package, 3), leaf(package, 3, seed=1), leaf(package, 2, seed=2)
        outputs = [(x * w).sum(), x.exp(), w]
        cotangents = [None, package.tensor([1.0, 2.0, 3.0], dtype=package.float64), w.detach()]
        first = package.autograd.grad(
            outputs, [x, w, unused], cotangents, retain_graph=True, allow_unused=True
        )
        second = package.autograd.grad(outputs, [unused, w], cotangents, materialize_grads=True)
        return [*first, *second]

    both(program)


def test_gradients_of_the_cotangents() -> None:
    def program(package: Any) -> Any:
        x, v = leaf(package, 3), leaf(package, 3, seed=1)
        (pulled,) = package.autograd.grad(x.sin() * x, x, v, create_graph=True)
        return package.autograd.grad((pulled**2).sum(), [x, v])

    both(program)


def test_orders_up_to_the_fourth() -> None:
    def program(package: Any) -> Any:
        x, found = leaf(package, 3), []
        y = (x.sin() * x.exp()).sum()
        for _ in range(4):
            (y,) = package.autograd.grad(y.sum(), x, create_graph=True)
            found.append(y)
        return found

    both(program)


def test_several_backwards_and_chosen_leaves() -> None:
    def program(package: Any) -> Any:
        x, w = leaf(package, 3), leaf(package, 3, seed=1)
        shared = x * w
        package.autograd.backward([shared.sum(), (shared * x).sum()])
        (x * w).sum().backward(inputs=[w])
        (x * w).backward(package.ones_like(x), inputs=x)
        return x.grad, w.grad

    both(program)


_OPS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: weft.tanh(a @ b),
    lambda a, b: a * b,
    lambda a, b: weft.exp(-a * a) + b,
    lambda a, b: a / (2 + b * b),
    lambda a, b: weft.sin(a) @ b,
    lambda a, b: weft.sum(a, axis=0) + b,
    lambda a, b: weft.logsumexp(a, axis=1, keepdims=True) * b,
    lambda a, b: a[::-1] * b[0],
]
_LOOPS: list[Callable[[Any, Any], Any]] = [
    lambda a, b: weft.fori_loop(0, 2, lambda _, s: weft.tanh(s * b), a),
    lambda a, b: weft.scan(lambda c, row: (c + weft.sin(row), c * row), a[0], b)[1],
]


def _program(seed: int) -> Callable[..., Any]:
    """Gradients of gradients of a few operations, for leaves and for a result on the way.

    Loops are differentiated once: eagerly, second derivatives of one are those of its iterations.
    """
    generator = random.Random(seed)
    orders = generator.randrange(3)
    plan = [
        (
            generator.choice(_OPS if orders else _OPS + _LOOPS),
            generator.random(),
            generator.random(),
        )
        for _ in range(generator.randrange(2, 6))
    ]
    place, way, adds = generator.random(), generator.random() < 0.5, generator.random() < 0.6

    def program(x: weft.Tensor, w: weft.Tensor) -> list[weft.Tensor]:
        values = [x, w]
        for operation, first, second in plan:
            left, right = values[int(first * len(values))], values[int(second * len(values))]
            values.append(operation(left, right))
        out = weft.sum(values[-1] * values[int(place * len(values))]) + weft.sum(values[-2])
        results: list[Any] = []
        for order in range(orders):
            sources = [x, w, *([values[2]] if way and order == 0 else [])]
            slopes = grad(out, sources, create_graph=True, materialize_grads=True)
            results += slopes
            out = weft.sum(slopes[0] * slopes[0]) + (out if adds else weft.sum(slopes[1] * w))
        return [*results, *grad(out, [x, w], materialize_grads=True)]

    return program


@pytest.mark.parametrize("seed", range(60))
def test_eager_and_compiled_gradients_agree_to_the_bit(seed: int) -> None:
    arrays = np.random.default_rng(seed).normal(size=(2, 3, 3)).astype(np.float32)
    program = _program(seed)

    def leaves() -> list[weft.Tensor]:
        return [weft.tensor(x, requires_grad=True) for x in arrays]

    eager, compiled = program(*leaves()), weft.jit(program)(*leaves())
    for number, (have, want) in enumerate(zip(compiled, eager, strict=True)):
        have, want = have.detach().numpy(), want.detach().numpy()
        np.testing.assert_array_equal(have, want, err_msg=str(number))


def _steps_with_graphs(package: Any, numbers: np.ndarray, seed: int) -> list[Any]:
    """Gradients in `.grad` that have gradients: once and added up, of all leaves and of some, with
    cotangents that have a history, and plain ones after them."""
    random = np.random.default_rng(seed)
    x, w = (package.tensor(numbers + i, requires_grad=True) for i in (0.0, 0.5))
    frozen = package.tensor(numbers * 0.1)
    results = []

    def loss() -> Any:
        return (x.exp() * w).sin() * (w * w + frozen)

    for turn in range(4):
        kind = int(random.integers(0, 4))
        if kind == 0:
            loss().sum().backward(create_graph=True)
        elif kind == 1:
            loss().backward(w * 2, create_graph=True)
        elif kind == 2:
            loss().sum().backward(create_graph=True, inputs=[w])
        else:
            package.autograd.backward([loss().sum(), (x * w).sum()], create_graph=True)
        for leaf in (x, w):
            if leaf.grad is not None:
                assert leaf.grad.requires_grad
                second = package.autograd.grad(
                    (leaf.grad**2).sum(), [x, w], retain_graph=True, allow_unused=True
                )
                results += [leaf.grad.detach() * 1, *second]
        if random.random() < 0.4:
            x.grad = w.grad = None
        elif turn == 2:
            for leaf in (x, w):
                leaf.grad = None if leaf.grad is None else leaf.grad.detach()
            loss().sum().backward()
            results += [x.grad * 1, w.grad * 1]
            assert not x.grad.requires_grad
            assert not w.grad.requires_grad
    x.grad = w.grad = None
    return results


@pytest.mark.parametrize("seed", range(12))
def test_gradients_of_what_backward_left(seed: int) -> None:
    shape = [(3,), (), (2, 1), (0, 2)][seed % 4]
    numbers = np.random.default_rng(seed).uniform(-1, 1, shape)
    found = _steps_with_graphs(weft, numbers, seed)
    wanted = _steps_with_graphs(torch, numbers, seed)
    assert len(found) == len(wanted)
    for number, (have, want) in enumerate(zip(found, wanted, strict=True)):
        assert (have is None) == (want is None), number
        if have is not None:
            np.testing.assert_allclose(
                have.numpy(), want.detach().numpy(), rtol=1e-12, atol=1e-12, err_msg=str(number)
            )


def test_a_recorded_gradient_is_a_new_tensor() -> None:
    """As in PyTorch: who holds the former one holds what it was."""
    for package in (weft, torch):
        x = package.tensor([2.0, 3.0], requires_grad=True)
        (x**3).sum().backward(create_graph=True)
        former = x.grad
        (x**2).sum().backward(create_graph=True)
        assert former.tolist() == [12.0, 27.0]
        assert x.grad.tolist() == [16.0, 33.0]
        (curve,) = package.autograd.grad(x.grad.sum(), x)
        assert curve.tolist() == [14.0, 20.0]
        x.grad = None


def test_a_recorded_gradient_is_freed_with_its_leaf() -> None:
    """The leaf is in what its gradient came from: once it is set to None, nothing is left."""
    x = weft.tensor([2.0], requires_grad=True)
    held = weakref.ref(x)
    (x**3).sum().backward(create_graph=True)
    x.grad = None
    del x
    gc.collect()
    assert held() is None


def test_a_second_step_compiles_nothing() -> None:
    w = weft.tensor([1.0, 2.0], requires_grad=True)

    def step(x: weft.Tensor) -> None:
        (slope,) = grad((w * w * x).sum(), w, create_graph=True)
        (slope**3).sum().backward()

    for _ in range(2):  # The second one adds to .grad.
        step(weft.ones(2))
    before = weft.stats()["compiles"]
    for _ in range(3):
        step(weft.ones(2))
    assert weft.stats()["compiles"] == before


@pytest.mark.parametrize("seed", range(12))
def test_a_batch_of_gradients(seed: int) -> None:
    """Of one output or two, one of which has no cotangents or no part in an input."""
    random = np.random.default_rng(seed)
    count, size = int(random.integers(1, 4)), int(random.integers(1, 4))
    numbers, seeds = random.normal(size=(2, size)), random.normal(size=(2, count, size))
    create, several = bool(random.integers(2)), bool(random.integers(2))

    def gradients(package: Any) -> tuple:
        x, w = (package.tensor(row, requires_grad=True) for row in numbers)
        outputs, given = x * x * w, package.tensor(seeds[0])
        if several:
            outputs, given = [outputs, x.sin()], [given, package.tensor(seeds[1])]
        options = {"create_graph": create, "is_grads_batched": True}
        found = package.autograd.grad(outputs, [x, w], given, **options)
        if create:
            found += package.autograd.grad((found[0] ** 2).sum(), [x, w])
        return found

    compiled = weft.jit(lambda: gradients(weft))()
    for ours, again, theirs in zip(gradients(weft), compiled, gradients(torch), strict=True):
        np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-12)
        np.testing.assert_array_equal(ours.detach().numpy(), again.detach().numpy())


def test_errors_say_what_to_do() -> None:
    x, w = weft.tensor([1.0, 2.0], requires_grad=True), weft.tensor([3.0], requires_grad=True)
    constant = weft.ones(2)
    cases: list[tuple[type[Exception], str, Callable[[], Any]]] = [
        (weft.ShapeError, "needs a cotangent of that shape", lambda: grad(x * 2, x)),
        (weft.ShapeError, r"cotangent of shape \(1,\) for an", lambda: grad(x * 2, x, w)),
        (weft.ShapeError, "1 outputs and 2", lambda: grad(x.sum(), x, [w, w])),
        (weft.GradientError, "no output depends on input 1", lambda: grad(x.sum(), [x, w])),
        (weft.GradientError, "input 0 requires no", lambda: grad(x.sum(), constant)),
        (weft.GradientError, "an output does not depend", lambda: grad(constant.sum(), x)),
        (weft.DTypeError, "outputs has a int", lambda: grad([1], x)),
        (weft.DTypeError, "complex number", lambda: grad((x * 1j).sum(), x)),
        (weft.ShapeError, "cotangents .B, ", lambda: grad(x * 2, x, is_grads_batched=True)),
        (
            weft.ShapeError,
            "shape .1,. for",
            lambda: grad(x * 2, x, x[:, None], is_grads_batched=True),
        ),
        (
            weft.OptionError,
            "allow_unused refuses",
            lambda: grad(x, x, x, allow_unused=False, materialize_grads=True),
        ),
        (weft.GradientError, "is no leaf", lambda: x.sum().backward(inputs=x * 2)),
        (
            weft.UnsupportedError,
            "create_graph in a compiled function",
            lambda: weft.jit(lambda x: (x * w).sum().backward(create_graph=True))(x),
        ),
    ]
    for error, match, call in cases:
        with pytest.raises(error, match=match):
            call()
    assert x.grad is None


@pytest.mark.parametrize("compiled", [False, True])
def test_what_was_recorded_is_given_up(compiled: bool) -> None:
    def twice(x: weft.Tensor, keep: bool) -> Any:
        y = (x * x).sum()
        grad(y, x, retain_graph=keep)
        return grad(y, x)

    function = weft.jit(twice, static_argnums=1) if compiled else twice
    x = weft.tensor([1.0, 2.0], requires_grad=True)
    assert function(x, True)[0].tolist() == [2, 4]
    with pytest.raises(weft.GradientError, match="retain_graph=True"):
        function(x, False)


@pytest.mark.parametrize("name", ["jacobian", "hessian", "vjp", "jvp", "hvp", "vhp"])
def test_functional_forms(name: str) -> None:
    def check(have: Any, want: Any) -> None:
        if isinstance(want, tuple):
            assert isinstance(have, tuple)
            assert len(have) == len(want)
            for first, second in zip(have, want, strict=True):
                check(first, second)
            return
        assert not have.requires_grad
        np.testing.assert_allclose(have.numpy(), want.numpy(), rtol=1e-12, atol=1e-12)

    def run(package: Any, single: bool) -> Any:
        x, w = leaf(package, 2, 3), leaf(package, 3, seed=1)
        inputs = x if single else (x, w)

        def number(x: Any, *others: Any) -> Any:
            return (x.tanh() * (others[0] if others else 2)).sum().exp()

        def several(x: Any, *others: Any) -> Any:
            return x.sin() * 2, (x**2).sum(dim=0) * (others[0] if others else 1)

        form = getattr(package.autograd.functional, name)
        if name in ("hessian",):
            return form(number, inputs)
        if name in ("hvp", "vhp", "jvp"):
            v = leaf(package, 2, 3, seed=2).detach()
            along = v if single else (v, leaf(package, 3, seed=3).detach())
            return form(several if name == "jvp" else number, inputs, along)
        if name == "vjp":
            v = (leaf(package, 2, 3, seed=2).detach(), leaf(package, 3, seed=3).detach())
            return form(several, inputs, v)
        return form(several, inputs)

    for single in (True, False):
        check(run(weft, single), run(torch, single))


def test_functional_forms_refuse() -> None:
    x = weft.ones(2, dtype="float64")
    with pytest.raises(weft.UnsupportedError, match="strict"):
        functional.jacobian(weft.sin, x, strict=True)
    with pytest.raises(weft.OptionError, match="'reverse-mode' or 'forward-mode'"):
        functional.jacobian(weft.sin, x, strategy="sideways")
    with pytest.raises(weft.ShapeError, match="v is needed"):
        functional.vjp(weft.sin, x)
    with pytest.raises(weft.ShapeError, match="v has the shapes"):
        functional.jvp(weft.sin, x, weft.ones(3))
    forward = functional.jacobian(weft.sin, x, strategy="forward-mode")
    np.testing.assert_array_equal(forward.numpy(), functional.jacobian(weft.sin, x).numpy())


class Doubled(weft.autograd.Function):
    """Its gradient is wrong by a factor."""

    factor = 2.0

    @staticmethod
    def forward(ctx: Any, x: weft.Tensor) -> weft.Tensor:
        return x * 2.0

    @staticmethod
    def backward(ctx: Any, g: weft.Tensor) -> weft.Tensor:
        return g * Doubled.factor


def test_gradcheck_finds_a_wrong_gradient() -> None:
    x = leaf(weft, 3)
    assert gradcheck(Doubled.apply, x)
    Doubled.factor = 2.5
    try:

        class Wrong(Doubled):
            pass

        assert not gradcheck(Wrong.apply, x, raise_exception=False)
        with pytest.raises(weft.GradientError, match=r"has 2\.5 in row 0, column 0, but .* is 2"):
            gradcheck(Wrong.apply, x)
    finally:
        Doubled.factor = 2.0
    with pytest.raises(weft.DTypeError, match="float64"):
        gradcheck(weft.sin, weft.tensor([1.0], requires_grad=True))
    with pytest.raises(weft.GradientError, match="no input requires"):
        gradcheck(weft.sin, weft.ones(2, dtype="float64"))


def test_gradcheck_of_real_and_complex_functions() -> None:
    x, w = leaf(weft, 2, 3), leaf(weft, 3, 2, seed=1)
    function = lambda x, w: (weft.tanh(x @ w) ** 2, (x.sum() * w).sum())  # noqa: E731
    assert gradcheck(function, (x, w))
    assert gradgradcheck(function, (x, w))
    random_ = np.random.default_rng(3)
    z = weft.tensor(random_.normal(size=3) + 1j * random_.normal(size=3), requires_grad=True)
    assert gradcheck(lambda z: (z * z * weft.conj(z), weft.abs(z)), z)
    assert gradgradcheck(lambda z: z * z * weft.conj(z), z)
    assert gradcheck(lambda x: x[:0], x)
