"""Derivatives as functions of their own (linearize), and transposes of linear functions."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from . import _core
from ._autodiff import _inputs, _outside_of, _recording, _seeds, _traced, tree_leaves, tree_map
from ._core import Tensor
from ._creation import _fail, asarray, zeros_like
from ._errors import DTypeError


class _Part:
    """A linear function that was cut out of a trace, and what it keeps of it."""

    def __init__(self, function: Any, kept: list[Tensor], of: Callable) -> None:
        self._kept = kept
        self._call = _traced(lambda *leaves: _core.call_linear(function, list(leaves)), of)

    def __call__(self, seeds: list[Tensor]) -> list[Tensor]:
        return self._call(*self._kept, *seeds)


def _structure(tree: Any) -> Any:
    return tree_map(lambda _: 0, tree)


def _filled(structure: Any, leaves: list[Any]) -> Any:
    remaining = iter(leaves)
    return tree_map(lambda _: next(remaining), structure)


def linearize(fun: Callable, *primals: Any) -> tuple[Any, Callable]:
    """``fun(*primals)``, and its derivative there: a linear function of tangents.

    ``fun`` is called and computed once; what its derivative needs is kept, and calls compute the
    tangents alone, but for `while_loop` without a bound, branches and what is given to
    `checkpoint`, which are computed again. As `jvp` for one direction after the other::

        value, push = weft.linearize(f, x)
        push(t)                                       # the derivative along t
        weft.vmap(push)(weft.eye(3))                  # along many, as the columns of the Jacobian

    Args:
        fun: takes and returns nested containers of tensors.
        primals: what it is called with: nested containers of floating or complex tensors.

    Returns:
        The value, and a function of as many tangents as there are primals, of their structures,
        shapes and dtypes. The tangent of a result that is neither floating nor complex is zeros.

    Raises:
        DTypeError: a leaf of the primals is not floating. ShapeError: tangents of other shapes.
        UnsupportedError: an operation has no derivative, or a rule for gradients only
            (`custom_vjp`).
    """
    found: list[Any] = []

    def evaluate(*arguments: Any) -> tuple[Any, list[Tensor]]:
        inputs, _, leaves = _inputs(range(len(arguments)), arguments)
        result = _recording(fun, inputs, {})
        outputs = [asarray(leaf) for leaf in tree_leaves(result)]
        inexact = [output for output in outputs if output.dtype.is_inexact]
        function, kept = _core.linear_part(inexact, leaves, False)
        found.append(function)
        return _outside_of(result, leaves), kept

    value, kept = _traced(evaluate, fun)(*primals)
    part = _Part(found[-1], kept, fun)
    like = [asarray(leaf) for leaf in tree_leaves(list(primals))]
    outputs = [asarray(leaf) for leaf in tree_leaves(value)]

    def push(*tangents: Any) -> Any:
        made = iter(part(_seeds(like, list(tangents), "linearize")))
        leaves = [next(made) if out.dtype.is_inexact else zeros_like(out) for out in outputs]
        return _filled(_structure(value), leaves)

    return value, push


def linear_transpose(fun: Callable, *examples: Any) -> Callable:
    """The transpose of a linear function: for ``y = A x`` the function from c to ``A^T c``.

    ``fun`` is traced, and nothing of it is computed. That it is linear follows from its operations;
    tensors that it reads from outside are the same for all arguments. Where numbers are complex, it
    is the conjugate transpose, as by `vjp`.

    Args:
        fun: takes and returns nested containers of floating or complex tensors.
        examples: tensors like its arguments; of their elements nothing is used.

    Returns:
        A function of one cotangent, of the structure, shapes and dtypes of the result, that returns
        a tuple with one for each argument.

    Raises:
        UnsupportedError: ``fun`` is not linear; the error names the operation and its line.
        DTypeError: an argument or a result is neither floating nor complex. ShapeError: a cotangent
            of another shape.
    """
    found: list[Any] = []

    def evaluate(*arguments: Any) -> list[Tensor]:
        inputs, trees, leaves = _inputs(range(len(arguments)), arguments)
        result = _recording(fun, inputs, {})
        outputs = [asarray(leaf) for leaf in tree_leaves(result)]
        for output in outputs:
            if not output.dtype.is_inexact:
                raise _fail(
                    DTypeError, f"linear_transpose: the function returned {output.dtype.name}"
                )
        function, kept = _core.linear_part(outputs, leaves, True)
        like = [SimpleNamespace(shape=out.shape, dtype=out.dtype) for out in outputs]
        found.append((function, like, [_structure(tree) for tree in trees]))
        return kept

    kept = _traced(evaluate, fun)(*examples)
    function, like, trees = found[-1]
    part = _Part(function, kept, fun)

    def pull(cotangent: Any) -> tuple:
        return tuple(_filled(trees, part(_seeds(like, cotangent, "linear_transpose"))))

    return pull
