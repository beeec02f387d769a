"""Random kernels of every dtype, whose results are known to the bit, and what runs them.

Only what every processor rounds alike is drawn: arithmetic, square roots, and sums of whole numbers
that are small enough for their dtype. So NumPy's results are Weft's, without a tolerance. A source
is drawn once and written twice: NumPy's has a dtype at each number, as its rules for numbers are
those of bfloat16 only in part.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kernel_programs
import ml_dtypes
import numpy as np
import weft
from weft import blocks

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float16", "bfloat16", "float32", "float64")
DTYPES = ("bool", *INTEGERS, *FLOATS)
#: Whole numbers up to this are floats of the dtype.
_WHOLE = {"float16": 2**11, "bfloat16": 2**8, "float32": 2**24, "float64": 2**53}


def numpy_dtype(name: str) -> np.dtype:
    """NumPy's dtype, or ml_dtypes'."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


@dataclass(frozen=True)
class Value:
    """An expression: a block with as many dimensions as the arrays, each 1 or the block's."""

    text: str
    dtype: str
    shape: tuple[int, ...]


@dataclass
class Result:
    """What is stored to: `kind` says where a block of it goes."""

    name: str
    dtype: str
    kind: str
    shape: tuple[int, ...]
    is_given: bool


@dataclass
class DrawnKernel:
    """A random kernel with its arguments."""

    seed: int
    lines: list[str] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    count: int = 0
    depth: int = 1

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.rank = self.int(1, 4)
        self.axes = self.int(1, self.rank + 1)
        limits = {1: (90, 50), 2: (20, 18), 3: (9, 7)}[self.rank]
        self.sizes = tuple(self.int(0 if self.chance(8) else 1, limits[0]) for _ in self.dims)
        self.blocks = tuple(
            self.int(1, limits[1]) if d < self.axes else self.sizes[d] + self.int(1, 5)
            for d in self.dims
        )
        self.grid = tuple(blocks.cdiv(self.sizes[d], self.blocks[d]) for d in range(self.axes))
        self.number = self.int(0, 9)
        self.values: list[Value] = []
        self._draw()

    # Drawing

    @property
    def dims(self) -> range:
        return range(self.rank)

    def int(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high))

    def chance(self, of: int) -> bool:
        return self.int(0, of) == 0

    def one_of(self, values: Any) -> Any:
        return values[self.int(0, len(values))]

    def fresh(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def named(self, value: Value) -> Value:
        """The value by a name, so that what is used twice is not written twice."""
        if len(value.text) < 12:
            return value
        name = self.fresh()
        self.line(f"{name} = {value.text}")
        return Value(name, value.dtype, value.shape)

    def drawn_array(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """Numbers of which many are small, some at the ends, and some floats not finite."""
        if dtype == "bool":
            return self.rng.integers(0, 2, shape).astype(bool)
        if dtype in INTEGERS:
            ends = np.iinfo(dtype)
            small = self.rng.integers(0 if ends.min == 0 else -5, 6, shape).astype(dtype)
            wide = self.rng.integers(ends.min, ends.max, shape, dtype, endpoint=True)
            return np.where(self.rng.integers(0, 3, shape) == 0, wide, small)
        made = np.round(self.rng.normal(size=shape) * 8) / 4
        if self.chance(3):
            odd = self.rng.choice([np.inf, -np.inf, np.nan, 1e4, -0.0], shape)
            made = np.where(self.rng.integers(0, 6, shape) == 0, odd, made)
        return made.astype(numpy_dtype(dtype))

    def _draw(self) -> None:
        for n in range(self.int(1, 4)):
            self.arrays[f"x{n}"] = self.drawn_array(self.sizes, self.one_of(DTYPES))
        self.arrays["table"] = self.drawn_array((self.int(1, 40),), self.one_of(DTYPES))
        for n in range(self.int(1, 4)):
            self.results.append(self._result(f"out{n}"))
        for d in self.dims:
            start = f"blocks.program_id({d}) * {self.blocks[d]} + " if d < self.axes else ""
            self.line(f"i{d} = ({start}blocks.arange({self.blocks[d]})){self._spread(d)}")
        inside = " & ".join(f"(i{d} < x0.shape[{d}])" for d in self.dims)
        self.line(f"inside = {inside}")
        self.values.append(Value("inside", "bool", self.blocks))
        for d in self.dims:
            shape = tuple(self.blocks[d] if e == d else 1 for e in self.dims)
            self.values.append(Value(f"i{d}", "int64", shape))
        for name in self.arrays:
            if name != "table":
                self.assign(self.load(name))
        for _ in range(self.int(3, 9)):
            self.statement([])
        for result in self.results:
            self.store(result)

    def _spread(self, axis: int) -> str:
        if self.rank == 1:
            return ""
        return f"[{', '.join(':' if e == axis else 'None' for e in self.dims)}]"

    def _result(self, name: str) -> Result:
        kinds = ["full", "full", "flat", "apart", "atomic_add", "atomic_max", "atomic_min"]
        kind = self.one_of([*kinds, "rows"] if self.axes < self.rank else kinds)
        shape = self.sizes
        if kind == "rows":
            shape = self.sizes[: self.axes]
        elif kind == "apart":
            shape = (*self.sizes[:-1], 2 * self.sizes[-1] + 1)
        elif kind.startswith("atomic"):
            shape = (self.int(1, 12),)
        # Sums of bfloat16 are whole numbers only of few elements.
        dtype = self.one_of(DTYPES)
        if kind.startswith("atomic") and dtype in ("bool", "bfloat16", "float16"):
            dtype = self.one_of(INTEGERS)
        return Result(name, dtype, kind, shape, self.chance(3))

    # Expressions

    def literal(self, number: float, dtype: str) -> str:
        return f"@{number}:{dtype}@"

    def some(self, dtype: str | None = None) -> Value:
        """A value in reach, converted if there is none of the dtype."""
        found = [value for value in self.values if dtype in (None, value.dtype)]
        if found and (dtype is None or not self.chance(4)):
            return self.one_of(found[-12:])
        assert dtype
        return self.converted(self.one_of(self.values[-12:]), dtype)

    def converted(self, value: Value, dtype: str) -> Value:
        if value.dtype == dtype:
            return value
        if value.dtype in FLOATS and dtype in INTEGERS:
            value = self.tamed(value, 100, is_positive=dtype.startswith("u"))
        return Value(f"{value.text}.astype('{dtype}')", dtype, value.shape)

    def tamed(self, value: Value, most: int, is_positive: bool = False) -> Value:
        """Whole numbers up to `most`; what is larger, or NaN, is 1."""
        if value.dtype not in FLOATS:
            return value
        value = self.named(value)
        one, limit = self.literal(1.0, value.dtype), self.literal(float(most), value.dtype)
        size = f"weft.abs({value.text})"
        chosen = size if is_positive else value.text
        text = f"weft.round(weft.where({size} <= {limit}, {chosen}, {one}))"
        return Value(text, value.dtype, value.shape)

    def expression(self, depth: int, dtype: str | None = None) -> Value:
        dtype = dtype or self.one_of([value.dtype for value in self.values])
        assert dtype
        if depth == 0:
            return self.some(dtype)
        kind = self.int(0, 11)
        if kind < 2:
            return self.reduced(depth, dtype)
        if kind == 2:
            return self.moved(self.expression(depth - 1, dtype))
        if kind == 3:
            flag = self.expression(depth - 1, "bool")
            first, second = self.expression(depth - 1, dtype), self.expression(depth - 1, dtype)
            return self.joined(f"weft.where({flag.text}, {{0}}, {{1}})", first, second, flag)
        if kind == 4:
            return self.converted(self.expression(depth - 1), dtype)
        if kind == 5 and self.rank == 2 and dtype != "bool":
            return self.product(depth, dtype)
        if dtype == "bool":
            return self.compared(depth)
        if kind < 8:
            return self.unary(self.expression(depth - 1, dtype))
        return self.binary(depth, dtype)

    def joined(self, form: str, first: Value, second: Value, *more: Value) -> Value:
        shapes = [value.shape for value in (first, second, *more)]
        shape = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
        return Value(f"({form.format(first.text, second.text)})", first.dtype, shape)

    def unary(self, value: Value) -> Value:
        forms = ["-{0}", "weft.abs({0})"]
        if value.dtype in FLOATS:
            forms += ["weft.sqrt(weft.abs({0}))", "weft.floor({0})", "weft.ceil({0})"]
            value = self.named(value)
            forms += ["weft.trunc({0})", "weft.round({0})", "({0} * {0})"]
        else:
            value = self.named(value)
            forms += ["~{0}", "({0} * {0})"]
            three = self.literal(3, value.dtype)
            forms += [f"({{0}} % {three})", f"({{0}} // {three})", f"({{0}} << {three})"]
            forms += [f"({{0}} >> {three})", f"weft.minimum({{0}}, {three})"]
        number = self.literal(self.int(0, 7) * (0.5 if value.dtype in FLOATS else 1), value.dtype)
        forms += [f"({{0}} + {number})", f"({number} - {{0}})", f"({{0}} * {number})"]
        return Value(f"({self.one_of(forms).format(value.text)})", value.dtype, value.shape)

    def binary(self, depth: int, dtype: str) -> Value:
        first, second = self.expression(depth - 1, dtype), self.expression(depth - 1, dtype)
        forms = ["{0} + {1}", "{0} - {1}", "{0} * {1}", "weft.maximum({0}, {1})"]
        forms += ["weft.minimum({0}, {1})"]
        if dtype in FLOATS:
            forms += [f"{{0}} / (weft.abs({{1}}) + {self.literal(1.0, dtype)})"]
        else:
            forms += ["{0} & {1}", "{0} | {1}", "{0} ^ {1}"]
        return self.joined(self.one_of(forms), first, second)

    def compared(self, depth: int) -> Value:
        kind = self.int(0, 3)
        if kind == 0:
            value = self.expression(depth - 1, "bool")
            return Value(f"(~{value.text})", "bool", value.shape)
        dtype = "bool" if kind == 1 else self.one_of([*INTEGERS, *FLOATS])
        signs = ("&", "|", "^", "==", "!=") if kind == 1 else ("<", "<=", ">", ">=", "==", "!=")
        first, second = self.expression(depth - 1, dtype), self.expression(depth - 1, dtype)
        made = self.joined(f"{{0}} {self.one_of(signs)} {{1}}", first, second)
        return Value(made.text, "bool", made.shape)

    def reduced(self, depth: int, dtype: str) -> Value:
        """A reduction or scan along one axis or all; of the dtype, by a conversion."""
        axis = self.int(0, self.rank)
        if dtype == "bool":
            value = self.expression(depth - 1, "bool")
            return self._reduction(self.one_of(["any", "all"]), value, axis)
        name = self.one_of(
            ["sum", "sum", "prod", "max", "min", "argmax", "argmin", "cumulative_sum"]
            + ["cumulative_prod"]
        )
        value = self.expression(depth - 1, dtype)
        count = int(np.prod(self.blocks))
        if name in ("sum", "cumulative_sum"):
            if dtype in FLOATS and _WHOLE[dtype] < count:
                name = "max"
            else:
                value = self.tamed(value, min(_WHOLE.get(dtype, 0) // max(count, 1), 50))
        elif "prod" in name:
            value = self.tamed(value, 1)
        if name.startswith("cumulative"):
            made = Value(f"weft.{name}({value.text}, axis={axis})", "", value.shape)
        else:
            made = self._reduction(name, value, axis)
        # Of few bits, sums have a wider dtype.
        return Value(f"{made.text}.astype('{dtype}')", dtype, made.shape)

    def _reduction(self, name: str, value: Value, axis: int) -> Value:
        shape = tuple(1 if d == axis else size for d, size in enumerate(value.shape))
        form = self.int(0, 3)
        if form == 0 and not name.startswith("arg") and self.rank > 1:
            text = f"weft.{name}({value.text}, axis=None, keepdims=True)"
            return Value(text, value.dtype, (1,) * self.rank)
        if form == 1:
            places = ", ".join("None" if d == axis else ":" for d in self.dims)
            return Value(f"weft.{name}({value.text}, axis={axis})[{places}]", value.dtype, shape)
        text = f"weft.{name}({value.text}, axis={axis}, keepdims=True)"
        return Value(text, value.dtype, shape)

    def moved(self, value: Value) -> Value:
        """The same elements at other places."""
        axis = self.int(0, self.rank)
        size, before = value.shape[axis], ":, " * axis
        if self.chance(3) and self.rank == 2 and value.shape[0] == value.shape[1]:
            return Value(f"{value.text}.T", value.dtype, value.shape)
        if self.chance(3) and size > 1:
            cut, value = self.int(1, size), self.named(value)
            parts = f"{{0}}[{before}{cut}:], {{0}}[{before}:{cut}]".format(value.text)
            return Value(f"weft.concat([{parts}], axis={axis})", value.dtype, value.shape)
        if self.chance(2):
            flat = f"weft.reshape({value.text}, (-1,))[::-1]"
            return Value(f"weft.reshape({flat}, {value.shape})", value.dtype, value.shape)
        return Value(f"weft.flip({value.text}, axis={axis})", value.dtype, value.shape)

    def product(self, depth: int, dtype: str) -> Value:
        """Of three blocks, so that the shape is that of the first."""
        full = [self.named(self.full(self.expression(depth - 1, dtype))) for _ in range(2)]
        rows, columns = self.blocks
        whole = _WHOLE.get(dtype, 2**60)
        first, second = (self.tamed(v, min(int((whole / columns) ** 0.5), 8)) for v in full)
        inner = Value(f"blocks.dot({first.text}, {second.text}.T)", dtype, (rows, rows))
        inner = self.tamed(inner, 1)
        most = min(whole // rows, 8)
        if dtype in FLOATS and (most == 0 or whole < columns):
            return full[0]
        last, inner = self.tamed(full[0], most), self.named(inner)
        return Value(f"blocks.dot({inner.text}, {last.text})", dtype, self.blocks)

    def full(self, value: Value) -> Value:
        if value.shape == self.blocks:
            return value
        text = f"weft.broadcast_to({value.text}, {self.blocks})"
        return Value(text, value.dtype, self.blocks)

    # Loads, stores, statements

    def mask(self) -> str:
        return "inside" if self.chance(2) else f"inside & {self.expression(1, 'bool').text}"

    def load(self, name: str) -> Value:
        array = self.arrays[name]
        dtype = array.dtype.name
        other = ""
        if self.chance(2):
            number = self.literal(self.int(0, 3) if dtype not in FLOATS else 0.5, dtype)
            other = f", other={number if dtype != 'bool' else 'True'}"
        if name == "table":
            value = self.converted(self.expression(1), "int64")
            index = f"{value.text} % table.shape[0]"
            mask = "" if self.chance(2) else f", {self.expression(1, 'bool').text}"
            text = f"blocks.load(table, weft.broadcast_to({index}, {self.blocks}){mask}{other})"
            if not mask:
                text = f"blocks.load(table, weft.broadcast_to({index}, {self.blocks}))"
            return Value(text, dtype, self.blocks)
        places = [f"i{d}" for d in self.dims]
        if self.chance(3):
            d = self.int(0, self.rank)
            places[d] = f"x0.shape[{d}] - 1 - i{d}"
        index = f"({', '.join(places)},)"
        if self.chance(3):
            index = places[0]
            for d in range(1, self.rank):
                index = f"({index}) * {name}.shape[{d}] + {places[d]}"
        return Value(f"blocks.load({name}, {index}, {self.mask()}{other})", dtype, self.blocks)

    def assign(self, value: Value) -> None:
        name = self.fresh()
        self.line(f"{name} = {value.text}")
        self.values.append(Value(name, value.dtype, value.shape))

    def store(self, result: Result) -> None:
        dtype = result.dtype
        value = self.expression(1, dtype if self.chance(2) else None)
        value = self.converted(value, dtype)
        if result.kind.startswith("atomic"):
            if dtype in FLOATS:
                value = self.tamed(value, 2**10)
            index = self.converted(self.expression(1), "int64").text
            place = f"weft.broadcast_to({index} % {result.shape[0]}, {self.blocks})"
            call = f"blocks.{result.kind}({result.name}, {place}, {value.text}, {self.mask()})"
            self.line(call)
            return
        places = [f"i{d}" for d in self.dims]
        mask = self.mask()
        if result.kind == "rows":
            last = tuple(range(self.axes, self.rank))
            kept = ", ".join(":" if d < self.axes else "0" for d in self.dims)
            value = Value(f"{self.full(value).text}[{kept}]", dtype, self.blocks[: self.axes])
            mask = f"weft.any({mask}, axis={last})" if self.chance(2) else f"({mask})[{kept}]"
            places = [f"i{d}[{kept}]" for d in range(self.axes)]
        elif result.kind == "apart":
            places[-1] = f"{places[-1]} * 2 + 1"
        index = f"({', '.join(places)},)"
        if result.kind == "flat":
            index = places[0]
            for d in range(1, self.rank):
                index = f"({index}) * {result.name}.shape[{d}] + {places[d]}"
        self.line(f"blocks.store({result.name}, {index}, {value.text}, {mask})")

    def condition(self, variables: list[str]) -> str:
        kinds = [
            f"n > {self.int(0, 9)}",
            f"blocks.program_id({self.int(0, self.axes)}) % 2 == 0",
            f"weft.any({self.expression(1, 'bool').text})",
            f"weft.sum({self.expression(1, 'int32').text}) % 3 == 0",
            "blocks.load(table, n % table.shape[0]) > 0",
        ]
        kinds += [f"{name} % 2 == 1" for name in variables]
        return self.one_of(kinds)

    def statement(self, variables: list[str]) -> None:
        kind = self.int(0, 12)
        if kind < 4 or self.depth > 3:
            self.assign(self.expression(self.int(1, 4)))
        elif kind == 4:
            self.assign(self.load("table"))
        elif kind == 5:
            self.assign(self.load(self.one_of([*self.arrays])))
        elif kind == 6:
            self.store(self.one_of(self.results))
        elif kind < 9:
            self.line(f"if {self.condition(variables)}:")
            self.inner(variables)
            if self.chance(2):
                self.line("else:")
                self.inner(variables)
        else:
            self.loop(variables)

    def loop(self, variables: list[str]) -> None:
        name = f"c{len(self.lines)}"
        kind = self.int(0, 4)
        if kind == 0:
            self.line(f"for {name} in blocks.static_range({self.int(0, 3)}):")
        elif kind == 1:
            self.line(f"{name} = n * 0")
            self.line(f"while {name} < n % 4:")
            self.line(f"    {name} = {name} + 1")
        else:
            last = self.one_of(["n % 4", "3", "n - 6", "x0.shape[0] % 3"])
            self.line(f"for {name} in range({self.one_of(['0', '1', 'n % 3'])}, {last}):")
        exit = self.one_of(["break", "continue"]) if self.chance(4) else ""
        self.inner([*variables, name], exit)

    def inner(self, variables: list[str], exit: str = "") -> None:
        """Statements whose own names end with them; names of before change, of the same type."""
        before = len(self.values)
        self.depth += 1
        count = len(self.lines)
        for _ in range(self.int(1, 4)):
            names = [v for v in self.values[:before] if v.text.startswith("v")]
            if names and self.chance(2):
                self.change(self.one_of(names), variables)
            else:
                self.statement(variables)
        if exit:
            self.line(f"if {self.condition(variables)}:")
            self.line(f"    {exit}")
        if len(self.lines) == count:
            self.line("pass")
        self.depth -= 1
        del self.values[before:]

    def change(self, changed: Value, variables: list[str]) -> None:
        """Another value for a name, of the same dtype and shape."""
        made = self.expression(2, changed.dtype)
        if variables and self.chance(2) and changed.dtype == "int64":
            number = self.literal(variables[-1], "int64")
            made = Value(f"({made.text} + {number})", "int64", made.shape)
        if made.shape != changed.shape:
            made = self.joined("{0} & {1}" if made.dtype == "bool" else "{0} + {1}", made, changed)
        if made.shape == changed.shape:
            self.line(f"{changed.text} = {made.text}")

    # Sources

    def _source(self, number: Callable[[re.Match], str]) -> str:
        names = [*self.arrays, *(result.name for result in self.results), "n"]
        text = "\n".join([f"def program({', '.join(names)}):", *self.lines]) + "\n"
        return re.sub(r"@([^:@]+):(\w+)@", number, text)

    @property
    def source(self) -> str:
        """The kernel."""
        return self._source(lambda match: match[1])

    @property
    def twin(self) -> str:
        """The same for NumPy, with a dtype at each number."""
        return self._source(lambda match: f"weft.number({match[1]}, '{match[2]}')")

    def expected(self, folder: Path) -> list[np.ndarray]:
        """What NumPy makes of the source."""
        function = kernel_programs.loaded(folder, self.twin)
        made = self.initial()
        given = [array.copy() for array in self.arrays.values()]
        kernel_programs.interpret(function, self.grid, *given, *made, np.int64(self.number))
        return made

    def initial(self) -> list[np.ndarray]:
        """What is in the results before."""
        rng = np.random.default_rng(self.seed + 1)
        most = [5 * each.is_given + 1 for each in self.results]
        return [
            rng.integers(0, count, each.shape).astype(numpy_dtype(each.dtype))
            for count, each in zip(most, self.results, strict=True)
        ]

    def call(self, kernel: Any, *tensors: weft.Tensor) -> tuple[weft.Tensor, ...]:
        """Calls a kernel, or its `checked`, with what `tensors` gives."""
        arrays, initial = tensors[: len(self.arrays)], iter(tensors[len(self.arrays) :])
        results = [
            next(initial) if each.is_given else weft.spec(each.shape, each.dtype)
            for each in self.results
        ]
        made = kernel[self.grid](*arrays, *results, self.number)
        return made if isinstance(made, tuple) else (made,)

    def tensors(self) -> list[np.ndarray]:
        """The arrays, and those that results begin with."""
        pairs = zip(self.initial(), self.results, strict=True)
        return [*self.arrays.values(), *(array for array, each in pairs if each.is_given)]


def assert_same(made: Sequence[weft.Tensor], expected: Sequence[np.ndarray], source: str) -> None:
    """Fails where results are not as expected; every NaN is the same, and so are both zeros."""
    for got, want in zip(made, expected, strict=True):
        array = np.asarray(got.cpu())
        assert array.dtype == want.dtype
        if want.dtype == ml_dtypes.bfloat16:
            array, want = array.astype(np.float32), want.astype(np.float32)
        np.testing.assert_array_equal(array, want, err_msg=source)
