"""Where tensors are: what the modules here share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from . import _core
from ._core import Tensor
from ._core import device as Device
from ._errors import WeftError

__all__ = ["Device", "all_devices", "argument_name", "as_device", "placed"]


def as_device(device: Any) -> Device:
    """The device that a `weft.device` or a name means; None: the CPU.

    Raises:
        UnsupportedError: there is no such device.
    """
    return device if isinstance(device, Device) else _core.device(device)


def all_devices() -> list[Device]:
    """The CPU, and the GPUs in their order."""
    found = [as_device("cpu")]
    try:
        while True:
            found.append(as_device(f"cuda:{len(found) - 1}"))
    except WeftError:
        return found


def placed(tensor: Tensor, device: Any) -> Tensor:
    """A new tensor of a creation function, on the device that was asked for.

    In a function being compiled nothing moves: what is created there is part of the function, and
    is where the function runs.
    """
    if device is None or _core.is_tracing():
        return tensor
    return _core.tensor_on(device, tensor)


def argument_name(function: Callable, number: int) -> str:
    """How a message calls positional argument ``number``."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = [
        p.name
        for p in parameters
        if p.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    ]
    return f"argument `{positional[number]}`" if number < len(positional) else f"argument {number}"
