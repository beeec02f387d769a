"""Programs that were read: functions of tensors, which rules for each op compute."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from keyword import iskeyword
from typing import Any

import numpy as np

from .._core import Tensor
from .._creation import _fail, asarray, full
from .._errors import DTypeError, ShapeError, UnsupportedError, WeftError
from .._foreign import ForeignUse
from .._ops import bitwise_and, bitwise_left_shift, bitwise_right_shift
from ._graph import DYNAMIC, Function, Op, Region, TensorType
from ._known import Known, folded, known_of, may_be_known
from ._rules import RAW, RULES, Call

_WAY_OUT = "Rewrite the program without them, or ask for them by an issue."


class Frame:
    """One run of a function or of a region of it: the values of its ops by number.

    Those of a region go with it: a tensor that the body of a loop computes is no one else's.
    """

    def __init__(self, program: Program, around: Frame | None = None) -> None:
        self.program = program
        self._around = around
        self._values: dict[int, Any] = {}

    def value(self, number: int) -> Any:
        """A value of its own or of a function around; None if there is none yet."""
        frame: Frame | None = self
        while frame is not None:
            if number in frame._values:
                return frame._values[number]
            frame = frame._around
        return None

    def call(self, name: str, arguments: Sequence[Any]) -> tuple:
        """Another function of the program."""
        return Frame(self.program).run(self.program.function(name).body, arguments)

    def inner(self, region: Region, arguments: Sequence[Any]) -> tuple:
        """What a region of an op of this frame returns, as tensors."""
        made = Frame(self.program, self).run(region, arguments)
        return tuple(tensor(value) for value in made)

    def run(self, region: Region, arguments: Sequence[Any]) -> tuple:
        """Computes a region, and gives what it returns."""
        self._values.update(zip(region.arguments, arguments, strict=True))
        for op in region.ops:
            try:
                results = self._results(op)
            except WeftError as error:
                raise _placed(error, op) from None
            self._values.update(zip(op.outputs, results, strict=True))
        return tuple(self.value(number) for number in region.results)

    def _results(self, op: Op) -> Sequence[Any]:
        inputs = [self.value(number) for number in op.inputs]
        if inputs and all(isinstance(value, Known) for value in inputs):
            known = folded(op, inputs)
            if known is not None:
                return [known]
        rule = RULES.find(op.name)
        assert rule is not None
        if op.name not in RAW:
            inputs = [tensor(value) for value in inputs]
        made = rule(Call(op, self), *inputs)
        results = made if isinstance(made, tuple) else (made,)
        return [_wrapped(value, kind) for value, kind in zip(results, op.types, strict=True)]


def tensor(value: Any) -> Any:
    """A value as a tensor; tuples and tokens as they are."""
    return value.tensor() if isinstance(value, Known) else value


def _wrapped(value: Any, kind: Any) -> Any:
    """An integer of less than a byte without the bits that it has too many."""
    bits = kind.bits if isinstance(kind, TensorType) and isinstance(value, Tensor) else None
    if bits is None:
        return value
    if kind.element.startswith("u"):
        return bitwise_and(value, asarray(2**bits - 1, dtype=value.dtype))
    shift = asarray(8 - bits, dtype=value.dtype)
    return bitwise_right_shift(bitwise_left_shift(value, shift), shift)


def _placed(error: WeftError, op: Op) -> WeftError:
    """The error with the op and its place, once."""
    if getattr(error, "_has_place", False):
        return error
    made = type(error)(f"{error}\n  in {op.name} at {op.place}")
    made._has_place = True  # type: ignore[attr-defined]
    return made


class Program:
    """A StableHLO program: called with tensors, it returns those of its results.

    It is a function like any other: `jit`, `grad`, `vmap` and `export` take it.
    """

    def __init__(
        self, functions: dict[str, Function], name: str = "main", processes: tuple = (None, 1, 1)
    ) -> None:
        self._functions = functions
        #: The axis whose examples are processes, and how many replicas and partitions there are.
        self.processes = processes
        self._main = self.function(name)
        self.__signature__ = _signature(self._main.names)
        ops = [op for function in functions.values() for op in function.body.walk()]
        RULES.require((ForeignUse(op.name, place=op.place) for op in ops), _WAY_OUT)
        _check_types(ops, functions)
        for op in ops:
            if op.name in ("stablehlo.constant", "chlo.constant"):
                _prepare(op)
        _check_nesting(functions, name)

    def function(self, name: str) -> Function:
        """One of its functions. Raises UnsupportedError if there is none of this name."""
        if name not in self._functions:
            there = ", ".join(sorted(self._functions)) or "none"
            raise _fail(
                UnsupportedError, f"the program has no function {name} (there are: {there})"
            )
        return self._functions[name]

    @property
    def inputs(self) -> list[tuple[str, TensorType]]:
        """The name and type of each argument."""
        return list(zip(self._main.names, self._main.body.types, strict=True))

    def __call__(self, *arguments: Any) -> Any:
        """The results: one tensor, or a tuple of several.

        Raises:
            ShapeError, DTypeError: the arguments are not those of the program.
        """
        expected = self._main.body.types
        if len(arguments) != len(expected):
            raise _fail(
                ShapeError, f"the program takes {len(expected)} arguments, not {len(arguments)}"
            )
        given = [self._argument(i, value) for i, value in enumerate(arguments)]
        made = Frame(self).run(self._main.body, given)
        results = tuple(tensor(value) for value in made)
        return results[0] if len(results) == 1 else results

    def _argument(self, number: int, value: Any) -> Any:
        kind = self._main.body.types[number]
        if not isinstance(kind, TensorType):
            return value
        is_number = isinstance(value, (bool, int, float, complex))
        given = asarray(value, dtype=kind.dtype) if is_number else asarray(value)
        fits = len(given.shape) == len(kind.shape) and all(
            size in (DYNAMIC, there) for size, there in zip(kind.shape, given.shape)
        )
        if not fits or given.dtype != kind.dtype:
            raise _fail(
                ShapeError if given.dtype == kind.dtype else DTypeError,
                f"argument {number} ({self._main.names[number]}) has to be {kind}, but is "
                f"{given.dtype.name}{list(given.shape)}",
            )
        return given


def _signature(names: list[str]) -> inspect.Signature:
    """What a call takes, with the names of the file where Python has them too."""
    fits = all(name.isidentifier() and not iskeyword(name) for name in names)
    if not fits or len(set(names)) != len(names):
        names = [f"arg{i}" for i in range(len(names))]
    kind = inspect.Parameter.POSITIONAL_ONLY
    return inspect.Signature([inspect.Parameter(name, kind) for name in names])


def _check_types(ops: list[Op], functions: dict[str, Function]) -> None:
    """Raises UnsupportedError for values of types that weft has not."""
    kinds = [(kind, op.place) for op in ops for kind in op.types]
    kinds += [(kind, f.name) for f in functions.values() for kind in f.body.types]
    for kind, place in kinds:
        if isinstance(kind, TensorType):
            try:
                _ = kind.dtype
            except UnsupportedError as error:
                raise UnsupportedError(f"{error} (at {place})") from None


def _check_nesting(functions: dict[str, Function], name: str) -> None:
    """Raises UnsupportedError if a function calls itself, which would never end."""
    open_: list[str] = []
    done: set[str] = set()

    def visit(current: str) -> None:
        if current in open_:
            raise UnsupportedError(f"the function {current} of the program calls itself")
        if current in done or current not in functions:
            return
        open_.append(current)
        for op in functions[current].body.walk():
            for callee in (op.attributes.get("callee"), op.attributes.get("decomposition")):
                if isinstance(callee, str):
                    visit(callee.lstrip("@"))
        done.add(open_.pop())

    visit(name)


def _prepare(op: Op) -> None:
    """Gives a constant the form in which calls take it: known integers, one number for all
    elements, or a tensor that all calls share."""
    if "value" not in op.attributes:
        return
    value, kind = op.attributes.pop("value"), op.types[0]
    if not isinstance(value, np.ndarray):
        raise UnsupportedError(f"a constant of {kind} can't be read (at {op.place})")
    if may_be_known(kind):
        whole = value if value.shape == kind.shape else np.full(kind.shape, value)
        # A tuple is compared as a constant by what a compiled call watches.
        op.attributes["known"] = tuple(whole.ravel().tolist())
    elif value.size == 1:
        is_float = kind.dtype.kind == "floating"
        op.attributes["number"] = float(value.reshape(())) if is_float else value.item()
    else:
        op.attributes["tensor"] = asarray(value.copy(), dtype=kind.dtype)


def constant_of(op: Op) -> Any:
    """The value of a constant."""
    kind = op.types[0]
    if (known := known_of(op)) is not None:
        return known
    if "number" in op.attributes:
        return full(kind.shape, op.attributes["number"], dtype=kind.dtype)
    return op.attributes["tensor"]
