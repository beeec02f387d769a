"""All families of rules; importing this fills the table."""

from . import (
    _bags,
    _control_flow,
    _convolution,
    _creation,
    _decompositions,
    _elementwise,
    _fourier,
    _indexing,
    _linear,
    _normalization,
    _reductions,
    _special,
    _views,
)

__all__ = [
    "_bags",
    "_control_flow",
    "_convolution",
    "_creation",
    "_decompositions",
    "_elementwise",
    "_fourier",
    "_indexing",
    "_linear",
    "_normalization",
    "_reductions",
    "_special",
    "_views",
]
