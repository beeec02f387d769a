"""Transformations of functions by the names that PyTorch's module of this name has.

They are those of `weft` itself: `grad`, `vjp`, `jvp`, `vmap` and the others follow JAX, as
PyTorch's do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ._autodiff import grad, jvp, value_and_grad, vjp
from ._batching import hessian, jacfwd, jacrev, vmap
from .nn._functional_call import functional_call

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "vjp",
    "vmap",
]


def grad_and_value(
    func: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable:
    """A function that returns the gradient first and then the value; see `weft.value_and_grad`."""
    both = value_and_grad(func, argnums=argnums, has_aux=has_aux)

    def evaluate(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        value, gradient = both(*args, **kwargs)
        return gradient, value

    return evaluate
