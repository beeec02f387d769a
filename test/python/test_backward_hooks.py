"""Hooks of modules that see gradients, beside PyTorch's."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import weft

torch = pytest.importorskip("torch")


def block(library):
    class Block(library.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = library.nn.Linear(3, 3)
            with library.no_grad():
                for parameter in self.layer.parameters():
                    parameter.copy_(
                        library.tensor(
                            np.linspace(-1, 1, parameter.numel(), dtype=np.float32).reshape(
                                tuple(parameter.shape)
                            )
                        )
                    )

        def forward(self, x, other=None, factor=2.0):
            y = self.layer(x)
            if other is None:
                return y * factor
            return y * other.sin(), other + x, "text"

    return Block()


def inputs(library, count, requires_grad=True):
    generator = np.random.default_rng(7)
    return [
        library.tensor(
            generator.standard_normal((2, 3)).astype(np.float32), requires_grad=requires_grad
        )
        for _ in range(count)
    ]


def flat(values):
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from flat(value)
        else:
            yield np.asarray(-1.0) if value is None else np.asarray(value.detach())


def same(program):
    theirs, ours = (list(flat(program(library))) for library in (torch, weft))
    assert len(theirs) == len(ours)
    for one, other in zip(theirs, ours, strict=True):
        # Sums of three products of numbers below 10.
        np.testing.assert_allclose(other, one, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("requires_grad", [True, False])
def test_a_hook_sees_gradients_of_arguments_and_results(requires_grad):
    def program(library):
        module, seen = block(library), []
        module.register_full_backward_hook(lambda m, i, o: seen.append((i, o)))
        module.register_full_backward_pre_hook(lambda m, o: seen.append(o))
        (x,) = inputs(library, 1, requires_grad)
        module(x, factor=3.0).exp().sum().backward()
        return [seen, x.grad, [p.grad for p in module.parameters()]]

    same(program)


def test_hooks_replace_gradients():
    def program(library):
        module = block(library)
        module.register_full_backward_pre_hook(lambda m, o: (o[0] * 2.0,))
        module.register_full_backward_hook(lambda m, i, o: (i[0] + o[0].sum(),))
        handle = module.register_full_backward_hook(lambda m, i, o: (i[0] * 0.0,))
        handle.remove()
        (x,) = inputs(library, 1)
        module(x).exp().sum().backward()
        return [x.grad, [p.grad for p in module.parameters()]]

    same(program)


@pytest.mark.parametrize("used", [(0,), (1,), (0, 1)])
def test_several_arguments_and_results(used):
    def program(library):
        module, seen = block(library), []
        module.register_full_backward_pre_hook(lambda m, o: seen.append(o))

        def hook(module, arguments, results):
            seen.append((arguments, results))
            return tuple(None if g is None else g * 3.0 for g in arguments)

        module.register_full_backward_hook(hook)
        x, other = inputs(library, 2)
        results = module(x, other)
        assert results[2] == "text"
        sum(results[i].square().sum() for i in used).backward()
        return [seen, x.grad, other.grad]

    same(program)


def test_modules_in_modules_and_calls_of_one_module():
    def program(library):
        first, second = block(library), block(library)
        both = library.nn.Sequential(first, library.nn.Tanh(), first, second)
        seen = []
        for module in (first, second, both):
            module.register_full_backward_hook(lambda m, i, o: seen.append((i, o)))
        (x,) = inputs(library, 1)
        (both(x) * both(x)).sum().backward()
        return [len(seen) * x, seen[0], x.grad]

    same(program)


def test_gradients_that_have_gradients_go_through_hooks():
    def program(library):
        module = block(library)
        module.register_full_backward_hook(lambda m, i, o: (i[0].sin(),))
        (x,) = inputs(library, 1)
        (first,) = library.autograd.grad(module(x).exp().sum(), x, create_graph=True)
        first.square().sum().backward()
        return [first, x.grad]

    same(program)


def test_nothing_is_marked_without_gradients():
    module, seen = block(weft), []
    module.register_full_backward_hook(lambda *all: seen.append(all))
    (x,) = inputs(weft, 1)
    with weft.no_grad():
        assert module(x).is_leaf
    assert not seen


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda g: (g, g), weft.DTypeError, "returned 2 gradients"),
        (lambda g: (None,), weft.DTypeError, "has to be a tensor"),
        (lambda g: (g.double(),), weft.DTypeError, "tensor of float32"),
        (lambda g: (g.sum(),), weft.ShapeError, r"the shape \(\), not \(2, 3\)"),
    ],
)
def test_what_a_hook_returns_has_to_fit(returned, error, message):
    module = block(weft)
    module.register_full_backward_hook(lambda m, i, o: returned(i[0]))
    (x,) = inputs(weft, 1)
    with pytest.raises(error, match=message):
        module(x).sum().backward()
    assert x.grad is None


def test_compiled_functions_refuse_modules_with_such_hooks():
    module = block(weft)
    (x,) = inputs(weft, 1)
    call = weft.jit(lambda x: module(x).sum())
    call(x).backward()
    handle = module.register_full_backward_hook(lambda m, i, o: None)
    with pytest.raises(weft.UnsupportedError, match="gradient hook: compiled functions"):
        call(x)
    with weft.no_grad():
        call(x)
    handle.remove()
    call(x).backward()


def test_nothing_is_kept_alive():
    module = block(weft)
    module.register_full_backward_hook(lambda m, i, o: None)
    (x,) = inputs(weft, 1)
    module(x).sum().backward()
    reference = weakref.ref(module)
    del module
    gc.collect()
    assert reference() is None
