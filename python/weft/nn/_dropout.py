"""Dropout as layers. ``inplace`` is accepted and changes nothing, as tensors are values."""

from __future__ import annotations

from .._creation import _fail
from .._errors import ShapeError
from ._function_layer import FunctionLayer


class _Dropout(FunctionLayer):
    """Does something only in training."""

    _shown = ("p", "inplace")
    _settings = (*_shown, "training")

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise _fail(
                ShapeError,
                f"{type(self).__name__}: the probability has to be in [0, 1], not {p}",
            )
        self.p, self.inplace = p, inplace


class Dropout(_Dropout):
    """In training, elements are 0 with probability ``p``, the others divided by 1 - p.

    Raises:
        ShapeError: ``p`` is not in [0, 1].
    """

    _function = "dropout"


class Dropout1d(_Dropout):
    """In training, channels of [N, C, L] or [C, L] are 0 with probability ``p``; as `Dropout`."""

    _function = "dropout1d"


class Dropout2d(_Dropout):
    """In training, channels of [N, C, H, W] or [N, C, L] are 0 with probability ``p``; as
    `Dropout`."""

    _function = "dropout2d"


class Dropout3d(_Dropout):
    """In training, channels of [N, C, D, H, W] or [C, D, H, W] are 0 with probability ``p``; as
    `Dropout`."""

    _function = "dropout3d"


class AlphaDropout(_Dropout):
    """In training, elements are at SELU's limit with probability ``p``, and mean and variance stay
    what they are; see `functional.alpha_dropout`."""

    _function = "alpha_dropout"


class FeatureAlphaDropout(_Dropout):
    """`AlphaDropout` of whole channels of [N, C, ...]."""

    _function = "feature_alpha_dropout"
