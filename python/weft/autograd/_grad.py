"""Gradients of tensors for other tensors that they were computed from."""

from __future__ import annotations

from collections.abc import Sequence

from .. import _core
from .._autodiff import set_grad_enabled
from .._core import Tensor
from .._creation import _fail, asarray, ones_like, zeros_like
from .._errors import DTypeError, GradientError, OptionError, ShapeError
from .._manipulation import stack

Tensors = Tensor | Sequence[Tensor]
Cotangents = Tensor | Sequence[Tensor | None] | None


def _several(tensors: Tensors, name: str, what: str) -> list[Tensor]:
    found = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    for tensor in found:
        if not isinstance(tensor, Tensor):
            raise _fail(DTypeError, f"{name}: {what} has a {type(tensor).__name__}, no tensor")
    return found


def _seeds(outputs: list[Tensor], cotangents: Cotangents, name: str) -> list[Tensor]:
    """A cotangent for each output: those given, or 1 for one number."""
    if cotangents is None or isinstance(cotangents, Tensor):
        given: list[Tensor | None] = [cotangents] * (1 if cotangents is not None else len(outputs))
    else:
        given = list(cotangents)
    if len(given) != len(outputs):
        raise _fail(ShapeError, f"{name}: {len(outputs)} outputs and {len(given)} cotangents")
    return [_seed(output, seed, name) for output, seed in zip(outputs, given, strict=True)]


def _seed(output: Tensor, seed: Tensor | None, name: str) -> Tensor:
    if not output.requires_grad:
        raise _fail(
            GradientError,
            f"{name}: an output does not depend on any tensor that requires a gradient",
        )
    if seed is not None:
        seed = asarray(seed)
        if seed.shape != output.shape:
            raise _fail(
                ShapeError,
                f"{name}: a cotangent of shape {seed.shape} for an output of shape {output.shape}",
            )
        return seed.astype(output.dtype)
    if output.dtype.is_complex:
        raise _fail(
            DTypeError,
            f"{name}: a complex number has no gradient of its own; take its weft.real or "
            "weft.abs, or give a cotangent",
        )
    if output._size != 1:
        raise _fail(
            ShapeError,
            f"{name}: an output of shape {output.shape} needs a cotangent of that shape; only "
            "tensors of one element have a default",
        )
    return ones_like(output)


def grad(
    outputs: Tensors,
    inputs: Tensors,
    grad_outputs: Cotangents = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The sum of the gradients of ``outputs``, times ``grad_outputs``, for each of ``inputs``.

    No ``.grad`` changes. Inputs are any tensors that the outputs were computed from while gradients
    were recorded: leaves, or results on the way. In compiled functions as outside.

    Args:
        outputs: floating or complex tensors.
        inputs: tensors that require a gradient.
        grad_outputs: for each output a tensor of its shape; None for 1, if it has one element.
        retain_graph: keep what was recorded, for another gradient; if None, as ``create_graph``.
        create_graph: the gradients can be differentiated in turn.
        allow_unused: give None for an input that no output depends on.
        is_grads_batched: the cotangents have another dimension in front, [B, ...], for B gradients
            that come out as [B, ...]. They are computed one after the other.
        materialize_grads: give zeros instead of None.

    Raises:
        GradientError: an output or an input requires no gradient, no output depends on an input, or
            what was recorded was given up by an earlier gradient. ShapeError: a cotangent is
            missing, or of another shape. DTypeError: a complex output has no cotangent.
        UnsupportedError: a compiled function asks for what was computed before the call, or in the
            body of a loop or branch.
    """
    if is_grads_batched:
        options = create_graph, allow_unused, materialize_grads
        return _batch_of_gradients(outputs, inputs, grad_outputs, retain_graph, *options)
    if materialize_grads and allow_unused is False:
        raise _fail(
            OptionError,
            "autograd.grad: materialize_grads gives zeros for what allow_unused refuses",
        )
    ends = _several(outputs, "autograd.grad", "outputs")
    starts = _several(inputs, "autograd.grad", "inputs")
    seeds = _seeds(ends, grad_outputs, "autograd.grad")
    for number, tensor in enumerate(starts):
        if not tensor.requires_grad:
            raise _fail(GradientError, f"autograd.grad: input {number} requires no gradient")
    keep = create_graph if retain_graph is None else retain_graph
    former = _core.set_gradients_enabled(create_graph)
    try:
        found = _core.gradients_for(ends, seeds, starts, keep, create_graph) if starts else []
    finally:
        _core.set_gradients_enabled(former)
    if materialize_grads:
        found = [
            zeros_like(tensor) if gradient is None else gradient
            for tensor, gradient in zip(starts, found, strict=True)
        ]
    unused = [number for number, gradient in enumerate(found) if gradient is None]
    if unused and not allow_unused:
        raise _fail(
            GradientError,
            f"autograd.grad: no output depends on input {unused[0]}; allow_unused=True gives None",
        )
    return tuple(found)


def _batch_of_gradients(
    outputs: Tensors,
    inputs: Tensors,
    cotangents: Cotangents,
    retain: bool | None,
    create_graph: bool,
    allow_unused: bool | None,
    materialize: bool,
) -> tuple[Tensor | None, ...]:
    """`grad` for each of a batch of cotangents, in one tensor for each input."""
    ends = _several(outputs, "autograd.grad", "outputs")
    given = [cotangents] if isinstance(cotangents, Tensor) else list(cotangents or ())
    batches = [asarray(each) for each in given if each is not None]
    sizes = {each.shape[0] if each.ndim else 0 for each in batches}
    count = sizes.pop() if len(sizes) == 1 else 0
    if not count:
        raise _fail(
            ShapeError,
            "autograd.grad: is_grads_batched needs cotangents [B, ...] of one B, above 0, not of "
            f"shapes {', '.join(str(each.shape) for each in batches) or 'that are missing'}",
        )
    found = []
    for number in range(count):
        row = [None if each is None else asarray(each)[number] for each in given]
        keep = number + 1 < count or (create_graph if retain is None else retain)
        found.append(grad(ends, inputs, row, keep, create_graph, allow_unused, False, materialize))
    return tuple(
        None if any(each is None for each in some) else stack(some)
        for some in zip(*found, strict=True)
    )


def accumulate(
    output: Tensor, cotangent: Tensor | None, retain: bool, create_graph: bool, inputs: Tensors
) -> None:
    """Adds the gradients of the output for these leaves to their ``.grad``."""
    leaves = _several(inputs, "backward", "inputs")
    for number, leaf in enumerate(leaves):
        if not leaf.is_leaf:
            raise _fail(
                GradientError, f"backward: input {number} is no leaf; use weft.autograd.grad for it"
            )
    seeds = None if cotangent is None else [cotangent]
    found = grad([output], leaves, seeds, retain, create_graph, allow_unused=True)
    with set_grad_enabled(create_graph):
        for leaf, gradient in zip(leaves, found, strict=True):
            if gradient is not None:
                leaf.grad = gradient if leaf.grad is None else leaf.grad + gradient


def backward(
    tensors: Tensors,
    grad_tensors: Cotangents = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensors | None = None,
) -> None:
    """Accumulates the gradients of several tensors in the ``.grad`` of the leaves behind them.

    Args:
        tensors, grad_tensors, retain_graph: as `grad` has them.
        create_graph: the gradients can be differentiated in turn.
        inputs: the leaves, if not all.

    Raises:
        As `grad`; and GradientError: one of ``inputs`` is no leaf. UnsupportedError:
        ``create_graph`` in a compiled function.
    """
    ends = _several(tensors, "autograd.backward", "tensors")
    seeds = _seeds(ends, grad_tensors, "autograd.backward")
    keep = create_graph if retain_graph is None else bool(retain_graph)
    for number, (tensor, seed) in enumerate(zip(ends, seeds, strict=True)):
        # They may have parts in common.
        later = number + 1 < len(ends)
        tensor.backward(seed, keep or later, create_graph=create_graph, inputs=inputs)
