"""The ONNX graph that is being written: nodes, constants and sizes, by the names of values."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .._core import SymbolicSize
from .._creation import _fail, asarray
from .._errors import UnsupportedError
from ._values import number_of

#: The opset of what is written.
OPSET = 21

#: ONNX's numbers of element types.
INT32, INT64, BOOL, UINT4, INT4 = 6, 7, 9, 21, 22

#: Where a dtype that an ONNX op has not is computed: the first of these that it has.
_WIDER = {
    "bool": ("uint8", "int32"),
    **dict.fromkeys(("int8", "uint8", "int16", "uint16"), ("int32", "int64")),
    **dict.fromkeys(("int32", "uint32", "uint64"), ("int64",)),
    **dict.fromkeys(("float8e4m3fn", "float8e5m2"), ("float",)),
    **dict.fromkeys(("float16", "bfloat16"), ("float", "double")),
    "float": ("double",),
}


class Type(NamedTuple):
    """A result's dtype and shape, with symbolic sizes."""

    dtype: Any
    shape: tuple[Any, ...]


class _Symbol(NamedTuple):
    """A named size n of which an input's dimension is ``slope * n + first``."""

    source: str
    axis: int
    slope: int
    first: int

    @property
    def plain(self) -> bool:
        """Whether the dimension is the size itself."""
        return (self.slope, self.first) == (1, 0)


def is_open(size: Any) -> bool:
    """Whether a size is known only when the model runs."""
    return isinstance(size, SymbolicSize)


def numpy_dtype(dtype: Any) -> np.dtype:
    """NumPy's name of a dtype; of those that it has not, that of ml_dtypes."""
    return np.asarray(asarray(np.zeros(1, bool)).astype(dtype)).dtype


class Writer:
    """The nodes that were written so far, and the values' names."""

    def __init__(self, onnx: Any) -> None:
        self.onnx = onnx
        self.helper, self.numpy = onnx.helper, onnx.numpy_helper
        #: Those of the graph that is written now, and of the outermost one.
        self.nodes: list[Any] = []
        self.outermost = self.nodes
        self.arrays: list[Any] = []
        #: By the numbers of weft's values.
        self.names: dict[int, str] = {}
        self.types: dict[int, Type] = {}
        #: By names: ONNX's number of the dtype, and the elements of constants.
        self.elements: dict[str, int] = {}
        self.known: dict[str, np.ndarray] = {}
        #: Constants that the forms which read them write in their own way, and what they made.
        self.apart: set[str] = set()
        self.dequantized: dict[tuple, str] = {}
        self._put: dict[str, str] = {}
        self.taken: set[str] = set()
        #: Where the named sizes are read.
        self.symbols: dict[str, _Symbol] = {}
        self._sizes: dict[str, str] = {}
        self._shared: dict[tuple, str] = {}
        self._count = 0

    def fresh(self) -> str:
        """A name that no other value has."""
        while True:
            self._count += 1
            name = f"v{self._count}"
            if name not in self.taken:
                self.taken.add(name)
                return name

    # Nodes -----------------------------------------------------------------------------------

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node of one output; the output's name."""
        return self.several(op, 1, *inputs, **attributes)[0]

    def several(self, op: str, count: int, *inputs: str, **attributes: Any) -> list[str]:
        """Adds a node; the names of its outputs. What ONNX has not in a dtype is widened for it.

        An operand that is left out is "".
        """
        schema = self.onnx.defs.get_schema(op, OPSET)
        formals = [schema.inputs[min(i, len(schema.inputs) - 1)] for i in range(len(inputs))]
        given = dict[str, int]()
        for name, formal in zip(inputs, formals, strict=True):
            if name:
                given.setdefault(formal.type_str, self.elements[name])
        used = {letter: self._allowed(schema, letter, number) for letter, number in given.items()}
        cast = [
            self.cast(name, used[formal.type_str]) if name else ""
            for name, formal in zip(inputs, formals, strict=True)
        ]
        names = [self.fresh() for _ in range(count)]
        self.nodes.append(self.helper.make_node(op, cast, names, **attributes))
        results = []
        for name, formal in zip(names, schema.outputs, strict=False):
            letter = formal.type_str
            made = used[letter] if letter in used else self._only(schema, letter, attributes)
            self.elements[name] = made
            results.append(self.cast(name, given.get(letter, made)))
        return results

    def _allowed(self, schema: Any, letter: str, number: int) -> int:
        """The element type in which an op computes what is given in another one."""
        allowed = next(
            (
                row.allowed_type_strs
                for row in schema.type_constraints
                if row.type_param_str == letter
            ),
            [letter],
        )
        name = self.onnx.TensorProto.DataType.Name(number).lower()
        for wider in (name, *_WIDER.get(name, ())):
            if f"tensor({wider})" in allowed:
                return int(self.onnx.TensorProto.DataType.Value(wider.upper()))
        raise _fail(UnsupportedError, f"weft.onnx.save: ONNX has no {schema.name} of {name}")

    def _only(self, schema: Any, letter: str, attributes: dict[str, Any]) -> int:
        """The element type of a result that no operand has."""
        if "to" in attributes:
            return int(attributes["to"])
        rows = [
            row.allowed_type_strs for row in schema.type_constraints if row.type_param_str == letter
        ]
        ((text,),) = rows or [[letter]]
        return int(self.onnx.TensorProto.DataType.Value(text[7:-1].upper()))

    def cast(self, name: str, number: int) -> str:
        """The value in another element type; itself if it has it."""
        if self.elements[name] == number:
            return name
        made = self.fresh()
        self.nodes.append(self.helper.make_node("Cast", [name], [made], to=number))
        self.elements[made] = number
        return made

    # Constants -------------------------------------------------------------------------------

    def array(self, values: Any, name: str = "") -> str:
        """A constant. Small ones that are equal are one."""
        values = np.ascontiguousarray(values).reshape(np.shape(values))
        key = (values.dtype.str, values.dtype.name, values.shape, values.tobytes())
        if not name and values.size <= 64 and key in self._shared:
            return self._shared[key]
        name = self.fresh() if not name or name in self.taken else name
        self.taken.add(name)
        tensor = self.numpy.from_array(values, name)
        self.arrays.append(tensor)
        self.elements[name] = tensor.data_type
        self.known[name] = values
        self._shared[key] = name
        return name

    def raw(self, data: np.ndarray, shape: Sequence[int], element: int, name: str) -> str:
        """A constant of an element type that is not made of bytes."""
        name = self.fresh() if name in self.taken else name
        self.taken.add(name)
        tensor = self.onnx.TensorProto(name=name, dims=shape, data_type=element)
        tensor.raw_data = data.tobytes()
        self.arrays.append(tensor)
        self.elements[name] = element
        return name

    def left(self, values: np.ndarray, name: str) -> str:
        """A constant that is written by the forms that read it alone."""
        while not name or name in self.taken or name in self.apart:
            name = self.fresh()
            self.taken.discard(name)
        self.apart.add(name)
        self.known[name] = values
        return name

    def put(self, name: str) -> str:
        """A value as nodes take it: a constant that was left to forms is written as it is."""
        if name not in self.apart:
            return name
        if name not in self._put:
            self._put[name] = self.array(self.known[name], name)
        return self._put[name]

    def whole(self, numbers: Any) -> str:
        """A constant of integers."""
        return self.array(np.array(numbers, np.int64))

    def whole32(self, number: int) -> str:
        """A constant of int32."""
        return self.array(np.array(number, np.int32))

    def like(self, name: str, value: Any) -> str:
        """A number of the dtype of another value."""
        dtype = self.helper.tensor_dtype_to_np_dtype(self.elements[name])
        return self.array(np.array(value).astype(dtype))

    def zero(self, dtype: Any) -> str:
        """A zero of a dtype."""
        return self.array(np.zeros((), numpy_dtype(dtype)))

    # Sizes -----------------------------------------------------------------------------------

    def size(self, size: Any) -> str:
        """A size as one integer, of shape [1]. Sizes are computed in the outermost graph."""
        if not is_open(size):
            return self.whole([int(size)])
        text = str(size)
        if text not in self._sizes:
            with self.inside(self.outermost):
                self._sizes[text] = self._formula(ast.parse(text, mode="eval").body)
        return self._sizes[text]

    def scalar(self, size: Any) -> str:
        """A size as one integer without dimensions."""
        if not is_open(size):
            return self.whole(int(size))
        return self.node("Reshape", self.size(size), self.whole([]))

    def sizes(self, sizes: Sequence[Any]) -> str:
        """A list of sizes, numbers among them; neighbours that are known are one constant."""
        parts: list[Any] = []
        for size in sizes:
            if not is_open(size) and parts and isinstance(parts[-1], list):
                parts[-1].append(int(size))
            else:
                parts.append(size if is_open(size) else [int(size)])
        names = [self.whole(x) if isinstance(x, list) else self.size(x) for x in parts]
        if len(names) == 1:
            return names[0]
        return self.node("Concat", *names, axis=0) if names else self.whole([])

    def _formula(self, term: ast.expr) -> str:
        """Computes what weft's text of a size says."""
        if isinstance(term, ast.Constant):
            return self.whole([term.value])
        if isinstance(term, ast.Name):
            return self._symbol(term.id)
        if isinstance(term, ast.UnaryOp):
            return self.node("Neg", self._formula(term.operand))
        if isinstance(term, ast.Call):  # floor(dividend / divisor)
            (quotient,) = term.args
            assert isinstance(quotient, ast.BinOp)
            left, right = self._formula(quotient.left), self._formula(quotient.right)
            return self.node("Div", self.node("Sub", left, self.node("Mod", left, right)), right)
        assert isinstance(term, ast.BinOp)
        names = {ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul"}
        left, right = self._formula(term.left), self._formula(term.right)
        return self.node(names[type(term.op)], left, right)

    def _symbol(self, symbol: str) -> str:
        if symbol not in self._sizes:
            if symbol not in self.symbols:
                raise _fail(
                    UnsupportedError,
                    f"weft.onnx.save: no input's shape tells the size {symbol} alone; give it a "
                    "number when exporting, or an input a dimension of that size",
                )
            self._sizes[symbol] = self._read(self.symbols[symbol])
        return self._sizes[symbol]

    def _read(self, symbol: _Symbol) -> str:
        made = self.node("Shape", symbol.source, start=symbol.axis, end=symbol.axis + 1)
        made = self.node("Sub", made, self.whole([symbol.first])) if symbol.first else made
        return made if symbol.slope == 1 else self.node("Div", made, self.whole([symbol.slope]))

    def learn(self, name: str, axis: int, size: Any) -> None:
        """An input's dimension from which a named size follows, if one does."""
        if not is_open(size):
            return
        tree = ast.parse(str(size), mode="eval").body
        symbols = {x.id for x in ast.walk(tree) if isinstance(x, ast.Name)} - {"floor"}
        if len(symbols) != 1 or any(isinstance(x, ast.Call) for x in ast.walk(tree)):
            return
        (symbol,) = symbols
        code = compile(ast.Expression(tree), "<size>", "eval")
        zero, one, two = (eval(code, {symbol: n}) for n in range(3))
        slope = one - zero
        if slope <= 0 or two - one != slope or eval(code, {symbol: 3}) - two != slope:
            return
        # An input that has the size itself goes before one that has a formula of it.
        plain = (slope, zero) == (1, 0)
        if symbol in self.symbols and (not plain or self.symbols[symbol].plain):
            return
        self.symbols[symbol] = _Symbol(name, axis, slope, zero)

    # Graphs ----------------------------------------------------------------------------------

    @contextmanager
    def inside(self, nodes: list[Any]) -> Iterator[list[Any]]:
        """Writes to other nodes, of a graph around this one or within it."""
        before, self.nodes = self.nodes, nodes
        try:
            yield nodes
        finally:
            self.nodes = before

    def info(self, name: str, type: Type) -> Any:
        """A value's name, dtype and shape."""
        shape = [str(size) if is_open(size) else size for size in type.shape]
        self.elements[name] = number_of(type.dtype)
        return self.helper.make_tensor_value_info(name, number_of(type.dtype), shape)


class Op(NamedTuple):
    """One operation: the names and types of its operands, its results' types, its attributes."""

    writer: Writer
    name: str
    inputs: list[str]
    types: list[Type]
    results: list[Type]
    options: dict[str, Any]
    regions: list[Any]
    #: Writes a region: (region, names of its arguments) -> names of what it yields.
    write: Callable[[Any, Sequence[str]], list[str]]

    @property
    def result(self) -> Type:
        """The type of the one result, or of the first."""
        return self.results[0]

    @property
    def is_float(self) -> bool:
        """Whether the first operand's elements may be NaN."""
        return bool(self.types[0].dtype.is_floating_point)

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node of one output; the output's name."""
        return self.writer.node(op, *inputs, **attributes)

    def refuse(self, what: str) -> Exception:
        """The error for an operation that ONNX has not in this way."""
        return _fail(UnsupportedError, f"weft.onnx.save: {self.name} {what}")


#: How each of weft's operations is written: its results' names, one alone or several.
FORMS: dict[str, Callable[[Op], str | list[str]]] = {}

#: The operands that a form writes itself where they are constants which nothing else reads.
READ: dict[str, tuple[int, ...]] = {}

_Form = Callable[[Op], "str | list[str]"]


def form(*names: str, reads: tuple[int, ...] = ()) -> Callable[[_Form], _Form]:
    """Says that a function writes the operations of these names, and the constants it reads."""

    def add(function: _Form) -> _Form:
        for name in names:
            FORMS[f"weft.{name}"] = function
            READ[f"weft.{name}"] = reads
        return function

    return add
