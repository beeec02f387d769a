"""Weft's programs as modules of PyTorch: `weft.to_torch`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

import weft
from weft import nn

from .._creation import _fail
from .._errors import DTypeError
from ._once import slopes_of
from ._sharing import to_torch as shared
from ._sharing import to_weft


class WeftModule(torch.nn.Module):
    """A module or function of weft as a module of PyTorch, whose passes both weft computes.

    Weights have weft's names and share its memory, so that an optimizer of PyTorch trains both.
    Called with tensors of PyTorch in any containers; other arguments are given to weft as they are.
    """

    def __init__(self, program: Callable) -> None:
        super().__init__()
        self._weights: list[tuple[str, torch.nn.Module, str]] = []
        self._ours = program
        if not isinstance(program, nn.Module):
            self._run = weft.jit(lambda weights, args, kwargs: program(*args, **kwargs))
            return
        self._run = weft.jit(
            lambda weights, args, kwargs: weft.func.functional_call(program, weights, args, kwargs)
        )
        for name, parameter in program.named_parameters():
            trained = torch.nn.Parameter(shared(parameter.detach()), parameter.requires_grad)
            self._place(name, trained)
        for name, buffer in program.named_buffers():
            self._place(name, shared(buffer))
        self.train(program.training)

    def _place(self, name: str, tensor: torch.Tensor) -> None:
        """Puts a weight where its dotted name says, in modules without anything else."""
        module: torch.nn.Module = self
        *path, last = name.split(".")
        for part in path:
            if part not in module._modules:
                module.add_module(part, torch.nn.Module())
            module = module._modules[part]  # type: ignore[assignment]
        if isinstance(tensor, torch.nn.Parameter):
            module.register_parameter(last, tensor)
        else:
            module.register_buffer(last, tensor)
        self._weights.append((name, module, last))

    def train(self, mode: bool = True) -> WeftModule:
        """Training or not, here and in weft's module."""
        super().train(mode)
        if isinstance(self._ours, nn.Module):
            self._ours.train(mode)
        return self

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The program's results, as tensors of PyTorch."""
        weights = {name: getattr(module, last) for name, module, last in self._weights}
        flat, form = pytree.tree_flatten((weights, args, kwargs))
        places = [i for i, x in enumerate(flat) if isinstance(x, torch.Tensor)]
        call = _Call(self._run, flat, form, places)
        results = _Pass.apply(call, *(flat[i] for i in places))  # type: ignore[no-untyped-call]
        return weft.tree.unflatten(call.structure, results)


class _Call:
    """One call: how its arguments and its results lie in their containers."""

    def __init__(self, run: Callable, flat: list[Any], form: Any, places: list[int]) -> None:
        self._run, self._flat, self._form, self._places = run, flat, form, places
        self.structure: Any = None

    def __call__(self, tensors: tuple[weft.Tensor, ...]) -> list[weft.Tensor]:
        """The results, of tensors for the places."""
        flat = list(self._flat)
        for place, tensor in zip(self._places, tensors, strict=True):
            flat[place] = tensor
        found = self._run(*pytree.tree_unflatten(flat, self._form))
        leaves, self.structure = weft.tree.flatten(found)
        return [weft.asarray(leaf) for leaf in leaves]


class _Pass(torch.autograd.Function):
    """Forward and backward on weft's tape."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ours = tuple(to_weft(tensor.detach()) for tensor in tensors)
        # Of those that can change: weft refuses to change what it records gradients for.
        rest = [i for i, needed in enumerate(ctx.needs_input_grad[1:]) if not needed]
        # Held, so that no new value is written over them, and a change is another memory.
        former = [shared(ours[i]) for i in rest]
        leaves = [i for i, needed in enumerate(ctx.needs_input_grad[1:]) if needed]
        for i in leaves:
            ours[i].requires_grad = True
        with weft.set_grad_enabled(bool(leaves)):
            results = call(ours)
        for i, before in zip(rest, former, strict=True):
            _give_back(tensors[i], ours[i], before)
        # PyTorch then tells who changes them before the backward pass, which reads their memory.
        ctx.save_for_backward(*(tensors[i] for i in leaves))
        ctx.count, ctx.places = len(tensors), leaves
        ctx.leaves = [ours[i] for i in leaves]
        ctx.results = [(i, y) for i, y in enumerate(results) if leaves and y.requires_grad]
        made = tuple(shared(result.detach()) for result in results)
        differentiable = {i for i, _ in ctx.results}
        ctx.mark_non_differentiable(*(y for i, y in enumerate(made) if i not in differentiable))
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        origins = (*ctx.saved_tensors, *gradients)  # raises if one was changed
        outputs = [result for _, result in ctx.results]
        with torch.no_grad():
            seeds = [to_weft(gradients[i].detach().contiguous()) for i, _ in ctx.results]
        found = weft.autograd.grad(outputs, ctx.leaves, seeds, retain_graph=True, allow_unused=True)
        slopes: list[torch.Tensor | None] = [None] * (ctx.count + 1)
        for place, slope in zip(ctx.places, found, strict=True):
            slopes[place + 1] = None if slope is None else shared(slope)
        return slopes_of(origins, slopes, "weft.to_torch gives no gradient of a gradient")


def _give_back(theirs: torch.Tensor, ours: weft.Tensor, before: torch.Tensor) -> None:
    """A buffer or an argument that the program has changed gets its new value."""
    now = shared(ours)
    if now.data_ptr() != before.data_ptr() and theirs.numel():
        theirs.copy_(now)


def to_torch(program: Callable) -> WeftModule:
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
    if not callable(program):
        raise _fail(
            DTypeError, f"to_torch takes a module or a function, not a {type(program).__name__}"
        )
    return WeftModule(program)
