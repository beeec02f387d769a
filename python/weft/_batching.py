"""Functions of one example mapped over many: vmap, and derivatives that are made of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from . import _core
from ._autodiff import (
    _call_with_inputs,
    _rebuilt,
    _traced,
    tree_leaves,
    tree_map,
)
from ._core import SymbolicSize, Tensor
from ._creation import _fail, arange, asarray, eye
from ._errors import DTypeError, OptionError, ShapeError, UnsupportedError
from ._manipulation import broadcast_to, moveaxis, normalize_axis, reshape
from ._modes import nesting

Axes = Any  # an int, None, or a container of such that has the structure of the arguments


class _Examples:
    """Tensors that stand for one example of each of some batches, while they are used.

    They are told by their numbers in the trace, as a function may write to them and to the batches.
    """

    def __init__(self, batches: list[Tensor], count: int) -> None:
        self._count = count
        self._examples: list[int] = []
        self._batches: list[int] = []
        self.tensors = [self.example_of(batch) for batch in batches]

    def example_of(self, batch: Tensor) -> Tensor:
        """One example of a batch [count, ...]."""
        tensor, one, all_ = _core.example(batch)
        self._examples.append(one)
        self._batches.append(all_)
        return tensor

    def all(self, outputs: list[Tensor]) -> list[Tensor | None]:
        """For each output that of all examples, or None where no example has part in it."""
        return _core.batched(outputs, self._examples, self._batches, self._count)

    def __enter__(self) -> _Examples:
        return self

    def __exit__(self, *_: object) -> None:
        _core.forget_examples(self._examples)


class _Level:
    """A function that is being mapped by this thread: its examples, and what it says of them."""

    def __init__(
        self, examples: _Examples, count: int, randomness: str, axis_name: Hashable
    ) -> None:
        self.examples = examples
        self.count = count
        self.randomness = randomness
        self.axis_name = axis_name
        # The number of the example, which is there in loops and branches too.
        self.index = None if axis_name is None else examples.example_of(arange(count))

    def __enter__(self) -> None:
        nesting.levels.append(self)

    def __exit__(self, *_: object) -> None:
        nesting.levels.pop()


def keys_of_examples(key: Tensor, split: Callable[[Tensor, int], Tensor]) -> Tensor:
    """The key of a draw: for each example its own where `vmap` says that they differ.

    Raises UnsupportedError where a mapped function draws, if nothing said what this means.
    """
    if any(level.randomness == "error" for level in nesting.levels):
        raise _fail(
            UnsupportedError,
            'vmap: the function draws random numbers; say randomness="different" if each example '
            'is to get its own, "same" if all are to get the same ones, else draw them outside and '
            "map over them",
        )
    for level in nesting.levels:
        if level.randomness == "different":
            key = level.examples.example_of(split(key, level.count))
    return key


def _spread_axes(tree: Any, axes: Axes, name: str) -> list[int | None]:
    """An axis for each leaf of a tree; ``axes`` is one, or a container with one for each part."""
    if axes is None or isinstance(axes, int):
        return [axes] * len(tree_leaves(tree))
    if isinstance(axes, dict) and isinstance(tree, dict) and axes.keys() == tree.keys():
        pairs = [(tree[key], axes[key]) for key in tree]
    elif (
        isinstance(axes, (tuple, list))
        and isinstance(tree, (tuple, list))
        and len(axes) == len(tree)
    ):
        pairs = list(zip(tree, axes, strict=True))
    else:
        raise _fail(
            OptionError,
            f"vmap: {name} is {axes!r}, but has to be an axis, None, or a container of these for "
            "each part of what it stands for",
        )
    return [axis for part, own in pairs for axis in _spread_axes(part, own, name)]


def _batches(leaves: list[Any], axes: list[int | None]) -> tuple[list[Tensor], int]:
    """The mapped leaves with their axes in front, and how many examples there are."""
    batches = []
    for leaf, axis in zip(leaves, axes, strict=True):
        if axis is None:
            continue
        tensor = asarray(leaf)
        if tensor.ndim == 0:
            raise _fail(
                ShapeError,
                "vmap: a number or a tensor without dimensions has no examples; give it None in "
                "in_axes",
            )
        batches.append(moveaxis(tensor, normalize_axis(axis, tensor.ndim, "vmap"), 0))
    sizes = [batch.shape[0] for batch in batches]
    if not sizes:
        raise _fail(OptionError, "vmap: no argument is mapped: in_axes has None for all of them")
    if any(isinstance(size, SymbolicSize) for size in sizes):
        raise _fail(
            UnsupportedError, "vmap: how many examples there are is not known while exporting"
        )
    if len(set(sizes)) > 1:
        raise _fail(ShapeError, f"vmap: the arguments have different numbers of examples: {sizes}")
    return batches, sizes[0]


def _mapped_call(
    fun: Callable,
    args: tuple,
    kwargs: dict,
    axes_of: tuple[Axes, Axes],
    randomness: str,
    axis_name: Hashable,
) -> Any:
    in_axes, out_axes = axes_of
    leaves = tree_leaves([*args])
    per_argument = list(in_axes) if isinstance(in_axes, (tuple, list)) else [in_axes] * len(args)
    axes = _spread_axes(list(args), per_argument, "in_axes")
    leaves += tree_leaves(kwargs)
    axes += _spread_axes(kwargs, 0, "in_axes")
    batches, count = _batches(leaves, axes)
    with _Examples(batches, count) as examples:
        remaining, numbers = iter(examples.tensors), iter(axes)
        pick = lambda leaf: leaf if next(numbers) is None else next(remaining)  # noqa: E731
        with _Level(examples, count, randomness, axis_name):
            result = fun(*[tree_map(pick, arg) for arg in args], **tree_map(pick, kwargs))
        outputs = [asarray(leaf) for leaf in tree_leaves(result)]
        results = examples.all(outputs)
    placed = []
    for own, output, axis in zip(
        results, outputs, _spread_axes(result, out_axes, "out_axes"), strict=True
    ):
        if axis is None and own is not None:
            raise _fail(
                OptionError, "vmap: out_axes has None for a result that examples have part in"
            )
        if own is None:
            own = output if axis is None else broadcast_to(output, (count, *output.shape))
        if axis is not None:
            own = moveaxis(own, 0, normalize_axis(axis, own.ndim, "vmap"))
        placed.append(own)
    made = iter(placed)
    return tree_map(lambda _: next(made), result)


def vmap(
    fun: Callable,
    in_axes: Axes = 0,
    out_axes: Axes = 0,
    *,
    randomness: str = "error",
    axis_name: Hashable = None,
) -> Callable:
    """A function that applies ``fun`` to each of many examples at once.

    ``fun`` is called once, with tensors that stand for one example; what it does to them is done to
    all, without a loop. May be nested, and combined with `grad` and the other transformations.

    Args:
        fun: takes and returns nested containers of tensors.
        in_axes: the axis of the examples of each argument; None for an argument that is the same
            for all; containers say it for parts. Keyword arguments are mapped along axis 0.
        out_axes: where the examples are in the results, in the same way; None for what does not
            depend on them.
        randomness: "error", "different" if each example is to get random numbers of its own, or
            "same" if all are to get the same ones. Numbers of keys that the function is given are
            those of the keys either way.
        axis_name: by which `psum` and its kin find the examples; any hashable object.

    Raises:
        ShapeError: the numbers of examples differ. OptionError: the axes do not fit the arguments.
        UnsupportedError: an operation has no batching rule for so many examples, the function draws
            random numbers, or a tensor of one example is used outside of it.
    """
    if randomness not in ("error", "different", "same"):
        raise _fail(
            OptionError,
            f"vmap: randomness is {randomness!r}, but has to be 'error', 'different' or 'same'",
        )
    if isinstance(in_axes, list):
        in_axes = tuple(in_axes)

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_axes, tuple) and len(in_axes) != len(args):
            raise _fail(
                OptionError, f"vmap: in_axes is for {len(in_axes)} arguments, not {len(args)}"
            )
        return _mapped_call(fun, args, kwargs, (in_axes, out_axes), randomness, axis_name)

    result = functools.wraps(fun)(_traced(evaluate, fun))
    result._made_of = fun  # type: ignore[attr-defined]
    return result


def _along_all(leaf: Tensor, pull: Callable[[Tensor], list[Tensor]]) -> list[Tensor]:
    """What ``pull`` gives for each unit tensor of a leaf's shape, along a first dimension."""
    size = math.prod(leaf.shape)
    if isinstance(size, SymbolicSize):
        raise _fail(UnsupportedError, "a Jacobian needs sizes that are known, also while exporting")
    basis = reshape(eye(size, dtype=leaf.dtype, device=leaf.device), (size, *leaf.shape))
    with _Examples([basis], size) as units:
        outputs = pull(*units.tensors)
        return [
            broadcast_to(one, (size, *one.shape)) if many is None else many
            for one, many in zip(outputs, units.all(outputs), strict=True)
        ]


def _check_argnums(argnums: int | Sequence[int], name: str) -> list[int]:
    numbers = [argnums] if isinstance(argnums, int) else list(argnums)
    if not all(isinstance(number, int) for number in numbers):
        raise _fail(OptionError, f"{name}: argnums has to be an int or several, not {argnums!r}")
    return numbers


def _floating_outputs(result: Any, name: str) -> list[Tensor]:
    outputs = [asarray(leaf) for leaf in tree_leaves(result)]
    for output in outputs:
        if not output.dtype.is_inexact:
            raise _fail(DTypeError, f"{name}: the function returned {output.dtype.name}")
    return outputs


def _jacobian_tree(
    result: Any, trees: list[Any], blocks: list[list[Tensor]], argnums: int | Sequence[int]
) -> Any:
    """Blocks for each output leaf and input leaf in the structure of the results; in each place
    that of the arguments."""
    remaining = iter(blocks)

    def place(_: Any) -> Any:
        rebuilt = _rebuilt(trees, next(remaining))
        return rebuilt[0] if isinstance(argnums, int) else tuple(rebuilt)

    return tree_map(place, result)


def _pulled(output: Tensor, leaves: list[Tensor], cotangent: Tensor) -> list[Tensor]:
    return _core.gradients([output], [cotangent], leaves)


def _pushed(outputs: list[Tensor], leaf: Tensor, tangent: Tensor) -> list[Tensor]:
    return _core.tangents(outputs, [leaf], [tangent])


def jacrev(fun: Callable, argnums: int | Sequence[int] = 0) -> Callable:
    """A function that returns the Jacobian of ``fun``, row by row in reverse mode.

    Args:
        fun: takes and returns nested containers of floating tensors.
        argnums: which arguments to differentiate for. An int gives one Jacobian of the argument's
            structure in the place of each result, a sequence a tuple of them.

    Returns:
        a function whose result has, for a result of shape S and an argument of shape T, a tensor of
        shape S + T. Best where there are fewer results than arguments.

    Raises:
        DTypeError: an argument or a result is not floating.
    """
    numbers = _check_argnums(argnums, "jacrev")

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        result, trees, leaves = _call_with_inputs(fun, numbers, args, kwargs)
        blocks = []
        for output in _floating_outputs(result, "jacrev"):
            rows = _along_all(output, functools.partial(_pulled, output, leaves))
            blocks.append(
                [
                    reshape(row, (*output.shape, *leaf.shape))
                    for row, leaf in zip(rows, leaves, strict=True)
                ]
            )
        return _jacobian_tree(result, trees, blocks, argnums)

    wrapped = functools.wraps(fun)(_traced(evaluate, fun))
    wrapped._made_of = fun  # type: ignore[attr-defined]
    return wrapped


def jacfwd(fun: Callable, argnums: int | Sequence[int] = 0) -> Callable:
    """A function that returns the Jacobian of ``fun``, column by column in forward mode.

    As `jacrev`; best where there are fewer arguments than results.
    """
    numbers = _check_argnums(argnums, "jacfwd")

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        result, trees, leaves = _call_with_inputs(fun, numbers, args, kwargs)
        outputs = _floating_outputs(result, "jacfwd")
        columns = [_along_all(leaf, functools.partial(_pushed, outputs, leaf)) for leaf in leaves]
        blocks = [
            [
                reshape(moveaxis(parts[number], 0, -1), (*output.shape, *leaf.shape))
                for parts, leaf in zip(columns, leaves, strict=True)
            ]
            for number, output in enumerate(outputs)
        ]
        return _jacobian_tree(result, trees, blocks, argnums)

    wrapped = functools.wraps(fun)(_traced(evaluate, fun))
    wrapped._made_of = fun  # type: ignore[attr-defined]
    return wrapped


def hessian(fun: Callable, argnums: int | Sequence[int] = 0) -> Callable:
    """A function that returns the second derivatives of ``fun``: the Jacobian of its gradient.

    See `jacrev` for the structure of the result.
    """
    return jacfwd(jacrev(fun, argnums), argnums)
