"""The devices that tests run on, and the schedules under which they do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import weft

#: For `pytest.mark.parametrize`: the emulator everywhere, a GPU where there is one.
DEVICES = ["emulator", pytest.param("cuda", marks=pytest.mark.device)]

#: On the emulator each kernel runs under this many orders of its threads and copies.
SCHEDULES = 8


def schedules(device: weft.device) -> Iterator[int]:
    """Sets one seed of the emulator after the other; a GPU has the one schedule that it has."""
    if device.type != "emulator":
        yield 0
        return
    for seed in range(1, SCHEDULES + 1):
        weft._core.set_emulator_seed(device, seed)
        yield seed
    weft._core.set_emulator_seed(device, 1)


def moved(tree: Any, device: object) -> Any:
    """A copy of nested containers with all tensors on the device."""
    if isinstance(tree, dict):
        return {name: moved(value, device) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(moved(value, device) for value in tree)
    return tree.to(device) if isinstance(tree, weft.Tensor) else tree
