"""Loops and branches differentiated and batched: as the program is without them."""

import random

import numpy as np
import pytest
import weft


def unrolled_scan(f, init, xs=None, length=None, reverse=False):
    """The same, operation by operation, also in a trace."""
    leaves = [x for x in (xs if isinstance(xs, (tuple, list)) else [xs]) if x is not None]
    count = leaves[0].shape[0] if leaves else length
    order = range(count - 1, -1, -1) if reverse else range(count)
    carry, rows = init, [None] * count
    for number in order:
        part = tuple(x[number] for x in xs) if isinstance(xs, tuple) else xs[number]
        carry, rows[number] = f(carry, part)
    return carry, tuple(weft.stack(list(own)) for own in zip(*rows, strict=True))


def random_cell(seed):
    """A recurrent cell with random parts: products, gates, an integer that counts along."""
    rng = random.Random(seed)
    gate, power, uses_count = (
        rng.choice(["tanh", "sigmoid", "sin"]),
        rng.random() < 0.5,
        rng.random(),
    )

    def cell(weight, bias):
        def step(carry, x):
            state, count = carry
            following = getattr(weft, gate)(weft.matmul(state, weight) + x[0] * bias)
            if power:
                following = following * weft.exp(-state * state)
            if uses_count < 0.5:
                following = following * (count % 2 + 1).astype("float32")
            return (following, count + 1), (weft.sum(following * x[1], axis=-1), following + bias)

        return step

    return cell, rng.random() < 0.5, rng.choice([1, 2, 5])


def loss_with(scan, cell, reverse):
    def loss(weight, bias, state, xs, ys):
        carry, made = scan(cell(weight, bias), (state, weft.asarray(0)), (xs, ys), reverse=reverse)
        first = weft.sum(carry[0] * carry[0])
        return first + weft.sum(made[0] * made[0]) + weft.sum(weft.sin(made[1]))

    return loss


def arguments(seed, length):
    numbers = np.random.default_rng(seed)
    shapes = [(4, 4), (4,), (3, 4), (length, 3, 4), (length, 3, 4)]
    return [weft.array(numbers.standard_normal(shape).astype("float32") * 0.5) for shape in shapes]


def assert_close(left, right, rtol=2e-4):
    for one, other in zip(left, right, strict=True):
        assert one.shape == other.shape
        assert one.dtype is other.dtype
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=rtol, atol=1e-4)


@pytest.mark.parametrize("seed", range(10))
def test_gradients_of_scans_are_those_of_the_unrolled_program(seed):
    cell, reverse, length = random_cell(seed)
    given = arguments(seed, length)
    numbers = tuple(range(5))
    wanted = weft.grad(loss_with(unrolled_scan, cell, reverse), numbers)(*given)
    looped = loss_with(weft.scan, cell, reverse)
    assert_close(weft.grad(looped, numbers)(*given), wanted)
    assert_close(weft.jit(weft.grad(looped, numbers))(*given), wanted)


@pytest.mark.parametrize("seed", range(4))
def test_gradients_of_gradients_of_scans(seed):
    cell, reverse, length = random_cell(seed)
    given = arguments(seed, length)

    def squared(scan):
        def run(weight, *rest):
            first = weft.grad(loss_with(scan, cell, reverse), (0, 2))(weight, *rest)
            return weft.sum(first[0] * first[0]) + weft.sum(first[1])

        return run

    wanted = weft.grad(squared(unrolled_scan), (0, 1, 3))(*given)
    assert_close(weft.grad(squared(weft.scan), (0, 1, 3))(*given), wanted, rtol=2e-3)


def test_backward_through_compiled_and_eager_loops():
    def run(x, w):
        return weft.sum(weft.fori_loop(0, 4, lambda i, v: weft.sin(v) * w, x))

    gradients = []
    for call in (run, weft.jit(run)):
        x, w = weft.array([0.3, 0.5]), weft.array([1.5, 0.7])
        x.requires_grad = w.requires_grad = True
        call(x, w).backward()
        gradients.append([x.grad, w.grad])
    assert_close(*gradients)
    # And within a compiled function, with a parameter from outside.
    w = weft.array([1.5, 0.7])
    w.requires_grad = True
    step = weft.jit(lambda x: run(x, w).backward())
    step(weft.array([0.3, 0.5]))
    np.testing.assert_allclose(np.asarray(w.grad), np.asarray(gradients[0][1]), rtol=1e-5)


def test_a_leaf_of_the_function_that_a_body_reads_first():
    def run(x, make):
        leaf = make(x * 2)
        leaf.requires_grad = True
        weft.fori_loop(0, 3, lambda i, v: v * leaf, x).sum().backward()
        return leaf.grad

    x = weft.array([1.0, 2.0])
    x.requires_grad = True
    for make in (lambda t: t.detach(), lambda t: t.detach().clone()):
        wanted = [3 * 2.0**2, 3 * 4.0**2 * 2]
        assert run(x, make).tolist() == wanted
        assert weft.jit(lambda t, make=make: run(t, make))(x).tolist() == wanted


def test_no_grad_in_a_body_cuts_off():
    def run(x):
        def body(i, v):
            with weft.no_grad():
                cut = v * 3
            return v * 2 + cut

        return weft.sum(weft.fori_loop(0, 2, body, x))

    wanted = [4.0, 4.0]
    x = weft.ones(2)
    assert weft.grad(run)(x).tolist() == wanted
    x.requires_grad = True
    run(x).backward()
    assert x.grad.tolist() == wanted


@pytest.mark.parametrize("index", range(3))
def test_gradients_of_branches(index):
    def run(number, x, w):
        return weft.sum(
            weft.switch(number, [lambda v: v * w, lambda v: weft.sin(v), lambda v: w * w], x)
        )

    def plain(x, w):
        return weft.sum([x * w, weft.sin(x), w * w][index])

    x, w = weft.array([0.3, 0.5]), weft.array([1.5, 0.7])
    wanted = weft.grad(plain, (0, 1))(x, w)
    number = weft.array(index)
    assert_close(weft.grad(lambda *own: run(number, *own), (0, 1))(x, w), wanted)
    assert_close(weft.jit(weft.grad(run, (1, 2)))(number, x, w), wanted)


def test_a_bounded_while_loop_can_be_differentiated():
    def run(x):
        return weft.while_loop(
            lambda v: weft.sum(v) < 100, lambda v: v * v + 1, x, max_iterations=8
        ).sum()

    def plain(x):
        while float(weft.sum(x)) < 100:
            x = x * x + 1
        return x.sum()

    x = weft.array([1.5, 0.5])
    y = weft.array([1.5, 0.5])
    y.requires_grad = True
    plain(y).backward()
    assert_close([weft.grad(run)(x)], [y.grad])
    assert float(run(x)) == float(weft.jit(run)(x)) == float(plain(x))
    shorter = lambda v: weft.while_loop(lambda c: c < 9, lambda c: c + 1, v, max_iterations=3)  # noqa: E731
    assert float(shorter(weft.array(0.0))) == float(weft.jit(shorter)(weft.array(0.0))) == 3.0


def test_an_unbounded_while_loop_is_refused_with_the_way_out():
    loss = lambda x: weft.while_loop(lambda v: v < 9, lambda v: v * 2, x)  # noqa: E731
    with pytest.raises(weft.UnsupportedError, match=r"give weft\.while_loop max_iterations"):
        weft.grad(loss)(weft.array(1.0))


def test_what_the_backward_pass_keeps_is_what_it_reads():
    # The weight is read where it is, not kept once for each step.
    def loss(w, x):
        return weft.sum(weft.scan(lambda c, _: (weft.tanh(c @ w), None), x, None, length=50)[0])

    text = weft.jit(weft.grad(loss)).lower(weft.ones((64, 64)), weft.ones((2, 64))).ir("kernels")
    loops = [line for line in text.splitlines() if "weft.loop" in line]
    assert len(loops) == 2
    assert "tensor<50x2x64xf32>" in loops[0]
    assert "tensor<50x64x64xf32>" not in text


#
# Batching
#


def one_by_one(function, axes, *given):
    count = next(x.shape[axis] for x, axis in zip(given, axes, strict=True) if axis is not None)
    rows = []
    for number in range(count):
        own = [
            x if axis is None else weft.take(x, weft.asarray(number), axis=axis)
            for x, axis in zip(given, axes, strict=True)
        ]
        rows.append(function(*own))
    return [weft.stack(list(parts)) for parts in zip(*rows, strict=True)]


def assert_mapped(function, axes, *given):
    wanted = one_by_one(weft.jit(function), axes, *given)
    for call in (weft.vmap(function, axes), weft.jit(weft.vmap(function, axes))):
        for made, own in zip(call(*given), wanted, strict=True):
            assert made.dtype is own.dtype
            assert made.shape == own.shape
            np.testing.assert_allclose(np.asarray(made), np.asarray(own), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("axes", [(0, None, 0), (None, 0, None), (1, 1, None), (None, None, 0)])
def test_mapped_scans(axes):
    def run(x, s, w):
        carry, made = weft.scan(
            lambda c, part: ((c[0] + part * w, c[1] + 1), (weft.sum(c[0]), c[1])),
            (x, weft.asarray(0)),
            s,
        )
        return (*carry, *made)

    numbers = np.random.default_rng(1)
    shapes = [(3,), (5, 3), (3,)]
    given = []
    for shape, axis in zip(shapes, axes, strict=True):
        own = shape if axis is None else (*shape[:axis], 4, *shape[axis:])
        given.append(weft.array(numbers.standard_normal(own).astype("float32")))
    assert_mapped(run, axes, *given)


@pytest.mark.parametrize("axes", [(0, 0), (None, 0), (0, None)])
def test_mapped_while_loops(axes):
    def run(first, last):
        value = weft.while_loop(
            lambda c: c[0] < last, lambda c: (c[0] + 1, c[1] * 2 + c[0]), (first, first * 0 + 1)
        )
        return value

    given = [
        weft.asarray(own if axis is not None else own[0])
        for own, axis in zip(([0, 2, 5, 9], [5, 3, 1, 12]), axes, strict=True)
    ]
    assert_mapped(run, axes, *given)


@pytest.mark.parametrize("axes", [(0, 0), (None, 0), (0, None)])
def test_mapped_branches(axes):
    def run(index, x):
        return weft.switch(
            index,
            [lambda v: (v * 2, weft.sum(v)), lambda v: (weft.sin(v), v[0]), lambda v: (v, v[1])],
            x,
        )

    given = [
        weft.asarray([0, 1, 2, 5]) if axes[0] is not None else weft.asarray(1),
        weft.array(np.random.default_rng(0).standard_normal((4, 3) if axes[1] == 0 else (3,))),
    ]
    assert_mapped(run, axes, *given)


def test_vmap_of_grad_of_scan_and_grad_of_vmap():
    def loss(x, s):
        return weft.sum(weft.scan(lambda c, part: (weft.sin(c * part), None), x, s)[0])

    numbers = np.random.default_rng(0)
    x = weft.array(numbers.standard_normal((4, 3)).astype("float32"))
    s = weft.array(numbers.standard_normal((5, 3)).astype("float32"))
    rows = weft.vmap(weft.grad(loss), (0, None))(x, s)
    wanted = weft.stack([weft.grad(loss)(x[i], s) for i in range(4)])
    assert_close([rows], [wanted])
    summed = weft.grad(lambda own: weft.sum(weft.vmap(loss, (0, None))(own, s)))(x)
    assert_close([summed], [wanted])


def test_a_body_may_map_and_differentiate():
    def run(x):
        inner = weft.grad(lambda v: weft.sum(v**3))
        mapped = weft.vmap(lambda v: v * weft.sum(v))
        return weft.fori_loop(0, 2, lambda i, v: inner(v) * 0.1 + mapped(v) * 0.01, x)

    x = weft.array([[0.5, 1.0], [2.0, 0.1]])
    value = np.asarray(x)
    for _ in range(2):
        value = 3 * value**2 * 0.1 + value * value.sum(1, keepdims=True) * 0.01
    for call in (run, weft.jit(run)):
        np.testing.assert_allclose(np.asarray(call(x)), value, rtol=1e-4)


def test_hessians_of_loops():
    def run(x):
        return weft.sum(weft.fori_loop(0, 3, lambda i, v: v * v * 0.5 + weft.sin(v), x))

    def plain(x):
        for _ in range(3):
            x = x * x * 0.5 + weft.sin(x)
        return weft.sum(x)

    x = weft.array([0.5, 0.25])
    assert_close([weft.hessian(run)(x)], [weft.hessian(plain)(x)])
