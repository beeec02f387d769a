"""What the array API's inspection functions tell about this namespace."""

from __future__ import annotations

from typing import Any

from ._creation import _fail
from ._devices import Device, all_devices, as_device
from ._dtypes import DType, by_name, complex64, float32, int64, isdtype
from ._errors import OptionError

_KINDS = (
    "bool",
    "signed integer",
    "unsigned integer",
    "integral",
    "real floating",
    "complex floating",
    "numeric",
)


class NamespaceInfo:
    """Capabilities, devices and dtypes of this namespace, as the array API describes them."""

    def capabilities(self) -> dict[str, Any]:
        """Boolean masks and shapes that depend on data work outside of compiled functions."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> Device:
        """Where tensors are made unless said otherwise."""
        return as_device("cpu")

    def default_dtypes(self, *, device: object = None) -> dict[str, DType]:
        """The dtypes of Python's numbers, and of indices."""
        return {
            "real floating": float32,
            "complex floating": complex64,
            "integral": int64,
            "indexing": int64,
        }

    def devices(self) -> tuple[Device, ...]:
        """All devices there are."""
        return tuple(all_devices())

    def dtypes(
        self, *, device: object = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, DType]:
        """The dtypes of a kind, or of several kinds (None: all), by name: those of the standard.

        Raises:
            OptionError: there is no such kind.
        """
        kinds = (kind,) if isinstance(kind, str) else kind or ("bool", "numeric")
        for wanted in kinds:
            if wanted not in _KINDS:
                raise _fail(OptionError, f"dtypes: {wanted!r} is no kind of dtypes")
        return {
            name: dtype
            for name, dtype in by_name().items()
            if isdtype(dtype, tuple(kinds)) and name not in ("float16", "bfloat16")
        }


def array_namespace_info() -> NamespaceInfo:
    """What there is to know about this namespace: `NamespaceInfo`."""
    return NamespaceInfo()
