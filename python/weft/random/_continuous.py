"""Continuous distributions by functions of uniform and normal numbers.

Functions whose parameters all have defaults take the shape first, the others after what they need;
without a shape the result has that of the parameters. Samples are differentiable in the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import Shape, _fail, _shape, asarray
from .._dtypes import float64
from .._errors import ShapeError
from .._linear import matmul
from .._manipulation import astype, broadcast_shapes, clip, expand_dims, squeeze, tril
from .._special import ndtri
from ..special import ndtr
from ._draw import Draw, positive, unit


def exponential(
    shape: Shape | None = None,
    scale: Any = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Exponentially distributed numbers with the mean ``scale``, by inversion.

    Raises:
        OptionError: the scale is not above 0. DTypeError: the dtype is not floating. ShapeError:
            the scale does not broadcast to the shape.
    """
    positive("exponential", "the scale", scale)
    draw = Draw("exponential", shape, (scale,), key, dtype, device)
    return draw.result(draw.exponential() * draw.parameters[0])


def _located(
    name: str,
    standard: Callable[[Draw], Tensor],
    shape: Shape | None,
    loc: Any,
    scale: Any,
    options: tuple[Tensor | None, object, object],
) -> Tensor:
    """Standard numbers times a scale above 0, plus a location; options: key, dtype, device."""
    positive(name, "the scale", scale)
    draw = Draw(name, shape, (loc, scale), *options)
    loc, scale = draw.parameters
    return draw.result(standard(draw) * scale + loc)


def _both_sides(draw: Draw, size_of: Callable[[Tensor], Tensor]) -> Tensor:
    """What ``size_of`` makes of uniform distances from the ends of (-1, 1), which are exact, with
    the sign of the side."""
    side = draw.open_unit() * 2.0 - 1.0
    size = size_of(_ops.subtract(1.0, _ops.abs(side)))
    return _ops.where(side < 0, -size, size)


def laplace(
    shape: Shape | None = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Numbers of the density exp(-|x - loc| / scale) / (2 scale), by inversion. Raises as
    `exponential`."""
    standard = lambda draw: _both_sides(draw, lambda end: -_ops.log(end))  # noqa: E731
    return _located("laplace", standard, shape, loc, scale, (key, dtype, device))


def logistic(
    shape: Shape | None = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Numbers with the cumulative distribution sigmoid((x - loc) / scale), by inversion. Raises as
    `exponential`."""

    def standard(draw: Draw) -> Tensor:
        drawn = draw.open_unit()
        return _ops.log(drawn / (1.0 - drawn))

    return _located("logistic", standard, shape, loc, scale, (key, dtype, device))


def gumbel(
    shape: Shape | None = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Numbers with the cumulative distribution exp(-exp(-(x - loc) / scale)), by inversion. Raises
    as `exponential`."""
    standard = lambda draw: -_ops.log(-_ops.log(draw.open_unit()))  # noqa: E731
    return _located("gumbel", standard, shape, loc, scale, (key, dtype, device))


def cauchy(
    shape: Shape | None = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Numbers of the density 1 / (pi scale (1 + ((x - loc) / scale)**2)), by inversion. Raises as
    `exponential`."""

    def cotangent(end: Tensor) -> Tensor:
        # That of an angle near 0 keeps the digits that a tangent near pi/2 loses.
        angle = end * (math.pi / 2)
        return _ops.cos(angle) / _ops.sin(angle)

    standard = lambda draw: _both_sides(draw, cotangent)  # noqa: E731
    return _located("cauchy", standard, shape, loc, scale, (key, dtype, device))


def lognormal(
    shape: Shape | None = None,
    mean: Any = 0.0,
    sigma: Any = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """exp of normally distributed numbers with this mean and deviation. Raises as `exponential`."""
    positive("lognormal", "sigma", sigma)
    draw = Draw("lognormal", shape, (mean, sigma), key, dtype, device)
    mean, sigma = draw.parameters
    return draw.result(_ops.exp(draw.normal() * sigma + mean))


def rayleigh(
    shape: Shape | None = None,
    scale: Any = 1.0,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """The lengths of vectors of two normally distributed numbers, times ``scale``. Raises as
    `exponential`."""
    positive("rayleigh", "the scale", scale)
    draw = Draw("rayleigh", shape, (scale,), key, dtype, device)
    return draw.result(_ops.sqrt(2.0 * draw.exponential()) * draw.parameters[0])


def weibull(
    concentration: Any,
    scale: Any = 1.0,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Numbers x >= 0 of which exp(-(x / scale)**concentration) are larger. Raises as
    `exponential`."""
    positive("weibull", "the concentration", concentration)
    positive("weibull", "the scale", scale)
    draw = Draw("weibull", shape, (concentration, scale), key, dtype, device)
    concentration, scale = draw.parameters
    return draw.result(draw.exponential() ** (1.0 / concentration) * scale)


def pareto(
    alpha: Any,
    scale: Any = 1.0,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Numbers x >= scale of which (scale / x)**alpha are larger. Raises as `exponential`."""
    positive("pareto", "alpha", alpha)
    positive("pareto", "the scale", scale)
    draw = Draw("pareto", shape, (alpha, scale), key, dtype, device)
    alpha, scale = draw.parameters
    return draw.result(_ops.exp(draw.exponential() / alpha) * scale)


def truncated_normal(
    lower: Any,
    upper: Any,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Normally distributed numbers that lie in [lower, upper], by inversion in float64.

    The side of 0 that holds less is turned to the lower tail, where float64 tells apart
    probabilities down to 1e-308: bounds are good up to 37 deviations from 0; beyond, NaN comes.

    Raises:
        DTypeError: the dtype is not floating. ShapeError: the bounds do not broadcast to the shape.
    """
    draw = Draw("truncated_normal", shape, (lower, upper), key, dtype, device)
    low, high = (
        astype(asarray(x, dtype=float64, device=draw.key.device), float64) for x in draw.parameters
    )
    turned = low + high > 0
    near, far = _ops.where(turned, -high, low), _ops.where(turned, -low, high)
    start, end = ndtr(near), ndtr(far)
    drawn = start + unit(draw.key, draw.shape, float64) * (end - start)
    values = clip(ndtri(drawn), near, far)
    values = _ops.where(turned, -values, values)
    return draw.result(_ops.where((low <= high) & (drawn > 0), values, math.nan))


def multivariate_normal(
    mean: Any,
    scale_tril: Any,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Vectors of normally distributed numbers with the covariance scale_tril @ scale_tril.T.

    Args:
        mean: [..., N].
        scale_tril: [..., N, N], the Cholesky factor of the covariance; what is above its diagonal
            is not read.
        shape: of the batch, which the leading dimensions of both broadcast to: [*shape, N] is
            returned. None: what they broadcast to.

    Raises:
        ShapeError: the shapes do not fit. DTypeError: the dtype is not floating.
    """
    mean, factor = asarray(mean), asarray(scale_tril)
    if not mean.ndim or factor.ndim < 2 or factor.shape[-2:] != (mean.shape[-1],) * 2:
        raise _fail(
            ShapeError,
            f"multivariate_normal: mean of shape {mean.shape} and scale_tril of shape "
            f"{factor.shape} have to be [..., N] and [..., N, N]",
        )
    batch = broadcast_shapes(mean.shape[:-1], factor.shape[:-2]) if shape is None else _shape(shape)
    draw = Draw(
        "multivariate_normal", (*batch, mean.shape[-1]), (mean, factor[..., 0]), key, dtype, device
    )
    mean, factor = astype(mean, draw.wide), tril(astype(factor, draw.wide))
    turned = squeeze(matmul(factor, expand_dims(draw.normal(), axis=-1)), -1)
    return draw.result(turned + mean)
