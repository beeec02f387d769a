"""Models in the ONNX format, as modules of weft."""

from __future__ import annotations

from . import _rules
from . import (
    _casting,
    _elementwise,
    _reductions,
    _shapes,
    _gathering,
    _windows,
    _linear,
    _recurrent,
    _control_flow,
    _sequences,
    _quantised,
    _resizing,
    _images,
    _random,
    _training,
    _microsoft,
    _microsoft_quantised,
    _attention,
    _written_bits,
    _written_elements,
    _written_movement,
    _written_quantized,
    _written_reductions,
    _written_regions,
    _written_windows,
)
from ._model import Model, load
from ._writing import save

__all__ = ["Model", "load", "save"]
