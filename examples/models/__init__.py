"""Well-known models, one a file, each with a program that trains it.

Nothing in a model is Weft's alone: with PyTorch in the place of Weft it is PyTorch's program,
which tests and benchmarks compare it with.
"""

from __future__ import annotations

import functools
import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from unittest import mock


@functools.cache
def written_in(framework: ModuleType, name: str) -> ModuleType:
    """The module `name` of this package for `weft`, or as if it had imported `torch` as weft."""
    if framework.__name__ == "weft":
        return importlib.import_module(f"{__name__}.{name}")
    # A name of its own: torch.compile finds the module of a function by its name.
    alias = f"{__name__}.{name}_{framework.__name__}"
    if alias in sys.modules:
        return sys.modules[alias]
    stand_in = ModuleType("weft")
    vars(stand_in).update(vars(framework), jit=_not_compiled)
    modules = {"weft": stand_in, "weft.nn": framework.nn}
    # What is imported here and now is not what others import.
    with mock.patch.dict(sys.modules, modules), mock.patch.dict(globals()):
        for own in [key for key in sys.modules if key.startswith(f"{__name__}.")]:
            del sys.modules[own]
        module = importlib.import_module(f"{__name__}.{name}")
    module.__name__ = alias
    sys.modules[alias] = module
    return module


def _not_compiled(function: Callable | None = None, **options: object) -> Callable:
    """What weft.jit is for a framework that runs the function as it is."""
    return function or _not_compiled
