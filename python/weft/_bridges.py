"""What reads the programs of other systems; each bridge is imported when it is first used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any


def from_jax(fn: Callable, /, *specs: Any, **keyword_specs: Any) -> Any:
    """A JAX function as a function of weft's tensors; see `weft.stablehlo.from_jax`.

    Raises UnsupportedError if there is no jax, or if the program has ops without a rule.
    """
    bridge = importlib.import_module("weft.stablehlo")
    return bridge.from_jax(fn, *specs, **keyword_specs)


def from_torch(
    module: Any,
    args: Sequence[Any] = (),
    kwargs: dict[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
) -> Any:
    """A module of weft made of a PyTorch module, or of a program of ``torch.export``.

    Args:
        module: a ``torch.nn.Module``, with example arguments, an ``ExportedProgram``, or the path
            of a file of ``torch.export.save``.
        args, kwargs: examples of the arguments, as ``torch.export.export`` takes them.
        dynamic_shapes: which of their sizes calls choose, as ``torch.export.export`` takes it.

    The weights share PyTorch's memory until they are changed here, and keep PyTorch's names. The
    module can be given to `jit`, `grad`, `export` (``weft.export(module, *module.specs)``) and to
    optimizers.

    Raises:
        UnsupportedError: there are ops without a rule, all of them named with their lines; or the
        program changes its buffers; a file holds more than data. FileError: a file is not there or
        is damaged. DTypeError: the module is none of the three.
    """
    bridge = importlib.import_module("weft.torch")
    return bridge.from_torch(module, args, kwargs, dynamic_shapes=dynamic_shapes)


def to_torch(program: Callable) -> Any:
    """A module or function of weft as a ``torch.nn.Module``, the way back from `from_torch`.

    Args:
        program: a `weft.nn.Module`, or a function of tensors.

    Its parameters and buffers have weft's names and share weft's memory: optimizers of PyTorch
    train them in place. Forward and backward are compiled by weft; gradients of gradients are not
    there. Running averages and arguments that the program changes are changed in PyTorch.

    Raises:
        DTypeError: the program can't be called. GradientError: a call changes a tensor in place of
        which a gradient is asked for.
    """
    return importlib.import_module("weft.torch").to_torch(program)
