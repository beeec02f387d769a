"""Random programs for tests: drawn by hypothesis, run by weft, and by NumPy with error bounds.

A program is a list of steps over numbered values. The reference computes each value in float64
together with a bound of how far a computation in a narrower dtype may be off: a running error
analysis, so that a tolerance is derived for each element of each result.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import weft
from hypothesis import strategies as st
from numerics import to_numpy

# Beyond it a float32 computation may overflow where float64 does not.
LARGEST_CHECKED = 1e30
LARGEST_TENSOR = 4096


def count_of_examples(few: int) -> int:
    """How many programs a test draws: ``few``, or what ``tools/test --full`` asks for."""
    return int(os.environ.get("WEFT_TEST_EXAMPLES", few))


@dataclass(frozen=True)
class Step:
    """One operation: its name in OPERATIONS, the numbers of its operands, and parameters."""

    name: str
    operands: tuple[int, ...]
    parameters: Any = None


@dataclass
class Program:
    """Shapes of the inputs, the steps (their values are numbered after the inputs), the results."""

    shapes: list[tuple[int, ...]]
    steps: list[Step] = field(default_factory=list)
    results: tuple[int, ...] = ()

    def append(self, step: Step) -> int:
        """Adds a step; the number of its value."""
        self.steps.append(step)
        return len(self.shapes) + len(self.steps) - 1

    def inputs(self, dtype: str, seed: int = 0) -> list[np.ndarray]:
        """Inputs in [-2, 2], a fixed function of the seed."""
        generator = np.random.default_rng(seed)
        return [generator.uniform(-2, 2, shape).astype(dtype) for shape in self.shapes]

    def run(self, *inputs: weft.Tensor) -> tuple[weft.Tensor, ...]:
        """The results by weft."""
        values = list(inputs)
        for step in self.steps:
            operands = [values[number] for number in step.operands]
            values.append(OPERATIONS[step.name].weft(*operands, step.parameters))
        return tuple(values[number] for number in self.results)

    def reference(self, inputs: list[np.ndarray], unit: float) -> list[Bounded]:
        """The results with error bounds for a dtype of unit roundoff ``unit``."""
        values = [Bounded(x.astype(np.float64), np.zeros(x.shape)) for x in inputs]
        with np.errstate(all="ignore"):
            for step in self.steps:
                operands = [values[number] for number in step.operands]
                value = OPERATIONS[step.name].reference(*operands, step.parameters, unit)
                values.append(value.widened())
        return [values[number] for number in self.results]


@dataclass
class Bounded:
    """A value in float64, and how far a computation with rounding may be away from it."""

    value: np.ndarray
    error: np.ndarray

    def widened(self) -> Bounded:
        """No bound (infinity) where the narrower dtype may have overflowed."""
        known = np.isfinite(self.error) & (np.abs(self.value) + self.error < LARGEST_CHECKED)
        return Bounded(self.value, np.where(known, self.error, np.inf))

    def rearranged(self, function: Callable[[np.ndarray], np.ndarray]) -> Bounded:
        return Bounded(function(self.value), function(self.error))


def assert_within(results: Sequence[weft.Tensor], exact: Sequence[Bounded]) -> None:
    """Each result is as near to the exact one as its bound says."""
    for result, bounded in zip(results, exact, strict=True):
        actual = to_numpy(result).astype(np.float64)
        assert actual.shape == bounded.value.shape
        checked = np.isfinite(bounded.error)
        off = np.abs(actual - bounded.value)[checked]
        # Not <= is true for NaN, too.
        wrong = ~(off <= bounded.error[checked])
        assert not wrong.any(), (off[wrong], bounded.error[checked][wrong])


@dataclass(frozen=True)
class Operation:
    """How weft and the reference compute a step: the operands, the parameters (, the unit)."""

    weft: Callable[..., weft.Tensor]
    reference: Callable[..., Bounded]


OPERATIONS: dict[str, Operation] = {}

# Functions with a derivative of at most `slope` and an error of at most `ulp` units of 2 * unit.
_SMOOTH: dict[str, tuple[Callable, Callable, float, float]] = {
    "negative": (weft.negative, np.negative, 1, 0),
    "abs": (weft.abs, np.abs, 1, 0),
    "relu": (weft.relu, lambda x: np.maximum(x, 0), 1, 0),
    "tanh": (weft.tanh, np.tanh, 1, 2),
    "sin": (weft.sin, np.sin, 1, 2),
    "cos": (weft.cos, np.cos, 1, 2),
    "atan": (weft.atan, np.arctan, 1, 2),
    "erf": (weft.erf, np.vectorize(math.erf, otypes=[np.float64]), 2 / math.sqrt(math.pi), 2),
    # Roundings of the exponential, the sum and the quotient.
    "sigmoid": (weft.sigmoid, lambda x: 1 / (1 + np.exp(-x)), 0.25, 4),
}


def _smooth(function: Callable, exact: Callable, slope: float, ulp: float) -> Operation:
    def reference(x: Bounded, _: None, unit: float) -> Bounded:
        value = exact(x.value)
        return Bounded(value, slope * x.error + 2 * ulp * unit * np.abs(value))

    return Operation(lambda x, _: function(x), reference)


OPERATIONS.update({name: _smooth(*row) for name, row in _SMOOTH.items()})


def _operation(function: Callable[..., weft.Tensor]) -> Callable[[Callable], Callable]:
    """Registers a reference, under its own name without the underscore in front."""

    def register(reference: Callable[..., Bounded]) -> Callable[..., Bounded]:
        OPERATIONS[reference.__name__[1:]] = Operation(function, reference)
        return reference

    return register


@_operation(lambda x, y, _: x + y)
def _add(x: Bounded, y: Bounded, _: None, unit: float) -> Bounded:
    value = x.value + y.value
    error = x.error + y.error
    return Bounded(value, error + unit * (np.abs(value) + error))


@_operation(lambda x, y, _: x - y)
def _subtract(x: Bounded, y: Bounded, _: None, unit: float) -> Bounded:
    return _add(x, Bounded(-y.value, y.error), None, unit)


@_operation(lambda x, y, _: x * y)
def _multiply(x: Bounded, y: Bounded, _: None, unit: float) -> Bounded:
    value = x.value * y.value
    error = np.abs(x.value) * y.error + np.abs(y.value) * x.error + x.error * y.error
    # The smallest normal number of float32 stands for what is lost by underflow.
    return Bounded(value, error + unit * (np.abs(value) + error) + 2.0**-126)


@_operation(lambda x, y, _: weft.maximum(x, y))
def _maximum(x: Bounded, y: Bounded, _: None, unit: float) -> Bounded:
    return Bounded(np.maximum(x.value, y.value), np.maximum(x.error, y.error))


@_operation(lambda x, y, _: weft.minimum(x, y))
def _minimum(x: Bounded, y: Bounded, _: None, unit: float) -> Bounded:
    return Bounded(np.minimum(x.value, y.value), np.maximum(x.error, y.error))


@_operation(lambda x, y, _: weft.where(x > y, x, y * 0.5))
def _where(x: Bounded, y: Bounded, _: None, unit: float) -> Bounded:
    chosen = x.value > y.value
    half = 0.5 * y.value
    error = np.where(chosen, x.error, 0.5 * y.error)
    # Where rounding may turn the comparison round, either value is right.
    unsure = np.abs(x.value - y.value) <= x.error + y.error
    error = np.where(unsure, error + np.abs(x.value - half) + x.error + y.error, error)
    return Bounded(np.where(chosen, x.value, half), error + 2.0**-126)


@_operation(lambda x, y, _: (x + y) * 0.5)
def _average(x: Bounded, y: Bounded, _: None, unit: float) -> Bounded:
    total = _add(x, y, None, unit)
    return Bounded(0.5 * total.value, 0.5 * total.error + 2.0**-126)


@_operation(lambda x, y, _: (x - y) * 0.5)
def _half_difference(x: Bounded, y: Bounded, _: None, unit: float) -> Bounded:
    return _average(x, Bounded(-y.value, y.error), None, unit)


@_operation(lambda x, _: x / (weft.abs(x) + 1.0))
def _softsign(x: Bounded, _: None, unit: float) -> Bounded:
    value = x.value / (np.abs(x.value) + 1)
    return Bounded(value, x.error + 4 * unit)


@_operation(lambda x, p: weft.sum(x, axis=p[0], keepdims=p[1]))
def _sum(x: Bounded, p: tuple, unit: float) -> Bounded:
    axes, keep = p
    count = math.prod(x.value.shape[axis] for axis in axes)
    magnitude = np.sum(np.abs(x.value) + x.error, axis=axes, keepdims=keep)
    error = np.sum(x.error, axis=axes, keepdims=keep) + count * unit * magnitude
    return Bounded(np.sum(x.value, axis=axes, keepdims=keep), error)


@_operation(lambda x, p: weft.mean(x, axis=p[0], keepdims=p[1]))
def _mean(x: Bounded, p: tuple, unit: float) -> Bounded:
    total = _sum(x, p, unit)
    count = math.prod(x.value.shape[axis] for axis in p[0])
    value = total.value / count
    return Bounded(value, total.error / count + 2 * unit * (np.abs(value) + total.error))


@_operation(lambda x, p: weft.max(x, axis=p[0], keepdims=p[1]))
def _max(x: Bounded, p: tuple, unit: float) -> Bounded:
    axes, keep = p
    return Bounded(
        np.max(x.value, axis=axes, keepdims=keep), np.max(x.error, axis=axes, keepdims=keep)
    )


@_operation(lambda x, axis: weft.softmax(x, axis))
def _softmax(x: Bounded, axis: int, unit: float) -> Bounded:
    powers = np.exp(x.value - np.max(x.value, axis=axis, keepdims=True))
    value = powers / np.sum(powers, axis=axis, keepdims=True)
    # An exponent of size s is off by s * unit; the sum by the number of its terms.
    spread = np.ptp(x.value, axis=axis, keepdims=True)
    relative = 2 * x.error.max(axis=axis, keepdims=True)
    relative = relative + unit * (2 * spread + x.value.shape[axis] + 8)
    return Bounded(value, np.minimum(np.expm1(2 * relative) * value, 1) + 2.0**-126)


@_operation(lambda x, y, _: x @ y)
def _matmul(x: Bounded, y: Bounded, _: None, unit: float) -> Bounded:
    left, right = np.abs(x.value), np.abs(y.value)
    error = left @ y.error + x.error @ right + x.error @ y.error
    depth = x.value.shape[-1]
    return Bounded(x.value @ y.value, error + depth * unit * (left @ right + error) + 2.0**-126)


@_operation(lambda x, permutation: weft.permute_dims(x, permutation))
def _transpose(x: Bounded, permutation: tuple[int, ...], unit: float) -> Bounded:
    return x.rearranged(lambda array: array.transpose(permutation))


@_operation(lambda x, shape: weft.reshape(x, shape))
def _reshape(x: Bounded, shape: tuple[int, ...], unit: float) -> Bounded:
    return x.rearranged(lambda array: array.reshape(shape))


@_operation(lambda x, shape: weft.broadcast_to(x, shape))
def _broadcast(x: Bounded, shape: tuple[int, ...], unit: float) -> Bounded:
    return x.rearranged(lambda array: np.broadcast_to(array, shape))


@_operation(lambda x, key: x[key])
def _slice(x: Bounded, key: tuple[slice, ...], unit: float) -> Bounded:
    return x.rearranged(lambda array: array[key])


@_operation(lambda x, padding: weft.pad(x, padding))
def _pad(x: Bounded, padding: tuple, unit: float) -> Bounded:
    return x.rearranged(lambda array: np.pad(array, padding))


@_operation(lambda x, y, axis: weft.concat([x, y], axis=axis))
def _concat(x: Bounded, y: Bounded, axis: int, unit: float) -> Bounded:
    return Bounded(
        np.concatenate([x.value, y.value], axis), np.concatenate([x.error, y.error], axis)
    )


@_operation(lambda x, p: weft.roll(x, p[0], axis=p[1]))
def _roll(x: Bounded, p: tuple, unit: float) -> Bounded:
    return x.rearranged(lambda array: np.roll(array, p[0], axis=p[1]))


@_operation(lambda *values: weft.concat(values[:-1], axis=values[-1]))
def _join(*values: Any) -> Bounded:
    pieces, axis = values[:-2], values[-2]
    return Bounded(
        np.concatenate([x.value for x in pieces], axis),
        np.concatenate([x.error for x in pieces], axis),
    )


@_operation(lambda *values: weft.stack(values[:-1], axis=values[-1]))
def _stack(*values: Any) -> Bounded:
    pieces, axis = values[:-2], values[-2]
    return Bounded(
        np.stack([x.value for x in pieces], axis), np.stack([x.error for x in pieces], axis)
    )


def _positions(x: weft.Tensor, indices: tuple[int, ...]) -> weft.Tensor:
    return weft.asarray(np.array(indices), device=x.device)


@_operation(lambda x, p: weft.take(x, _positions(x, p[0]), axis=p[1]))
def _take(x: Bounded, p: tuple, unit: float) -> Bounded:
    return x.rearranged(lambda array: np.take(array, p[0], axis=p[1]))


@_operation(lambda x, y, p: weft.scatter_add(x, _positions(x, p[0]), y, axis=p[1]))
def _scatter_add(x: Bounded, y: Bounded, p: tuple, unit: float) -> Bounded:
    def added(target: np.ndarray, updates: np.ndarray) -> np.ndarray:
        result = np.moveaxis(target.copy(), p[1], 0)
        np.add.at(result, np.array(p[0]), np.moveaxis(updates, p[1], 0))
        return np.moveaxis(result, 0, p[1])

    error = added(x.error, y.error)
    magnitude = added(np.abs(x.value) + x.error, np.abs(y.value) + y.error)
    return Bounded(added(x.value, y.value), error + len(p[0]) * unit * magnitude)


# Drawing ---------------------------------------------------------------------------------------

_BINARY = ["add", "subtract", "multiply", "maximum", "minimum", "where"]
_UNARY = [*_SMOOTH, "softsign"]
_SIZES = st.sampled_from([1, 2, 3, 5, 8, 16, 17, 33])


def _axes(draw: st.DrawFn, rank: int) -> tuple[int, ...]:
    axes = draw(st.sets(st.integers(0, rank - 1), min_size=1)) if rank else set()
    return tuple(sorted(axes))


def _draw_slice(draw: st.DrawFn, size: int) -> slice:
    low = draw(st.integers(0, size - 1))
    high = draw(st.integers(low + 1, size))
    step = draw(st.sampled_from([1, 1, 2, 3, -1, -2]))
    return slice(low, high, step) if step > 0 else slice(high - 1, low - 1 if low else None, step)


def _fresh_input(program: Program, shape: tuple[int, ...]) -> int:
    """A number of a new input; marked negative until the number of inputs is known."""
    program.shapes.append(shape)
    return -len(program.shapes)


def _draw_step(
    draw: st.DrawFn, program: Program, number: int, shapes: dict[int, tuple[int, ...]]
) -> tuple[Step, tuple[int, ...]] | None:
    """A step on value ``number`` and the shape of its result; None where the op does not fit."""
    shape = shapes[number]
    kind = draw(st.sampled_from([*_KINDS, "unary", "binary"]))
    count = len(program.shapes)
    drawn = _KINDS[kind](draw, program, number, shape, shapes)
    if drawn is None or math.prod(drawn[1]) > LARGEST_TENSOR:
        del program.shapes[count:]
        return None
    return drawn


def _unary_step(draw, program, number, shape, shapes):
    return Step(draw(st.sampled_from(_UNARY)), (number,)), shape


def _binary_step(draw, program, number, shape, shapes):
    def fits(other: tuple[int, ...]) -> bool:
        try:
            np.broadcast_shapes(shape, other)
            return True
        except ValueError:
            return False

    fitting = [other for other, its_shape in shapes.items() if fits(its_shape)]
    other = draw(st.sampled_from(fitting))
    name = draw(st.sampled_from(_BINARY))
    pair = (number, other) if draw(st.booleans()) else (other, number)
    return Step(name, pair), np.broadcast_shapes(shape, shapes[other])


def _reduction_step(draw, program, number, shape, shapes):
    axes, keep = _axes(draw, len(shape)), draw(st.booleans())
    if not axes:
        return None
    name = draw(st.sampled_from(["sum", "mean", "max"]))
    result = np.sum(np.empty(shape), axis=axes, keepdims=keep).shape
    return Step(name, (number,), (axes, keep)), result


def _softmax_step(draw, program, number, shape, shapes):
    if not shape:
        return None
    return Step("softmax", (number,), draw(st.integers(0, len(shape) - 1))), shape


def _matmul_step(draw, program, number, shape, shapes):
    if len(shape) < 2:
        return None
    columns = draw(_SIZES)
    batch = shape[:-2] if draw(st.booleans()) else ()
    other = _fresh_input(program, (*batch, shape[-1], columns))
    return Step("matmul", (number, other)), (*shape[:-1], columns)


def _transpose_step(draw, program, number, shape, shapes):
    permutation = tuple(draw(st.permutations(range(len(shape)))))
    return Step("transpose", (number,), permutation), tuple(shape[i] for i in permutation)


def _reshape_step(draw, program, number, shape, shapes):
    count, result = math.prod(shape), []
    for _ in range(draw(st.integers(0, 3))):
        divisors = [size for size in range(1, count + 1) if count % size == 0]
        result.append(draw(st.sampled_from(divisors)))
        count //= result[-1]
    result.append(count)
    return Step("reshape", (number,), tuple(result)), tuple(result)


def _broadcast_step(draw, program, number, shape, shapes):
    front = draw(st.lists(st.sampled_from([1, 2, 5]), max_size=2)) if len(shape) < 3 else []
    wide = tuple(draw(_SIZES) if size == 1 else size for size in shape)
    result = (*front, *wide)
    return Step("broadcast", (number,), result), result


def _slice_step(draw, program, number, shape, shapes):
    key = tuple(_draw_slice(draw, size) for size in shape)
    return Step("slice", (number,), key), np.empty(shape)[key].shape


def _pad_step(draw, program, number, shape, shapes):
    if not shape:
        return None
    padding = tuple((draw(st.integers(0, 2)), draw(st.integers(0, 3))) for _ in shape)
    result = tuple(size + sum(pair) for size, pair in zip(shape, padding, strict=True))
    return Step("pad", (number,), padding), result


def _concat_step(draw, program, number, shape, shapes):
    if not shape:
        return None
    axis = draw(st.integers(0, len(shape) - 1))
    fitting = [
        other
        for other, its in shapes.items()
        if len(its) == len(shape)
        and all(its[i] == shape[i] for i in range(len(shape)) if i != axis)
    ]
    other = draw(st.sampled_from(fitting))
    size = shape[axis] + shapes[other][axis]
    return Step("concat", (number, other), axis), (*shape[:axis], size, *shape[axis + 1 :])


def _roll_step(draw, program, number, shape, shapes):
    if not shape:
        return None
    axis = draw(st.integers(0, len(shape) - 1))
    return Step("roll", (number,), (draw(st.integers(-3, shape[axis])), axis)), shape


def _indices(draw, size: int) -> tuple[int, ...]:
    return tuple(draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=6)))


def _take_step(draw, program, number, shape, shapes):
    if not shape:
        return None
    axis = draw(st.integers(0, len(shape) - 1))
    indices = _indices(draw, shape[axis])
    result = (*shape[:axis], len(indices), *shape[axis + 1 :])
    return Step("take", (number,), (indices, axis)), result


def _scatter_add_step(draw, program, number, shape, shapes):
    if not shape:
        return None
    axis = draw(st.integers(0, len(shape) - 1))
    indices = _indices(draw, shape[axis])
    updates = _fresh_input(program, (*shape[:axis], len(indices), *shape[axis + 1 :]))
    return Step("scatter_add", (number, updates), (indices, axis)), shape


_KINDS: dict[str, Callable] = {
    "unary": _unary_step,
    "binary": _binary_step,
    "reduction": _reduction_step,
    "softmax": _softmax_step,
    "matmul": _matmul_step,
    "transpose": _transpose_step,
    "reshape": _reshape_step,
    "broadcast": _broadcast_step,
    "slice": _slice_step,
    "pad": _pad_step,
    "concat": _concat_step,
    "roll": _roll_step,
    "take": _take_step,
    "scatter_add": _scatter_add_step,
}


@st.composite
def programs(draw: st.DrawFn, largest: int = 14) -> Program:
    """Programs of up to ``largest`` steps; each result is computed by at least one step."""
    rank = draw(st.integers(1, 3))
    base = tuple(draw(_SIZES) for _ in range(rank))
    while math.prod(base) > LARGEST_TENSOR:
        base = (*base[:-1], base[-1] // 2)
    program = Program([base, base[-1:], (base[0], *[1] * (rank - 1))])
    # Inputs have the numbers -1, -2, ... and steps 0, 1, ... until all are known.
    shapes: dict[int, tuple[int, ...]] = {-1 - i: shape for i, shape in enumerate(program.shapes)}
    steps: list[Step] = []
    for _ in range(draw(st.integers(1, largest))):
        # Mostly the newest value: long chains are fused, short ones are not.
        recent = draw(st.booleans()) and steps
        number = len(steps) - 1 if recent else draw(st.sampled_from(sorted(shapes)))
        drawn = _draw_step(draw, program, number, shapes)
        if drawn is None:
            continue
        shapes[len(steps)] = drawn[1]
        steps.append(drawn[0])
    if not steps:
        steps.append(Step("tanh", (-1,)))
    count = len(program.shapes)

    def final(number: int) -> int:
        return count + number if number >= 0 else -1 - number

    program.steps = [
        Step(step.name, tuple(final(n) for n in step.operands), step.parameters) for step in steps
    ]
    extra = draw(st.sets(st.integers(0, len(steps) - 1), max_size=2))
    program.results = tuple(final(n) for n in sorted(extra | {len(steps) - 1}))
    return program


# Long programs ---------------------------------------------------------------------------------

# What neither values nor errors grow by, however often it is repeated.
_STEADY_UNARY = ["tanh", "sin", "atan", "sigmoid", "abs", "negative"]
_STEADY_BINARY = ["average", "average", "half_difference", "maximum", "minimum"]


@dataclass(frozen=True)
class _Move:
    """A part of a loop's body: what it does, and to which values: 0 is the value of the round
    before, 1 the first move's, ..., and -1 an input."""

    name: str
    operands: tuple[int, ...]
    parameters: Any = None

    def unroll(self, program: Program, numbers: list[int]) -> None:
        """Appends the steps to the program, and the number of their value to ``numbers``."""
        operands = tuple(1 if i < 0 else numbers[i] for i in self.operands)
        if self.name == "halves":
            *keys, axis = self.parameters
            parts = [program.append(Step("slice", operands, key)) for key in keys]
            numbers.append(program.append(Step("join", tuple(parts), axis)))
        else:
            numbers.append(program.append(Step(self.name, operands, self.parameters)))


def _draw_move(draw: st.DrawFn, shape: tuple[int, ...], known: int) -> _Move:
    def operand() -> int:
        return draw(st.integers(-1, known - 1))

    def along(part: slice) -> tuple[slice, ...]:
        return tuple(part if i == axis else slice(None) for i in range(len(shape)))

    axis = draw(st.integers(0, len(shape) - 1))
    kind = draw(st.sampled_from(["roll", "roll", "halves", "flip", "unary", "binary", "binary"]))
    if kind == "roll":
        return _Move("roll", (operand(),), (draw(st.integers(1, 3)), axis))
    if kind == "halves":
        cut = draw(st.integers(1, shape[axis] - 1))
        keys = along(slice(cut, None)), along(slice(0, cut))
        return _Move("halves", (operand(),), (*keys, axis))
    if kind == "flip":
        return _Move("slice", (operand(),), along(slice(None, None, -1)))
    if kind == "unary":
        return _Move(draw(st.sampled_from(_STEADY_UNARY)), (operand(),))
    return _Move(draw(st.sampled_from(_STEADY_BINARY)), (operand(), known - 1))


@st.composite
def long_programs(draw: st.DrawFn, longest: int = 120) -> Program:
    """Unrolled loops of about ``longest`` steps together, with shifts, slices and concatenations;
    some end in a stack or a concatenation of the values of many rounds."""
    rank = draw(st.integers(1, 2))
    shape = tuple(draw(st.sampled_from([2, 3, 5, 8, 17, 33])) for _ in range(rank))
    program = Program([shape, shape])
    rounds = [0]
    while len(program.steps) < longest and (not program.steps or draw(st.booleans())):
        body = [_draw_move(draw, shape, known) for known in range(1, draw(st.integers(2, 7)))]
        for _ in range(draw(st.integers(1, max(1, (longest - len(program.steps)) // len(body))))):
            numbers = [rounds[-1]]
            for move in body:
                move.unroll(program, numbers)
            rounds.append(numbers[-1])
    if draw(st.booleans()):
        pieces = tuple(rounds[-draw(st.integers(2, 40)) :])
        name = draw(st.sampled_from(["join", "stack"]))
        rounds.append(program.append(Step(name, pieces, draw(st.integers(0, rank - 1)))))
    program.results = (rounds[-1],)
    return program
