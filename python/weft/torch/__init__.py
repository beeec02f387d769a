"""PyTorch's programs on weft: a backend of ``torch.compile``, and modules made of PyTorch's.

Importing this module imports PyTorch; ``import weft`` does not.
"""

from __future__ import annotations

from ._backend import backend, register
from ._explain import Explanation, explain

register()

__all__ = ["Explanation", "backend", "explain", "register"]
