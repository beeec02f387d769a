"""PyTorch's settings of the process: what Weft has of them, and what always holds in it."""

from __future__ import annotations

import math
from typing import Any

from ._creation import _fail, _size
from ._devices import Device, as_device
from ._dtypes import DType, as_dtype, float32
from ._errors import OptionError, UnsupportedError


class layout:  # noqa: N801
    """How the elements of a tensor lie: evenly, as `strided` says, in all of them."""

    __weft_static__ = True

    def __repr__(self) -> str:
        return "weft.strided"

    def __reduce__(self) -> str:
        return "strided"


#: The one layout.
strided = layout()

#: What `set_printoptions` says, as NumPy's array2string calls it; what is not said is NumPy's own.
print_options: dict[str, Any] = {}

#: PyTorch's groups of settings.
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "max_line_width": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "max_line_width": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "max_line_width": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Says how tensors are printed; what is not given stays as it is, at first NumPy's options.

    Args:
        precision: how many digits behind the point.
        threshold: tensors of more elements are printed in part.
        edgeitems: how many elements at each end these show.
        linewidth: the characters of a line.
        profile: "default", "short" or "full": PyTorch's settings of those names.
        sci_mode: numbers with powers of ten, or never.

    Raises:
        OptionError: there is no such profile.
    """
    changed: dict[str, Any] = {}
    if profile is not None:
        if profile not in _PROFILES:
            raise _fail(
                OptionError,
                f"set_printoptions: profile is {profile!r}, but has to be one of "
                + ", ".join(_PROFILES),
            )
        changed |= _PROFILES[profile]
    given = {"precision": precision, "edgeitems": edgeitems, "max_line_width": linewidth}
    changed |= {
        name: _size(value, f"set_printoptions: {name}")
        for name, value in given.items()
        if value is not None
    }
    if threshold is not None:
        changed["threshold"] = threshold
    print_options.update(changed)
    if sci_mode is not None:
        digits = print_options.get("precision", 4)
        powers = {"float_kind": lambda number: f"{number:.{digits}e}"}
        print_options.update(formatter=powers if sci_mode else None, suppress_small=not sci_mode)


def get_default_dtype() -> DType:
    """float32: the dtype of floating numbers of Python, and of what is made without one."""
    return float32


def set_default_dtype(d: object) -> None:
    """Takes float32, which it always is.

    Raises:
        UnsupportedError: it is another one.
    """
    if as_dtype(d) is not float32:
        raise _fail(
            UnsupportedError,
            f"set_default_dtype: numbers without a dtype are float32, not {as_dtype(d).name}; give "
            "dtype= where tensors are made, and convert modules by .to()",
        )


def get_default_device() -> Device:
    """The CPU: where tensors are made that are given no device."""
    return as_device("cpu")


def set_default_device(device: object) -> None:
    """Takes "cpu", which it always is.

    Raises:
        UnsupportedError: it is another one.
    """
    if as_device("cpu" if device is None else device) != get_default_device():
        raise _fail(
            UnsupportedError,
            f"set_default_device: tensors are made on the CPU, not on {device}; give device= where "
            "they are made, and move modules by .to()",
        )


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Changes nothing: results never depend on the number of threads or on chance."""


def are_deterministic_algorithms_enabled() -> bool:
    """True: results never depend on the number of threads or on chance."""
    return True


def get_float32_matmul_precision() -> str:
    """ "highest": products of float32 are computed in float32, unless a compiled function says
    ``matmul_precision="bf16"``."""
    return "highest"


def set_float32_matmul_precision(precision: str) -> None:
    """Takes "highest", and "high" or "medium", which allow for more speed and change nothing here:
    `weft.jit` takes ``matmul_precision="bf16"``.

    Raises:
        OptionError: it is none of these.
    """
    if precision not in ("highest", "high", "medium"):
        raise _fail(
            OptionError,
            f'set_float32_matmul_precision: {precision!r} is none of "highest", "high", "medium"',
        )


def set_flush_denormal(mode: bool) -> bool:
    """Whether subnormal numbers are treated as asked: they are never replaced by 0."""
    return not mode


def get_num_interop_threads() -> int:
    """1: a call runs one kernel after the other, each on several threads."""
    return 1


def set_num_interop_threads(count: int) -> None:
    """Takes 1, which it always is.

    Raises:
        UnsupportedError: it is another number.
    """
    if _size(count, "set_num_interop_threads: count") != 1:
        raise _fail(
            UnsupportedError,
            f"set_num_interop_threads: a call runs one kernel after the other, not {count} at "
            "once; weft.set_num_threads says on how many threads each",
        )


def typename(obj: object) -> str:
    """The name of an object's class, with that of its module."""
    kind = type(obj)
    return f"{kind.__module__}.{kind.__qualname__}"
