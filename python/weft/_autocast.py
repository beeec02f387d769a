"""Computing what is made of products in a narrower dtype."""

from __future__ import annotations

from typing import Any

from . import _core
from ._core import Tensor
from ._creation import _fail
from ._dtypes import DType, as_dtype, bfloat16, float16, float32
from ._errors import DTypeError, OptionError
from ._manipulation import astype
from ._modes import ThreadMode

#: What each kind of device multiplies fast.
_FAST = {"cpu": bfloat16, "cuda": float16}


class autocast(ThreadMode):  # noqa: N801 (PyTorch's name)
    """Within it, or in a function decorated by it, products are computed in a narrower dtype.

    Operands of matrix products, convolutions and attention are converted to ``dtype``; those of
    sums, means, softmax, normalisations, losses, exponentials and logarithms to float32; all other
    operations take what they get. Which is which, the op reference says. float64, integers and
    complex numbers stay what they are. Gradients flow back through the conversions, so that a
    parameter's has the parameter's dtype.

    The mode belongs to the thread: threads that are started within it begin without. Contexts may
    be nested, and the innermost one decides. A compiled function is traced for each mode that it is
    called in.

    Args:
        device_type: "cpu" or "cuda": which ``dtype`` is taken if none is given. The mode itself is
            for all devices.
        dtype: bfloat16 or float16; by default bfloat16 for "cpu" and float16 for "cuda".
        enabled: with False, nothing is converted within it.
        cache_enabled: no result depends on it; compiled functions keep converted weights anyway.

    Raises:
        OptionError: there is no such type of devices. DTypeError: it is another dtype.
    """

    def __init__(
        self,
        device_type: str = "cpu",
        dtype: object = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if device_type not in _FAST:
            names = " or ".join(map(repr, _FAST))
            raise _fail(
                OptionError, f"autocast: device_type is {device_type!r}, but has to be {names}"
            )
        wanted = _FAST[device_type] if dtype is None else as_dtype(dtype)
        if wanted not in (bfloat16, float16):
            raise _fail(
                DTypeError, f"autocast: dtype is {wanted.name}, but has to be bfloat16 or float16"
            )
        self._options = device_type, wanted, bool(enabled)
        super().__init__(wanted if enabled else None)

    def __reduce__(self) -> tuple:
        return type(self), self._options

    @staticmethod
    def _exchange(wanted: Any) -> Any:
        former = _core.autocast_dtype()
        _core.set_autocast_dtype(wanted)
        return former


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether this thread is in an `autocast`; on all types of devices alike."""
    return autocast_dtype() is not None


def autocast_dtype() -> DType | None:
    """The dtype of products in the `autocast` that this thread is in, None outside of any."""
    return _core.autocast_dtype()


def wide(x: Tensor) -> Tensor:
    """x; in `autocast` as float32 where it is narrower: for functions like sums and losses that are
    made of operations of which the first would round."""
    narrow = x.dtype.is_inexact and x.dtype.itemsize < float32.itemsize
    return astype(x, float32) if narrow and autocast_dtype() is not None else x


def with_bias(product: Tensor, bias: Tensor) -> Tensor:
    """product + bias; in `autocast` a bias is a part of the product, and so of its dtype."""
    inside = autocast_dtype() is not None and bias.dtype.is_inexact
    return product + (astype(bias, product.dtype, copy=False) if inside else bias)
