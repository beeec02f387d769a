"""Functions with a gradient of their own, as PyTorch's programs write them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .. import _core
from .._autodiff import tree_leaves
from .._core import Tensor
from .._creation import _fail
from .._custom_derivatives import WithoutDerivative, custom_vjp
from .._errors import DTypeError, GradientError, ShapeError, UnsupportedError

__all__ = ["Function", "once_differentiable"]


class _Context:
    """What both passes of one call share: what is saved, and any attributes.

    Attributes:
        needs_input_grad: for each argument whether it is a tensor that requires a gradient.
        saved_tensors: what the first pass has saved, in the second one.
    """

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[Any, ...] = ()
        self._constant: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keeps tensors, or None, for the second pass."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise _fail(
                    DTypeError,
                    f"save_for_backward: a {type(tensor).__name__} is no tensor; make it an "
                    "attribute of ctx",
                )
        self._saved = tensors

    def save_for_forward(self, *_: Any) -> None:
        """Is not there: derivatives along tangents have a rule by `weft.custom_jvp`."""
        raise _fail(UnsupportedError, "save_for_forward: give such a rule by weft.custom_jvp")

    def mark_dirty(self, *arguments: Tensor) -> None:
        """Says which arguments the first pass changes in place, each of which it returns, too."""
        self._dirty = arguments

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        return self._saved

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """Says that these results have no gradient; the second pass gets zeros for them."""
        self._constant = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """Zeros, where a result has no part in what is differentiated, are what there always is."""
        if not value:
            raise _fail(
                UnsupportedError,
                "set_materialize_grads: which results have no gradient is not known when the "
                "second pass is traced; it gets zeros",
            )

    def _attributes(self) -> dict[str, Any]:
        return {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("needs_input_grad", "_saved", "_constant", "_dirty")
        }


class _Given:
    """The arguments of a call but its tensors; equal where a call may use what was traced."""

    def __init__(self, args: Sequence[Any]) -> None:
        self.args = tuple(None if isinstance(arg, Tensor) else arg for arg in args)
        self.places = tuple(n for n, arg in enumerate(args) if isinstance(arg, Tensor))
        self.needs = tuple(isinstance(arg, Tensor) and arg.requires_grad for arg in args)
        self._key = (self.args, tuple(map(type, self.args)), self.places, self.needs)
        #: Which of the results have no gradient, once the function was traced.
        self.constant: tuple[int, ...] = ()
        #: Which of the tensors the function changes, and which of the results each is then.
        self.dirty: tuple[tuple[int, int], ...] = ()

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Given) and self._key == other._key

    def filled(self, tensors: Sequence[Tensor]) -> list[Any]:
        every = list(self.args)
        for place, tensor in zip(self.places, tensors, strict=True):
            every[place] = tensor
        return every


class _OnlyOnce(WithoutDerivative):
    _kind = "once_differentiable"


def once_differentiable(backward: Callable) -> Callable:
    """Decorates the second pass of a `Function`: gradients of its gradients are refused.

    Raises UnsupportedError, at the call that asks for such.
    """

    @functools.wraps(backward)
    def once(ctx: Any, *cotangents: Any) -> Any:
        tensors = [leaf for leaf in (*ctx.saved_tensors, *cotangents) if leaf is not None]
        absent: list[int] = []

        def run(*_: Tensor) -> list[Tensor]:
            made = backward(ctx, *cotangents)
            made = made if isinstance(made, tuple) else (made,)
            absent.extend(n for n, gradient in enumerate(made) if gradient is None)
            return [gradient for gradient in made if gradient is not None]

        wrapped = _OnlyOnce(functools.wraps(backward)(run))
        made = list(wrapped._traced_call(*tensors))
        for place in absent:
            made.insert(place, None)
        return tuple(made)

    return once


class Function:
    """A function with a forward and a backward pass, as PyTorch's ``torch.autograd.Function``.

    Subclasses define static methods; `apply` calls the function::

        class Square(weft.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * x

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return 2.0 * x * g

        y = Square.apply(x)

    Instead of ``forward(ctx, *args)`` there may be ``forward(*args)`` and
    ``setup_context(ctx, inputs, output)``. It is a `weft.custom_vjp`: works in compiled functions,
    under `vmap`, in loops and branches, and gradients of its gradients go through both passes.
    Both passes are traced at each call, the forward one several times; they may have no effects.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """The result, a tensor or a tuple of tensors, of any arguments."""
        raise NotImplementedError("a weft.autograd.Function needs forward")

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        """A gradient for each argument of ``forward``; None for those that have none."""
        raise NotImplementedError("a weft.autograd.Function needs backward")

    setup_context: Any = None

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """What ``forward`` returns for the arguments; tensors in containers have no gradient.

        Raises:
            GradientError: ``backward`` gives a gradient to what is no tensor.
            ShapeError: it returns another number of gradients than there are arguments, or one of
            another shape.
        """
        given = _Given(args)
        tensors = [args[place] for place in given.places]
        try:
            hash(given)
        except TypeError:
            # Of a list nobody could say whether it is the same the next time.
            return _application(cls)(given, *tensors)
        if "_weft_application" not in cls.__dict__:
            cls._weft_application = staticmethod(_application(cls))  # type: ignore[attr-defined]
        return cls._weft_application(given, *tensors)  # type: ignore[attr-defined]


def _derivative(cls: type[Function]) -> custom_vjp:
    def run(given: _Given, tensors: Sequence[Tensor]) -> tuple[Any, _Context]:
        ctx, every = _Context(given.needs), given.filled(tensors)
        if cls.setup_context is None:
            result = cls.forward(ctx, *every)
        else:
            result = cls.forward(*every)
            cls.setup_context(ctx, tuple(every), result)
        parts = tree_leaves(result)
        given.constant = tuple(
            number
            for number, part in enumerate(parts)
            if any(part is marked for marked in ctx._constant)
        )
        given.dirty = tuple(_changed(cls, tensor, tensors, parts) for tensor in ctx._dirty)
        return result, ctx

    def function(given: _Given, *tensors: Tensor) -> Any:
        return run(given, tensors)[0]

    def forward(given: _Given, *tensors: Tensor) -> tuple[Any, dict]:
        result, ctx = run(given, tensors)
        return result, {"saved": ctx._saved, "attributes": ctx._attributes()}

    def backward(given: _Given, kept: dict, cotangent: Any) -> tuple:
        ctx = _Context(given.needs)
        ctx._saved = kept["saved"]
        ctx.__dict__.update(kept["attributes"])
        made = cls.backward(ctx, *(cotangent if isinstance(cotangent, tuple) else (cotangent,)))
        return _of_tensors(cls, given, made if isinstance(made, tuple) else (made,))

    function.__qualname__ = cls.__qualname__
    result = custom_vjp(function, nondiff_argnums=0)
    result.defvjp(forward, backward)
    return result


def _changed(
    cls: type[Function], tensor: Any, tensors: Sequence[Tensor], parts: Sequence[Any]
) -> tuple[int, int]:
    """Which of the tensors of a call this one is, and which of the parts of the result."""
    places = [
        next((number for number, each in enumerate(some) if each is tensor), None)
        for some in (tensors, parts)
    ]
    if places[0] is None or places[1] is None:
        what = "argument of forward" if places[0] is None else "result that it returns"
        raise _fail(
            GradientError, f"{cls.__qualname__}: mark_dirty is given a tensor that is no {what}"
        )
    return places[0], places[1]


def _application(cls: type[Function]) -> Callable:
    from .._jit import jit

    derivative = _derivative(cls)

    def marked(given: _Given, *tensors: Tensor) -> Any:
        """The result, cut off from gradients where the function says so."""
        made = derivative(given, *tensors)
        if not given.constant:
            return made
        parts = made if isinstance(made, tuple) else (made,)
        cut = tuple(
            part.detach() if number in given.constant else part for number, part in enumerate(parts)
        )
        return cut if isinstance(made, tuple) else cut[0]

    compiled = jit(marked, static_argnums=0)
    #: By the arguments of a call the tensors that it changes, where there are such.
    changing: dict[_Given, tuple[tuple[int, int], ...]] = {}

    def call(given: _Given, *tensors: Tensor) -> Any:
        made = (marked if _core.is_tracing() else compiled)(given, *tensors)
        if given.dirty:
            changing[given] = given.dirty
        dirty = given.dirty or (changing.get(given, ()) if changing else ())
        if not dirty:
            return made
        parts = list(made) if isinstance(made, tuple) else [made]
        for place, number in dirty:
            parts[number] = tensors[place].copy_(parts[number])
        return tuple(parts) if isinstance(made, tuple) else parts[0]

    return call


def _of_tensors(cls: type[Function], given: _Given, made: tuple) -> tuple:
    """The gradients of the tensors, of those of all arguments."""
    count = len(given.args)
    if len(made) < count or any(gradient is not None for gradient in made[count:]):
        raise _fail(
            ShapeError,
            f"{cls.__qualname__}: backward has to return a gradient for each of {count} arguments "
            f"of forward, not {len(made)}",
        )
    for number in range(count):
        if made[number] is not None and number not in given.places:
            raise _fail(
                GradientError,
                f"{cls.__qualname__}: backward returns a gradient for argument {number}, which is "
                "no tensor; return None",
            )
    return tuple(made[place] for place in given.places)
