"""How attention is computed, for programs that ask for one of PyTorch's ways.

There is one way here for all of them: `scaled_dot_product_attention` goes over blocks of keys and
keeps no matrix of weights, on every device and with every mask.
"""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator, Sequence

from .._creation import _fail
from .._errors import OptionError
from .._refused import refusing as _refusing

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(enum.IntEnum):
    """PyTorch's ways to compute attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextlib.contextmanager
def sdpa_kernel(
    backends: SDPBackend | Sequence[SDPBackend], set_priority: bool = False
) -> Iterator[None]:
    """A context in which attention may be computed in these ways; nothing changes inside of it.

    Args:
        backends: one or several. ``set_priority``: whether their order is that of preference.

    Raises:
        OptionError: something else, or nothing, is given.
    """
    found = [backends] if isinstance(backends, SDPBackend) else list(backends)
    if not found or not all(isinstance(one, SDPBackend) for one in found):
        raise _fail(
            OptionError, f"sdpa_kernel: the backends have to be of SDPBackend, not {backends!r}"
        )
    yield


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("nn.attention")
