"""What is there in kernels alone (`weft.kernel`): the place of a program, blocks of tensors.

All else in a kernel is weft's own: ``+``, ``weft.exp``, ``weft.where``, ``weft.sum(x, axis=1)``,
``x[:, None]``, ``x @ y``, ``x.astype(...)``, of blocks, whose shapes are known.
"""

from __future__ import annotations

from typing import Any

from ._creation import _fail, arange, full, zeros
from ._errors import DTypeError
from ._kernels import (
    KernelArray,
    atomic_add,
    atomic_max,
    atomic_min,
    load,
    num_programs,
    program_id,
    store,
)

__all__ = [
    "KernelArray",
    "arange",
    "atomic_add",
    "atomic_max",
    "atomic_min",
    "cdiv",
    "dot",
    "full",
    "load",
    "num_programs",
    "program_id",
    "static_range",
    "store",
    "zeros",
]


def cdiv(a: Any, b: int) -> Any:
    """The quotient, rounded up: how many blocks of ``b`` elements cover ``a``.

    Args:
        a: an int, or an integer of a kernel, not negative.
        b: an int, at least 1.
    """
    return (a + b - 1) // b


def dot(a: Any, b: Any) -> Any:
    """The product of two blocks of shapes (M, K) and (K, N), of dtype and sums as `weft.matmul`."""
    for block in (a, b):
        if getattr(block, "ndim", None) != 2:
            raise _fail(DTypeError, "dot: takes two blocks with two dimensions each")
    return a @ b


def static_range(*bounds: int) -> range:
    """A range whose loop is unrolled when the kernel is traced; bounds are Python's own ints."""
    return range(*bounds)
