"""Functions that see the gradients of a module's results and arguments while they are computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import _core
from .._core import Tensor
from .._creation import _fail
from .._errors import DTypeError, ShapeError

#: By the position of the argument or result; None where there is none.
Gradients = tuple[Tensor | None, ...]


class BackwardHooks:
    """The hooks of one call of a module.

    Arguments and results that require gradients are marked: the gradients of all that are marked
    together arrive together.
    """

    def __init__(self, module: Any, functions: Sequence[Callable], before: Sequence[Callable]):
        self._module = module
        self._functions, self._before = functions, before
        self._has_inputs = False
        self._argument_count = 0
        self._of_results: Gradients = ()

    def mark_arguments(self, args: tuple) -> tuple:
        """The arguments, by position, whose gradients the hooks see."""
        self._argument_count = len(args)
        if not self._functions:
            return args
        marked, places = _marked(args, self._arguments_have_gradients)
        self._has_inputs = bool(places)
        return marked

    def mark_results(self, result: Any) -> Any:
        """The result, or a tuple of results, whose gradients the hooks see."""
        is_tuple = isinstance(result, tuple)
        marked, _ = _marked(result if is_tuple else (result,), self._results_have_gradients)
        if not is_tuple:
            return marked[0]
        return type(result)(*marked) if hasattr(result, "_fields") else marked

    def _results_have_gradients(self, gradients: Gradients) -> Gradients:
        for function in self._before:
            gradients = _replaced(function(self._module, gradients), gradients)
        self._of_results = gradients
        if not self._has_inputs:
            for function in self._functions:
                none = (None,) * self._argument_count
                _replaced(function(self._module, none, gradients), none)
        return gradients

    def _arguments_have_gradients(self, gradients: Gradients) -> Gradients:
        for function in self._functions:
            made = function(self._module, gradients, self._of_results)
            gradients = _replaced(made, gradients)
        return gradients


def _marked(values: tuple, called: Callable[[Gradients], Gradients]) -> tuple[tuple, list[int]]:
    """The values, those that require gradients marked, and which these are."""
    places = [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.requires_grad]
    if not places or not _core.gradients_enabled():
        return values, []

    def call(found: list[Tensor | None]) -> list[Tensor | None]:
        gradients: list[Tensor | None] = [None] * len(values)
        for place, gradient in zip(places, found, strict=True):
            gradients[place] = gradient
        result = called(tuple(gradients))
        return [result[place] for place in places]

    marked = list(values)
    for place, tensor in zip(
        places, _core.mark_gradients([values[i] for i in places], call), strict=True
    ):
        marked[place] = tensor
    return tuple(marked), places


def _replaced(result: Any, gradients: Gradients) -> Gradients:
    """What a hook returned, in the place of the gradients. Raises DTypeError and ShapeError."""
    if result is None:
        return gradients
    found = result if isinstance(result, tuple) else (result,)
    if len(found) != len(gradients):
        raise _fail(
            DTypeError,
            f"a backward hook returned {len(found)} gradients, but was given {len(gradients)}",
        )
    for number, (new, old) in enumerate(zip(found, gradients, strict=True)):
        if old is None or new is None:
            if old is not new:
                raise _fail(
                    DTypeError,
                    f"gradient {number} that a backward hook returned has to be "
                    f"{'None' if old is None else 'a tensor'}, as the one it was given",
                )
        elif not isinstance(new, Tensor) or new.dtype != old.dtype or new.device != old.device:
            raise _fail(
                DTypeError,
                f"gradient {number} that a backward hook returned has to be a tensor of "
                f"{old.dtype.name} on {old.device}, as the one it was given, not {new!r}",
            )
        elif new.shape != old.shape:
            raise _fail(
                ShapeError,
                f"gradient {number} that a backward hook returned has the shape "
                f"{tuple(new.shape)}, not {tuple(old.shape)}",
            )
    return found
