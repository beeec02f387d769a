"""Gamma distributed numbers and what is made of them: by logarithms, which do not underflow."""

from __future__ import annotations

from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import Shape, _fail, _shape, asarray, zeros_like
from .._custom_derivatives import with_slope_for_first
from .._dtypes import bool_
from .._elementwise import logaddexp
from .._errors import ShapeError
from .._functional import softmax
from .._jit import jit
from .._manipulation import broadcast_to
from ..special._incomplete_gamma import log_quantile_slope
from ._draw import Draw, open_unit, pair_normal, positive
from ._keys import split

#: A round accepts at least 95.1 of 100 proposals (those of concentration 1 are the worst), so that
#: eight leave less than one number in 2**34 without: it becomes the centre of the distribution.
_ROUNDS = 8


@jit
def _log_gamma(concentration: Tensor, key: Tensor) -> Tensor:
    """Logarithms of gamma distributed numbers (Marsaglia and Tsang, 2000; of concentrations below 1
    by the power of a uniform number there described)."""
    shape, dtype = concentration.shape, concentration.dtype
    keys = split(key, 2 * _ROUNDS + 1)
    is_small = concentration < 1
    d = _ops.where(is_small, concentration + 1, concentration) - 1 / 3
    c = 1 / _ops.sqrt(9 * d)
    power, found = zeros_like(d), zeros_like(d, dtype=bool_)
    for turn in range(_ROUNDS):
        x = pair_normal(keys[2 * turn], shape, dtype)
        step = c * x
        fits = step > -1
        log_v = 3 * _ops.log1p(_ops.where(fits, step, 0))
        beyond = step * (3 + step * (3 + step))
        u = open_unit(keys[2 * turn + 1], shape, dtype)
        taken = fits & (_ops.log(u) < 0.5 * x * x + d * (log_v - beyond)) & ~found
        power = _ops.where(taken, log_v, power)
        found = found | taken
    small = _ops.log(open_unit(keys[2 * _ROUNDS], shape, dtype)) / concentration
    return _ops.log(d) + power + _ops.where(is_small, small, 0)


def _drawn(draw: Draw, concentration: Any, key: Tensor) -> Tensor:
    """Logarithms of the shape of a draw, which move with the concentration as its quantiles do."""
    is_number = not isinstance(concentration, Tensor)
    if is_number:
        concentration = asarray(concentration, dtype=draw.wide, device=key.device)
    wide = broadcast_to(concentration.astype(draw.wide, copy=False), draw.shape)
    drawn = _log_gamma(_ops.stop_gradient(wide), key)
    if is_number:
        return drawn
    return with_slope_for_first(drawn, log_quantile_slope, wide, drawn)


def loggamma(
    concentration: Any,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """The logarithms of gamma distributed numbers of scale 1, also where these underflow to 0.

    Raises as `gamma`.
    """
    positive("loggamma", "the concentration", concentration)
    draw = Draw("loggamma", shape, (concentration,), key, dtype, device)
    return draw.result(_drawn(draw, draw.parameters[0], draw.key))


def gamma(
    concentration: Any,
    scale: Any = 1.0,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Gamma distributed numbers (Marsaglia and Tsang, 2000), in eight rounds of rejection.

    They are differentiable in the scale, and once in the concentration: with it they move as their
    quantiles do (Figurnov, Mohamed and Mnih, 2018).

    Raises:
        OptionError: the concentration or the scale is a number that is not above 0; tensors of such
            give NaN. DTypeError: the dtype is not floating. ShapeError: the parameters do not
            broadcast to the shape.
    """
    positive("gamma", "the concentration", concentration)
    positive("gamma", "the scale", scale)
    draw = Draw("gamma", shape, (concentration, scale), key, dtype, device)
    concentration, scale = draw.parameters
    return draw.result(_ops.exp(_drawn(draw, concentration, draw.key)) * scale)


def chisquare(
    df: Any,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Sums of ``df`` squares of normally distributed numbers; ``df`` need not be whole. Raises as
    `gamma`."""
    positive("chisquare", "df", df)
    draw = Draw("chisquare", shape, (df,), key, dtype, device)
    return draw.result(_ops.exp(_drawn(draw, draw.parameters[0] * 0.5, draw.key)) * 2.0)


def student_t(
    df: Any,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Student's t with ``df`` degrees of freedom. Raises as `gamma`."""
    positive("student_t", "df", df)
    draw = Draw("student_t", shape, (df,), key, dtype, device)
    half = draw.parameters[0] * 0.5
    first, second = draw.keys(2)
    spread = _ops.exp(-0.5 * _drawn(draw, half, first)) * half**0.5
    return draw.result(draw.normal(second) * spread)


def beta(
    a: Any,
    b: Any,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Beta distributed numbers: of two gamma distributed ones the share of the first. Raises as
    `gamma`."""
    positive("beta", "a", a)
    positive("beta", "b", b)
    draw = Draw("beta", shape, (a, b), key, dtype, device)
    a, b = draw.parameters
    first, second = draw.keys(2)
    one, other = _drawn(draw, a, first), _drawn(draw, b, second)
    return draw.result(_ops.exp(one - logaddexp(one, other)))


def dirichlet(
    concentration: Any,
    shape: Shape | None = None,
    *,
    key: Tensor | None = None,
    dtype: object = None,
    device: object = None,
) -> Tensor:
    """Shares that sum to 1: gamma distributed numbers over their sum.

    Args:
        concentration: [..., K].
        shape: of the batch: [*shape, K] is returned. None: that of the concentration.

    Raises:
        ShapeError: the concentration is a number, or its shape does not fit; else as `gamma`.
    """
    concentration = asarray(concentration)
    if not concentration.ndim:
        raise _fail(ShapeError, "dirichlet: the concentration has shape (), but has to be [..., K]")
    batch = concentration.shape[:-1] if shape is None else _shape(shape)
    full = (*batch, concentration.shape[-1])
    draw = Draw("dirichlet", full, (concentration,), key, dtype, device)
    return draw.result(softmax(_drawn(draw, draw.parameters[0], draw.key), -1))
