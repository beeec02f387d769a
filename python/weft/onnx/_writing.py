"""Exported programs as ONNX models: one function for each of weft's operations."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._creation import _fail
from .._dtypes import float32, float64
from .._errors import DTypeError, UnsupportedError
from .._export import Exported
from .._paths import written
from ._reading import onnx_package
from ._writer import FORMS, OPSET, READ, Op, Type, Writer, numpy_dtype

#: Bytes of a message of the format's.
_LARGEST = 2**31 - 1

#: Operations of programs that nobody has to write.
_PLAIN = frozenset({"weft.constant", "func.return", "weft.yield"})


def save(program: Exported, path: str | os.PathLike) -> None:
    """Writes an exported program as an ONNX model, of opset 21.

    Sizes that are open keep their names; weights are initializers under theirs.

    Args:
        program: what `weft.export` made.
        path: the file, by custom ``.onnx``, which is written whole or not at all.

    Raises:
        DTypeError: ``program`` is no exported program.
        UnsupportedError: the program has operations that no ONNX op is written for: one error that
            names each with its number; it has more than 2 GiB; or the package ``onnx`` is missing.
            FileError: the file can't be written.
    """
    if not isinstance(program, Exported):
        raise _fail(
            DTypeError,
            f"weft.onnx.save: a {type(program).__name__} is no exported program: export it before "
            "(weft.export, or export() of a model)",
        )
    onnx = onnx_package()
    model = _model(onnx, program)
    size = model.ByteSize()
    if size > _LARGEST:
        raise _fail(
            UnsupportedError,
            f"weft.onnx.save: the model has {size} bytes, but a file of ONNX has at most 2 GiB: "
            "make the weights smaller (weft.quantize), or arguments of the program",
        )
    onnx.checker.check_model(model, full_check=True)
    content = model.SerializeToString()
    with written(path, "the model", "wb") as file:
        file.write(content)


def _model(onnx: Any, program: Exported) -> Any:
    rows = program._program.operations({*FORMS, *_PLAIN})
    _refuse_missing(rows)
    writer = Writer(onnx)
    writer.taken |= {spec.name for spec in (*program.inputs, *program.outputs)}
    types = [[_type(spec) for spec in group] for group in (program.inputs, program.outputs)]
    infos = []
    for number, (spec, type) in enumerate(zip(program.inputs, types[0], strict=True)):
        writer.names[number], writer.types[number] = spec.name, type
        infos.append(writer.info(spec.name, type))
        for axis, size in enumerate(type.shape):
            writer.learn(spec.name, axis, size)
    made = _write(writer, rows, _constants_apart(rows))
    results = []
    for spec, type, source in zip(program.outputs, types[1], made, strict=True):
        writer.nodes.append(writer.helper.make_node("Identity", [source], [spec.name]))
        results.append(writer.info(spec.name, type))
    graph = onnx.helper.make_graph(writer.nodes, "weft", infos, results, writer.arrays)
    return onnx.helper.make_model(
        graph,
        producer_name="weft",
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=10,
    )


def _type(spec: Any) -> Type:
    """Complex numbers are pairs of parts."""
    part = {"complex64": float32, "complex128": float64}.get(spec.dtype.name)
    return Type(part, (*spec.shape, 2)) if part else Type(spec.dtype, tuple(spec.shape))


def _refuse_missing(rows: Sequence[tuple]) -> None:
    """One error for all that no ONNX op is written for, each with its first line."""
    found: dict[str, list[str]] = {}
    pending = list(rows)
    for name, _, _, _, regions, line in pending:
        pending += [row for _, inner in regions for row in inner]
        if name not in FORMS and name not in _PLAIN:
            found.setdefault(name, []).append(line)
    if found:
        lines = [
            f"  {name}: {_times(len(places))}" + (f", first at {places[0]}" if places[0] else "")
            for name, places in sorted(found.items())
        ]
        raise _fail(
            UnsupportedError,
            "\n".join(["operations of weft that ONNX has no operator for:", *lines]),
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _constants_apart(rows: Sequence[tuple]) -> set[int]:
    """The numbers of the values that forms alone read, which write them themselves."""
    alone, shared = set[int](), set[int]()
    pending = list(rows)
    for name, operands, _, _, regions, _ in pending:
        pending += [row for _, inner in regions for row in inner]
        own = READ.get(name, ())
        for place, number in enumerate(operands):
            (alone if place in own else shared).add(number)
    return alone - shared


def _write(writer: Writer, rows: Sequence[tuple], apart: set[int]) -> list[str]:
    """Writes operations in their order; the names of what the last one returns."""
    nested = _region_writer(writer, apart)
    for name, operands, results, options, regions, _ in rows:
        inputs = [writer.names[number] for number in operands]
        if name in ("func.return", "weft.yield"):
            return inputs
        types = [Type(*made) for _, made in results]
        numbers = [number for number, _ in results]
        writer.types.update(zip(numbers, types, strict=True))
        if name == "weft.constant":
            made: Any = _constant(writer, types[0], options, numbers[0] in apart)
        else:
            given = [writer.types[number] for number in operands]
            op = Op(writer, name, inputs, given, types, options, regions, nested)
            made = FORMS[name](op)
        names = [made] if isinstance(made, str) else made
        writer.names.update(zip(numbers, names, strict=True))
    return []


def _constant(writer: Writer, type: Type, options: dict[str, Any], apart: bool) -> str:
    values = np.frombuffer(options["value"], numpy_dtype(type.dtype)).reshape(type.shape)
    name = options.get("weft.name") or ""
    return writer.left(values, name) if apart else writer.array(values, name)


def _region_writer(writer: Writer, apart: set[int]) -> Any:
    def write(region: Any, names: Sequence[str]) -> list[str]:
        arguments, rows = region
        for (number, made), name in zip(arguments, names, strict=True):
            writer.names[number], writer.types[number] = name, Type(*made)
        return _write(writer, rows, apart)

    return write
