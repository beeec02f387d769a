"""All families of rules; importing this fills the table."""

from . import (
    _control_flow,
    _convolution,
    _creation,
    _elementwise,
    _fourier,
    _indexing,
    _linear,
    _normalization,
    _reductions,
    _views,
)

__all__ = [
    "_control_flow",
    "_convolution",
    "_creation",
    "_elementwise",
    "_fourier",
    "_indexing",
    "_linear",
    "_normalization",
    "_reductions",
    "_views",
]
