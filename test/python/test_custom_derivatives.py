"""custom_jvp, custom_vjp and checkpoint: eager, compiled, mapped, in loops, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, eager_and_jit, to_numpy


@weft.custom_vjp
def clipped(x: weft.Tensor, bound: float) -> weft.Tensor:
    return x * 1.0


clipped.defvjp(
    lambda x, bound: (x * 1.0, bound),
    lambda bound, g: (weft.clip(g, -bound, bound), None),
)


@weft.custom_jvp
def log1pexp(x: weft.Tensor) -> weft.Tensor:
    return weft.log(1.0 + weft.exp(x))


@log1pexp.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    (x,), (t,) = primals, tangents
    return log1pexp(x), t * (1.0 - 1.0 / (1.0 + weft.exp(x)))


def _total(x: weft.Tensor) -> weft.Tensor:
    return weft.sum(clipped(x * x, 1.5) * weft.asarray([1.0, 2.0, -3.0]))


X = weft.asarray([1.0, 2.0, 3.0])
# The cotangent of the clipped value is 1, 2, -3, of which 1, 1.5, -1.5 are left.
EXPECTED = [2.0, 6.0, -9.0]


def test_gradients_use_the_rule() -> None:
    assert to_numpy(eager_and_jit(weft.grad(_total), X)).tolist() == EXPECTED
    x = X.clone()
    x.requires_grad = True
    _total(x).backward()
    assert to_numpy(x.grad).tolist() == EXPECTED
    result, pull = weft.vjp(lambda x: clipped(x, 1.5), X)
    assert_same_bits(result, X * 1.0)
    assert to_numpy(pull(weft.asarray([9.0, 0.5, -9.0]))[0]).tolist() == [1.5, 0.5, -1.5]


def test_a_step_that_is_compiled_with_its_backward_pass() -> None:
    weight = weft.asarray([1.0, 2.0, 3.0])
    weight.requires_grad = True

    @weft.jit
    def step() -> None:
        _total(weight).backward()

    step()
    assert to_numpy(weight.grad).tolist() == EXPECTED


def test_rules_in_vmap() -> None:
    xs = weft.stack([X, -X])
    both = eager_and_jit(weft.vmap(weft.grad(_total)), xs)
    assert to_numpy(both).tolist() == [EXPECTED, [-2.0, -6.0, 9.0]]
    other = weft.grad(lambda xs: weft.sum(weft.vmap(_total)(xs)))(xs)
    assert_same_bits(both, other)
    # An argument that is the same for all gets the sum of the gradients of each.
    scaled = weft.custom_vjp(lambda x, s: x * s)
    scaled.defvjp(lambda x, s: (x * s, s), lambda s, g: (weft.clip(g * s, -1.0, 1.0), None))
    one = weft.grad(lambda x: weft.sum(weft.vmap(lambda s: scaled(x, s))(weft.full(4, 2.0))))(X)
    assert to_numpy(one).tolist() == [4.0, 4.0, 4.0]


def test_rules_in_loops_and_branches() -> None:
    def looped(x: weft.Tensor) -> weft.Tensor:
        step = lambda c, _: (clipped(c * 2.0, 1.0), None)  # noqa: E731
        return weft.sum(weft.scan(step, x, None, length=3)[0] * 5.0)

    assert to_numpy(eager_and_jit(weft.grad(looped), X)).tolist() == [2.0, 2.0, 2.0]
    branch = lambda x: weft.cond(weft.sum(x) > 0.0, lambda x: clipped(x, 1.0), weft.sin, x)  # noqa: E731
    slope = eager_and_jit(weft.grad(lambda x: weft.sum(branch(x) * 7.0)), X)
    assert to_numpy(slope).tolist() == [1.0, 1.0, 1.0]


def test_second_derivatives_go_through_both_passes() -> None:
    """The cubic's rule says that its slope is x; the slope of that is 1, not 6 x."""

    @weft.custom_vjp
    def cubic(x: weft.Tensor) -> weft.Tensor:
        return x * x * x

    cubic.defvjp(lambda x: (cubic(x), {"x": x, "name": "kept"}), lambda kept, g: (g * kept["x"],))
    x = weft.asarray(2.0)
    assert float(weft.grad(cubic)(x)) == 2.0
    assert float(weft.grad(weft.grad(cubic))(x)) == 1.0
    assert float(weft.jvp(weft.grad(cubic), (x,), (x,))[1]) == 2.0
    assert float(weft.hessian(cubic)(x)) == 1.0


def test_hessians_go_through_both_passes_wherever_they_are() -> None:
    """Forwards over backwards: what the backward pass reads has tangents, in loops and branches."""
    sine = weft.custom_vjp(lambda x: weft.sin(x))
    sine.defvjp(lambda x: (weft.sin(x), x), lambda x, g: (g * weft.cos(x),))

    def chain(f: object, x: weft.Tensor) -> weft.Tensor:
        looped = weft.scan(lambda c, _: (f(c) + x, f(c)), f(f(x)), None, length=3)
        chosen = weft.cond(weft.sum(x) > 0.0, lambda x: f(f(x)), weft.exp, x)
        again = weft.checkpoint(lambda x: f(f(x)), x)
        mapped = weft.vmap(lambda x: f(f(x)))(x)
        return weft.sum(looped[0]) + weft.sum(looped[1]) + weft.sum(chosen * again * mapped)

    x = weft.asarray(np.array([0.1, 0.7, 0.3]))
    ours = eager_and_jit(weft.hessian(lambda x: chain(sine, x)), x)
    plain = weft.hessian(lambda x: chain(weft.sin, x))(x)
    np.testing.assert_allclose(to_numpy(ours), to_numpy(plain), rtol=1e-12, atol=1e-12)


def test_rules_along_tangents_give_gradients_too() -> None:
    x = weft.asarray(np.array([-800.0, 0.5, 800.0]))
    value, slope = eager_and_jit(lambda x, t: weft.jvp(log1pexp, (x,), (t,)), x, weft.ones_like(x))
    exact = 1 / (1 + np.exp(-np.array([-700.0, 0.5, 700.0])))
    np.testing.assert_allclose(to_numpy(slope), exact, atol=1e-15)
    assert_same_bits(value, weft.log(1.0 + weft.exp(x)))
    total = lambda x: weft.sum(log1pexp(x))  # noqa: E731
    np.testing.assert_allclose(to_numpy(eager_and_jit(weft.grad(total), x)), exact, atol=1e-15)
    mapped = weft.vmap(weft.grad(log1pexp))(x)
    np.testing.assert_allclose(to_numpy(mapped), exact, atol=1e-15)


def test_rules_of_rules_up_to_third_order() -> None:
    x = weft.asarray(np.float64(0.5))
    sigmoid = 1 / (1 + np.exp(-0.5))
    wanted = sigmoid * (1 - sigmoid)
    for second in (weft.grad(weft.grad(log1pexp)), weft.hessian(log1pexp)):
        assert abs(float(second(x)) - wanted) < 1e-15
    third = weft.grad(weft.grad(weft.grad(log1pexp)))(x)
    assert abs(float(third) - wanted * (1 - 2 * sigmoid)) < 1e-15


def test_a_rule_that_calls_its_function_is_refused_beyond_third_order() -> None:
    @weft.custom_jvp
    def f(x: weft.Tensor) -> weft.Tensor:
        return weft.sin(x)

    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0] * f(*primals)))
    every = f
    for _ in range(3):
        every = weft.grad(every)
    x = np.float64(0.5)
    # f' = f for who believes the rule.
    assert abs(float(every(weft.asarray(x))) - np.sin(x)) < 1e-15
    with pytest.raises(weft.UnsupportedError, match="has no derivative here"):
        weft.grad(every)(weft.asarray(x))


def test_arguments_without_derivatives() -> None:
    """Functions, strings and integers go to rules first."""

    def function(f: object, x: weft.Tensor, mode: str) -> weft.Tensor:
        return f(x)  # type: ignore[operator]

    ours = weft.custom_vjp(function, nondiff_argnums=(0, 2))
    ours.defvjp(
        lambda f, x, mode: (f(x), x), lambda f, mode, x, g: (g * (2.0 if mode == "a" else 3.0),)
    )
    x = weft.asarray(1.0)
    assert float(ours(weft.sin, x, "a")) == float(weft.sin(x))
    for mode, slope in (("a", 2.0), ("b", 3.0)):
        assert float(weft.grad(lambda x, m=mode: ours(weft.sin, x, m))(x)) == slope
    along = weft.custom_jvp(function, nondiff_argnums=(0, 2))
    along.defjvp(lambda f, mode, primals, tangents: (f(*primals), tangents[0] * 5.0))
    assert float(weft.grad(lambda x: along(weft.sin, x, "a"))(x)) == 5.0


def test_trees_integers_and_names() -> None:
    @weft.custom_vjp
    def function(tree: dict, count: weft.Tensor) -> tuple:
        return {"sum": tree["a"] + tree["b"]}, count + 1

    function.defvjp(
        lambda tree, count: (function(tree, count), tree),
        lambda tree, g: ({"a": g[0]["sum"] * 2.0, "b": g[0]["sum"] * 3.0}, None),
    )
    tree = {"a": weft.asarray(1.0), "b": weft.asarray(2.0)}
    slope = weft.grad(lambda tree: function(count=weft.asarray(3), tree=tree)[0]["sum"])(tree)
    assert (float(slope["a"]), float(slope["b"])) == (2.0, 3.0)
    assert int(function(tree, weft.asarray(3))[1]) == 4


def test_rules_for_each_argument() -> None:
    @weft.custom_jvp
    def product(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        return x * y

    product.defjvps(lambda t, result, x, y: t * 10.0, None)
    x, y = weft.asarray(2.0), weft.asarray(3.0)
    assert [float(g) for g in weft.grad(product, argnums=(0, 1))(x, y)] == [10.0, 0.0]


def test_another_rule_after_a_call_is_refused() -> None:
    """What was compiled with the first one would go on with it."""
    function = weft.custom_vjp(lambda x: x)
    for slope in (2.0, 3.0):
        function.defvjp(lambda x: (x, None), lambda kept, g, s=slope: (g * s,))
    assert float(weft.grad(function)(weft.asarray(1.0))) == 3.0
    with pytest.raises(weft.OptionError, match="was called with another rule"):
        function.defvjp(lambda x: (x, None), lambda kept, g: (g,))
    with pytest.raises(weft.DTypeError, match="has to be a function"):
        weft.custom_jvp(weft.sin).defjvp(3)  # type: ignore[arg-type]


def test_methods() -> None:
    class Layer:
        scale = 2.0

        @weft.custom_vjp
        def forward(x: weft.Tensor) -> weft.Tensor:  # noqa: N805
            return x

    Layer.forward.defvjp(lambda x: (x, None), lambda kept, g: (g * 4.0,))
    assert float(weft.grad(Layer.forward)(weft.asarray(1.0))) == 4.0


def test_exported_programs_have_the_value() -> None:
    function = lambda x: clipped(log1pexp(x), 1.0)  # noqa: E731
    program = weft.export(function, weft.spec(("n",)))
    for n in (0, 1, 3):
        x = weft.asarray(np.arange(n, dtype=np.float32))
        assert_same_bits(program(x), function(x))


@pytest.mark.parametrize(
    ("forward", "backward", "message"),
    [
        (lambda x: x, lambda kept, g: (g,), "fwd has to return a pair"),
        (lambda x: ((x, x), None), lambda kept, g: (g,), "the result of fwd has another structure"),
        (lambda x: (x, None), lambda kept, g: g, "a tuple with a gradient for each of 1 arguments"),
        (lambda x: (x, None), lambda kept, g: (g, g), "for each of 1 arguments, not 2"),
        (
            lambda x: (x, None),
            lambda kept, g: (g[:2],),
            r"argument 0 has float32\[2\] in ",
        ),
        (lambda x: (x, None), lambda kept, g: (g.astype("float64"),), r"has float64\[3\]"),
    ],
)
def test_wrong_passes_name_the_function(forward: object, backward: object, message: str) -> None:
    def my_function(x: weft.Tensor) -> weft.Tensor:
        return x

    function = weft.custom_vjp(my_function)
    function.defvjp(forward, backward)
    with pytest.raises(weft.WeftError, match=message) as caught:
        function(X)
    assert "my_function" in str(caught.value)


def test_wrong_uses_are_refused() -> None:
    def my_function(x: weft.Tensor) -> weft.Tensor:
        return x

    with pytest.raises(weft.UnsupportedError, match=r"my_function has no rule yet.*defvjp"):
        weft.custom_vjp(my_function)(X)
    with pytest.raises(weft.UnsupportedError, match=r"clipped has a rule for gradients only"):
        weft.jvp(lambda x: clipped(x, 1.0), (X,), (X,))
    along = weft.custom_jvp(my_function)
    along.defjvp(lambda primals, tangents: (*primals, tangents[0][:1]))
    with pytest.raises(weft.ShapeError, match=r"my_function: the rule's tangent has float32\[1\]"):
        along(X)
    with pytest.raises(weft.OptionError, match="nondiff_argnums"):
        weft.custom_jvp(my_function, nondiff_argnums=-1)
    with pytest.raises(weft.DTypeError, match="takes a function"):
        weft.custom_jvp(3)  # type: ignore[arg-type]


def test_tensors_from_outside_have_no_gradient_by_a_rule() -> None:
    def outer(x: weft.Tensor) -> weft.Tensor:
        function = weft.custom_vjp(lambda y: y * x)
        function.defvjp(lambda y: (y * x, None), lambda kept, g: (g,))
        return weft.sum(function(weft.ones(3)))

    with pytest.raises(weft.UnsupportedError, match="reads from outside"):
        weft.grad(outer)(X)


#
# checkpoint
#


def _block(x: weft.Tensor, w: weft.Tensor) -> weft.Tensor:
    return weft.sin(weft.tanh(x @ w) * 2.0)


def _deep(depth: int, keep: bool) -> object:
    block = _block if keep else weft.checkpoint(_block)

    def loss(x: weft.Tensor, w: weft.Tensor) -> weft.Tensor:
        for _ in range(depth):
            x = block(x, w)
        return weft.sum(x)

    return loss


def test_checkpoints_change_no_bit() -> None:
    random = np.random.default_rng(0)
    x, w = (weft.asarray(random.normal(size=(4, 4))) for _ in range(2))
    plain = eager_and_jit(weft.value_and_grad(_deep(3, True), argnums=(0, 1)), x, w)
    again = eager_and_jit(weft.value_and_grad(_deep(3, False), argnums=(0, 1)), x, w)
    for one, other in zip(weft.tree.leaves(plain), weft.tree.leaves(again), strict=True):
        assert_same_bits(one, other)
    leaf = w.clone()
    leaf.requires_grad = True
    weft.sum(weft.checkpoint(_block, x, leaf)).backward()
    assert_same_bits(leaf.grad, weft.grad(lambda w: weft.sum(_block(x, w)))(w))
    hessian = weft.hessian(lambda w: _deep(2, False)(x, w))(w)
    np.testing.assert_allclose(
        to_numpy(hessian),
        to_numpy(weft.hessian(lambda w: _deep(2, True)(x, w))(w)),
        rtol=1e-12,
        atol=1e-12,
    )


def test_checkpoints_in_vmap_and_scan() -> None:
    random = np.random.default_rng(1)
    xs, w = weft.asarray(random.normal(size=(3, 4, 4))), weft.asarray(random.normal(size=(4, 4)))

    def loss(block: object, w: weft.Tensor) -> weft.Tensor:
        mapped = weft.vmap(lambda x: block(x, w))(xs)
        step = lambda c, x: (block(c, w) + x, None)  # noqa: E731
        return weft.sum(mapped) + weft.sum(weft.scan(step, xs[0], xs)[0])

    plain = eager_and_jit(weft.grad(lambda w: loss(_block, w)), w)
    again = eager_and_jit(weft.grad(lambda w: loss(weft.checkpoint(_block), w)), w)
    assert_same_bits(plain, again)


def test_memory_grows_with_the_boundaries_alone() -> None:
    """Each block keeps one tensor of its input instead of all that is computed in it."""
    n = 1 << 16

    def block(x: weft.Tensor) -> weft.Tensor:
        for _ in range(8):
            x = weft.sin(weft.cumulative_sum(x))
        return x

    def peak(part: object, depth: int) -> int:
        def loss(x: weft.Tensor) -> weft.Tensor:
            for _ in range(depth):
                x = part(x)
            return weft.sum(x)

        step, x = weft.jit(weft.grad(loss)), weft.ones(n)
        step(x)
        weft.stats(reset_peak=True)
        before = weft.stats()["peak_bytes_in_use"]
        step(x)
        return (weft.stats()["peak_bytes_in_use"] - before) // (4 * n)

    plain = [peak(block, depth) for depth in (4, 8)]
    again = [peak(weft.checkpoint(block), depth) for depth in (4, 8)]
    # Tensors more for four more blocks.
    assert plain[1] - plain[0] >= 32
    assert again[1] - again[0] <= 6
    assert again[1] < plain[0]


def test_a_torch_program_computes_the_same() -> None:
    from torch.utils.checkpoint import checkpoint

    x = np.random.default_rng(2).normal(size=(3, 3))
    theirs = torch.from_numpy(x).requires_grad_()
    block = lambda x: (torch.tanh(x @ x) * 2).sin()  # noqa: E731
    checkpoint(block, theirs, use_reentrant=False).sum().backward()
    ours = weft.asarray(x)
    ours.requires_grad = True
    weft.sum(weft.checkpoint(lambda x: _block(x, x), ours)).backward()
    np.testing.assert_allclose(to_numpy(ours.grad), theirs.grad.numpy(), rtol=1e-12)


def test_what_a_checkpoint_refuses() -> None:
    state = weft.asarray(0.0)

    def writes(x: weft.Tensor) -> weft.Tensor:
        state.assign(state + 1.0)
        return x

    with pytest.raises(weft.UnsupportedError, match="changes a tensor from outside"):
        weft.jit(lambda x: weft.checkpoint(writes, x))(X)
    with pytest.raises(weft.DTypeError, match="takes a function"):
        weft.checkpoint(3)
