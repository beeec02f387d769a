"""Where the elements of views lie, beside PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import weft

torch = pytest.importorskip("torch")


def step(generator: np.random.Generator, shape: tuple):
    """A random view of a tensor of that shape, in both libraries' words."""
    axis = int(generator.integers(len(shape)))
    order = tuple(map(int, generator.permutation(len(shape))))
    start = int(generator.integers(shape[axis] + 1))
    jump = int(generator.integers(1, 3))
    index = (slice(None),) * axis + (slice(start, None, jump),)
    return [
        lambda x: x.permute(order),
        lambda x: x[index],
        lambda x: x.unsqueeze(axis),
        lambda x: x.expand(3, *x.shape),
        lambda x: x.squeeze(axis),
        lambda x: x.reshape(-1),
    ][generator.integers(6)]


@pytest.mark.parametrize("seed", range(80))
def test_random_views(seed: int):
    generator = np.random.default_rng(seed)
    shape = tuple(map(int, generator.integers(1, 5, generator.integers(1, 4))))
    theirs, ours = torch.zeros(shape), weft.zeros(shape)
    for _ in range(generator.integers(1, 6)):
        if theirs.ndim == 0 or theirs.numel() == 0:
            break
        view = step(generator, tuple(theirs.shape))
        theirs, ours = view(theirs), view(ours)
        assert tuple(ours.shape) == tuple(theirs.shape)
        # Along a dimension of one element, or without any, no distance is right or wrong.
        pairs = zip(ours.shape, ours.stride(), theirs.stride(), strict=True)
        assert all(own == other for size, own, other in pairs if size > 1 and theirs.numel())
        assert ours.is_contiguous() == theirs.is_contiguous()


def test_dense_tensors_and_single_dimensions():
    for shape in [(), (3,), (2, 3, 4), (0, 3), (3, 0, 2)]:
        assert weft.zeros(shape).stride() == torch.zeros(shape).stride()
    x = weft.zeros((2, 3, 4))
    assert (x.stride(0), x.stride(-1), x.mT.stride(2)) == (12, 1, 4)
    with pytest.raises(weft.WeftError, match="stride"):
        x.stride(3)


def test_compiled_functions_know_where_arguments_lie():
    call = weft.jit(lambda x: x * (2.0 if x.stride() == (1, 2) else 1.0))
    x = weft.ones((2, 3))
    assert call(x).tolist() == [[1.0] * 3] * 2
    assert call(x.T.clone().T).tolist() == [[2.0] * 3] * 2
    y = weft.ones((3, 2))
    flipped = weft.jit(lambda x: x * float(x.stride(0)))
    assert flipped(y).tolist() == [[2.0] * 2] * 3
    assert flipped(y.T).tolist() == [[1.0] * 3] * 2


def test_symbolic_sizes_have_no_known_strides():
    with pytest.raises(weft.ConcretizationError, match="stride"):
        weft.export(lambda x: x * x.stride(0), weft.spec(("n", "m")))
