"""Choices among things: by weights, in random order, with and without putting back."""

from __future__ import annotations

import math
from typing import Any

from .. import _core, _ops
from .._core import Tensor
from .._creation import Shape, _fail, _shape, _size, asarray
from .._dtypes import int64
from .._errors import OutOfRangeError, ShapeError
from .._manipulation import astype, moveaxis, normalize_axis, reshape, take
from .._reductions import argmax, cumulative_sum
from .._searching import check_range, searchsorted, topk
from .._sorting import argsort
from ._basic import randint
from ._draw import Draw, open_unit, unit
from ._keys import bits, checked, next_key


def permutation(
    x: Any, axis: int = 0, *, key: Tensor | None = None, device: object = None
) -> Tensor:
    """The integers below x in random order (int64), or the slices of a tensor x along ``axis``.

    The order of as many random numbers of 64 bits.

    Raises:
        ShapeError: x is below 0, or has no such axis.
    """
    if isinstance(x, Tensor) and x.ndim:
        place = normalize_axis(axis, x.ndim, "permutation")
        device = x.device if device is None else device
        return take(x, permutation(x.shape[place], key=key, device=device), axis=place)
    count = _size(x, "permutation: x")
    drawn_of = next_key(device) if key is None else checked(key, "permutation")
    return argsort(bits(drawn_of, (count,), int64))


def _noise(draw: Draw) -> Tensor:
    """Gumbel's noise: the place of the largest of it + log(weight) is one drawn by the weights."""
    return -_ops.log(-_ops.log(open_unit(draw.key, draw.shape, draw.wide)))


def categorical(
    logits: Any,
    axis: int = -1,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    device: object = None,
) -> Tensor:
    """Indices along ``axis``, drawn with exp(logits) for their weights (int64).

    By the largest of the logits and Gumbel's noise. Weights below 2**-23 of all are drawn as often
    as the digits of float32 allow; float64 logits tell more apart.

    Args:
        shape: of the result, to which that of the logits without ``axis`` broadcasts. None: that.

    Raises:
        ShapeError: the logits are a number, have no such axis, nothing along it, or do not fit.
    """
    logits = asarray(logits)
    place = normalize_axis(axis, logits.ndim, "categorical")
    last = moveaxis(logits, place, -1)
    if last.shape[-1] == 0:
        raise _fail(ShapeError, f"categorical: logits of shape {logits.shape} leave no choice")
    batch = last.shape[:-1] if shape is None else _shape(shape)
    draw = Draw("categorical", (*batch, last.shape[-1]), (last,), key, None, device)
    return argmax(draw.parameters[0] + _noise(draw), axis=-1)


def choice(
    a: Any,
    shape: Shape = (),
    replace: bool = True,
    p: Any = None,
    axis: int = 0,
    *,
    key: Tensor | None = None,
    device: object = None,
) -> Tensor:
    """Elements of a tensor along ``axis``, or integers below a, as NumPy's Generator.choice.

    Args:
        a: an integer, or a tensor of at least one dimension.
        shape: how many; it stands in the place of ``axis``.
        replace: whether one may be drawn several times.
        p: a weight [n] for each; None: all alike.

    Returns:
        int64 for an integer a, else a's dtype. With weights by the inverse of their sums, or
        without replacement by the largest of log(p) + Gumbel's noise.

    Raises:
        ShapeError: there is nothing to draw from, there are fewer than are drawn without
            replacement, or weights of another shape. OutOfRangeError: a weight is below 0, NaN or
            infinite, or too few are above 0; where the weights are known.
    """
    is_tensor = isinstance(a, Tensor) and a.ndim
    place = normalize_axis(axis, a.ndim, "choice") if is_tensor else 0
    count = a.shape[place] if is_tensor else _size(a, "choice: a")
    wanted = _shape(shape)
    drawn = math.prod(wanted)
    if drawn and (count < 1 or (not replace and drawn > count)):
        how = "with" if replace else "without"
        raise _fail(ShapeError, f"choice: {drawn} of {count} {how} replacement")
    if is_tensor and device is None:
        device = a.device
    if p is None and replace:
        index = randint(0, max(count, 1), wanted, key=key, device=device)
    elif p is None:
        index = reshape(permutation(count, key=key, device=device)[:drawn], wanted)
    else:
        index = _weighted(asarray(p), count, wanted, replace, key, device)
    if not is_tensor:
        return index
    picked = take(a, reshape(index, -1), axis=place)
    return reshape(picked, (*a.shape[:place], *wanted, *a.shape[place + 1 :]))


def _check_weights(weights: Tensor, shape: tuple[int, ...], needed: int) -> None:
    """Raises OutOfRangeError for weights that no choice can be made by, where they are known."""
    check_range(weights, 0, math.inf, "choice: each weight")
    if _core.is_tracing() or weights._is_tracer or not math.prod(shape):
        return
    positive = int((weights > 0).sum())
    if not math.isfinite(float(weights.sum())):
        raise _fail(OutOfRangeError, "choice: the weights have no finite sum")
    if positive < needed:
        raise _fail(
            OutOfRangeError,
            f"choice: {positive} weights are above 0, but {needed} are needed for as many things",
        )


def _weighted(
    p: Tensor, count: int, shape: tuple[int, ...], replace: bool, key: Any, device: Any
) -> Tensor:
    if p.shape != (count,):
        raise _fail(ShapeError, f"choice: weights of shape {p.shape} for {count} things")
    draw = Draw("choice", shape if replace else (count,), (), key, "float64", device or p.device)
    weights = astype(p, draw.wide, copy=False)
    _check_weights(weights, draw.shape, 1 if replace else math.prod(shape))
    if not replace:
        keys = _ops.log(weights) + _noise(draw)
        return reshape(topk(keys, math.prod(shape))[1], shape)
    totals = cumulative_sum(weights)
    # In (0, total]: what has no weight ends where the one before it does, and is never the first.
    drawn = (1.0 - unit(draw.key, draw.shape, draw.wide)) * totals[-1]
    return searchsorted(totals, drawn)
