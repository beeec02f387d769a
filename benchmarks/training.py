"""The time of a training step."""

from __future__ import annotations

from collections.abc import Iterator

import network
from harness import Bar, Case


def cases() -> Iterator[Case]:
    contenders = {name: make() for name, make in network.steps().items()}
    yield Case("CNN training step", contenders, Bar("<= 1.3 of PyTorch", 1.3, ("torch",)))
