"""A network of dense layers (Rumelhart, Hinton and Williams, 1986): [N, sizes[0]] to
[N, sizes[-1]], with an activation between them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType
from typing import Any


def build(
    framework: ModuleType,
    *,
    sizes: Sequence[int] = (784, 1024, 1024, 1024, 10),
    activation: str = "GELU",
) -> Any:
    """Linear layers between the sizes; the activation is the name of a module without arguments."""
    nn = framework.nn
    layers = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), getattr(nn, activation)()]
    return nn.Sequential(*layers[:-1])
