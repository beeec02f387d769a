"""Functions with derivatives of their own: custom_jvp, custom_vjp."""

from __future__ import annotations

import functools
import inspect
import threading
import types
from collections.abc import Callable, Sequence
from typing import Any

from . import _core
from ._autodiff import tree_leaves, tree_map
from ._control_flow import _checked, _filled, _Region, _tensors
from ._core import Tensor
from ._creation import _fail, full_like, zeros_like
from ._errors import DTypeError, OptionError, ShapeError, UnsupportedError

# A rule that calls its function is traced in itself so often: for derivatives of third order.
_DEEPEST = 2


class _Depth(threading.local):
    """How deep in rules of themselves functions are called in a thread."""

    def __init__(self) -> None:
        self.of: dict[int, int] = {}


_depth = _Depth()


def _inexact(tensors: list[Tensor]) -> list[Tensor]:
    return [tensor for tensor in tensors if tensor.dtype.is_inexact]


class _CustomDerivative:
    """A function and rules for its derivative; in a trace one operation with regions."""

    _kind: str

    def __init__(self, fun: Callable, nondiff_argnums: int | Sequence[int] = ()) -> None:
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else nondiff_argnums
        if not callable(fun):
            raise _fail(DTypeError, f"{self._kind} takes a function, not {fun!r}")
        self._function = fun
        self._static = tuple(numbers)
        if not all(isinstance(number, int) and number >= 0 for number in self._static):
            raise _fail(
                OptionError,
                f"{self._kind}: nondiff_argnums counts positions from 0, so it can't be "
                f"{nondiff_argnums!r}",
            )
        self._rules: list[Callable] = []
        self._was_called = False
        functools.update_wrapper(self, fun)
        self._made_of = fun

    @functools.cached_property
    def _compiled(self) -> Callable:
        from ._jit import jit, precision_of

        return jit(
            lambda *args: self._traced_call(*args),
            static_argnums=self._static,
            matmul_precision=precision_of(self._function),
        )

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self._rules:
            raise _fail(
                UnsupportedError,
                f"{self._name()} has no rule yet; give it one by {self._needs}",
            )
        self._was_called = True
        bound = inspect.signature(self._function).bind(*args, **kwargs)
        bound.apply_defaults()
        if bound.kwargs:
            raise _fail(
                OptionError,
                f"{self._name()} has arguments that are given by name only, which rules can't get",
            )
        run = self._traced_call if _core.is_tracing() else self._compiled
        return run(*bound.args)

    _needs: str

    def _set_rules(self, *rules: Callable) -> None:
        """Sets them, unless functions may have been compiled with others already."""
        if self._was_called:
            raise _fail(
                OptionError,
                f"{self._name()} was called with another rule; make another function of it",
            )
        if not all(callable(rule) for rule in rules):
            raise _fail(DTypeError, f"{self._name()}: a rule has to be a function")
        self._rules = list(rules)

    def _name(self) -> str:
        return f"{self._kind} of {getattr(self._function, '__qualname__', self._function)!s}"

    def _traced_call(self, *args: Any) -> Any:
        call = _Call(self, args)
        depth = _depth.of.get(id(self), 0)
        _depth.of[id(self)] = depth + 1
        try:
            with _Region() as region:
                region.add(call.name, call.inputs, [], call.body)
                rules = self._add_rules(region, call) if depth <= _DEEPEST else 0
                region.refuse_draws(call.name)
                leaves = _core.custom_derivative_op(call.name, call.inputs, rules, region.tracked)
        finally:
            if depth:
                _depth.of[id(self)] = depth
            else:
                del _depth.of[id(self)]
        return _filled(call.result, leaves)

    def _add_rules(self, region: _Region, call: _Call) -> int:
        raise NotImplementedError


class WithoutDerivative(_CustomDerivative):
    """A function that has no derivative, and says so where one is asked for."""

    _kind = "a function without a derivative"
    _needs = "nothing"

    def _add_rules(self, region: _Region, call: _Call) -> int:
        return 0


@functools.cache
def _nothing(argument: str, name: str) -> WithoutDerivative:
    """Of a tensor what adds nothing to numbers, not even to -0, in the name of an argument."""

    def nothing(x: Tensor) -> Tensor:
        return full_like(x, -0.0)

    nothing.__qualname__ = name
    made = WithoutDerivative(nothing)
    made._kind = argument
    made._rules = [nothing]
    return made


def without_derivative(result: Tensor, x: Tensor, argument: str, name: str) -> Tensor:
    """The result of a function that has no derivative for its argument x, of the same shape.

    Asking for one is an error that names both; until then, a loop may well carry x.
    """
    if not (x.dtype.is_inexact and (_core.is_tracing() or x.requires_grad)):
        return result
    return result + _nothing(argument, name)(x)


@functools.cache
def _first_slope(slope: Callable[[Tensor, Tensor], Tensor]) -> custom_jvp:
    """Of two tensors what adds nothing to numbers, with ``slope`` as its derivative for the first.

    Cached by the function: give one of a module.
    """

    def nothing(first: Tensor, second: Tensor) -> Tensor:
        return full_like(first, -0.0)

    made = custom_jvp(nothing)

    @made.defjvp
    def _(primals: tuple, tangents: tuple) -> tuple[Tensor, Tensor]:
        return nothing(*primals), tangents[0] * slope(*primals)

    return made


def with_slope_for_first(
    result: Tensor, slope: Callable[[Tensor, Tensor], Tensor], first: Tensor, second: Tensor
) -> Tensor:
    """``result``, of both tensors' shape, with ``slope`` of both as its derivative for the first.

    It stands apart from the derivative for the second, which does not pay for it.
    """
    if not (first.dtype.is_inexact and (_core.is_tracing() or first.requires_grad)):
        return result
    return result + _first_slope(slope)(first, second)


class _Call:
    """One call: the arguments, and what the function returned, once it was traced."""

    def __init__(self, custom: _CustomDerivative, args: tuple) -> None:
        self.name = custom._name()
        self._function = custom._function
        self._static = custom._static
        missing = [number for number in self._static if number >= len(args)]
        if missing:
            raise _fail(
                OptionError,
                f"{self.name}: nondiff_argnums names argument {missing[0]}, but there are "
                f"{len(args)}",
            )
        self.fixed = [args[number] for number in self._static]
        self.moving = [
            _tensors(arg) for number, arg in enumerate(args) if number not in self._static
        ]
        self.inputs = tree_leaves(self.moving)
        self.result: Any = None

    def arguments(self, leaves: Sequence[Tensor]) -> list[Any]:
        """The arguments that can have derivatives, of other leaves."""
        return _filled(self.moving, leaves)

    def all_arguments(self, leaves: Sequence[Tensor]) -> list[Any]:
        every = self.arguments(leaves)
        for number, value in sorted(zip(self._static, self.fixed, strict=True)):
            every.insert(number, value)
        return every

    def body(self, leaves: list[Tensor]) -> list[Tensor]:
        self.result = _tensors(self._function(*self.all_arguments(leaves)))
        return tree_leaves(self.result)

    def alike(self, role: str, made: Any) -> list[Tensor]:
        """The leaves of what a rule made for the result."""
        return _checked(self.name, role, self.result, made)

    def pair(self, role: str, made: Any) -> tuple[Any, Any]:
        if not isinstance(made, tuple) or len(made) != 2:
            raise _fail(
                ShapeError, f"{self.name}: {role} has to return a pair, not {type(made).__name__}"
            )
        return made


class custom_jvp(_CustomDerivative):  # noqa: N801 (JAX's name)
    """A function whose derivative along tangents is given by a rule; gradients are its transpose.

    Usable as a decorator; `defjvp` gives the rule::

        @weft.custom_jvp
        def log1pexp(x):
            return weft.log(1 + weft.exp(x))

        @log1pexp.defjvp
        def _(primals, tangents):
            (x,), (t,) = primals, tangents
            return log1pexp(x), t * weft.sigmoid(x)

    The function and its rule are traced at each call; they may read tensors from outside, but no
    gradient goes there. A rule may call its function, for derivatives of up to third order.

    Args:
        fun: takes and returns nested containers of tensors; Python's numbers become tensors.
        nondiff_argnums: arguments of any kind, which have no derivative; rules get them first.

    Raises:
        UnsupportedError: the function is called without a rule, or differentiated for a tensor that
            it reads from outside. OptionError: it is given another rule after a call. ShapeError,
            DTypeError: a rule returns something unlike what it has to.
    """

    _kind = "custom_jvp"
    _needs = "defjvp"

    def defjvp(self, jvp: Callable) -> Callable:
        """Sets the rule, ``jvp(*nondiff, primals, tangents)``: returns the result and its tangent.

        Tangents have the structure of the primals, zeros where these are integers or bools.
        """
        self._set_rules(jvp)
        return jvp

    def defjvps(self, *jvps: Callable | None) -> None:
        """Sets a rule for each argument, ``jvp(tangent, result, *primals)``; None for zero."""

        def rule(*given: Any) -> tuple[Any, Any]:
            *fixed, primals, tangents = given
            if fixed:
                raise _fail(OptionError, f"{self._name()}: defjvps is not for nondiff_argnums")
            result = self(*primals)
            parts = [
                jvp(tangent, result, *primals)
                for jvp, tangent in zip(jvps, tangents, strict=True)
                if jvp is not None
            ]
            return result, functools.reduce(lambda a, b: a + b, parts, zeros_like(result))

        self.defjvp(rule)

    def _add_rules(self, region: _Region, call: _Call) -> int:
        count = len(call.inputs)

        def along(leaves: list[Tensor]) -> list[Tensor]:
            remaining = iter(leaves[count:])
            tangents = [
                next(remaining) if leaf.dtype.is_inexact else zeros_like(leaf)
                for leaf in leaves[:count]
            ]
            primals, directions = call.arguments(leaves[:count]), call.arguments(tangents)
            made = self._rules[0](*call.fixed, tuple(primals), tuple(directions))
            result, tangent = call.pair("the rule", made)
            return [
                *call.alike("the rule's result", result),
                *_inexact(call.alike("the rule's tangent", tangent)),
            ]

        region.add(call.name, [*call.inputs, *_inexact(call.inputs)], [], along)
        return 1


class custom_vjp(_CustomDerivative):  # noqa: N801 (JAX's name)
    """A function whose gradient is given by a rule, of a forward and a backward pass.

    Usable as a decorator; `defvjp` gives both passes::

        @weft.custom_vjp
        def clip_gradient(x, bound):
            return x

        clip_gradient.defvjp(
            lambda x, bound: (x, bound),
            lambda bound, g: (weft.clip(g, -bound, bound), None),
        )

    The function and its rules are traced at each call; they may read tensors from outside, but no
    gradient goes there. It has no derivative along tangents (`jvp`), as nothing says that the
    backward pass is linear; gradients of gradients go through both passes, operation by operation.

    Args:
        fun: takes and returns nested containers of tensors; Python's numbers become tensors.
        nondiff_argnums: arguments of any kind, which have no derivative; the backward pass gets
            them first.

    Raises:
        as `custom_jvp`.
    """

    _kind = "custom_vjp"
    _needs = "defvjp"

    def defvjp(self, fwd: Callable, bwd: Callable) -> None:
        """Sets both passes.

        Args:
            fwd: takes what the function takes; returns its result, and what ``bwd`` needs.
            bwd: ``bwd(*nondiff, kept, cotangent)``; returns a tuple with the gradient of each
                argument but those, of its structure, shapes and dtypes; None for zeros. The
                cotangent has the structure of the result, zeros for integers and bools.
        """
        self._set_rules(fwd, bwd)

    def _add_rules(self, region: _Region, call: _Call) -> int:
        fwd, bwd = self._rules
        kept: list[Any] = []
        tensors: list[Tensor] = []

        def forward(leaves: list[Tensor]) -> list[Tensor]:
            made = fwd(*call.all_arguments(leaves))
            result, residuals = call.pair("fwd", made)
            kept.append(residuals)
            tensors.extend(leaf for leaf in tree_leaves(residuals) if isinstance(leaf, Tensor))
            return [*call.alike("the result of fwd", result), *tensors]

        def backward(leaves: list[Tensor]) -> list[Tensor]:
            remaining = iter(leaves[: len(tensors)])
            residuals = tree_map(
                lambda leaf: next(remaining) if isinstance(leaf, Tensor) else leaf, kept[0]
            )
            given = iter(leaves[len(tensors) :])
            cotangent = tree_map(
                lambda leaf: next(given) if leaf.dtype.is_inexact else zeros_like(leaf),
                call.result,
            )
            return _gradients(call, bwd(*call.fixed, residuals, cotangent))

        region.add(call.name, call.inputs, [], forward)
        outputs = _inexact(tree_leaves(call.result))
        region.add(call.name, [*tensors, *outputs], [], backward)
        return 2


def _gradients(call: _Call, made: Any) -> list[Tensor]:
    """The gradients of the inputs that have one, from what a backward pass returns."""
    if not isinstance(made, (tuple, list)) or len(made) != len(call.moving):
        got = f"{len(made)}" if isinstance(made, (tuple, list)) else type(made).__name__
        raise _fail(
            ShapeError,
            f"{call.name}: bwd has to return a tuple with a gradient for each of "
            f"{len(call.moving)} arguments, not {got}",
        )
    gradients = []
    for number, (argument, gradient) in enumerate(zip(call.moving, made, strict=True)):
        leaves = tree_leaves(argument)
        if gradient is None or not _inexact(leaves):
            gradients += [zeros_like(leaf) for leaf in _inexact(leaves)]
        else:
            role = f"the gradient that bwd returns for argument {number}"
            gradients += _inexact(_checked(call.name, role, argument, gradient))
    return gradients
