"""Derivatives of functions by the names of ``torch.autograd.functional``.

Each takes a function of tensors and its arguments (one tensor or a tuple); they are `weft.vjp`,
`weft.jvp`, `weft.jacrev` and `weft.jacfwd` at these arguments. Results are constants to later
gradients unless ``create_graph`` is set, or in a transformed or compiled function.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _core
from .._autodiff import grad as _grad
from .._autodiff import jvp as _jvp
from .._autodiff import tree_leaves, tree_map
from .._batching import jacfwd, jacrev
from .._complex import conj, real
from .._core import Tensor
from .._creation import _fail, ones_like
from .._errors import OptionError, ShapeError, UnsupportedError
from .._reductions import sum

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Arguments = Tensor | tuple[Tensor, ...]


def _checked(name: str, strict: bool) -> None:
    if strict:
        raise _fail(
            UnsupportedError,
            f"{name}: strict; results that do not depend on an argument have a derivative of zeros",
        )


def _tuple(tensors: Any) -> tuple:
    return tuple(tensors) if isinstance(tensors, (tuple, list)) else (tensors,)


def _like(tensors: Any, found: Any) -> Any:
    """A tuple where there was one."""
    return tuple(found) if isinstance(tensors, tuple) else _tuple(found)[0]


def _left(tree: Any, create_graph: bool) -> Any:
    """The tensors, constants to later gradients unless these are wanted."""
    if create_graph or _core.is_tracing():
        return tree
    return tree_map(lambda leaf: leaf.detach(), tree)


def _direction(name: str, v: Arguments | None, of: Any) -> tuple:
    """Tensors along which to differentiate; 1 for one number."""
    wanted = _tuple(of)
    if v is None:
        if len(wanted) != 1 or wanted[0]._size != 1:
            raise _fail(ShapeError, f"{name}: v is needed, but for one tensor of one element")
        return (ones_like(wanted[0]),)
    given = _tuple(v)
    if [x.shape for x in given] != [x.shape for x in wanted]:
        raise _fail(
            ShapeError,
            f"{name}: v has the shapes {[x.shape for x in given]}, not {[x.shape for x in wanted]}",
        )
    return given


def jacobian(
    func: Callable,
    inputs: Arguments,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = True,
    strategy: str = "reverse-mode",
) -> Any:
    """The derivatives of all elements of ``func(*inputs)`` by all elements of the inputs.

    Args:
        func: from tensors to a tensor or a tuple of tensors.
        vectorize: has no effect: rows (or columns) are always computed together.
        strategy: "reverse-mode", or "forward-mode".

    Returns:
        a tensor of the result's shape and then the input's; for a tuple of inputs a tuple of such,
        and for a tuple of results a tuple of these.

    Raises:
        OptionError: another strategy. UnsupportedError: ``strict``. DTypeError: what is not
            floating.
    """
    _checked("jacobian", strict)
    if strategy not in ("reverse-mode", "forward-mode"):
        raise _fail(
            OptionError,
            f"jacobian: strategy is {strategy!r}, but has to be 'reverse-mode' or 'forward-mode'",
        )
    transform = jacrev if strategy == "reverse-mode" else jacfwd
    given = _tuple(inputs)
    argnums = tuple(range(len(given))) if isinstance(inputs, tuple) else 0
    return _left(transform(func, argnums)(*given), create_graph)


def hessian(
    func: Callable,
    inputs: Arguments,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = True,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The second derivatives of ``func(*inputs)``, one number, by all pairs of elements.

    Args and Raises as `jacobian`, the strategy being that of the Jacobian of the gradient. The
    result for a tuple of inputs is a tuple of tuples.
    """
    _checked("hessian", strict)
    argnums = tuple(range(len(inputs))) if isinstance(inputs, tuple) else 0
    slope = _grad(_one(func), argnums)
    return jacobian(slope, inputs, create_graph, strategy=outer_jacobian_strategy)


def _one(func: Callable) -> Callable:
    """The function, which may return its number in a tuple of one."""

    def number(*arguments: Tensor) -> Tensor:
        (result,) = _tuple(func(*arguments))
        return result

    return number


def vjp(
    func: Callable,
    inputs: Arguments,
    v: Arguments | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """``func(*inputs)``, and the gradients of its results, times ``v``, for the inputs.

    Args:
        v: for each result a tensor of its shape; not needed for one element.

    Raises:
        ShapeError: v is missing, or of other shapes. UnsupportedError: ``strict``.
    """
    _checked("vjp", strict)
    given = _tuple(inputs)

    def weighted(*arguments: Tensor) -> tuple[Tensor, Any]:
        result = func(*arguments)
        along = _direction("vjp", v, result)
        parts = [
            sum(real(conj(seed) * out)) if out.dtype.is_complex else sum(seed * out)
            for seed, out in zip(along, _tuple(result), strict=True)
        ]
        return _added(parts), result

    found, result = _grad(weighted, tuple(range(len(given))), has_aux=True)(*given)
    return _left(result, create_graph), _left(_like(inputs, found), create_graph)


def _added(parts: list[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def jvp(
    func: Callable,
    inputs: Arguments,
    v: Arguments | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Any, Any]:
    """``func(*inputs)``, and its derivative along ``v``.

    Args:
        v: for each input a tensor of its shape; not needed for one element.

    Raises:
        ShapeError: v is missing, or of other shapes. UnsupportedError: ``strict``.
    """
    _checked("jvp", strict)
    along = _direction("jvp", v, inputs)
    return _left(_jvp(func, _tuple(inputs), along), create_graph)


def hvp(
    func: Callable,
    inputs: Arguments,
    v: Arguments | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensor, Any]:
    """``func(*inputs)``, one number, and its second derivatives times ``v``.

    The derivative of the gradient along v: no matrix is made. Args and Raises as `jvp`.
    """
    _checked("hvp", strict)
    given, along = _tuple(inputs), _direction("hvp", v, inputs)
    slope = _grad(_one(func), tuple(range(len(given))))
    _, products = _jvp(slope, given, along)
    value = _one(func)(*given)
    return _left(value, create_graph), _left(_like(inputs, tree_leaves(products)), create_graph)


def vhp(
    func: Callable,
    inputs: Arguments,
    v: Arguments | None = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensor, Any]:
    """``func(*inputs)``, one number, and ``v`` times its second derivatives.

    They are symmetric: it is `hvp` of real functions. Args and Raises as `jvp`.
    """
    return hvp(func, inputs, v, create_graph, strict)
