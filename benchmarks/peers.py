"""The frameworks that are installed beside Weft. None is required."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from functools import cache
from types import ModuleType


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def threads() -> int:
    """How many threads each framework may use; the parent process set it before any import."""
    return int(os.environ["WEFT_NUM_THREADS"])


@cache
def torch() -> ModuleType | None:
    if not installed("torch"):
        return None
    import torch as module

    module.set_num_threads(threads())
    return module


@cache
def jax() -> ModuleType | None:
    if not installed("jax"):
        return None
    import jax as module

    return module


def torch_compiles() -> bool:
    """torch.compile needs a C++ compiler."""
    return torch() is not None and any(map(shutil.which, ("g++", "c++", "clang++")))


def jax_call(function: Callable, *args: object) -> Callable[[], object]:
    """A call of the compiled function that waits for its result."""
    module = jax()
    assert module is not None
    compiled = module.jit(function)
    placed = [module.numpy.asarray(arg) for arg in args]
    return lambda: module.block_until_ready(compiled(*placed))


def missing() -> list[str]:
    """A line for each peer that is left out."""
    lines = []
    for name, label in (("torch", "PyTorch"), ("jax", "JAX"), ("numpy", "NumPy")):
        if not installed(name):
            lines.append(f"{label} is not installed: skipped")
    if installed("torch") and not any(map(shutil.which, ("g++", "c++", "clang++"))):
        lines.append("torch.compile is skipped: it needs a C++ compiler (g++)")
    return lines
