"""PyTorch's programs on weft: a backend of ``torch.compile``, and modules made of PyTorch's.

Importing this module imports PyTorch; ``import weft`` does not.
"""

from __future__ import annotations

from .. import _core
from ._backend import backend, register
from ._explain import Explanation, explain
from ._lines import FOLDER
from ._module import TorchModule, from_torch
from ._outgoing import WeftModule, to_torch

register()
_core.add_internal_folder(FOLDER)  # a line of PyTorch is not the user's

__all__ = [
    *("Explanation", "TorchModule", "WeftModule", "backend", "explain", "from_torch", "register"),
    "to_torch",
]
