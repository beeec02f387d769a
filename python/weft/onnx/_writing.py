"""Exported programs as ONNX models: one function for each of weft's operations."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._core import SymbolicSize
from .._creation import _fail, asarray
from .._errors import FileError, UnsupportedError
from .._export import Exported
from .._paths import file_path
from ._reading import onnx_package
from ._values import number_of

#: The opset of what is written.
OPSET = 21


class _Type(NamedTuple):
    """A result's dtype and shape, with symbolic sizes."""

    dtype: Any
    shape: tuple[Any, ...]


class _Writer:
    """The nodes that were written so far, and the values' names."""

    def __init__(self, onnx: Any) -> None:
        self.helper, self.numpy = onnx.helper, onnx.numpy_helper
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []
        self.names: dict[int, str] = {}
        self.types: dict[int, _Type] = {}
        self.taken: set[str] = set()
        #: The inputs and dimensions whose sizes have names.
        self.symbols: dict[str, tuple[str, int]] = {}
        self._count = 0

    def fresh(self) -> str:
        """A name that no other value has."""
        while True:
            self._count += 1
            name = f"v{self._count}"
            if name not in self.taken:
                self.taken.add(name)
                return name

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node of one output; the output's name."""
        name = self.fresh()
        self.nodes.append(self.helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def array(self, values: Any, name: str = "") -> str:
        """A constant."""
        name = self.fresh() if not name or name in self.taken else name
        self.taken.add(name)
        self.arrays.append(self.numpy.from_array(np.ascontiguousarray(values), name))
        return name

    def whole(self, numbers: Any) -> str:
        """A constant of integers."""
        return self.array(np.array(numbers, np.int64))


def _numpy_dtype(dtype: Any) -> np.dtype:
    """NumPy's name of a dtype; of those that it has not, that of ml_dtypes."""
    return np.asarray(asarray(np.zeros(1, bool)).astype(dtype)).dtype


class _Op(NamedTuple):
    """One operation: the names and types of its operands, its result's type, its attributes."""

    writer: _Writer
    inputs: list[str]
    types: list[_Type]
    result: _Type
    options: dict[str, Any]


_FORMS: dict[str, Callable[[_Op], str]] = {}


def _form(*names: str) -> Callable[[Callable[[_Op], str]], Callable[[_Op], str]]:
    def add(function: Callable[[_Op], str]) -> Callable[[_Op], str]:
        for name in names:
            _FORMS[f"weft.{name}"] = function
        return function

    return add


_SAME = {
    **{name: name.capitalize() for name in ("abs", "sign", "floor", "ceil", "round", "sqrt")},
    **{name: name.capitalize() for name in ("reciprocal", "exp", "log", "sin", "cos", "tan")},
    **{name: name.capitalize() for name in ("asin", "acos", "atan", "sinh", "cosh", "tanh")},
    **{name: name.capitalize() for name in ("asinh", "acosh", "atanh", "erf", "sigmoid", "relu")},
    "negative": "Neg",
    "isnan": "IsNaN",
    "isinf": "IsInf",
    "logical_not": "Not",
    "add": "Add",
    "subtract": "Sub",
    "multiply": "Mul",
    "pow": "Pow",
    "select": "Where",
    "maximum": "Max",
    "minimum": "Min",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "equal": "Equal",
    "less": "Less",
    "less_equal": "LessOrEqual",
    "greater": "Greater",
    "greater_equal": "GreaterOrEqual",
    "bitwise_and": "BitwiseAnd",
    "bitwise_or": "BitwiseOr",
    "bitwise_xor": "BitwiseXor",
    "bitwise_invert": "BitwiseNot",
    "stop_gradient": "Identity",
    "gelu": "Gelu",
}


def _refuse(op: _Op, what: str) -> Exception:
    return _fail(UnsupportedError, f"weft.onnx.save: {op.options['']} {what}")


def _add_same(name: str, onnx_name: str) -> None:
    @_form(name)
    def same(op: _Op) -> str:
        extra = sorted(set(op.options) - {"", "weft.name"})
        if extra:
            raise _refuse(op, f"with the attribute {extra[0]}")
        return op.writer.node(onnx_name, *op.inputs)


for _name, _onnx_name in _SAME.items():
    _add_same(_name, _onnx_name)


@_form("divide")
def _divide(op: _Op) -> str:
    return op.writer.node("Div", *op.inputs)


@_form("fixed_pow")
def _fixed_pow(op: _Op) -> str:
    exponent = op.writer.array(np.array(op.options["exponent"], _numpy_dtype(op.result.dtype)))
    return op.writer.node("Pow", op.inputs[0], exponent)


@_form("not_equal")
def _not_equal(op: _Op) -> str:
    return op.writer.node("Not", op.writer.node("Equal", *op.inputs))


@_form("rsqrt")
def _rsqrt(op: _Op) -> str:
    return op.writer.node("Reciprocal", op.writer.node("Sqrt", *op.inputs))


@_form("silu")
def _silu(op: _Op) -> str:
    return op.writer.node("Mul", op.inputs[0], op.writer.node("Sigmoid", op.inputs[0]))


@_form("cast")
def _cast(op: _Op) -> str:
    return op.writer.node("Cast", op.inputs[0], to=number_of(op.result.dtype))


@_form("softmax", "log_softmax")
def _softmax(op: _Op) -> str:
    name = "LogSoftmax" if op.options[""] == "weft.log_softmax" else "Softmax"
    return op.writer.node(name, op.inputs[0], axis=op.options["axis"])


def _is_open(size: Any) -> bool:
    return isinstance(size, SymbolicSize)


def _shape(writer: _Writer, shape: Sequence[Any], rest: bool) -> str:
    """A shape as a value: sizes with names are read from inputs; with ``rest`` one is left open."""
    if not any(map(_is_open, shape)):
        return writer.whole(shape)
    hidden = [size for size in shape if _is_open(size) and str(size) not in writer.symbols]
    if rest and (hidden or sum(map(_is_open, shape)) == 1) and 0 not in shape:
        left = hidden[0] if hidden else next(filter(_is_open, shape))
        if sum(size is left for size in shape) == 1:
            shape = [-1 if size is left else size for size in shape]
            hidden = hidden[1:]
    if hidden:
        raise _fail(
            UnsupportedError, f"weft.onnx.save: the size {hidden[0]} is that of no input alone"
        )
    if not any(map(_is_open, shape)):
        return writer.whole(shape)
    parts = []
    for size in shape:
        if not _is_open(size):
            parts.append(writer.whole([size]))
            continue
        source, axis = writer.symbols[str(size)]
        parts.append(writer.node("Shape", source, start=axis, end=axis + 1))
    return writer.node("Concat", *parts, axis=0)


@_form("reshape")
def _reshape(op: _Op) -> str:
    keeps_zero = {"allowzero": 1} if 0 in op.result.shape else {}
    shape = _shape(op.writer, op.result.shape, True)
    return op.writer.node("Reshape", op.inputs[0], shape, **keeps_zero)


@_form("transpose")
def _transpose(op: _Op) -> str:
    return op.writer.node("Transpose", op.inputs[0], perm=op.options["permutation"])


@_form("broadcast")
def _broadcast(op: _Op) -> str:
    shape: list[Any] = [1] * len(op.result.shape)
    for place, size in zip(op.options["dimensions"], op.types[0].shape, strict=True):
        shape[place] = size
    made = op.writer.node("Reshape", op.inputs[0], _shape(op.writer, shape, True))
    pairs = list(zip(shape, op.result.shape, strict=True))
    if all(str(have) == str(want) for have, want in pairs):
        return made
    # A size of 1 in what Expand is given leaves the operand's as it is.
    target = [1 if str(have) == str(want) else want for have, want in pairs]
    return op.writer.node("Expand", made, _shape(op.writer, target, False))


@_form("slice")
def _slice(op: _Op) -> str:
    starts, steps = op.options["starts"], op.options["steps"]
    ends = []
    for place, size in enumerate(op.result.shape):
        start, step = starts[place], steps[place]
        if _is_open(size):
            if start or step != 1 or str(op.types[0].shape[place]) != str(size):
                raise _fail(
                    UnsupportedError, f"weft.onnx.save: a slice of a dimension of size {size}"
                )
            ends.append(2**62)
            continue
        end = start + (size - 1) * step + (1 if step > 0 else -1)
        ends.append(end if end >= 0 else -(2**62))
    axes = list(range(len(starts)))
    return op.writer.node("Slice", op.inputs[0], *map(op.writer.whole, (starts, ends, axes, steps)))


@_form("concatenate")
def _concatenate(op: _Op) -> str:
    return op.writer.node("Concat", *op.inputs, axis=op.options["axis"])


@_form("pad")
def _pad(op: _Op) -> str:
    low = op.options["low"]
    if any(op.options["interior"]) or any(map(_is_open, op.result.shape)):
        raise _fail(UnsupportedError, "weft.onnx.save: padding between elements or of open sizes")
    sizes = zip(op.result.shape, low, op.types[0].shape, strict=True)
    high = [want - begin - have for want, begin, have in sizes]
    value = op.writer.node("Reshape", op.inputs[1], op.writer.whole([]))
    return op.writer.node("Pad", op.inputs[0], op.writer.whole([*low, *high]), value)


@_form("gather")
def _gather(op: _Op) -> str:
    return op.writer.node("Gather", *op.inputs, axis=op.options["axis"])


def _add_reduction(name: str, onnx_name: str) -> None:
    @_form(name)
    def reduce(op: _Op) -> str:
        return op.writer.node(
            onnx_name, op.inputs[0], op.writer.whole(op.options["axes"]), keepdims=0
        )


for _name, _onnx_name in {
    "sum": "Sum",
    "prod": "Prod",
    "max": "Max",
    "min": "Min",
    "mean": "Mean",
}.items():
    _add_reduction(_name, f"Reduce{_onnx_name}")


@_form("argmax", "argmin")
def _place(op: _Op) -> str:
    name = "ArgMax" if op.options[""] == "weft.argmax" else "ArgMin"
    return op.writer.node(name, op.inputs[0], axis=op.options["axes"][0], keepdims=0)


@_form("cumulative_sum")
def _cumulative_sum(op: _Op) -> str:
    axis = op.writer.array(np.array(op.options["axis"], np.int64))
    reverse = int(bool(op.options.get("reversed")))
    return op.writer.node("CumSum", op.inputs[0], axis, reverse=reverse)


def _swapped(op: _Op, place: int) -> str:
    order = list(range(len(op.types[place].shape)))
    order[-2:] = order[-1], order[-2]
    return op.writer.node("Transpose", op.inputs[place], perm=order)


@_form("matmul")
def _matmul(op: _Op) -> str:
    lhs = _swapped(op, 0) if op.options.get("transpose_lhs") else op.inputs[0]
    rhs = _swapped(op, 1) if op.options.get("transpose_rhs") else op.inputs[1]
    return op.writer.node("MatMul", lhs, rhs)


def _borders(op: _Op) -> list[int]:
    return [*op.options["padding"], *op.options["padding"]]


@_form("conv2d")
def _conv(op: _Op) -> str:
    return op.writer.node(
        "Conv",
        *op.inputs,
        strides=op.options["strides"],
        dilations=op.options["dilations"],
        pads=_borders(op),
        group=op.options["groups"],
    )


@_form("max_pool2d", "avg_pool2d")
def _pool(op: _Op) -> str:
    options = {"kernel_shape": op.options["window"], "strides": op.options["strides"]}
    if op.options[""] == "weft.max_pool2d":
        return op.writer.node("MaxPool", op.inputs[0], pads=_borders(op), **options)
    return op.writer.node(
        "AveragePool", op.inputs[0], pads=_borders(op), count_include_pad=1, **options
    )


@_form("batch_norm")
def _batch_norm(op: _Op) -> str:
    if len(op.inputs) != 5:
        raise _refuse(op, "without weight and bias")
    x, mean, variance, weight, bias = op.inputs
    return op.writer.node(
        "BatchNormalization", x, weight, bias, mean, variance, epsilon=op.options["epsilon"]
    )


@_form("layer_norm")
def _layer_norm(op: _Op) -> str:
    rank = len(op.types[1].shape)
    return op.writer.node(
        "LayerNormalization", *op.inputs, axis=-rank, epsilon=op.options["epsilon"]
    )


@_form("scaled_dot_product_attention")
def _attention(op: _Op) -> str:
    query, key = op.types[0].shape, op.types[1].shape
    if len(op.inputs) != 3 or op.options["groups"] != 1:
        raise _refuse(op, "with a mask or groups of heads")
    if list(map(str, query[:-2])) != list(map(str, key[:-2])):
        raise _refuse(op, "of batches that are not alike")
    scores = op.writer.node("MatMul", op.inputs[0], _swapped(op, 1))
    dtype = _numpy_dtype(op.result.dtype)
    scores = op.writer.node("Mul", scores, op.writer.array(np.array(op.options["scale"], dtype)))
    if op.options["causal"]:
        if _is_open(query[-2]) or _is_open(key[-2]):
            raise _refuse(op, "that is causal, of a length that is open")
        hidden = np.triu(np.full((query[-2], key[-2]), -np.inf), 1).astype(dtype)
        scores = op.writer.node("Add", scores, op.writer.array(hidden))
    return op.writer.node("MatMul", op.writer.node("Softmax", scores, axis=-1), op.inputs[2])


# A program -----------------------------------------------------------------------------------


def save(program: Exported, path: str | os.PathLike) -> None:
    """Writes an exported program as an ONNX model, of opset 21.

    Sizes that are open keep their names; weights are initializers under theirs.

    Args:
        program: what `weft.export` made.
        path: the file, by custom ``.onnx``.

    Raises:
        UnsupportedError: the program has operations that no ONNX op is written for: one error that
            names each with its number; or the package ``onnx`` is missing. FileError: the file
            can't be written.
    """
    onnx = onnx_package()
    model = _model(onnx, program)
    onnx.checker.check_model(model, full_check=True)
    try:
        with open(os.fsdecode(file_path(path)), "wb") as file:
            file.write(model.SerializeToString())
    except OSError as error:
        raise _fail(FileError, f"{path!s} can't be written: {error.strerror}") from None


def _model(onnx: Any, program: Exported) -> Any:
    rows = program._program.operations()
    known = {*_FORMS, "weft.constant", "func.return"}
    missing = Counter(name for name, *_ in rows if name not in known)
    if missing:
        lines = [f"  {name}: {count} times" for name, count in sorted(missing.items())]
        raise _fail(
            UnsupportedError,
            "\n".join(["operations of weft that no ONNX op is written for:", *lines]),
        )
    writer = _Writer(onnx)
    writer.taken |= {spec.name for spec in (*program.inputs, *program.outputs)}
    for number, spec in enumerate(program.inputs):
        writer.names[number] = spec.name
        writer.types[number] = _Type(spec.dtype, spec.shape)
        for axis, size in enumerate(spec.shape):
            if _is_open(size) and str(size) in program.symbols:
                writer.symbols.setdefault(str(size), (spec.name, axis))
    for row in rows:
        _write(writer, row, program)
    infos = [[_info(onnx, spec) for spec in group] for group in (program.inputs, program.outputs)]
    graph = onnx.helper.make_graph(writer.nodes, "weft", *infos, writer.arrays)
    return onnx.helper.make_model(
        graph,
        producer_name="weft",
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=10,
    )


def _info(onnx: Any, spec: Any) -> Any:
    shape = [str(size) if _is_open(size) else size for size in spec.shape]
    return onnx.helper.make_tensor_value_info(spec.name, number_of(spec.dtype), shape)


def _write(writer: _Writer, row: tuple, program: Exported) -> None:
    name, operands, results, options = row
    inputs = [writer.names[number] for number in operands]
    if name == "func.return":
        for spec, source in zip(program.outputs, inputs, strict=True):
            writer.nodes.append(writer.helper.make_node("Identity", [source], [spec.name]))
        return
    ((number, made),) = results
    result = _Type(*made)
    writer.types[number] = result
    if name == "weft.constant":
        values = np.frombuffer(options["value"], _numpy_dtype(result.dtype)).reshape(result.shape)
        writer.names[number] = writer.array(values, options.get("weft.name") or "")
        return
    types = [writer.types[operand] for operand in operands]
    op = _Op(writer, inputs, types, result, {**options, "": name})
    writer.names[number] = _FORMS[name](op)
