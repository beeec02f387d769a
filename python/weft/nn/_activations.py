"""Activations as modules. ``inplace`` is accepted and changes nothing, as tensors are values."""

from __future__ import annotations

from .._core import Tensor
from .._creation import _fail, full
from .._dtypes import float32
from .._errors import OptionError, ShapeError
from . import functional, init
from ._function_layer import FunctionLayer
from ._module import Module
from ._parameter import Parameter


class _Activation(FunctionLayer):
    """A function of the input, which may have a setting that changes nothing."""

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        parts = [super().extra_repr(), "inplace=True" if getattr(self, "inplace", False) else ""]
        return ", ".join(filter(None, parts))


class _InPlaceActivation(_Activation):
    """An activation without other settings."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class ReLU(_InPlaceActivation):
    """max(x, 0)"""

    _function = "relu"


class ReLU6(_InPlaceActivation):
    """x limited to [0, 6]."""

    _function = "relu6"


class Hardsigmoid(_InPlaceActivation):
    """(x + 3) / 6 limited to [0, 1]."""

    _function = "hardsigmoid"


class Hardswish(_InPlaceActivation):
    """x * hardsigmoid(x)"""

    _function = "hardswish"


class SELU(_InPlaceActivation):
    """`ELU` of an alpha of about 1.67, times about 1.05: the constants of `functional.selu`."""

    _function = "selu"


class SiLU(_InPlaceActivation):
    """x * sigmoid(x)"""

    _function = "silu"


class Mish(_InPlaceActivation):
    """x * tanh(softplus(x))"""

    _function = "mish"


class Sigmoid(_Activation):
    """1 / (1 + exp(-x))"""

    _function = "sigmoid"


class Tanh(_Activation):
    """The hyperbolic tangent."""

    _function = "tanh"


class Softsign(_Activation):
    """x / (1 + |x|)"""

    _function = "softsign"


class Tanhshrink(_Activation):
    """x - tanh(x)"""

    _function = "tanhshrink"


class LogSigmoid(_Activation):
    """log(1 / (1 + exp(-x))), without overflow."""

    _function = "logsigmoid"


class Hardtanh(_Activation):
    """x limited to [min_val, max_val]; min_value and max_value are their older names.

    Raises:
        OptionError: ``min_val`` is not below ``max_val``.
    """

    _function, _settings = "hardtanh", ("min_val", "max_val")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        self.inplace = inplace
        if not self.max_val > self.min_val:
            raise _fail(
                OptionError,
                f"Hardtanh: min_val {self.min_val} has to be below max_val {self.max_val}",
            )


class LeakyReLU(_Activation):
    """x where it is positive, else x times the slope."""

    _function, _settings = "leaky_relu", ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope, self.inplace = negative_slope, inplace


class _AlphaActivation(_Activation):
    """An activation with an alpha."""

    _settings = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha, self.inplace = alpha, inplace


class ELU(_AlphaActivation):
    """x where it is positive, else alpha * (exp(x) - 1)."""

    _function = "elu"


class CELU(_AlphaActivation):
    """x where it is positive, else alpha * (exp(x / alpha) - 1)."""

    _function = "celu"


class GELU(_Activation):
    """x times the normal distribution function of x, or its approximation by "tanh"."""

    _function, _settings = "gelu", ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate


class Softplus(_Activation):
    """log(1 + exp(beta * x)) / beta, without overflow; x where beta * x is above the threshold."""

    _function, _settings = "softplus", ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold


class Threshold(_Activation):
    """x where it is above the threshold, else ``value``."""

    _function, _settings = "threshold", ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold, self.value, self.inplace = threshold, value, inplace


class _Shrink(_Activation):
    """An activation that is 0 within [-lambd, lambd]."""

    _settings = ("lambd",)

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        """The module's setting, as its line shows it."""
        return str(self.lambd)


class Hardshrink(_Shrink):
    """0 where x is within [-lambd, lambd], else x."""

    _function = "hardshrink"


class Softshrink(_Shrink):
    """0 where x is within [-lambd, lambd], else x nearer to 0 by lambd."""

    _function = "softshrink"


class RReLU(_Activation):
    """x where it is positive, else x times a slope between ``lower`` and ``upper``.

    In training each element has one of its own, drawn at each call; else it is their mean.
    """

    _function, _settings = "rrelu", ("lower", "upper")

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__()
        self.lower, self.upper, self.inplace = lower, upper, inplace

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.rrelu`."""
        return functional.rrelu(input, self.lower, self.upper, self.training)


class PReLU(Module):
    """x where it is positive, else x times the weight.

    Attributes:
        weight: [num_parameters], ``init`` at first: one for all, or one for each channel of inputs
            [N, num_parameters, ...].
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: object = None,
        dtype: object = None,
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        wanted = float32 if dtype is None else dtype
        self.weight = Parameter(full(num_parameters, init, dtype=wanted, device=device))

    def reset_parameters(self) -> None:
        """Sets the weight to ``init``."""
        init.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.prelu`. Raises ShapeError for other channels."""
        return functional.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """The module's settings, as its line shows them."""
        return f"num_parameters={self.num_parameters}"


class GLU(_Activation):
    """The first half along ``dim`` times the sigmoid of the second."""

    _function, _settings = "glu", ("dim",)

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim


class _AlongDimension(_Activation):
    """A function along ``dim``; None: what PyTorch chooses, see `functional.softmax`."""

    _settings = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim


class Softmax(_AlongDimension):
    """exp(x) over its sum along ``dim``; None: dimension 0 of one or three, else 1."""

    _function = "softmax"


class LogSoftmax(_AlongDimension):
    """The logarithm of softmax along ``dim``; None: dimension 0 of one or three, else 1."""

    _function = "log_softmax"


class Softmin(_AlongDimension):
    """The softmax of -x along ``dim``; None: dimension 0 of one or three, else 1."""

    _function = "softmin"


class Softmax2d(Module):
    """exp(x) over its sum along the channels of images [N, C, H, W] or [C, H, W]."""

    def forward(self, input: Tensor) -> Tensor:
        """See `functional.softmax`. Raises ShapeError for other numbers of dimensions."""
        if input.ndim not in (3, 4):
            raise _fail(
                ShapeError,
                f"Softmax2d: the input has shape {input.shape}, but has to be [N, C, H, W] or "
                "[C, H, W]",
            )
        return functional.softmax(input, -3)
