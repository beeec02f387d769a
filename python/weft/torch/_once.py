"""Slopes of what weft compiled can't be differentiated again: whoever tries is told so.

AOTAutograd connects the slopes of a compiled function with what the backward pass reads, which
leaves out views and what the forward pass computed. A second derivative by an argument would often
be "unused": zero, in `torch.autograd.functional.hessian`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from .._creation import _fail
from .._errors import GradientError

_COMPILED = "CompiledFunctionBackward"


class _Origin(torch.autograd.Function):
    """An empty tensor that depends on the arguments, as far as autograd knows."""

    @staticmethod
    def forward(ctx: Any, *arguments: torch.Tensor) -> torch.Tensor:
        return torch.empty(0)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        raise AssertionError("a slope is in between")


class _Slope(torch.autograd.Function):
    """A slope, as one that depends on the origins."""

    @staticmethod
    def forward(ctx: Any, what: str, slope: torch.Tensor, *origins: torch.Tensor) -> torch.Tensor:
        ctx.what = what
        return slope.view_as(slope)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        raise _fail(GradientError, ctx.what)


def slopes_of(
    origins: Sequence[torch.Tensor], slopes: Iterable[torch.Tensor | None], what: str
) -> tuple[torch.Tensor | None, ...]:
    """The slopes, whose own derivative by what the origins depend on is an error that says `what`.

    As they are where PyTorch doesn't record what is done with them.
    """
    if not torch.is_grad_enabled():
        return tuple(slopes)
    return tuple(
        slope if slope is None else _Slope.apply(what, slope, *origins)  # type: ignore[no-untyped-call]
        for slope in slopes
    )


def once_differentiable(compiled: Callable) -> Callable:
    """The function, with slopes that tell who differentiates them."""

    def call(*args: Any) -> Any:
        if not torch.is_grad_enabled():
            return compiled(*args)
        tensors = [x for x in args if isinstance(x, torch.Tensor) and x.requires_grad]
        before = {x.grad_fn for x in tensors}
        origin = _Origin.apply(*tensors)  # type: ignore[no-untyped-call]
        results = compiled(*args)
        made = [x.grad_fn for x in (*results, *args) if isinstance(x, torch.Tensor)]
        node = _compiled_node(made, before)
        if node is not None:
            node.register_hook(functools.partial(_refusing, origin))
        return results

    return call


def _compiled_node(nodes: list[Any], before: set[Any]) -> Any:
    """The node of the call among what led to these since the nodes before it."""
    seen = {None, *before}
    while nodes:
        node = nodes.pop(0)
        if node in seen:
            continue
        if type(node).__name__ == _COMPILED:
            return node
        seen.add(node)
        nodes += [inner for inner, _ in node.next_functions]
    return None


def _refusing(
    origin: torch.Tensor, slopes: tuple[torch.Tensor | None, ...], _: Any
) -> tuple[torch.Tensor | None, ...]:
    return slopes_of(
        (origin,),
        slopes,
        'torch.compile(backend="weft") compiles no gradient of a gradient: take it of the function '
        "that is not compiled, or inside the compiled one by torch.func.grad, jacrev, hessian",
    )
