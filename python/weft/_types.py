"""Small result types."""

from __future__ import annotations

from typing import NamedTuple

from ._core import Tensor


class Extremum(NamedTuple):
    """What ``x.max(dim)`` returns: the extreme elements, and where they are."""

    values: Tensor
    indices: Tensor
