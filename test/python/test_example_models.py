"""The models of examples/models at small sizes: eager and compiled agree to the bit, and with
PyTorch's results within rounding."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, to_numpy

sys.path.append(str(Path(__file__).resolve().parent.parent.parent))
from examples.models import bert, gpt2, llama, lstm, mlp, mobilenet, resnet, unet, vit

EPSILON = float(np.finfo(np.float32).eps)

WORDS = 50
TRANSFORMER: dict[str, Any] = {"width": 24, "heads": 3, "layers": 2}
LANGUAGE = TRANSFORMER | {"vocabulary": WORDS, "positions": 16}
LLAMA = LANGUAGE | {"hidden": 40}


@dataclass
class Example:
    """A model of small sizes, and what makes its arguments."""

    module: ModuleType
    sizes: dict[str, Any]
    arguments: Callable[[np.random.Generator], tuple[np.ndarray, ...]]
    seen: list[str] = field(default_factory=list)


def numbers(*shape: int) -> Callable:
    """Standard normal numbers."""
    return lambda generator: (generator.standard_normal(shape, np.float32),)


def words(count: int, length: int) -> Callable:
    """Numbers of tokens."""
    return lambda generator: (generator.integers(0, WORDS, (count, length)),)
