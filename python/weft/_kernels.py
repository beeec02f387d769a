"""Kernels by users: functions over blocks, which run once for each place of a grid."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _core
from ._control_flow import _Region, cond, while_loop
from ._core import Tensor
from ._creation import _fail, asarray
from ._dtypes import DType, as_dtype
from ._errors import DTypeError, OptionError, ShapeError, UnsupportedError, WeftError
from ._kernel_syntax import ONE_BRANCH, KernelSource

_MOST_AXES = 3


class constexpr:  # noqa: N801 (Triton's name)
    """Marks, as an annotation, a parameter of a kernel that is a constant of its code.

    Any value that can be hashed: a size of blocks, a flag, a function. Another value is another
    kernel, compiled anew.
    """


class _Current(threading.local):
    program: _Program | None = None


_current = _Current()


def _program(what: str) -> _Program:
    if _current.program is None:
        raise _fail(UnsupportedError, f"{what}: is for kernels alone (weft.kernel)")
    return _current.program


@dataclass
class KernelArray:
    """A tensor as a kernel sees it: `weft.blocks.load` and `store` take blocks of it.

    Attributes:
        name: the parameter's.
        dtype: of its elements.
        ndim: how many dimensions it has, at least 1.
    """

    name: str
    dtype: DType
    ndim: int
    _operand: int | None
    _result: int | None = None
    _is_loaded: bool = False
    #: The function of `weft.blocks` that writes to it.
    _writer: str = ""

    @property
    def shape(self) -> tuple[Tensor, ...]:
        """The sizes, integers of the kernel: its code is the same for all."""
        program = _program("shape")
        number = self._operand
        if number is None:
            number = len(program.inputs) + program.result_of(self)
        return tuple(_core.program_number("size", number, d) for d in range(self.ndim))

    def _no_operator(self, *_: Any) -> Any:
        raise _fail(
            DTypeError,
            f"{self.name} is an array, not a block: take one by load({self.name}, offsets)",
        )

    __add__ = __radd__ = __sub__ = __mul__ = __rmul__ = __truediv__ = _no_operator
    __matmul__ = __getitem__ = __lt__ = __gt__ = _no_operator


class _Missing:
    """A variable that has no value here, and why."""

    def __init__(self, why: str) -> None:
        self._why = why

    def __getattr__(self, _: str) -> Any:
        raise _fail(UnsupportedError, self._why)


def _is_carried(value: object) -> bool:
    return isinstance(value, (Tensor, bool, int, float))


class _Runtime:
    """What the rewritten source of kernels calls (_kernel_syntax)."""

    missing = _Missing

    def loop(
        self, bounds: tuple, body: Callable, breaks: int | None, values: tuple, names: tuple
    ) -> tuple:
        """``for``: the values that the body assigns, behind the loop.

        ``breaks`` is the place, among these, of the flag that ends it.
        """
        start, stop, step = (
            bounds
            if len(bounds) == 3
            else ((*bounds, 1) if len(bounds) == 2 else (0, bounds[0], 1))
        )
        if isinstance(step, Tensor) or int(step) == 0:
            raise _fail(UnsupportedError, "range: the step is one of Python's ints, and not 0")
        first, last = (asarray(bound).astype("int64") for bound in (start, stop))

        def goes_on(i: Any, inner: tuple) -> Any:
            is_within = i < last if step > 0 else i > last
            return is_within if breaks is None else is_within & ~asarray(inner[breaks])

        def following(i: Any, inner: tuple) -> tuple:
            return i + int(step), body(i, *inner)

        return self._repeat(goes_on, following, first, values, names)

    def repeat(self, condition: Callable, body: Callable, values: tuple, names: tuple) -> tuple:
        """``while``."""
        return self._repeat(
            lambda _, inner: condition(*inner),
            lambda i, inner: (i, body(*inner)),
            asarray(0),
            values,
            names,
        )

    def _repeat(
        self, goes_on: Callable, body: Callable, first: Any, values: tuple, names: tuple
    ) -> tuple:
        program = _program("a loop")
        places = [place for place, value in enumerate(values) if _is_carried(value)]

        def joined(inner: Any) -> tuple:
            full = list(values)
            for place, value in zip(places, inner, strict=True):
                full[place] = value
            return tuple(full)

        def check(made: tuple) -> None:
            for place, (old, new) in enumerate(zip(values, made, strict=True)):
                if place not in places and old is not new:
                    raise _fail(
                        UnsupportedError,
                        f"{names[place]} is no number and no block, and changes in a loop",
                    )

        def condition(carry: tuple) -> Any:
            _, i, inner = carry
            return goes_on(i, joined(inner))

        def step(carry: tuple) -> tuple:
            program.state, i, inner = carry
            i, made = body(i, joined(inner))
            check(made)
            return program.state, i, tuple(made[place] for place in places)

        init = (program.state, first, tuple(values[place] for place in places))
        program.state, _, last = while_loop(condition, step, init)
        return joined(last)

    def branch(
        self,
        flag: Any,
        first: Callable,
        second: Callable,
        kept: tuple,
        values: tuple,
        names: tuple,
    ) -> tuple:
        """``if``: the values that a branch assigns, behind it.

        ``kept`` are the names that have a value behind either branch.
        """
        if not isinstance(flag, Tensor):
            return (first if flag else second)(*values)
        program = _program("an if")
        before = program.state
        places = [
            place
            for place, (name, value) in enumerate(zip(names, values, strict=True))
            if name in kept and (isinstance(value, _Missing) or _is_carried(value))
        ]

        def chosen(branch: Callable) -> Callable:
            def traced() -> tuple:
                program.state = before
                made = branch(*values)
                for place, name in enumerate(names):
                    is_number = _is_carried(made[place])
                    if (place in places and not is_number) or (
                        place not in places and name in kept and made[place] is not values[place]
                    ):
                        raise _fail(
                            UnsupportedError,
                            f"{name} is no number and no block in each branch of an if",
                        )
                return program.state, tuple(made[place] for place in places)

            return traced

        program.state, picked = cond(flag, chosen(first), chosen(second))
        results = [
            value if name in kept else _Missing(f"{name} {ONE_BRANCH}")
            for name, value in zip(names, values, strict=True)
        ]
        for place, value in zip(places, picked, strict=True):
            results[place] = value
        return tuple(results)


_runtime = _Runtime()

#
# Programs
#


class _Program:
    """A program while its function is traced."""

    def __init__(self, name: str, file: str, inputs: list[Tensor]) -> None:
        self.name = name
        self.file = file
        self.inputs = inputs
        #: For each store before, in the state of the results.
        self.state: Any = None
        self.results: list[KernelArray] = []
        self.rank = 1

    def result_of(self, array: KernelArray) -> int:
        if array._result is None:
            array._result = len(self.results)
            self.results.append(array)
        return array._result

    def site(self, what: str) -> str:
        """A line and column of the kernel, and what is done there."""
        frame: types.FrameType | None = sys._getframe(1)
        while frame and frame.f_code.co_filename != self.file:
            frame = frame.f_back
        if not frame:
            return f"{self.file}: {what}"
        line, column = _position(frame.f_code, frame.f_lasti)
        return f"{self.file}:{line}:{column}: {what}"


def _position(code: types.CodeType, instruction: int) -> tuple[int, int]:
    """The line and column, both from 1, of an instruction."""
    line, _, column, _ = list(code.co_positions())[instruction // 2]
    return line or 0, (column or 0) + 1


def program_id(axis: int = 0) -> Tensor:
    """Where this program is along an axis of the grid: an integer from 0."""
    _program("program_id")
    return _core.program_number("id", _axis("program_id", axis), 0)


def num_programs(axis: int = 0) -> Tensor:
    """How many programs there are along an axis of the grid."""
    _program("num_programs")
    return _core.program_number("count", _axis("num_programs", axis), 0)


def _axis(what: str, axis: int) -> int:
    rank = _program(what).rank
    if not isinstance(axis, int) or not 0 <= axis < rank:
        raise _fail(OptionError, f"{what}: the grid has {rank} axes, not an axis {axis!r}")
    return axis


def _indices(what: str, array: Any, index: Any) -> list[Tensor]:
    if not isinstance(array, KernelArray):
        raise _fail(
            DTypeError, f"{what}: takes an array of the kernel, not a {type(array).__name__}"
        )
    parts = list(index) if isinstance(index, (tuple, list)) else [index]
    if len(parts) not in (1, array.ndim):
        raise _fail(
            ShapeError,
            f"{what}: {array.name} has {array.ndim} dimensions: give an index for each, or one "
            f"that counts all elements, not {len(parts)}",
        )
    tensors = []
    for part in parts:
        tensor = asarray(part)
        if tensor.dtype.kind != "integer":
            raise _fail(DTypeError, f"{what}: an index of {array.name} is {tensor.dtype.name}")
        tensors.append(tensor.astype("int64"))
    return tensors


def _together(what: str, tensors: list[Tensor]) -> list[Tensor]:
    from ._manipulation import broadcast_to

    shapes = [tuple(tensor.shape) for tensor in tensors]
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError:
        raise _fail(ShapeError, f"{what}: the shapes {shapes} do not fit together") from None
    return [
        tensor if tuple(tensor.shape) == shape else broadcast_to(tensor, shape)
        for tensor in tensors
    ]


def _flags(what: str, mask: Any) -> list[Tensor]:
    if mask is None:
        return []
    flags = asarray(mask)
    if flags.dtype.kind != "bool":
        raise _fail(DTypeError, f"{what}: the mask is {flags.dtype.name}, not bool")
    return [flags]


def load(array: KernelArray, index: Any, mask: Any = None, other: Any = None) -> Tensor:
    """A block of elements of an array.

    Args:
        array: a parameter of the kernel.
        index: a tuple with integers for each dimension, which are broadcast; or integers that count
            the elements of the whole array, row after row, as the offset of a pointer does.
        mask: bools; where one is false nothing is read.
        other: what is there instead; 0 if not given.

    Returns:
        A block of the broadcast shape, of the array's dtype.

    Raises:
        ShapeError, DTypeError: when the kernel is traced. OutOfBoundsError: when it runs, for an
            element that is not there and not masked.
    """
    program = _program("load")
    indices = _indices("load", array, index)
    flags = _flags("load", mask)
    if array._operand is None:
        raise _fail(UnsupportedError, f"load: {array.name} is a result, which has no elements yet")
    array._is_loaded = True
    others = [] if other is None else [asarray(other).astype(array.dtype)]
    blocks = _together("load", [*indices, *flags, *others])
    count = len(indices)
    return _core.program_load(
        array._operand,
        array.dtype,
        tuple(blocks[0].shape),
        program.site(f"load of {array.name}"),
        blocks[:count],
        blocks[count] if flags else None,
        blocks[-1] if others and flags else None,
    )


def _write(
    what: str, array: KernelArray, index: Any, value: Any, mask: Any, combine: str = ""
) -> None:
    program = _program(what)
    indices = _indices(what, array, index)
    number = program.result_of(array)
    if array._writer not in ("", what):
        raise _fail(
            UnsupportedError,
            f"{what}: {array.name} is also written to by {array._writer}, and what came of it "
            "would depend on the order; take a result for each",
        )
    array._writer = what
    if combine and array.dtype.kind == "bool":
        raise _fail(DTypeError, f"{what}: {array.name} has bools; take integers")
    tensor = asarray(value)
    blocks = _together(what, [*indices, *_flags(what, mask)])
    shape = tuple(blocks[0].shape)
    if np.broadcast_shapes(shape, tuple(tensor.shape)) != shape:
        raise _fail(
            ShapeError, f"{what}: a value of shape {tuple(tensor.shape)} at indices of {shape}"
        )
    value_block = _together(what, [blocks[0], tensor.astype(array.dtype)])[1]
    count = len(indices)
    program.state = _core.program_store(
        program.state,
        value_block,
        number,
        program.site(f"{what} to {array.name}"),
        blocks[:count],
        blocks[count] if mask is not None else None,
        combine,
    )


def store(array: KernelArray, index: Any, value: Any, mask: Any = None) -> None:
    """Writes a block of elements of a result.

    Args:
        array: a parameter of the kernel, which is a result by this.
        index, mask: as of `load`.
        value: converted to the array's dtype, and broadcast to the shape of the index.

    Raises:
        as `load`.
    """
    _write("store", array, index, value, mask)


def atomic_add(array: KernelArray, index: Any, value: Any, mask: Any = None) -> None:
    """Adds a block to elements of a result, to which other programs may add too.

    Integers wrap around. The sum of floats depends on its order, which is that of the grid, and in
    a program that of the block: where a kernel combines floats, its programs run one after the
    other, on one thread. A sum that should take many threads goes to an element of its own for each
    program, by `store`, and is added up by `weft.sum`.

    Args:
        array: a parameter of the kernel, which is a result by this, and begins with zeros if the
            call gives a `weft.spec`, else with the elements of the tensor. Not of bools. All that
            is written to it is so by the same function.
        index, mask: as of `load`; an index may be there several times.
        value: converted to the array's dtype, and broadcast to the shape of the index.

    Raises:
        as `store`. UnsupportedError: it is written to by another function, too.
    """
    _write("atomic_add", array, index, value, mask, "add")


def atomic_max(array: KernelArray, index: Any, value: Any, mask: Any = None) -> None:
    """Puts the larger of a block and of elements of a result in place of these.

    As `atomic_add`, but for what is done: of floats, a NaN stays.
    """
    _write("atomic_max", array, index, value, mask, "max")


def atomic_min(array: KernelArray, index: Any, value: Any, mask: Any = None) -> None:
    """Puts the smaller of a block and of elements of a result in place of these.

    As `atomic_add`, but for what is done: of floats, a NaN stays.
    """
    _write("atomic_min", array, index, value, mask, "min")


#
# Kernels
#


@dataclass(frozen=True)
class _Parameter:
    """How an argument comes in: "array" and "number" by tensors, "result" by its type."""

    name: str
    kind: str
    shape: tuple = ()
    dtype: DType | None = None


class _Checked:
    """A kernel whose stores are checked."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def __getitem__(self, grid: Any) -> Callable:
        return functools.partial(self._kernel._call, grid, True)


def device_of(arguments: dict[str, Any]) -> Any:
    """Where the first tensor among a call's arguments is; None if there is none."""
    return next((v.device for v in arguments.values() if isinstance(v, Tensor)), None)


class Kernel:
    """A kernel; made by `weft.kernel`, called as ``kernel[grid](*args)``."""

    def __init__(self, function: Callable) -> None:
        if not isinstance(function, types.FunctionType):
            raise _fail(DTypeError, f"kernel takes a function, not a {type(function).__name__}")
        self._function = function
        self._name = function.__name__
        self._source = KernelSource(function)
        # Not `_signature`: inspect's own code has that name, and what code names of an object is
        # compared at each call of a function that is compiled.
        self._call_signature = inspect.signature(function)
        self._constant_names = frozenset(
            name
            for name, parameter in self._call_signature.parameters.items()
            if parameter.annotation is constexpr
            or str(parameter.annotation).rpartition(".")[2] == "constexpr"
        )
        functools.update_wrapper(self, function)

    @functools.cached_property
    def _compiled(self) -> Callable:
        from ._jit import jit

        return jit(
            lambda grid, constants, parameters, is_checked, *tensors: self._traced_call(
                grid, constants, parameters, list(tensors), is_checked
            ),
            static_argnums=(0, 1, 2, 3),
        )

    def __getitem__(self, grid: Any) -> Callable:
        return functools.partial(self._call, grid, False)

    @property
    def checked(self) -> _Checked:
        """``kernel.checked[grid](*args)``: the same, but an error if programs store to one element.

        For tests: each store notes its program in memory of its own.

        Raises:
            OutOfBoundsError: names the store and two programs. UnsupportedError: in a function that
                is compiled or transformed.
        """
        return _Checked(self)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if _current.program is None:
            raise _fail(
                OptionError,
                f"kernel {self._name}: give it a grid, as {self._name}[grid](...)",
            )
        return self._source.make(_runtime)(*args, **kwargs)

    def _bound(self, args: tuple, kwargs: dict) -> dict[str, Any]:
        try:
            bound = self._call_signature.bind(*args, **kwargs)
        except TypeError as error:
            raise _fail(OptionError, f"kernel {self._name}: {error}") from None
        bound.apply_defaults()
        return bound.arguments

    def _texts(self) -> list[str]:
        """The sources of the kernel and of those that it calls."""
        found: dict[Kernel, str] = {}
        waiting = [self]
        while waiting:
            kernel = waiting.pop()
            if kernel in found:
                continue
            found[kernel] = kernel._source.text
            outside = {**kernel._function.__globals__, **kernel._source.cells()}
            names = kernel._function.__code__
            for name in (*names.co_names, *names.co_freevars):
                if isinstance(outside.get(name), Kernel):
                    waiting.append(outside[name])
        return list(found.values())

    def _call(self, grid: Any, is_checked: bool, /, *args: Any, **kwargs: Any) -> Any:
        if _current.program is not None:
            raise _fail(UnsupportedError, f"kernel {self._name}: a kernel can't launch another")
        arguments = self._bound(args, kwargs)
        constants = {
            name: arguments.pop(name) for name in list(arguments) if name in self._constant_names
        }
        sizes = self._grid(grid, constants)
        parameters: list[_Parameter] = []
        tensors: list[Tensor] = []
        home = device_of(arguments)
        for name, value in arguments.items():
            parameters.append(self._parameter(name, value, tensors, home))
        items = tuple(constants.items())
        if is_checked and _core.is_tracing():
            raise _fail(
                UnsupportedError,
                f"kernel {self._name}: checked is for calls outside of functions that are traced",
            )
        if _core.is_tracing():
            results = self._traced_call(sizes, items, tuple(parameters), tensors, False)
        else:
            results = self._compiled(sizes, items, tuple(parameters), is_checked, *tensors)
        kept = results[: len(results) // 2] if is_checked else results
        return kept[0] if len(kept) == 1 else tuple(kept)

    def _grid(self, grid: Any, constants: dict) -> tuple[int, ...]:
        made = grid(dict(constants)) if callable(grid) else grid
        sizes = tuple(made) if isinstance(made, (tuple, list)) else (made,)
        if not 1 <= len(sizes) <= _MOST_AXES or not all(
            isinstance(size, int) and size >= 0 for size in sizes
        ):
            raise _fail(
                OptionError,
                f"kernel {self._name}: a grid is 1 to {_MOST_AXES} ints, none negative, "
                f"not {made!r}",
            )
        return sizes

    def _parameter(self, name: str, value: Any, tensors: list[Tensor], home: Any) -> _Parameter:
        from ._export import Spec

        if isinstance(value, Spec):
            if not value.shape:
                raise _fail(ShapeError, f"kernel {self._name}: {name} has no dimensions")
            self._check_dtype(name, value.dtype)
            return _Parameter(name, "result", tuple(value.shape), value.dtype)
        try:
            # Numbers go along to where the tensors are.
            tensor = asarray(value, device=home if isinstance(value, (bool, int, float)) else None)
        except WeftError:
            raise _fail(
                DTypeError,
                f"kernel {self._name}: {name} is a {type(value).__name__}, not a tensor, a "
                "number or a spec of a result; mark what is a constant by weft.constexpr",
            ) from None
        self._check_dtype(name, tensor.dtype)
        tensors.append(tensor)
        return _Parameter(name, "array" if tensor.ndim else "number")

    def _check_dtype(self, name: str, dtype: DType) -> None:
        if dtype.is_complex or dtype.is_float8:
            raise _fail(
                DTypeError,
                f"kernel {self._name}: {name} is {dtype.name}, which kernels do not compute with",
            )

    def _traced_call(
        self,
        grid: tuple,
        constants: tuple,
        parameters: tuple,
        tensors: list[Tensor],
        is_checked: bool,
    ) -> tuple[Tensor, ...]:
        """The results in the order of the parameters, then, if checked, who stored to them."""
        program = _Program(self._name, self._source.file, tensors)
        program.rank = len(grid)
        arrays: dict[str, KernelArray] = {}
        function = self._source.make(_runtime)

        def body(_: list[Tensor]) -> list[Tensor]:
            given: dict[str, Any] = dict(constants)
            operand = 0
            for parameter in parameters:
                if parameter.kind == "result":
                    arrays[parameter.name] = KernelArray(
                        parameter.name, parameter.dtype, len(parameter.shape), None
                    )
                else:
                    tensor = tensors[operand]
                    made: Any = KernelArray(parameter.name, tensor.dtype, tensor.ndim, operand)
                    if parameter.kind == "number":
                        made = _core.program_load(
                            operand, tensor.dtype, (), parameter.name, [], None, None
                        )
                    else:
                        arrays[parameter.name] = made
                    given[parameter.name] = made
                    operand += 1
                if parameter.kind == "result":
                    given[parameter.name] = arrays[parameter.name]
            program.state = asarray(0).astype("int64")
            self._run(function, given)
            return [program.state]

        with _Region() as region:
            outer, _current.program = _current.program, program
            try:
                region.add(self._name, [], [], body)
            finally:
                _current.program = outer
            region.refuse_draws(self._name)
            return self._results(program, parameters, arrays, grid, is_checked)

    def _run(self, function: Callable, given: dict[str, Any]) -> None:
        try:
            function(**given)
        except Exception as error:
            raise self._located(error) from error

    def _located(self, error: Exception) -> Exception:
        """The error with the line and column of the kernel's source in front."""
        place, trace = "", error.__traceback__
        line = 0
        while trace:
            code = trace.tb_frame.f_code
            if code.co_filename == self._source.file and code.co_name != "__weft_make":
                line, column = _position(code, trace.tb_lasti)
                place = f"{code.co_filename}:{line}:{column}: "
            trace = trace.tb_next
        text = str(error).removeprefix(f"{self._source.file}:{line}: ")
        if not isinstance(error, WeftError):
            return UnsupportedError(f"{place}kernel {self._name}: {type(error).__name__}: {text}")
        if text.startswith(place) or f"kernel {self._name}: " in text:
            return error
        return type(error)(f"{place}kernel {self._name}: {text}")

    def _results(
        self,
        program: _Program,
        parameters: tuple,
        arrays: dict[str, KernelArray],
        grid: tuple,
        is_checked: bool,
    ) -> tuple[Tensor, ...]:
        shapes = {parameter.name: parameter.shape for parameter in parameters}
        for name, array in arrays.items():
            if array._operand is None and array._result is None:
                raise _fail(UnsupportedError, f"kernel {self._name}: nothing is stored to {name}")
            if array._result is not None and array._is_loaded:
                raise _fail(
                    UnsupportedError,
                    f"kernel {self._name}: {name} is loaded and stored to, but other programs "
                    "may come before or behind; pass the tensor twice, or take two kernels",
                )
        if not program.results:
            raise _fail(UnsupportedError, f"kernel {self._name}: nothing is stored")
        initial = [-1 if array._operand is None else array._operand for array in program.results]
        types_ = [
            (array.dtype, shapes[array.name] or tuple(program.inputs[array._operand or 0].shape))
            for array in program.results
        ]
        if is_checked:
            initial += [-1] * len(types_)
            types_ += [(as_dtype("int64"), shape) for _, shape in types_]
        leaves = _core.program_op(self._name, grid, initial, program.inputs, types_, is_checked)
        numbers = [array._result for array in arrays.values() if array._result is not None]
        return tuple([leaves[number] for number in numbers] + leaves[len(numbers) :])


def kernel(function: Callable) -> Kernel:
    """Compiles a function over blocks to a kernel, which runs once for each place of a grid.

    A decorator::

        @weft.kernel
        def add(x, y, out, n, BLOCK: weft.constexpr):
            offsets = blocks.program_id(0) * BLOCK + blocks.arange(BLOCK)
            mask = offsets < n
            total = blocks.load(x, offsets, mask) + blocks.load(y, offsets, mask)
            blocks.store(out, offsets, total, mask)

        z = add[weft.blocks.cdiv(n, 1024)](x, y, weft.spec(x.shape, x.dtype), n, BLOCK=1024)

    Parameters that are stored to are results. For these a call has a `weft.spec` of shape and
    dtype, with zeros where nothing is stored, or a tensor whose elements these are: it is not
    changed. See docs/kernels.md for what the source may hold.

    Args:
        function: its parameters are tensors and numbers, or, marked by `weft.constexpr`, constants.

    Returns:
        The kernel. ``kernel[grid](*args)`` gives the results, in the order of the parameters; the
        grid has 1 to 3 ints, or is a function of the dict of the constants.

    Raises:
        UnsupportedError: the source has what kernels can't have. At a call also ShapeError,
            DTypeError, OptionError, with line and column of the kernel; OutOfBoundsError when a
            program reads or writes an element that is not there.
    """
    return Kernel(function)
