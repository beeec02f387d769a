"""ONNX files as graphs: what is damaged, hostile, or not understood is an error here."""

from __future__ import annotations

import math
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from .._creation import _fail
from .._errors import FileError, UnsupportedError
from .._foreign import ForeignUse, RuleTable
from .._paths import file_path
from ._graph import Graph, Node, ValueType
from ._rules import TABLE, OnnxRule, option_name
from ._values import NARROW

#: The oldest opset whose ops have the meaning that the rules give them: broadcasting as NumPy's.
OLDEST_OPSET = 7
#: The newest opset that the rules were written for; newer ops may mean something else.
NEWEST_OPSET = 28

#: A model of more nodes than this, once its functions are written out, is taken for hostile.
_MOST_NODES = 1_000_000


def onnx_package() -> ModuleType:
    """The package ``onnx``. Raises UnsupportedError where it is missing."""
    try:
        import onnx
        import onnx.checker
        import onnx.inliner
        import onnx.numpy_helper
        import onnx.shape_inference
    except ImportError as error:
        raise _fail(
            UnsupportedError,
            f"weft.onnx needs the package onnx, which reads the files: pip install onnx ({error})",
        ) from None
    return onnx


@dataclass
class Contents:
    """A model that was read: its graph, and the arrays of its initializers by name."""

    graph: Graph
    arrays: dict[str, np.ndarray]
    #: Element types of those arrays that weft holds in a wider dtype.
    narrow: dict[str, int]
    name: str


def read(source: Any) -> Contents:
    """The contents of a path, of bytes, or of a ModelProto.

    Raises:
        FileError: it can't be read, or is no proper model. UnsupportedError: an op has no rule, or
            the opset is too old.
    """
    onnx = onnx_package()
    model, folder, name = _proto(onnx, source)
    try:
        return _contents(onnx, model, folder, name)
    except UnicodeDecodeError as error:
        raise _fail(FileError, f"{name} is damaged: a name is no text ({error})") from None


def _contents(onnx: ModuleType, model: Any, folder: str | None, name: str) -> Contents:
    arrays, narrow = _take_initializers(onnx, model, folder, name)
    _fetch_tensors(onnx, model, folder, name)
    _check_texts(model, name)
    _check_versions(model, name)
    _check_functions(model, name)
    _require_rules(onnx, model)
    try:
        _check(onnx, model)
        model = _without_functions(onnx, model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise _fail(FileError, f"{name} is no proper ONNX model: {reason}") from None
    versions = {row.domain: row.version for row in model.opset_import}
    oldest = versions.get("", versions.get("ai.onnx", OLDEST_OPSET))
    _check_newest(onnx, model, oldest, name)
    if oldest < OLDEST_OPSET and _has_changed(onnx, model, oldest):
        raise _fail(
            UnsupportedError,
            f"{name} is of opset {oldest}, but weft reads {OLDEST_OPSET} and newer; convert it: "
            "onnx.version_converter.convert_version(model, 13)",
        )
    graph = _Builder(onnx, versions, name).graph(model.graph)
    graph.inputs = [x for x in graph.inputs if x.name not in arrays]
    return Contents(graph, arrays, narrow, name)


#: What to do about ops without a rule.
WAY_OUT = "Ask weft's authors for a rule, or express the model in other ops."


def _require_rules(onnx: ModuleType, model: Any) -> None:
    """Raises one UnsupportedError for all ops that neither weft nor ONNX nor the model defines."""
    versions = {row.domain: row.version for row in model.opset_import}
    own = {(function.domain, function.name) for function in model.functions}
    groups = [("", model.graph.node), *((f" in {f.name}", f.node) for f in model.functions)]
    TABLE.require(
        [
            ForeignUse(op_name(node), version_of(node, versions), f"{place(node, i)}{within}")
            for within, group in groups
            for i, node in enumerate(_nodes(group))
            if (node.domain, node.op_type) not in own and _schema(onnx, node, versions) is None
        ],
        WAY_OUT,
    )


def place(node: Any, index: int) -> str:
    """How errors call a node."""
    return f"node {index} {node.name!r}" if node.name else f"node {index}"


def version_of(node: Any, versions: dict[str, int]) -> int:
    """The opset of a node's domain; of ONNX's own the oldest one where the model tells none."""
    version = versions.get(node.domain, versions.get("ai.onnx", 1))
    return OLDEST_OPSET if node.domain in _OWN and not versions else version


#: How the domain of ONNX's own ops is written.
_OWN = ("", "ai.onnx")


def _check(onnx: ModuleType, model: Any) -> None:
    """What the package's checker says of the model, but for shapes that are not told."""
    open_rows = [
        row
        for row in (*model.graph.input, *model.graph.output)
        if row.type.WhichOneof("value") in (None, "tensor_type")
        and not row.type.tensor_type.HasField("shape")
    ]
    untyped = [row for row in open_rows if not row.type.tensor_type.elem_type]
    for row in open_rows:
        row.type.tensor_type.shape.SetInParent()
    for row in untyped:
        row.type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.checker.check_model(model)
    for row in open_rows:
        row.type.tensor_type.ClearField("shape")
    for row in untyped:
        row.ClearField("type")


def _check_newest(onnx: ModuleType, model: Any, version: int, name: str) -> None:
    """Raises UnsupportedError for ops that may mean something else than the rules take them for."""
    known = onnx.defs.onnx_opset_version()
    if version > known:
        raise _fail(
            UnsupportedError,
            f"{name} is of opset {version}, but the package onnx {onnx.__version__} knows opsets "
            f"up to {known}: pip install --upgrade onnx, or convert the model: "
            f"onnx.version_converter.convert_version(model, {min(known, NEWEST_OPSET)})",
        )
    newer = [
        ForeignUse(node.op_type, version, place(node, i))
        for i, node in enumerate(_nodes(model.graph.node))
        if version > NEWEST_OPSET
        and node.domain in _OWN
        and onnx.defs.get_schema(node.op_type, version).since_version > NEWEST_OPSET
    ]
    RuleTable("ONNX").require(newer, WAY_OUT)


def _has_changed(onnx: ModuleType, model: Any, version: int) -> bool:
    """Whether an op of the model has had another meaning in its opset than in the oldest known."""
    try:
        return any(
            onnx.defs.get_schema(node.op_type, version).since_version
            != onnx.defs.get_schema(node.op_type, OLDEST_OPSET).since_version
            for node in _nodes(model.graph.node)
            if node.domain in _OWN
        )
    except onnx.defs.SchemaError:
        return True


def _proto(onnx: ModuleType, source: Any) -> tuple[Any, str | None, str]:
    """The model, the folder where its data may lie, and its name in errors."""
    from google.protobuf.message import DecodeError

    if isinstance(source, onnx.ModelProto):
        model = onnx.ModelProto()
        model.CopyFrom(source)
        return model, None, "the model"
    folder, name, content = None, "the model", source
    if not isinstance(source, (bytes, bytearray, memoryview)):
        path = os.fsdecode(file_path(source))
        folder, name = os.path.dirname(os.path.abspath(path)), path
        try:
            with open(path, "rb") as file:
                content = file.read()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise _fail(FileError, f"{name} can't be read: {reason}") from None
    model = onnx.ModelProto()
    try:
        model.ParseFromString(bytes(content))
    except DecodeError:
        raise _fail(FileError, f"{name} is no ONNX model, or is damaged") from None
    if not model.HasField("graph"):
        raise _fail(FileError, f"{name} is no ONNX model: it has no graph")
    return model, folder, name


# Initializers --------------------------------------------------------------------------------


def _take_initializers(
    onnx: ModuleType, model: Any, folder: str | None, name: str
) -> tuple[dict[str, np.ndarray], dict[str, int]]:
    """The arrays of the main graph; it keeps inputs in their place, so that it stays small."""
    graph = model.graph
    if graph.sparse_initializer:
        raise _fail(UnsupportedError, f"{name} has sparse initializers, which weft does not read")
    _move_constants(onnx, graph)
    arrays, narrow = {}, {}
    inputs = {x.name for x in graph.input}
    for tensor in graph.initializer:
        if not tensor.name or tensor.name in arrays:
            raise _fail(FileError, f"{name}: two initializers are named {tensor.name!r}")
        arrays[tensor.name] = _array(onnx, tensor, folder, name)
        if tensor.data_type in NARROW:
            narrow[tensor.name] = tensor.data_type
        if tensor.name not in inputs:
            row = onnx.helper.make_tensor_value_info(
                tensor.name, tensor.data_type, list(tensor.dims)
            )
            graph.input.append(row)
    del graph.initializer[:]
    model.ir_version = max(model.ir_version, 3)
    return arrays, narrow


#: A node's constant of more elements is taken for a weight.
_LARGEST_CONSTANT = 16


def _move_constants(onnx: ModuleType, graph: Any) -> None:
    """Makes initializers of the nodes that hold weights, as some exporters write them."""
    kept = []
    for node in graph.node:
        rows = list(node.attribute)
        is_weight = (
            node.op_type == "Constant"
            and node.domain in _OWN
            and [row.name for row in rows] == ["value"]
            and len(node.output) == 1
            and rows[0].t.data_type != onnx.TensorProto.STRING
            and math.prod(rows[0].t.dims) > _LARGEST_CONSTANT
        )
        if is_weight:
            tensor = graph.initializer.add()
            tensor.CopyFrom(rows[0].t)
            tensor.name = node.output[0]
        else:
            kept.append(node)
    if len(kept) < len(graph.node):
        rest = [type(node).FromString(node.SerializeToString()) for node in kept]
        del graph.node[:]
        graph.node.extend(rest)


def _array(onnx: ModuleType, tensor: Any, folder: str | None, name: str) -> np.ndarray:
    """The elements of a tensor. Raises FileError."""
    what = f"{name}: the tensor {tensor.name!r}"
    if any(size < 0 for size in tensor.dims):
        raise _fail(FileError, f"{what} has the shape {list(tensor.dims)}")
    if tensor.data_type == onnx.TensorProto.STRING:
        raise _fail(UnsupportedError, f"{what} holds strings, which weft has no tensors of")
    try:
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            complete = onnx.TensorProto()
            complete.CopyFrom(tensor)
            complete.raw_data = _external(tensor, folder, what)
            complete.data_location = onnx.TensorProto.DEFAULT
            tensor = complete
        array = onnx.numpy_helper.to_array(tensor)
    except FileError:
        raise
    except Exception as error:
        raise _fail(FileError, f"{what} can't be read: {error}") from None
    return held(np.asarray(array), tensor.data_type)


def _fetch_tensors(onnx: ModuleType, model: Any, folder: str | None, name: str) -> None:
    """Takes in the tensors of nodes, and of graphs within them, that lie in other files."""
    kinds = onnx.AttributeProto
    for node in _nodes([*model.graph.node, *(n for f in model.functions for n in f.node)]):
        for row in node.attribute:
            tensors = [row.t] if row.type == kinds.TENSOR else list(row.tensors)
            tensors += [x for graph in (row.g, *row.graphs) for x in graph.initializer]
            for tensor in tensors:
                if tensor.data_location == onnx.TensorProto.EXTERNAL:
                    what = f"{name}: the tensor {tensor.name!r}"
                    tensor.raw_data = _external(tensor, folder, what)
                    tensor.data_location = onnx.TensorProto.DEFAULT
                    del tensor.external_data[:]


def held(array: np.ndarray, element: int) -> np.ndarray:
    """The array in the dtype that weft holds its element type in."""
    if element not in NARROW:
        return array
    kind = NARROW[element].held
    return array.astype(np.float32).astype(kind)


def _external(tensor: Any, folder: str | None, what: str) -> bytes:
    """Bytes of another file in the model's own folder."""
    entries = {row.key: row.value for row in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise _fail(FileError, f"{what} lies in the file {location!r}: load the model by its path")
    root = os.path.realpath(folder)
    path = os.path.realpath(os.path.join(root, location))
    inside = os.path.commonpath([root, path]) == root and path != root
    if (
        not location
        or os.path.isabs(location)
        or ".." in re.split(r"[/\\]", location)
        or not inside
    ):
        raise _fail(FileError, f"{what} lies outside of the model's folder: {location!r}")
    try:
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", -1))
        if not os.path.isfile(path):
            raise ValueError(f"there is no file {location!r} beside the model")
        if offset < 0 or length < -1:
            raise ValueError(f"{location!r} has no such bytes")
        with open(path, "rb") as file:
            file.seek(offset)
            if length > os.path.getsize(path) - offset:
                raise ValueError(f"{location!r} is too short")
            return file.read(length)
    except (OSError, ValueError) as error:
        raise _fail(FileError, f"{what} can't be read: {error}") from None


# Functions -----------------------------------------------------------------------------------


def _nodes(nodes: Any) -> Iterator[Any]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            yield from _nodes(attribute.g.node)
            for graph in attribute.graphs:
                yield from _nodes(graph.node)


def _check_versions(model: Any, name: str) -> None:
    """Raises FileError for versions of opsets that no op could have."""
    for rows in (model.opset_import, *(function.opset_import for function in model.functions)):
        for row in rows:
            if not 0 <= row.version < 1 << 31:
                raise _fail(FileError, f"{name}: {row.domain!r} is of opset {row.version}")


def _check_texts(message: Any, name: str) -> None:
    """Raises FileError for text that is none: it comes as bytes."""
    for field, value in message.ListFields():
        if field.type == field.TYPE_STRING:
            texts = [value] if isinstance(value, (str, bytes)) else value
            if any(isinstance(text, bytes) for text in texts):
                raise _fail(FileError, f"{name} is damaged: a name is no text")
        elif field.type == field.TYPE_MESSAGE:
            for inner in [value] if hasattr(value, "ListFields") else value:
                _check_texts(inner, name)


def _check_functions(model: Any, name: str) -> None:
    """Raises FileError for functions that call themselves, or unfold to too many nodes."""
    functions = {(f.domain, f.name): f for f in model.functions}
    sizes: dict[tuple[str, str], int] = {}

    def size(nodes: Any, open_calls: tuple[tuple[str, str], ...]) -> int:
        total = 0
        for key, count in Counter((n.domain, n.op_type) for n in _nodes(nodes)).items():
            total += count
            if key not in functions:
                continue
            if key in open_calls:
                raise _fail(FileError, f"{name}: the function {key[1]} calls itself")
            if len(open_calls) > 100:
                raise _fail(FileError, f"{name}: functions are nested more than 100 deep")
            if key not in sizes:
                sizes[key] = size(functions[key].node, (*open_calls, key))
            total += count * sizes[key]
        if total > _MOST_NODES:
            raise _fail(FileError, f"{name} unfolds to more than {_MOST_NODES} nodes")
        return total

    size(model.graph.node, ())


def _without_functions(onnx: ModuleType, model: Any) -> Any:
    """The model with its own functions, and with those ops of ONNX that have no rule here but are
    defined by others, written out."""
    if model.functions:
        model = onnx.inliner.inline_local_functions(model)
    for _ in range(10):
        versions = {row.domain: row.version for row in model.opset_import}
        missing = [
            node
            for node in _nodes(model.graph.node)
            if not _has_rule(node, versions) and _schema(onnx, node, versions) is not None
        ]
        if not missing:
            break
        types = _types(onnx, model)
        for node in missing:
            _define(onnx, model, node, versions, types)
        model = onnx.inliner.inline_local_functions(model)
    return model


def _has_rule(node: Any, versions: dict[str, int]) -> bool:
    found = TABLE.find(op_name(node), versions.get(node.domain, 1))
    return isinstance(found, OnnxRule) and found.takes(node)


def _schema(onnx: ModuleType, node: Any, versions: dict[str, int]) -> Any:
    """The schema of an op that ONNX defines by others; None of one that it does not."""
    try:
        schema = onnx.defs.get_schema(node.op_type, versions.get(node.domain, 1), node.domain)
    except onnx.defs.SchemaError:
        return None
    return schema if schema.has_function or schema.has_context_dependent_function else None


def _types(onnx: ModuleType, model: Any) -> dict[str, Any]:
    """What is known of the types of values."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    rows = [*inferred.input, *inferred.value_info, *inferred.output]
    return {row.name: row.type for row in rows}


def _define(
    onnx: ModuleType, model: Any, node: Any, versions: dict[str, int], types: dict[str, Any]
) -> None:
    """Makes of an op of ONNX's the call of a function of the model's own, with that body."""
    schema = _schema(onnx, node, versions)
    given = {row.name for row in node.attribute}
    for name, row in schema.attributes.items():
        if name not in given and row.default_value.type != onnx.AttributeProto.UNDEFINED:
            node.attribute.add().CopyFrom(row.default_value)
    version = versions.get(node.domain, 1)
    body = onnx.FunctionProto()
    if schema.has_context_dependent_function:
        inputs = [
            (types[name] if name in types else onnx.TypeProto()).SerializeToString()
            for name in node.input
        ]
        usable = [v for v in schema.context_dependent_function_opset_versions if v <= version]
        body.ParseFromString(
            schema.get_context_dependent_function_with_opset_version(
                max(usable), node.SerializeToString(), inputs
            )
        )
    else:
        usable = [v for v in schema.function_opset_versions if v <= version]
        body.ParseFromString(schema.get_function_with_opset_version(max(usable)))
    for row in body.opset_import:
        row.version = versions.get(row.domain, row.version)
    body.domain, body.name = _FUNCTIONS, f"{node.op_type}_{len(model.functions)}"
    # A node that names fewer operands than the function has leaves them out.
    node.domain, node.op_type = body.domain, body.name
    model.functions.append(body)
    if not any(row.domain == _FUNCTIONS for row in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(_FUNCTIONS, 1))


#: The domain of functions that are made of ops of ONNX while a model is read.
_FUNCTIONS = "weft.functions"


def op_name(node: Any) -> str:
    """The op's name in the table: of other domains than ONNX's own with the domain."""
    return node.op_type if node.domain in _OWN else f"{node.domain}.{node.op_type}"


# Graphs --------------------------------------------------------------------------------------


class _Builder:
    """Makes graphs of protos."""

    def __init__(self, onnx: ModuleType, versions: dict[str, int], name: str) -> None:
        self._onnx, self._versions, self._name = onnx, versions, name

    def graph(self, proto: Any, within: str = "") -> Graph:
        """The graph, and those within it; ``within`` is where it stands."""
        constants = {x.name: _array(self._onnx, x, None, self._name) for x in proto.initializer}
        if any(x.data_type in NARROW for x in proto.initializer) or proto.sparse_initializer:
            raise _fail(UnsupportedError, f"{within}: initializers of a type that weft has not")
        nodes = [self._node(node, i, within) for i, node in enumerate(proto.node)]
        inputs = [value_type(x) for x in proto.input if x.name not in constants]
        return Graph(inputs, [value_type(x) for x in proto.output], nodes, constants)

    def _node(self, proto: Any, index: int, within: str) -> Node:
        name = op_name(proto)
        where = f"{place(proto, index)}{' in ' + within if within else ''}"
        version = version_of(proto, self._versions)
        if name == "Constant" and any(
            row.name.startswith("value_string") for row in proto.attribute
        ):
            raise _fail(UnsupportedError, f"{where} holds strings, which weft has no tensors of")
        options = {
            option_name(row.name): self._attribute(row, f"{row.name} of {where}")
            for row in proto.attribute
        }
        return Node(name, version, where, tuple(proto.input), tuple(proto.output), options)

    def _attribute(self, row: Any, place: str) -> Any:
        kinds = self._onnx.AttributeProto
        if row.type == kinds.STRING:
            return row.s.decode("utf-8", "surrogateescape")
        if row.type == kinds.STRINGS:
            return [each.decode("utf-8", "surrogateescape") for each in row.strings]
        if row.type == kinds.TENSOR:
            array = _array(self._onnx, row.t, None, self._name)
            return (array, row.t.data_type) if row.t.data_type in NARROW else array
        if row.type == kinds.GRAPH:
            return self.graph(row.g, place)
        if row.type == kinds.TYPE_PROTO:
            return type_of("", row.tp)
        if row.type in (kinds.FLOAT, kinds.INT):
            return row.f if row.type == kinds.FLOAT else row.i
        if row.type in (kinds.FLOATS, kinds.INTS):
            return list(row.floats if row.type == kinds.FLOATS else row.ints)
        if row.type == kinds.TENSORS:
            return [_array(self._onnx, each, None, self._name) for each in row.tensors]
        raise _fail(
            UnsupportedError, f"{self._name}: weft reads no attribute of the kind of {place}"
        )


def value_type(proto: Any) -> ValueType:
    """What a ValueInfoProto says."""
    return type_of(proto.name, proto.type)


def type_of(name: str, proto: Any) -> ValueType:
    """What a TypeProto says."""
    kind = proto.WhichOneof("value")
    if kind == "sequence_type":
        inner = type_of(name, proto.sequence_type.elem_type)
        return ValueType(name, "sequence", inner.element)
    if kind == "optional_type":
        inner = type_of(name, proto.optional_type.elem_type)
        return ValueType(name, "optional", inner.element)
    if kind != "tensor_type":
        return ValueType(name, "tensor" if kind is None else str(kind))
    shape = None
    if proto.tensor_type.HasField("shape"):
        shape = tuple(
            row.dim_value if row.HasField("dim_value") else row.dim_param or None
            for row in proto.tensor_type.shape.dim
        )
    return ValueType(name, "tensor", proto.tensor_type.elem_type, shape)
