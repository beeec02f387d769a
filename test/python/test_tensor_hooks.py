"""Functions that see gradients: Tensor.register_hook, retain_grad, and hooks of accumulation."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest
import weft

torch = pytest.importorskip("torch")


def both(program):
    """The program's results by PyTorch and by weft, as arrays."""
    results = []
    for library in (torch, weft):
        results.append([np.asarray(x.detach()) for x in program(library)])
    return results


def same(program):
    theirs, ours = both(program)
    assert len(theirs) == len(ours)
    for one, other in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-6, atol=1e-6)


def leaf(library, *values):
    return library.tensor(values, requires_grad=True)


def test_a_hook_sees_the_whole_gradient_and_replaces_it():
    def program(library):
        x = leaf(library, 1.0, -2.0, 3.0)
        seen = []
        h = x * 2.0
        early = h.exp()
        h.register_hook(lambda g: seen.append(g))
        h.register_hook(lambda g: g * 10.0)
        h.register_hook(lambda g: seen.append(g))
        y = (early * h).sum() + h.sum() + x.sum()
        y.backward()
        return [*seen, x.grad]

    same(program)


def test_hooks_of_leaves_see_the_sum_of_a_backward_alone():
    def program(library):
        x = leaf(library, 1.0, 2.0)
        seen = []
        x.register_hook(lambda g: seen.append(g))
        x.register_hook(lambda g: g.clamp(max=3.0))
        for _ in range(2):
            h = x * x
            h.register_hook(lambda g: g + 1.0)
            (h.sum() + (x * 5.0).sum() + h.prod()).backward()
        return [*seen, x.grad]

    same(program)


def test_a_handle_ends_its_hook():
    def program(library):
        x = leaf(library, 1.0, 2.0)
        first = x.register_hook(lambda g: g * 2.0)
        second = x.register_hook(lambda g: g + 1.0)
        (x * x).sum().backward()
        first.remove()
        first.remove()
        (x * x).sum().backward()
        with second:
            pass
        (x * x).sum().backward()
        return [x.grad]

    same(program)


def test_retained_gradients():
    def program(library):
        x = leaf(library, 1.0, 2.0)
        a = x * 3.0
        b = a.sin()
        for tensor in (a, b, x):
            tensor.retain_grad()
            tensor.retain_grad()
        a.register_hook(lambda g: g * 2.0)
        assert a.retains_grad
        assert not x.retains_grad
        c = (b * a).sum()
        c.backward(retain_graph=True)
        c.backward()
        return [a.grad, b.grad, x.grad]

    same(program)


def test_hooks_after_accumulation():
    def program(library):
        x = leaf(library, 1.0, 2.0)
        seen = []

        def step(parameter):
            assert parameter is x
            seen.append(parameter.grad.clone())
            parameter.grad = None

        handle = x.register_post_accumulate_grad_hook(step)
        for _ in range(2):
            ((x * x).sum() + (2.0 * x).sum()).backward()
            assert x.grad is None
        handle.remove()
        (x * x).sum().backward()
        return [*seen, x.grad]

    same(program)


def test_grad_calls_hooks_of_what_it_goes_through():
    def program(library):
        x = leaf(library, 1.0, 2.0)
        z = leaf(library, 3.0, 4.0)
        seen = []
        h, other = x.exp(), z.sin()
        h.register_hook(lambda g: g * 2.0)
        x.register_hook(lambda g: g + 1.0)
        other.register_hook(lambda g: seen.append(g))
        y = (h * other).sum()
        # PyTorch gives h without what its hook does if x is asked for in the same call.
        found = [library.autograd.grad(y, [each], retain_graph=True)[0] for each in (h, x)]
        assert not seen
        return [*found, *library.autograd.grad(y, [z]), *seen]

    same(program)


def test_hooks_are_part_of_gradients_that_have_gradients():
    def program(library):
        x = leaf(library, 0.5, -1.0)
        h = x * x
        h.register_hook(lambda g: g * x.sin())
        x.register_hook(lambda g: g.exp())
        (first,) = library.autograd.grad((h * h).sum(), x, create_graph=True)
        (second,) = library.autograd.grad(first.sum(), x)
        return [first, second]

    same(program)


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed: int):
    """Chains and diamonds of ops with several results, hooks at random places and times."""

    def program(library):
        generator = np.random.default_rng(seed)
        shape = tuple(generator.integers(0, 4, generator.integers(1, 3)))
        leaves = [
            library.tensor(generator.standard_normal(shape), requires_grad=True) for _ in range(2)
        ]
        values, seen = list(leaves), []
        for _ in range(generator.integers(2, 9)):
            a, b = (values[generator.integers(len(values))] for _ in range(2))
            made = [
                lambda a=a, b=b: [a * b],
                lambda a=a, b=b: [a.sin() + b],
                lambda a=a, b=b: [a.reshape(shape) - 0.5 * b],
                lambda a=a, b=b: list(library.unbind(library.stack([a, b * 2.0]), 0)),
            ][generator.integers(4)]()
            values += made
            if generator.random() < 0.7:
                factor = float(generator.integers(1, 4))
                target = values[generator.integers(len(values))]
                if generator.random() < 0.5:
                    target.register_hook(lambda g, factor=factor: g * factor)
                else:
                    target.register_hook(lambda g: seen.append(g.sum()))
                if generator.random() < 0.3:
                    target.retain_grad()
        total = sum(value.sum() for value in values[2:])
        total.backward(retain_graph=True)
        total.backward()
        grads = [value.grad for value in values if value.is_leaf or value.retains_grad]
        return [library.stack(seen).sum() if seen else total, *(g for g in grads if g is not None)]

    theirs, ours = both(program)
    for one, other in zip(theirs, ours, strict=True):
        # Sums of at most some thousand numbers, some of which may be larger than the result.
        bound = 2.0**-40 * max(1.0, float(np.abs(one).max(initial=0)))
        np.testing.assert_allclose(other, one, rtol=0, atol=bound)


def test_results_of_compiled_functions_have_hooks():
    def program(library):
        x = leaf(library, 1.0, 2.0)

        def function(x):
            return x * 2.0, x.exp()

        function = weft.jit(function) if library is weft else function
        a, b = function(x)
        a.register_hook(lambda g: g * 3.0)
        (a * b).sum().backward()
        return [x.grad]

    same(program)


def test_compiled_functions_call_no_hooks_and_say_so():
    x = leaf(weft, 1.0, 2.0)

    @weft.jit
    def step():
        loss = (x * x).sum()
        loss.backward()
        return loss

    step()
    handle = x.register_hook(lambda g: g * 2.0)
    with pytest.raises(weft.UnsupportedError, match="compiled functions call none"):
        step()
    handle.remove()
    x.grad = None
    step()  # nothing is called any more
    assert x.grad.tolist() == [2.0, 4.0]
    other = weft.jit(lambda: (x * 3.0).sum().backward())
    other()
    after = x.register_post_accumulate_grad_hook(lambda leaf: None)
    with pytest.raises(weft.UnsupportedError, match="compiled functions call none"):
        other()
    after.remove()
    other()

    @weft.jit
    def inside(y):
        y.sin().register_hook(lambda g: g)
        return y

    with pytest.raises(weft.UnsupportedError, match="gradient hook: compiled functions"):
        inside(x)
    with pytest.raises(weft.UnsupportedError, match="gradient hook: compiled functions"):
        weft.grad(lambda y: (y.register_hook(lambda g: g), y.sum())[1])(weft.ones(2))


def test_a_hook_that_fails_leaves_everything_as_it_was():
    x = leaf(weft, 1.0, 2.0)
    h = x * x
    handle = h.register_hook(lambda g: 1 / 0)
    y = h.sum() + x.sum()
    with pytest.raises(ZeroDivisionError):
        y.backward()
    assert x.grad is None
    handle.remove()
    y.backward()
    assert x.grad.tolist() == [3.0, 5.0]


@pytest.mark.parametrize(
    ("hook", "error", "message"),
    [
        (lambda g: 3, weft.DTypeError, "tensor or None, not a int"),
        (lambda g: g.sum(), weft.ShapeError, r"returned the shape \(\)"),
        (lambda g: g.double(), weft.DTypeError, "returned float64"),
    ],
)
def test_what_a_hook_returns_has_to_fit(hook, error, message):
    for make in (lambda x: x, lambda x: x * 2.0):
        x = leaf(weft, 1.0, 2.0)
        h = make(x)
        h.register_hook(hook)
        with pytest.raises(error, match=message):
            (h * h).sum().backward()


def test_what_has_no_gradient_takes_no_hook():
    for name in ("register_hook", "register_post_accumulate_grad_hook"):
        with pytest.raises(weft.GradientError, match="requires no gradient"):
            getattr(weft.ones(2), name)(print)
    with pytest.raises(weft.GradientError, match="no leaf"):
        (leaf(weft, 1.0) * 2.0).register_post_accumulate_grad_hook(print)
    with pytest.raises(weft.GradientError, match="requires no gradient"):
        weft.ones(2).retain_grad()
    with pytest.raises(weft.DTypeError, match="function"):
        leaf(weft, 1.0).register_hook(3)
    x = leaf(weft, 1.0)
    h = x * 2.0
    h.sum().backward()
    with pytest.raises(weft.GradientError, match="released"):
        h.register_hook(print)


def test_copies_have_no_hooks():
    model = weft.nn.Linear(2, 2)
    model.weight.register_hook(lambda g: g * 0.0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        other(weft.ones((1, 2))).sum().backward()
        assert np.all(np.asarray(other.weight.grad) == 1.0)
    model(weft.ones((1, 2))).sum().backward()
    assert np.all(np.asarray(model.weight.grad) == 0.0)


def test_a_module_whose_hook_holds_it_is_collected():
    class Scaled(weft.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = weft.nn.Linear(2, 2)
            self.layer.weight.register_hook(self.scale)

        def scale(self, gradient):
            return gradient * 2.0

    model = Scaled()
    model.layer(weft.ones((1, 2))).sum().backward()
    assert np.all(np.asarray(model.layer.weight.grad) == 2.0)
    reference = weakref.ref(model)
    del model
    gc.collect()
    assert reference() is None


def test_hooks_of_what_was_used_up_are_let_go():
    class Held:
        def __call__(self, gradient):
            return None

    held = Held()
    reference = weakref.ref(held)
    x = leaf(weft, 1.0)
    h = x * 2.0
    h.register_hook(held)
    y = h.sum()
    del held
    assert reference() is not None
    y.backward()
    gc.collect()
    assert reference() is None


def test_the_parameters_of_a_compiled_step_may_get_hooks_and_lose_them():
    model = weft.nn.Linear(2, 1)

    @weft.jit
    def forward(x):
        return model(x).sum()

    x = weft.ones((3, 2))
    forward(x).backward()
    handle = model.weight.register_hook(lambda g: g * 2.0)
    model.zero_grad()
    forward(x).backward()
    assert np.all(np.asarray(model.weight.grad) == 6.0)
    handle.remove()
    model.zero_grad()
    forward(x).backward()
    assert np.all(np.asarray(model.weight.grad) == 3.0)
