"""Lengths, distances and angles of vectors along a dimension, with PyTorch's names."""

from __future__ import annotations

from .. import _ops
from .._core import Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from .._manipulation import broadcast_arrays, clip
from .._reductions import norm, sum
from .._windows import floating, widened
from ._module import Module
from ._precision import narrowed_loss


def at_least(x: Tensor, least: float) -> Tensor:
    """x or ``least``, whichever is larger, with the derivative of x also where that is not x."""
    return _ops.where(x < least, (x - _ops.stop_gradient(x)) + least, x)


def _vectors(name: str, x1: Tensor, x2: Tensor) -> tuple[Tensor, ...]:
    """Both in their common shape, `widened`. Raises DTypeError, naming the function."""
    return tuple(broadcast_arrays(*(widened(floating(x, name)) for x in (x1, x2))))


def normalize(
    input: Tensor,
    p: float = 2.0,
    dim: int | tuple[int, ...] | None = 1,
    eps: float = 1e-12,
    out: None = None,
) -> Tensor:
    """x over the norm of order p of its vectors along ``dim``, which counts as ``eps`` at least.

    Args:
        input: floating, of any shape.
        p: a positive number, or infinity.
        dim: one or several dimensions; None: all.
        out: only None, as tensors are values.

    Raises:
        OptionError: p is not positive. OutOfBoundsError: there is no such dimension.
        UnsupportedError: ``out`` is given. DTypeError: the input is not floating.
    """
    if out is not None:
        raise _fail(
            UnsupportedError, "normalize: out= is not there; use out.assign(normalize(x)) for it"
        )
    x = floating(input, "normalize")
    wide = widened(x)
    length = clip(norm(wide, axis=dim, keepdims=True, ord=p), min=eps)
    return narrowed_loss(wide / length, x)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """The cosine of the angle of vectors along ``dim``: sum(x1 * x2) over their lengths.

    Args:
        x1, x2: floating; their shapes are broadcast, and ``dim`` is one of the result of that.
        eps: for a length below it.

    Raises:
        ShapeError: the shapes do not broadcast. OutOfBoundsError: there is no such dimension.
        DTypeError: an input is not floating.
    """
    units = [
        x / at_least(norm(x, axis=dim, keepdims=True), eps)
        for x in _vectors("cosine_similarity", x1, x2)
    ]
    return narrowed_loss(sum(units[0] * units[1], axis=dim), x1, x2)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """The norm of order p of x1 - x2 + eps along the last dimension.

    Args:
        x1, x2: floating [..., D]; their shapes are broadcast.
        p: a positive number, or infinity.
        keepdim: the result is [..., 1] instead of [...].

    Raises:
        OptionError: p is not positive. ShapeError: the shapes do not broadcast. DTypeError: an
            input is not floating.
    """
    x, y = _vectors("pairwise_distance", x1, x2)
    return narrowed_loss(norm(x - y + eps, axis=-1, keepdims=keepdim, ord=p), x1, x2)


class CosineSimilarity(Module):
    """The cosine of the angle of vectors along ``dim``; a length counts as ``eps`` at least."""

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """See `functional.cosine_similarity`."""
        return cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """The norm of order p of x1 - x2 + eps along the last dimension."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        """See `functional.pairwise_distance`."""
        return pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
