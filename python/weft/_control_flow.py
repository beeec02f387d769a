"""Loops and branches that are compiled: cond, switch, while_loop, fori_loop, scan, map.

Outside of traces Python runs the body, operation by operation. In a trace the body is run once, on
tensors that stand for its arguments, and becomes part of the program.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from . import _core
from ._autodiff import tree_leaves, tree_map
from ._core import SymbolicSize, Tensor
from ._creation import _fail, asarray
from ._errors import DTypeError, OptionError, ShapeError, UnsupportedError
from ._modes import REGION, nesting, within


def _is_number(leaf: Any) -> bool:
    """Whether a leaf is one of Python's numbers, whose dtype gives way to that of tensors."""
    return isinstance(leaf, (bool, int, float)) or (isinstance(leaf, Tensor) and leaf._is_weak)


def _tensors(tree: Any) -> Any:
    """The tree with a tensor in the place of each leaf."""
    return tree_map(asarray, tree)


def _own(tree: Any) -> Any:
    """The tree with new tensors of the same values, as those are that a compiled loop or branch
    gives: a later write to one is none to what it was made of, and the gradients of carried values
    are summed iteration by iteration."""
    return tree_map(lambda leaf: asarray(leaf).clone(), tree)


class _Recorded:
    """A body that runs at once: gradients of what it reads from outside are added up inside, as
    those of a compiled one."""

    def __enter__(self) -> None:
        _core.open_tape_region()

    def __exit__(self, *error: object) -> None:
        _core.close_tape_region()


def _structure(tree: Any) -> Any:
    """What is equal for trees whose leaves can take each other's places."""
    return tree_map(lambda _: 0, tree)


def _in_order_of(given: Any, made: Any) -> Any:
    """``made``, whose structure is that of ``given``, with its dicts in the order of those."""
    if isinstance(given, dict):
        return {key: _in_order_of(item, made[key]) for key, item in given.items()}
    if isinstance(given, (tuple, list)):
        return [_in_order_of(old, new) for old, new in zip(given, made, strict=True)]
    if hasattr(given, "__dataclass_fields__"):
        names = given.__dataclass_fields__
        return [_in_order_of(getattr(given, name), getattr(made, name)) for name in names]
    return made


def _filled(tree: Any, leaves: Sequence[Any]) -> Any:
    """The tree with other leaves."""
    if isinstance(tree, Tensor):
        return leaves[0]
    remaining = iter(leaves)
    return tree_map(lambda _: next(remaining), tree)


def _added_leaves(given: Any, made: Any, leaves: list[Tensor]) -> bool:
    """Whether ``made`` is surely like ``given``, a tree of tensors; its leaves are added then.

    In a single pass, as a loop that runs at once asks it in each iteration.
    """
    kind = type(given)
    if isinstance(given, Tensor):
        leaves.append(made)
        return (
            isinstance(made, Tensor)
            and made.dtype is given.dtype
            and made.shape == given.shape
            and not made._is_weak
        )
    if type(made) is not kind:
        return False
    if kind is tuple or kind is list:
        return len(made) == len(given) and all(
            _added_leaves(old, new, leaves) for old, new in zip(given, made, strict=True)
        )
    if kind is dict:
        return made.keys() == given.keys() and all(
            _added_leaves(old, made[key], leaves) for key, old in given.items()
        )
    return given is None


def _row(leaf: Tensor, number: int) -> Tensor:
    """Slice ``number`` of a tensor, as a tensor of its own."""
    # Places of slices are part of an op, an index is not: one program for all numbers. The gradient
    # of a slice is the one that keeps the signs of zeros.
    if leaf.requires_grad:
        return leaf[number].clone()
    return _core.apply("weft.gather", (leaf, asarray(number, device=leaf.device)), {"axis": 0})


def _text(tensor: Tensor) -> str:
    return f"{tensor.dtype.name}{list(tensor.shape)}"


def _checked(name: str, role: str, given: Any, made: Any) -> list[Tensor]:
    """The leaves of ``made``, which take the place of those of ``given``; numbers get the dtype."""
    known: list[Tensor] = []
    if _added_leaves(given, made, known):
        return known
    if _structure(given) != _structure(made):
        raise _fail(
            ShapeError,
            f"{name}: {role} has another structure than what it takes the place of: "
            f"{_structure(made)!r} and {_structure(given)!r} (0 for each tensor)",
        )
    ordered = _in_order_of(given, made)
    leaves = []
    for number, (old, new) in enumerate(zip(tree_leaves(given), tree_leaves(ordered), strict=True)):
        tensor = asarray(new)
        if _is_number(new) and _fits(tensor, old):
            tensor = tensor.astype(old.dtype)
        if tensor.dtype is not old.dtype or tuple(tensor.shape) != tuple(old.shape):
            error = ShapeError if tensor.dtype is old.dtype else DTypeError
            raise _fail(
                error,
                f"{name}: {role} has {_text(tensor)} in the place of {_text(old)} (leaf {number}); "
                "both have to be alike, so convert it by astype, or begin with the other",
            )
        leaves.append(tensor)
    return leaves


def _fits(number: Tensor, other: Tensor) -> bool:
    """Whether a number gives way to the dtype of ``other``."""
    order = {"bool": 0, "integer": 1, "floating": 2}
    return order[number.dtype.kind] <= order[other.dtype.kind]


def _flag(name: str, value: Any) -> Tensor:
    """A condition as a bool tensor without dimensions."""
    flag = asarray(value)
    if flag.shape != ():
        raise _fail(
            ShapeError, f"{name}: the condition has shape {tuple(flag.shape)}, but decides once"
        )
    return flag != 0 if flag.dtype.kind != "bool" else flag


class _Region:
    """A region of the trace in progress, of a function that is called once."""

    def __init__(self) -> None:
        self.tracked: list[int] = []
        self.ended = 0
        # For each region the state of the random generator before and behind it, and the line of
        # the draw; None if it draws nothing.
        self._draws: list[tuple[int, int, str] | None] = []

    def add(
        self,
        name: str,
        carried: list[Tensor],
        scanned: list[Tensor],
        body: Callable[[list[Tensor]], list[Tensor]],
    ) -> None:
        """One more region, with what ``body`` makes of tensors like ``carried`` and slices."""
        arguments = _core.begin_region(carried, scanned)
        try:
            with within(REGION):
                tracked, draws = _core.end_region(name, body(arguments))
        except BaseException:
            _core.drop_region()
            raise
        self.ended += 1
        self.tracked += tracked
        self._draws.append(draws)
        if draws and nesting.levels:
            self.refuse_draws(name)

    def refuse_draws(self, name: str) -> None:
        """Raises UnsupportedError if a region draws of the global generator."""
        for draws in self._draws:
            if draws:
                raise _fail(
                    UnsupportedError,
                    f"{name}: random numbers are drawn of the global generator ({draws[2]}) where "
                    "its next state has no way out; give the draw a key "
                    "(weft.random.fold_in(key, i))",
                )

    def hand_on(self, place: int, *, carried: bool = False, conditions: int = 0) -> _State:
        """Lets the regions hand on the generator's state, as one more result of number ``place``
        of each but the first ``conditions``; if it is ``carried``, an argument of that number too.
        """
        for draws in self._draws[:conditions]:
            if draws:
                self.refuse_draws("while_loop: the condition")
        former = next((draws[0] for draws in self._draws if draws), None)
        if former is None:
            return _State(place, None)
        following = [draws[1] if draws else -1 for draws in self._draws]
        yields = [number >= conditions for number in range(len(following))]
        _core.hand_on(former, following, yields, place if carried else -1, place)
        from .random._keys import generator_state

        return _State(place, generator_state())

    def __enter__(self) -> _Region:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        if kind is not None:
            _core.drop_ended_regions(self.ended)


class _State:
    """The random generator's state, if a loop or branch hands it on."""

    def __init__(self, place: int, tensor: Tensor | None) -> None:
        self._place = place
        self._tensor = tensor

    def joined(self, init: list[Tensor]) -> list[Tensor]:
        """Carried values with it behind them."""
        return init if self._tensor is None else [*init, self._tensor]

    def left(self, leaves: list[Tensor]) -> list[Tensor]:
        """The results of an op but the state, which the generator gets."""
        if self._tensor is None:
            return leaves
        self._tensor.assign(leaves[self._place])
        return [*leaves[: self._place], *leaves[self._place + 1 :]]


#
# Branches
#


def cond(pred: Any, true_fn: Callable, false_fn: Callable, *operands: Any) -> Any:
    """``true_fn(*operands)`` if ``pred`` holds, else ``false_fn(*operands)``: one of both runs.

    In a compiled function both are traced, and have to return the same structure of tensors, of the
    same dtypes and shapes. Outside, Python calls the one that is chosen. Under `vmap` with a
    condition for each example both are computed, and elements chosen as by `where`.

    Args:
        pred: a bool, or a tensor without dimensions; a number counts as true unless it is 0.
        true_fn, false_fn: take the operands and return nested containers of tensors. They may read
            tensors from outside, but not change them.
        operands: nested containers of tensors.

    Returns:
        What the function returns that was chosen.

    Raises:
        ShapeError, DTypeError: the functions return different things, or ``pred`` has dimensions.
        UnsupportedError: a function changes a tensor from outside.
    """
    flag = _flag("cond", pred)
    # A tensor made of Python's number would have no value while a function is traced.
    if isinstance(pred, (bool, int, float)):
        return _own((true_fn if pred else false_fn)(*_tensors(operands)))
    if not _core.is_tracing():
        with _Recorded():
            return _own((true_fn if bool(flag) else false_fn)(*_tensors(operands)))
    return _choose("cond", flag.astype("int64"), [false_fn, true_fn], operands)


def switch(index: Any, branches: Sequence[Callable], *operands: Any) -> Any:
    """``branches[index](*operands)``; a smaller or larger index means the first or the last one.

    Args:
        index: an int, or an integer tensor without dimensions.
        branches: functions as those of `cond`.
        operands: nested containers of tensors.

    Returns:
        What the function returns that was chosen.

    Raises:
        OptionError: there are no branches. DTypeError: the index is no integer. Else as `cond`.
    """
    functions = list(branches)
    if not functions:
        raise _fail(OptionError, "switch: there are no branches to choose from")
    number = asarray(index)
    if number.dtype.kind in ("bool", "floating") or number.shape != ():
        raise _fail(DTypeError, f"switch: the index is {_text(number)}, not one integer")
    if isinstance(index, int) or not _core.is_tracing():
        chosen = min(max(int(index if isinstance(index, int) else number), 0), len(functions) - 1)
        with nullcontext() if isinstance(index, int) else _Recorded():
            return _own(functions[chosen](*_tensors(operands)))
    return _choose("switch", number.astype("int64"), functions, operands)


def _choose(name: str, index: Tensor, functions: list[Callable], operands: tuple) -> Any:
    given = _tensors(operands)
    results: list[Any] = []

    def body(function: Callable) -> Callable[[list[Tensor]], list[Tensor]]:
        def run(_: list[Tensor]) -> list[Tensor]:
            made = function(*given)
            if not results:
                results.append(_tensors(made))
            return _checked(name, "a branch", results[0], made)

        return run

    with _Region() as region:
        for function in functions:
            region.add(name, [], [], body(function))
        state = region.hand_on(len(tree_leaves(results[0])))
        leaves = _core.case_op(index, len(functions), region.tracked)
    return _filled(results[0], state.left(leaves))


#
# Loops
#


def while_loop(
    cond_fun: Callable, body_fun: Callable, init_val: Any, *, max_iterations: int | None = None
) -> Any:
    """``init_val``, given to ``body_fun`` again and again while ``cond_fun`` holds for it.

    A compiled loop keeps its values in place: an iteration costs what it writes. It can be
    differentiated if ``max_iterations`` bounds it, as the backward pass keeps what each iteration
    needs.

    Args:
        cond_fun: takes the carried value; returns a bool, or a tensor without dimensions.
        body_fun: takes the carried value, and returns the next one, alike in structure, dtypes and
            shapes. Both may read tensors from outside, but not change them.
        init_val: a nested container of tensors and numbers.
        max_iterations: at most so many iterations; None for any number.

    Returns:
        The carried value for which ``cond_fun`` does not hold, or that after ``max_iterations``.

    Raises:
        ShapeError, DTypeError: the body returns something unlike what it takes, or the condition
        has dimensions. UnsupportedError: a function changes a tensor from outside, the condition
        draws random numbers, or gradients are asked for without ``max_iterations``.
    """
    carry = _tensors(init_val)
    if max_iterations is not None:
        return _bounded(cond_fun, body_fun, carry, operator.index(max_iterations))
    if not _core.is_tracing():
        while bool(_flag("while_loop", cond_fun(_own(carry)))):
            made = body_fun(_own(carry))
            carry = _filled(carry, _checked("while_loop", "the body's result", carry, made))
        return _own(carry)

    def condition(leaves: list[Tensor]) -> list[Tensor]:
        return [_flag("while_loop", cond_fun(_filled(carry, leaves)))]

    def body(leaves: list[Tensor]) -> list[Tensor]:
        made = body_fun(_filled(carry, leaves))
        return _checked("while_loop", "the body's result", carry, made)

    init = tree_leaves(carry)
    with _Region() as region:
        region.add("while_loop", init, [], condition)
        region.add("while_loop", init, [], body)
        state = region.hand_on(len(init), carried=True, conditions=1)
        leaves = _core.while_op(state.joined(init), region.tracked)
    return _filled(carry, state.left(leaves))


def _bounded(cond_fun: Callable, body_fun: Callable, carry: Any, most: int) -> Any:
    if most < 0:
        raise _fail(OptionError, f"while_loop: max_iterations is {most}, but counts")
    if not _core.is_tracing():
        carry = _own(carry)
        with _Recorded():
            for _ in range(most):
                if not bool(_flag("while_loop", cond_fun(_own(carry)))):
                    break
                with _Recorded():
                    made = body_fun(_own(carry))
                carry = _filled(carry, _checked("while_loop", "the body's result", carry, made))
        return _own(carry)

    def step(value: Any, _: None) -> tuple[Any, None]:
        def proceed(now: Any) -> Any:
            made = body_fun(now)
            return _filled(now, _checked("while_loop", "the body's result", now, made))

        return cond(cond_fun(value), proceed, lambda now: now, value), None

    return scan(step, carry, None, length=most)[0]


def fori_loop(lower: Any, upper: Any, body_fun: Callable, init_val: Any) -> Any:
    """``init_val``, given to ``body_fun(i, value)`` for each i from ``lower`` to ``upper`` - 1.

    Args:
        lower, upper: ints, or integer tensors without dimensions. With ints the loop can be
            differentiated.
        body_fun: takes i, an int64 tensor without dimensions, and the carried value; returns the
            next one, as that of `while_loop`.
        init_val: a nested container of tensors and numbers.

    Returns:
        The last carried value; ``init_val`` if there is no i.

    Raises:
        as `while_loop`. DTypeError: a bound is no integer.
    """
    bounds = [asarray(bound) for bound in (lower, upper)]
    for bound in bounds:
        if bound.dtype.kind in ("bool", "floating") or bound.shape != ():
            raise _fail(DTypeError, f"fori_loop: a bound is {_text(bound)}, not one integer")
    if not _core.is_tracing():
        lower, upper = int(bounds[0]), int(bounds[1])
    if isinstance(lower, int) and isinstance(upper, int):
        from ._creation import arange

        tensors = [] if _core.is_tracing() else tree_leaves(_tensors(init_val))
        place = tensors[0].device if tensors else None
        indices = arange(lower, max(lower, upper), dtype="int64", device=place)
        step = lambda value, i: (body_fun(i, value), None)  # noqa: E731
        count = max(lower, upper) - lower
        return _scan("fori_loop", step, _tensors(init_val), indices, count, False)[0]
    first, last = (bound.astype("int64") for bound in bounds)
    return while_loop(
        lambda state: state[0] < last,
        lambda state: (state[0] + 1, body_fun(*state)),
        (first, init_val),
    )[1]


def scan(
    f: Callable, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False
) -> tuple[Any, Any]:
    """``f(carry, x)`` for each slice x of ``xs`` along axis 0, with a value that is carried along.

    A compiled scan keeps its carried values in place, reads slices where they are, and writes
    results where they stay. How long it takes to compile does not depend on how many slices there
    are. It can be differentiated; the backward pass is a scan too, in the other direction.

    Args:
        f: takes the carried value and a slice; returns ``(carry, y)``: the next carried value, of
            the same structure, dtypes and shapes, and any nested container of tensors. It may read
            tensors from outside, but not change them.
        init: the first carried value, a nested container of tensors and numbers.
        xs: a nested container of tensors whose first dimensions have one size; None for none.
        length: that size; needed if there are no ``xs``.
        reverse: begin with the last slice. Results are stacked in the order of the slices.

    Returns:
        ``(carry, ys)``: the last carried value, and all y, stacked along axis 0.

    Raises:
        ShapeError: the first dimensions differ, or are not known; or the carried value changes its
        shape or structure. DTypeError: it changes its dtype, or ``f`` returns no pair.
        UnsupportedError: ``f`` changes a tensor from outside.
    """
    slices = _tensors(xs)
    return _scan("scan", f, _tensors(init), slices, _length(tree_leaves(slices), length), reverse)


def _length(leaves: list[Tensor], length: int | None) -> Any:
    sizes = [] if length is None else [length]
    for leaf in leaves:
        if leaf.ndim == 0:
            raise _fail(ShapeError, "scan: a tensor without dimensions has no slices")
        sizes.append(leaf.shape[0])
    if not sizes:
        raise _fail(ShapeError, "scan: without xs it needs the length")
    if any(size != sizes[0] for size in sizes):
        raise _fail(ShapeError, f"scan: xs and length have different numbers of slices: {sizes}")
    if isinstance(sizes[0], SymbolicSize):
        return sizes[0]
    if operator.index(sizes[0]) < 0:
        raise _fail(OptionError, f"scan: the length is {sizes[0]}, but counts")
    return operator.index(sizes[0])


def _pair(name: str, made: Any) -> tuple[Any, Any]:
    if not isinstance(made, tuple) or len(made) != 2:
        raise _fail(DTypeError, f"{name}: the body has to return a pair, of the carry and a result")
    return made


def _scan(name: str, f: Callable, carry: Any, xs: Any, length: Any, reverse: bool) -> tuple:
    shapes: list[Any] = []
    init, slices = tree_leaves(carry), tree_leaves(xs)

    def body(leaves: list[Tensor]) -> list[Tensor]:
        value, part = _filled(carry, leaves[: len(init)]), _filled(xs, leaves[len(init) :])
        following, result = _pair(name, f(value, part))
        following = _checked(name, "the carry that the body returns", carry, following)
        if not shapes:
            shapes.append(_tensors(result))
        return following + _checked(name, "the result of the body", shapes[0], result)

    # Of no slices nobody knows what the body gives for one, unless it is traced.
    if not _core.is_tracing() and length > 0:
        return _run(name, body, carry, init, slices, length, reverse, shapes)
    if not _core.is_tracing():
        from ._jit import jit

        return jit(lambda value, none: _scan(name, f, value, none, length, reverse))(carry, xs)
    with _Region() as region:
        region.add(name, init, slices, body)
        state = region.hand_on(len(init), carried=True)
        made = _core.scan_op(state.joined(init), slices, length, reverse, region.tracked)
        leaves = state.left(made)
    return _filled(carry, leaves[: len(init)]), _filled(shapes[0], leaves[len(init) :])


def _run(
    name: str,
    body: Callable[[list[Tensor]], list[Tensor]],
    carry: Any,
    init: list[Tensor],
    slices: list[Tensor],
    length: int,
    reverse: bool,
    shapes: list[Any],
) -> tuple[Any, Any]:
    """A scan at once, slice by slice."""
    from ._manipulation import stack

    rows: list[list[Tensor]] = []
    init, slices = _own(init), _own(slices)
    with _Recorded():
        for place in range(length):
            number = length - 1 - place if reverse else place
            parts = [_row(leaf, number) for leaf in slices]
            with _Recorded():
                made = body([leaf.clone() for leaf in init] + parts)
            init, row = made[: len(init)], made[len(init) :]
            rows.append(row)
    if reverse:
        rows.reverse()
    stacked = [stack(list(column), axis=0) for column in zip(*rows, strict=True)]
    return _filled(carry, _own(init)), _filled(shapes[0], stacked)


def map(f: Callable, xs: Any) -> Any:
    """``f(x)`` for each slice x of ``xs`` along axis 0, one after the other, stacked along axis 0.

    Takes less memory than ``vmap(f)(xs)``, and more time.

    Args:
        f: takes a slice; returns a nested container of tensors. See `scan` for what it may do.
        xs: a nested container of tensors whose first dimensions have one size.

    Returns:
        What ``f`` returns, stacked.

    Raises:
        as `scan`.
    """
    return scan(lambda _, x: ((), f(x)), (), xs)[1]


def associative_scan(fn: Callable, elems: Any, reverse: bool = False, axis: int = 0) -> Any:
    """The partial results of an associative function along an axis, in logarithmically many steps.

    After Ladner and Fischer, "Parallel prefix computation" (1980): neighbours are combined, the
    function is applied to half as many elements, and what is between is filled in.

    Args:
        fn: associative; takes two containers with many elements each along ``axis``, and returns
            for all of them ``fn(a, b)``, where a comes before b in the order of the scan.
        elems: a nested container of tensors that have one size along ``axis``.
        reverse: the scan begins with the last element.
        axis: which dimension; negative ones count from the end.

    Returns:
        A container like ``elems``: element i is the first element, combined with all up to i.

    Raises:
        ShapeError: the sizes along ``axis`` differ, or ``fn`` changes a shape or the structure.
        DTypeError: ``fn`` changes a dtype.
    """
    from ._manipulation import flip, moveaxis, normalize_axis

    tree = _tensors(elems)
    leaves = tree_leaves(tree)
    axes = [normalize_axis(axis, leaf.ndim, "associative_scan") for leaf in leaves]
    rows = [moveaxis(leaf, own, 0) for leaf, own in zip(leaves, axes, strict=True)]
    if len({row.shape[0] for row in rows}) > 1:
        sizes = [row.shape[0] for row in rows]
        raise _fail(ShapeError, f"associative_scan: the sizes along axis {axis} differ: {sizes}")

    def combine(left: list[Tensor], right: list[Tensor]) -> list[Tensor]:
        back = [
            [moveaxis(row, 0, own) for row, own in zip(side, axes, strict=True)]
            for side in (left, right)
        ]
        given = _filled(tree, back[0])
        made = fn(given, _filled(tree, back[1]))
        checked = _checked("associative_scan", "what the function returns", given, made)
        return [moveaxis(leaf, own, 0) for leaf, own in zip(checked, axes, strict=True)]

    if reverse:
        rows = [flip(row, axis=0) for row in rows]
    scanned = _prefixes(combine, rows) if rows else rows
    if reverse:
        scanned = [flip(row, axis=0) for row in scanned]
    return _filled(tree, [moveaxis(row, 0, own) for row, own in zip(scanned, axes, strict=True)])


def _prefixes(combine: Callable, rows: list[Tensor]) -> list[Tensor]:
    """The partial results along axis 0."""
    from ._manipulation import concat, reshape, stack

    count = rows[0].shape[0]
    if count < 2:
        return rows
    pairs = combine([row[: count - 1 : 2] for row in rows], [row[1::2] for row in rows])
    odd = _prefixes(combine, pairs)
    rest = (count - 1) // 2
    even = [row[:1] for row in rows]
    if rest > 0:
        filled = combine([row[:rest] for row in odd], [row[2::2] for row in rows])
        even = [concat([first, more]) for first, more in zip(even, filled, strict=True)]
    merged = []
    for left, right in zip(even, odd, strict=True):
        both = right.shape[0]
        woven = stack([left[:both], right], axis=1)
        row = reshape(woven, (2 * both, *left.shape[1:]))
        merged.append(row if count % 2 == 0 else concat([row, left[both:]]))
    return merged
