"""Gradients of functions, and switching their recording off."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from . import _core
from ._core import Tensor
from ._creation import _fail, asarray, ones_like, zeros_like
from ._errors import DTypeError, OptionError, ShapeError, UnsupportedError
from ._modes import DIFFERENTIATION, ThreadMode, nesting, within


class _GradientMode(ThreadMode):
    enabled: bool

    def __new__(cls, function: Callable | None = None, /) -> Any:
        return super().__new__(cls) if function is None else cls()(function)

    def __init__(self, function: None = None, /) -> None:
        super().__init__(self.enabled)

    def __reduce__(self) -> tuple:
        return type(self), ()

    @staticmethod
    def _exchange(wanted: Any) -> Any:
        return _core.set_gradients_enabled(wanted)


class no_grad(_GradientMode):  # noqa: N801 (PyTorch's name)
    """Within it, or in a function decorated by it, nothing is recorded for gradients.

    The mode belongs to the thread: threads that are started within it begin with recording on.
    ``@no_grad`` and ``@no_grad()`` are the same.
    """

    enabled = False


class enable_grad(_GradientMode):  # noqa: N801 (PyTorch's name)
    """The opposite of `no_grad`."""

    enabled = True


class inference_mode(_GradientMode):  # noqa: N801 (PyTorch's name)
    """`no_grad`, by another name of PyTorch: what is made within it may be used as any tensor."""

    enabled = False


class set_grad_enabled(ThreadMode):  # noqa: N801 (PyTorch's name)
    """From the call on operations are recorded for gradients, or not; as a context until its end,
    and as a decorator in each call of the function."""

    def __init__(self, mode: bool) -> None:
        super().__init__(bool(mode))
        self._before: bool | None = self._exchange(self._wanted)

    @staticmethod
    def _exchange(wanted: Any) -> Any:
        return _core.set_gradients_enabled(wanted)

    def _undo(self) -> None:
        """The mode from before the call, once the context or the decorator knows what to do."""
        if self._before is not None:
            self._exchange(self._before)
            self._before = None

    def __enter__(self) -> None:
        self._undo()
        super().__enter__()

    def __call__(self, function: Any) -> Any:
        self._undo()
        return super().__call__(function)


def is_grad_enabled() -> bool:
    """True while operations are recorded for gradients."""
    return _core.gradients_enabled()


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """A copy of nested containers with each tensor or number replaced."""
    if isinstance(tree, (Tensor, bool, int, float)) or hasattr(tree, "__array__"):
        return function(tree)
    if isinstance(tree, tuple):
        items = [tree_map(function, item) for item in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else tuple(items)
    if isinstance(tree, list):
        return [tree_map(function, item) for item in tree]
    if isinstance(tree, dict):
        return {key: tree_map(function, item) for key, item in tree.items()}
    if hasattr(tree, "__dataclass_fields__"):
        import copy

        result = copy.copy(tree)
        for name in tree.__dataclass_fields__:
            object.__setattr__(result, name, tree_map(function, getattr(tree, name)))
        return result
    return tree


def tree_leaves(tree: Any) -> list[Any]:
    """The tensors and numbers of nested containers, in order."""
    leaves: list[Any] = []
    tree_map(leaves.append, tree)
    return leaves


def _traced(function: Callable, of: Callable) -> Callable:
    """Runs in the trace in progress, else as a compiled function of its own, like ``of``."""
    from ._jit import jit, precision_of

    compiled = jit(function, matmul_precision=precision_of(of))

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs) if _core.is_tracing() else compiled(*args, **kwargs)

    return run


def _inputs(argnums: Sequence[int], args: tuple) -> tuple[list[Any], list[Any], list[Tensor]]:
    """The arguments, of inputs that differentiation can tell from other uses; trees; leaves."""
    arguments, trees, leaves = list(args), [], []
    made: set[int] = set()
    for number in argnums:
        if not -len(args) <= number < len(args):
            raise _fail(ShapeError, f"argnums names argument {number}, but there are {len(args)}")
        place = number % len(args)
        if place not in made:
            made.add(place)
            arguments[place] = tree_map(
                lambda leaf: _core.differentiation_input(asarray(leaf)), args[place]
            )
        trees.append(arguments[place])
        leaves.extend(tree_leaves(arguments[place]))
    return arguments, trees, leaves


def _recording(fun: Callable, args: Sequence[Any], kwargs: dict) -> Any:
    """``fun``'s result, while gradients are recorded."""
    former = _core.set_gradients_enabled(True)
    try:
        with within(DIFFERENTIATION):
            return fun(*args, **kwargs)
    finally:
        _core.set_gradients_enabled(former)


def _call_with_inputs(
    fun: Callable, argnums: Sequence[int], args: tuple, kwargs: dict
) -> tuple[Any, list[Any], list[Tensor]]:
    """f's result on inputs that differentiation can tell from other uses; their trees; leaves."""
    arguments, trees, leaves = _inputs(argnums, args)
    return _recording(fun, arguments, kwargs), trees, leaves


def _outside_of(tree: Any, leaves: list[Tensor]) -> Any:
    """The tree with tensors that require gradients only if they do so outside, not for leaves."""
    return tree_map(
        lambda leaf: _core.outside_of(leaf, leaves) if isinstance(leaf, Tensor) else leaf, tree
    )


def _rebuilt(trees: list[Any], gradients: list[Tensor]) -> list[Any]:
    remaining = iter(gradients)
    return [tree_map(lambda _: next(remaining), tree) for tree in trees]


def value_and_grad(
    fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False
) -> Callable:
    """A function that returns ``fun``'s value and its gradient.

    Args:
        fun: returns a tensor of one element of floating dtype; with ``has_aux`` a pair of that and
            anything else.
        argnums: which arguments (nested containers of floating tensors) to differentiate for. An
            int gives one gradient of the argument's structure, a sequence a tuple of them.

    Raises:
        ShapeError: the value has more than one element. DTypeError: a leaf is not floating.
    """
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    for number in numbers:
        if not isinstance(number, int):
            raise _fail(OptionError, f"argnums has to be an int or several, not {argnums!r}")

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        result, trees, leaves = _call_with_inputs(fun, numbers, args, kwargs)
        value, aux = result if has_aux else (result, None)
        value = asarray(value)
        if value._size != 1 or value.dtype.kind != "floating":
            raise _fail(
                ShapeError,
                f"grad: the function has to return one floating number, but it "
                f"returned {value.dtype.name} of shape {value.shape}",
            )
        gradients = _rebuilt(trees, _core.gradients([value], [ones_like(value)], leaves))
        gradient = gradients[0] if isinstance(argnums, int) else tuple(gradients)
        value, aux = _outside_of((value, aux), leaves)
        return ((value, aux) if has_aux else value), gradient

    result = functools.wraps(fun)(_traced(evaluate, fun))
    result._made_of = fun  # type: ignore[attr-defined]
    return result


def grad(fun: Callable, argnums: int | Sequence[int] = 0, has_aux: bool = False) -> Callable:
    """A function that returns the gradient of ``fun`` (with ``has_aux`` a pair of it and the rest).

    See `value_and_grad`.
    """
    both = value_and_grad(fun, argnums, has_aux)

    @functools.wraps(fun)
    def evaluate(*args: Any, **kwargs: Any) -> Any:
        value, gradient = both(*args, **kwargs)
        return (gradient, value[1]) if has_aux else gradient

    evaluate.__wrapped__ = both
    evaluate._made_of = fun  # type: ignore[attr-defined]
    return evaluate


def _seeds(outputs: list[Tensor], cotangents: Any, name: str) -> list[Tensor]:
    """The leaves of ``cotangents``, one of the shape and dtype of each output.

    For "jvp" and "linearize" these are called tangents and inputs.
    """
    along = name in ("jvp", "linearize")
    seed_word, word = ("tangent", "input") if along else ("cotangent", "output")
    seeds = tree_leaves(cotangents)
    if len(outputs) != len(seeds):
        raise _fail(
            ShapeError,
            f"{name}: {len(outputs)} {word}s need as many {seed_word}s, not {len(seeds)}",
        )
    seeds = [asarray(seed).astype(out.dtype) for seed, out in zip(seeds, outputs, strict=True)]
    for seed, out in zip(seeds, outputs, strict=True):
        if seed.shape != out.shape:
            raise _fail(
                ShapeError,
                f"{name}: a {seed_word} of shape {seed.shape} for an {word} of shape {out.shape}",
            )
    return seeds


def _recorded_call(fun: Callable, primals: tuple) -> tuple[Any, list[Any], list[Tensor]]:
    """``fun`` compiled and called on leaves of a tape of their own; their trees; the leaves."""

    def leaf(value: Any) -> Tensor:
        tensor = asarray(value).detach().clone()
        tensor.requires_grad = True
        return tensor

    trees = [tree_map(leaf, primal) for primal in primals]
    former = _core.set_gradients_enabled(True)
    try:
        return _traced(lambda *arguments: fun(*arguments), fun)(*trees), trees, tree_leaves(trees)
    finally:
        _core.set_gradients_enabled(former)


def _pulled_back(outputs: list[Tensor], seeds: list[Tensor], leaves: list[Tensor]) -> list[Tensor]:
    """The gradients of outputs on a tape, times the seeds, for its leaves."""
    found = _core.gradients_for(outputs, seeds, leaves, True, False)
    return [
        zeros_like(leaf) if gradient is None else gradient
        for leaf, gradient in zip(leaves, found, strict=True)
    ]


def vjp(fun: Callable, *primals: Any) -> tuple[Any, Callable]:
    """``fun(*primals)``, and the function from its cotangents to those of the primals (a tuple).

    ``fun`` is called once. No ``.grad`` changes. Outside of compiled functions the value and the
    cotangents of the primals are constants to a later `backward`; `grad` and `jvp` are not.

    Raises:
        DTypeError: a leaf of the primals is not floating. ShapeError: cotangents of other shapes.
    """
    tracing = _core.is_tracing()
    if tracing:
        result, trees, leaves = _call_with_inputs(fun, range(len(primals)), primals, {})
    else:
        result, trees, leaves = _recorded_call(fun, primals)
    outputs = tree_leaves(result)

    def multiply(cotangents: Any) -> tuple:
        seeds = _seeds(outputs, cotangents, "vjp")
        pull = _core.gradients if tracing else _pulled_back
        return tuple(_rebuilt(trees, pull(outputs, seeds, leaves)))

    if tracing:
        return _outside_of(result, leaves), multiply
    return tree_map(lambda leaf: leaf.detach(), result), multiply


def jvp(fun: Callable, primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """``fun(*primals)`` and its derivative along the tangents, both computed forwards.

    ``fun`` is called once. A `while_loop` needs no bound here, and nothing is kept for a backward
    pass. The tangent of a result that is neither floating nor complex is zeros of its dtype.

    Args:
        primals, tangents: as many of both; each tangent has the structure and shapes of its primal.

    Raises:
        DTypeError: a leaf of the primals is not floating. ShapeError: tangents of other shapes.
        UnsupportedError: an operation has no derivative, or a rule for gradients only
            (`custom_vjp`).
    """
    if len(primals) != len(tangents):
        raise _fail(ShapeError, f"jvp: {len(primals)} primals and {len(tangents)} tangents")

    def evaluate(arguments: tuple, directions: tuple) -> tuple[Any, Any]:
        inputs, _, leaves = _inputs(range(len(arguments)), arguments)
        # Before the function, so that its loops can carry tangents along.
        seeds = _seeds(leaves, directions, "jvp")
        result = _recording(fun, inputs, {})
        outputs = [asarray(leaf) for leaf in tree_leaves(result)]
        along = iter(_core.tangents(outputs, leaves, seeds))
        return _outside_of(result, leaves), tree_map(lambda _: next(along), result)

    return _traced(evaluate, fun)(tuple(primals), tuple(tangents))


def backward(
    tensor: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Accumulates the gradients of the tensor in the `.grad` of the leaves it depends on.

    Args:
        gradient: the cotangent, of the tensor's shape; not needed for one element.
        retain_graph: keep what was recorded, for another backward(); if None, as ``create_graph``.
        create_graph: the gradients can be differentiated in turn. A `.grad` then holds what was
            recorded, and that the leaf: set it to None when it is done with.
        inputs: the leaves, if not all.

    Raises:
        GradientError: nothing requires a gradient, or one of ``inputs`` is no leaf. ShapeError: the
            cotangent is missing or of another shape. UnsupportedError: ``create_graph`` in a
            compiled function.
    """
    if nesting.levels:
        raise _fail(
            UnsupportedError,
            "backward: the function is mapped by vmap, and leaves have one gradient for all "
            "examples; use weft.grad inside, or backward() outside",
        )
    if create_graph and _core.is_tracing():
        raise _fail(
            UnsupportedError,
            "backward: create_graph in a compiled function, whose leaves keep numbers alone; "
            "weft.autograd.grad(y, x, create_graph=True) gives gradients that can be "
            "differentiated there",
        )
    retain = create_graph if retain_graph is None else bool(retain_graph)
    if gradient is not None and not isinstance(gradient, Tensor):
        raise _fail(DTypeError, f"backward: gradient is a {type(gradient).__name__}, not a tensor")
    if inputs is None:
        tensor._backward(gradient, retain, bool(create_graph))
        return
    from .autograd._grad import accumulate

    accumulate(tensor, gradient, retain, bool(create_graph), inputs)
