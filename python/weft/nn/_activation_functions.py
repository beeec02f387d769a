"""Activations, with PyTorch's names and arguments.

Where a function has a kink, its derivative there is PyTorch's. float16 and bfloat16 are computed in
float32 and rounded once. ``inplace`` is accepted and changes nothing, as tensors are values.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .. import _core, _functional, _ops
from .._core import Tensor
from .._creation import _fail, _iota
from .._dtypes import finfo, int64
from .._errors import OptionError, ShapeError
from .._manipulation import narrow, normalize_axis, reshape
from .._reductions import argmax
from .._windows import floating, widened
from ..random import uniform
from ._precision import narrowed

#: The fixed point of mean 0 and variance 1 (Klambauer et al., 2017).
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def _of_elements(name: str, input: Tensor, formula: Callable[[Tensor], Tensor]) -> Tensor:
    """The formula of a floating tensor. Raises DTypeError, naming the function."""
    x = floating(input, name)
    return narrowed(formula(widened(x)), x)


def _limited(x: Tensor, low: float, high: float) -> Tensor:
    """x between the limits, with a derivative of 0 at them."""
    return _ops.where(x <= low, low, _ops.where(x >= high, high, x))


# Piecewise linear ----------------------------------------------------------------------------


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0)"""
    return _ops.relu(input)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """x limited to [0, 6]; at both the derivative is 0.

    Raises:
        DTypeError: the input is not floating.
    """
    return _of_elements("relu6", input, lambda x: _limited(x, 0.0, 6.0))


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x limited to [min_val, max_val]; at both the derivative is 0.

    Raises:
        OptionError: the limits cross. DTypeError: the input is not floating.
    """
    if min_val > max_val:
        raise _fail(OptionError, f"hardtanh: min_val {min_val} is above max_val {max_val}")
    return _of_elements("hardtanh", input, lambda x: _limited(x, min_val, max_val))


def _hard_sigmoid(x: Tensor) -> Tensor:
    return _ops.where(x <= -3.0, 0.0, _ops.where(x >= 3.0, 1.0, (x + 3.0) / 6.0))


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """(x + 3) / 6 limited to [0, 1]; at both the derivative is 0.

    Raises:
        DTypeError: the input is not floating.
    """
    return _of_elements("hardsigmoid", input, _hard_sigmoid)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * hardsigmoid(x)

    Raises:
        DTypeError: the input is not floating.
    """
    return _of_elements("hardswish", input, lambda x: x * _hard_sigmoid(x))


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where it is positive, else x times the slope.

    Raises:
        DTypeError: the input is not floating.
    """
    x = floating(input, "leaky_relu")
    return _ops.where(x > 0, x, x * negative_slope)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where it is positive, else x times the weight.

    Args:
        input: floating, [N, C, ...].
        weight: one number, of shape () or [1], or one for each channel: [C].

    Raises:
        ShapeError: the weight has another shape. DTypeError: the input is not floating.
    """
    x = floating(input, "prelu")
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or (weight._size != 1 and weight.shape != (channels,)):
        raise _fail(
            ShapeError,
            f"prelu: the weight has shape {weight.shape}, but has to be one number or one for each "
            f"of {channels} channels",
        )
    slopes = reshape(weight, [-1 if i == 1 else 1 for i in range(x.ndim)] if x.ndim > 1 else ())
    return _ops.where(x > 0, x, x * slopes)


def rrelu(
    input: Tensor,
    lower: float = 1.0 / 8,
    upper: float = 1.0 / 3,
    training: bool = False,
    inplace: bool = False,
) -> Tensor:
    """x where it is positive, else x times a slope: in training one of each element's own.

    Args:
        input: floating, of any shape.
        lower, upper: in training the slopes are uniform between these, else they are their mean.

    Raises:
        OptionError: ``lower`` is above ``upper``. DTypeError: the input is not floating.
    """
    x = floating(input, "rrelu")
    if lower > upper:
        raise _fail(OptionError, f"rrelu: lower {lower} is above upper {upper}")
    if not training:
        return leaky_relu(x, (lower + upper) / 2.0)
    slopes = uniform(x.shape, lower, upper, dtype=x.dtype, device=x.device)
    return _ops.where(x > 0, x, x * slopes)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where it is above the threshold, else ``value``.

    Raises:
        DTypeError: the input is not floating.
    """
    x = floating(input, "threshold")
    return _ops.where(x <= threshold, value, x)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where x is within [-lambd, lambd], else x.

    Raises:
        DTypeError: the input is not floating.
    """
    x = floating(input, "hardshrink")
    return _ops.where(_ops.abs(x) <= lambd, 0.0, x)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where x is within [-lambd, lambd], else x nearer to 0 by lambd.

    Raises:
        OptionError: ``lambd`` is negative. DTypeError: the input is not floating.
    """
    if lambd < 0:
        raise _fail(OptionError, f"softshrink: lambd is {lambd}, but must not be negative")

    def shrunk(x: Tensor) -> Tensor:
        nearer = _ops.where(x > 0, x - lambd, x + lambd)
        return _ops.where(_ops.abs(x) <= lambd, 0.0, nearer)

    return _of_elements("softshrink", input, shrunk)


# Smooth --------------------------------------------------------------------------------------


def _exponential_unit(x: Tensor, height: float, width: float = 1.0) -> Tensor:
    """x where it is positive, else height * (exp(x / width) - 1)."""
    # Of positive x the exponential may overflow.
    curved = x <= 0
    below = _ops.where(curved, x, 0.0)
    return _ops.where(curved, _ops.expm1(below / width) * height, x)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, else alpha * (exp(x) - 1).

    Raises:
        DTypeError: the input is not floating.
    """
    return _of_elements("elu", input, lambda x: _exponential_unit(x, alpha))


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """`elu` of an alpha of about 1.67, times about 1.05 (Klambauer et al., 2017).

    Raises:
        DTypeError: the input is not floating.
    """
    return _of_elements("selu", input, lambda x: _exponential_unit(x, _SELU_ALPHA) * _SELU_SCALE)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where it is positive, else alpha * (exp(x / alpha) - 1), whose derivative has no jump.

    Raises:
        OptionError: ``alpha`` is 0. DTypeError: the input is not floating.
    """
    if alpha == 0:
        raise _fail(OptionError, "celu: alpha has to be a number other than 0")

    return _of_elements("celu", input, lambda x: _exponential_unit(x, alpha, alpha))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x times the normal distribution function of x, or its approximation by "tanh".

    Raises:
        OptionError: ``approximate`` is neither "none" nor "tanh".
    """
    if approximate == "none":
        return _ops.gelu(input)
    if approximate != "tanh":
        raise _fail(
            OptionError, f'gelu: approximate has to be "none" or "tanh", not {approximate!r}'
        )

    def approximated(x: Tensor) -> Tensor:
        inner = (x + x * x * x * 0.044715) * math.sqrt(2.0 / math.pi)
        return x * 0.5 * (_ops.tanh(inner) + 1.0)

    return _of_elements("gelu", input, approximated)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x))"""
    return _ops.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent."""
    return _ops.tanh(input)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x)"""
    return _ops.silu(input)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)) (Misra, 2019).

    Raises:
        DTypeError: the input is not floating.
    """
    return _of_elements("mish", input, lambda x: x * _ops.tanh(_ops.softplus(x)))


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, without overflow; x itself where beta * x is above the
    threshold.

    Raises:
        DTypeError: the input is not floating.
    """

    def smooth(x: Tensor) -> Tensor:
        scaled = x * beta
        return _ops.where(scaled > threshold, x, _ops.softplus(scaled) / beta)

    return _of_elements("softplus", input, smooth)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|)

    Raises:
        DTypeError: the input is not floating.
    """
    return _of_elements("softsign", input, lambda x: x / (_ops.abs(x) + 1.0))


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x)

    Raises:
        DTypeError: the input is not floating.
    """
    return _of_elements("tanhshrink", input, lambda x: x - _ops.tanh(x))


def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + exp(-x))), without overflow.

    Raises:
        DTypeError: the input is not floating.
    """
    return _of_elements("logsigmoid", input, lambda x: -_ops.softplus(-x))


# Along a dimension ---------------------------------------------------------------------------


def _chosen_dim(input: Tensor, dim: int | None) -> int:
    """``dim``, or PyTorch's choice where none is given."""
    if dim is not None:
        return dim
    return 0 if input.ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: object = None
) -> Tensor:
    """exp(x) over its sum along ``dim``; integers are converted to float32.

    Args:
        input: of any shape.
        dim: None: as PyTorch has it, 0 for one or three dimensions, else 1.
        dtype: the input is converted to it before.

    Raises:
        OutOfBoundsError: the input has no such dimension.
    """
    return _functional.softmax(input, _chosen_dim(input, dim), dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: object = None
) -> Tensor:
    """The logarithm of `softmax`, computed accurately; see there for the arguments."""
    return _functional.log_softmax(input, _chosen_dim(input, dim), dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: object = None
) -> Tensor:
    """The `softmax` of -x; see there for the arguments."""
    return softmax(-input, dim, dtype=dtype)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along ``dim`` times the sigmoid of the second (Dauphin et al., 2016).

    Raises:
        ShapeError: the size along ``dim`` is odd. OutOfBoundsError: there is no such dimension.
        DTypeError: the input is not floating.
    """
    x = floating(input, "glu")
    place = normalize_axis(dim, x.ndim, "glu")
    half = _core.size_quotient(x.shape[place], 2)
    if half is None:
        raise _fail(
            ShapeError, f"glu: dimension {dim} of shape {x.shape} has an odd size, not two halves"
        )
    wide = widened(x)
    gates = _ops.sigmoid(narrow(wide, place, half, half))
    return narrowed(narrow(wide, place, 0, half) * gates, x)


def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Random shares along ``dim``, of which the largest is each with its `softmax` for probability.

    The softmax of (logits + noise) / tau with noise of Gumbel's distribution (Jang et al., 2016).

    Args:
        logits: floating, of any shape.
        tau: how even the shares are.
        hard: the largest share is 1, the others 0; the gradient is that of the shares.
        eps: accepted, and changes nothing, as in PyTorch.

    Raises:
        OutOfBoundsError: there is no such dimension. DTypeError: the logits are not floating.
    """
    x = floating(logits, "gumbel_softmax")
    place = normalize_axis(dim, x.ndim, "gumbel_softmax")
    wide = widened(x)
    # Not 0, whose logarithm is infinite.
    least = finfo(wide.dtype).smallest_normal
    drawn = uniform(x.shape, least, 1.0, dtype=wide.dtype, device=x.device)
    noisy = (wide - _ops.log(-_ops.log(drawn))) / tau
    shares = _functional.softmax(noisy, place)
    if hard:
        places = _iota(x.shape, place, int64, x.device)
        largest = (places == argmax(shares, axis=place, keepdims=True)).astype(wide.dtype)
        shares = largest + (shares - _ops.stop_gradient(shares))
    return narrowed(shares, x)
