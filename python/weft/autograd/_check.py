"""Derivatives beside quotients of differences."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .._core import Tensor
from .._creation import _fail, asarray, full, zeros
from .._errors import DTypeError, GradientError
from ._grad import grad

Inputs = Tensor | Sequence[Tensor]


def _leaf(value: Tensor) -> Tensor:
    leaf = value.detach().clone()
    leaf.requires_grad = value.requires_grad
    return leaf


def _outputs(function: Callable, inputs: Sequence[Tensor]) -> list[Tensor]:
    result = function(*inputs)
    parts = list(result) if isinstance(result, (tuple, list)) else [result]
    return [part for part in parts if isinstance(part, Tensor) and part.dtype.kind != "bool"]


def _units(dtype: object) -> list[complex]:
    return [1, 1j] if getattr(dtype, "is_complex", False) else [1]


def _parts(values: np.ndarray) -> list[np.ndarray]:
    return [values.real, values.imag] if np.iscomplexobj(values) else [values]


def _numerical(function: Callable, inputs: list[Tensor], which: int, eps: float) -> list:
    """By place, for each output the differences of its real (and imaginary) parts."""
    original = np.array(inputs[which].detach().numpy(), order="C")
    columns = []
    for place in range(original.size):
        for unit in _units(inputs[which].dtype):
            ends = []
            for step in (eps * unit, -eps * unit):
                moved = original.copy()
                moved.flat[place] += step
                given = list(inputs)
                given[which] = asarray(moved, device=inputs[which].device)
                given[which].requires_grad = True
                ends.append([np.array(y.detach().numpy()) for y in _outputs(function, given)])
            columns.append([(high - low) / (2 * eps) for high, low in zip(*ends, strict=True)])
    return columns


def _analytical(outputs: list[Tensor], number: int, source: Tensor) -> np.ndarray:
    """Rows of parts of one output's elements; columns of parts of the input's elements."""
    output, rows = outputs[number], []
    for place in range(math.prod(output.shape)):
        for unit in _units(output.dtype):
            seed = np.zeros(output.shape, np.array(zeros((), dtype=output.dtype).numpy()).dtype)
            seed.flat[place] = unit
            found = None
            if output.requires_grad:
                cotangent = asarray(seed, device=output.device)
                (found,) = grad(output, source, cotangent, retain_graph=True, allow_unused=True)
            values = found if found is not None else full(source.shape, 0, dtype=source.dtype)
            parts = _parts(np.array(values.detach().numpy()).reshape(-1))
            rows.append(np.stack(parts, axis=-1).reshape(-1))
    count = math.prod(source.shape) * len(_units(source.dtype))
    return np.array(rows).reshape(len(rows), count)


def gradcheck(
    func: Callable,
    inputs: Inputs,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """Whether the gradients of a function are its quotients of central differences.

    The directional derivatives along each real and imaginary part of each input are compared with
    those that the gradients give: of ``|a - n| <= atol + rtol |n|`` all have to be true.

    Args:
        func: from tensors to a tensor or several.
        inputs: float64 or complex128 where they require a gradient.
        eps: half of the distance of the two points of a difference.
        nondet_tol: by how much the gradients of two runs may differ.

    Raises:
        GradientError: they are not (with ``raise_exception``), or no input requires a gradient.
        DTypeError: an input that requires one is of lower precision, for which a difference says
            nothing.
    """
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    wanted = [n for n, x in enumerate(given) if isinstance(x, Tensor) and x.requires_grad]
    if not wanted:
        raise _fail(GradientError, "gradcheck: no input requires a gradient")
    for number in wanted:
        if given[number].dtype.name not in ("float64", "complex128"):
            raise _fail(
                DTypeError,
                f"gradcheck: input {number} is {given[number].dtype.name}; use float64 or "
                "complex128",
            )
    given = [_leaf(x) if isinstance(x, Tensor) else x for x in given]
    for number in wanted:
        why = _disagreement(func, given, number, (eps, atol, rtol, nondet_tol))
        if why and raise_exception:
            raise _fail(GradientError, f"gradcheck: {why}")
        if why:
            return False
    return True


def _disagreement(
    func: Callable, given: list[Tensor], which: int, limits: tuple[float, float, float, float]
) -> str:
    """What differs for one input; empty if nothing does."""
    eps, atol, rtol, between_runs = limits
    columns = _numerical(func, given, which, eps)
    first, second = _outputs(func, given), _outputs(func, given)
    for number in range(len(first)):
        have = _analytical(first, number, given[which])
        again = _analytical(second, number, given[which])
        if np.abs(have - again).max(initial=0) > between_runs:
            return f"gradients of output {number} for input {which} differ from run to run"
        parts = [
            np.stack(_parts(column[number].reshape(-1)), axis=-1).reshape(-1) for column in columns
        ]
        want = np.stack(parts, axis=-1) if parts else np.zeros(have.shape)
        far = ~(np.abs(have - want) <= atol + rtol * np.abs(want))
        if far.any():
            row, column = np.argwhere(far)[0]
            return (
                f"the gradient of output {number} for input {which} has {have[row, column]:.6g} in "
                f"row {row}, column {column}, but the quotient of differences is "
                f"{want[row, column]:.6g}"
            )
    return ""


def gradgradcheck(
    func: Callable,
    inputs: Inputs,
    grad_outputs: Inputs | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
) -> bool:
    """`gradcheck` of the function's gradients, for the inputs and the cotangents.

    Args:
        grad_outputs: a cotangent for each output that requires a gradient; None for random ones,
            drawn anew from the same seed in each call.
    """
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    ends = [y for y in _outputs(func, given) if y.requires_grad]
    if grad_outputs is None:
        random = np.random.default_rng(0)
        cotangents = [_leaf(_drawn(random, end)) for end in ends]
    else:
        cotangents = [grad_outputs] if isinstance(grad_outputs, Tensor) else list(grad_outputs)
    for cotangent in cotangents:
        cotangent.requires_grad = True
    count = len(given)

    def slopes(*arguments: Tensor) -> tuple:
        sources = [x for x in arguments[:count] if isinstance(x, Tensor) and x.requires_grad]
        outputs = [y for y in _outputs(func, arguments[:count]) if y.requires_grad]
        return grad(outputs, sources, arguments[count:], create_graph=True, materialize_grads=True)

    return gradcheck(
        slopes, (*given, *cotangents), eps=eps, atol=atol, rtol=rtol,
        raise_exception=raise_exception, nondet_tol=nondet_tol,
    )  # fmt: skip


def _drawn(random: np.random.Generator, like: Tensor) -> Tensor:
    parts = [random.normal(size=like.shape) for _ in _units(like.dtype)]
    values = parts[0] if len(parts) == 1 else parts[0] + 1j * parts[1]
    return asarray(values, dtype=like.dtype, device=like.device)
