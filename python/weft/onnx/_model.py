"""The module that a loaded ONNX model is."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._core import SymbolicSize, Tensor
from .._creation import _fail, array, asarray
from .._errors import DTypeError, NameUseError, ShapeError, UnsupportedError
from .._export import Exported, Spec, export, spec
from ..nn._module import Module
from ..nn._parameter import Buffer, Parameter
from ._graph import (
    Graph,
    ValueType,
    check_names,
    find_last_uses,
    find_shape_values,
    resolve,
    typed_inputs,
)
from ._packing import pack_weights
from ._reading import WAY_OUT, Contents, read
from ._values import NARROW, Narrow, as_tensor, as_value, has_dtype, held_dtype, type_name


class Program:
    """The graph of a model and what is bound to its inputs; it never changes."""

    #: Tells `weft.jit` that functions find nothing here that changes.
    __weft_state__ = True

    def __init__(self, graph: Graph, known: Mapping[str, np.ndarray], wanted: set[str]) -> None:
        self.graph = graph
        self.known = dict(known)
        self.inputs = [x for x in graph.inputs if x.name not in known]
        self.shape_inputs = tuple(x.name for x in self.inputs if x.name in wanted)
        self.constants: dict[str, np.ndarray] = {}
        #: The attribute of the module that holds an initializer, and its narrow type or 0.
        self.members: dict[str, tuple[str, int]] = {}


class Model(Module):
    """An ONNX model as a module: called with its inputs, by position or name.

    Initializers are its parameters (floating ones) and buffers, under their names with ``_`` for
    what no attribute's name may have; those that shapes follow from are part of the program.

    Returns:
        The output, or a tuple of several. 4-bit integers are given as int8 or uint8.

    Raises:
        DTypeError, ShapeError: an input is not what the model declares. ConcretizationError: a
            shape follows from what is not known while the model is exported; see `load`.
    """

    def __init__(self, contents: Contents, known: Mapping[str, Any]) -> None:
        super().__init__()
        graph = contents.graph
        check_names(graph, frozenset(contents.arrays))
        pack_weights(contents)
        resolve(graph, WAY_OUT)
        wanted = find_shape_values(graph)
        _check_elements(graph.inputs)
        self._program = Program(graph, _bound(graph, known), wanted)
        self._add_initializers(contents, wanted)
        find_last_uses(graph)
        kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD
        names = _identifiers([x.name for x in self._program.inputs])
        self.__signature__ = inspect.Signature([inspect.Parameter(x, kinds) for x in names])

    def _add_initializers(self, contents: Contents, wanted: set[str]) -> None:
        names = _identifiers(list(contents.arrays))
        for name, member in zip(contents.arrays, names, strict=True):
            value = contents.arrays[name]
            narrow = contents.narrow.get(name, 0)
            if name in wanted and not narrow:
                self._program.constants[name] = value
                continue
            member = (
                f"{member}_" if hasattr(type(self), member) or member in self.__dict__ else member
            )
            # Memory that is the model's own alone: what is computed of it once is kept with it.
            tensor = array(value)
            floating = tensor.dtype.kind == "floating" and not narrow
            self.register_module_value(member, Parameter(tensor) if floating else Buffer(tensor))
            self._program.members[name] = (member, narrow)

    def register_module_value(self, name: str, value: Tensor) -> None:
        """Registers a parameter or a buffer."""
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        else:
            self.register_buffer(name, value)

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs, in the order of the arguments."""
        return tuple(x.name for x in self._program.inputs)

    @property
    def shape_inputs(self) -> tuple[str, ...]:
        """The inputs from whose elements shapes or branches follow: those that `load` may have to
        know for an export."""
        return self._program.shape_inputs

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs."""
        return tuple(x.name for x in self._program.graph.outputs)

    def specs(self, **sizes: int) -> tuple[Any, ...]:
        """The inputs as `weft.export` takes them, with the model's own names of sizes.

        Args:
            sizes: numbers for some of the names.

        Raises:
            ShapeError: the model does not say how many dimensions an input has. NameUseError: it
                has no size of such a name.
        """
        free: set[str] = set()
        result = tuple(self._spec(x, sizes, free) for x in self._program.inputs)
        unknown = sorted(set(sizes) - free)
        if unknown:
            raise _fail(
                NameUseError,
                f"the model leaves no size {unknown[0]!r} open, but "
                f"{', '.join(sorted(free)) or 'none at all'}",
            )
        return result

    def _spec(self, x: ValueType, sizes: Mapping[str, int], free: set[str]) -> Spec:
        if x.kind != "tensor":
            raise _fail(DTypeError, f"the input {x.name!r} is a {x.kind}: write its specs yourself")
        if x.shape is None:
            raise _fail(ShapeError, f"the model does not say how many dimensions {x.name!r} has")
        shape: list[Any] = []
        for axis, size in enumerate(x.shape):
            name = _identifier(size or f"{x.name}_{axis}") if not isinstance(size, int) else ""
            free |= {name} - {""}
            shape.append(size if isinstance(size, int) else sizes.get(name, name))
        return spec(shape, held_dtype(x.element))

    def export(self, **sizes: int) -> Exported:
        """The model as a program of its own, whose inputs and outputs have the model's names.

        Args:
            sizes: numbers for some of the names of sizes; see `specs`.

        Raises:
            As `weft.export` and `specs`.
        """
        names = self.output_names

        def run(*inputs: Any) -> Any:
            results = self(*inputs)
            return dict(zip(names, results if len(names) > 1 else (results,), strict=True))

        run.__signature__ = self.__signature__  # type: ignore[attr-defined]
        return export(run, *self.specs(**sizes))

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Runs the graph."""
        program = self._program
        values = self._values(inputs, named)
        constants: dict[str, Any] = dict(program.constants)
        for name, (member, narrow) in program.members.items():
            tensor = getattr(self, member)
            constants[name] = as_value(tensor, narrow) if narrow else tensor
        graph = program.graph
        whole = Graph(graph.inputs, graph.outputs, graph.nodes, constants)
        results = whole.run(typed_inputs(graph, values, program.known))
        outputs = tuple(map(_result, results))
        return outputs[0] if len(outputs) == 1 else outputs

    def _values(self, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any]:
        rows = self._program.inputs
        written = dict(zip(_identifiers([x.name for x in rows]), self.input_names, strict=True))
        values = dict(zip(self.input_names, inputs, strict=False))
        for name, value in named.items():
            values[written.get(name, name)] = value
        missing = [x.name for x in rows if x.name not in values and x.kind != "optional"]
        unknown = sorted(set(values) - set(self.input_names))
        if missing or unknown or len(inputs) > len(rows):
            raise TypeError(
                f"the model takes ({', '.join(self.input_names)}); "
                + (
                    f"it has no input {unknown[0]}"
                    if unknown
                    else f"{missing[0]} is missing"
                    if missing
                    else "too many arguments were given"
                )
            )
        return {x.name: _checked(x, values.get(x.name)) for x in rows}

    def extra_repr(self) -> str:
        """Inputs and outputs, as the module's line shows them."""
        return f"{', '.join(self.input_names)} -> {', '.join(self.output_names)}"


def load(source: Any, *, known: Mapping[str, Any] | None = None) -> Model:
    """An ONNX model as a module, which jit, grad, vmap, export and devices take as any other.

    Args:
        source: a path, the bytes of a file, or a ``ModelProto`` of the package ``onnx``.
        known: arrays for some of the inputs, which are none any more: what shapes follow from has
            to be known when a model is exported.

    Raises:
        FileError: it can't be read, is damaged, or reaches for files outside of its folder.
        UnsupportedError: the package ``onnx`` is missing, or weft has no rule for some ops: one
            error that names each with its place and number.
    """
    return Model(read(source), known or {})


def _bound(graph: Graph, known: Mapping[str, Any]) -> dict[str, np.ndarray]:
    names = {x.name: x for x in graph.inputs}
    for name in known:
        if name not in names:
            raise _fail(
                NameUseError, f"the model has no input {name!r}, but {', '.join(names) or 'none'}"
            )
    return {
        name: np.asarray(
            _checked_tensor(names[name], value) if names[name].kind == "tensor" else value
        )
        for name, value in known.items()
    }


def _check_elements(inputs: list[ValueType]) -> None:
    """Raises UnsupportedError for inputs that no tensor could be given for."""
    for x in inputs:
        if x.element and not has_dtype(x.element):
            raise _fail(
                UnsupportedError,
                f"the input {x.name!r} is {type_name(x.element)}, which weft has no tensors of",
            )


def _checked(x: ValueType, value: Any) -> Any:
    """The value of an input as tensors. Raises DTypeError and ShapeError."""
    if value is None and x.kind == "optional":
        return None
    if isinstance(value, (list, tuple)) and x.kind != "tensor":
        return [_checked_tensor(ValueType(x.name, "tensor", x.element), item) for item in value]
    if x.kind == "sequence":
        raise _fail(DTypeError, f"the input {x.name!r} is a sequence: give a list of tensors")
    return _checked_tensor(x, value)


def _checked_tensor(x: ValueType, value: Any) -> Tensor:
    dtype = held_dtype(x.element) if x.element else None
    is_number = isinstance(value, (bool, int, float, list))
    try:
        tensor = asarray(value, dtype=dtype if is_number or x.element in NARROW else None)
    except DTypeError as error:
        raise DTypeError(f"{error} (the input {x.name!r})") from None
    if dtype is not None and tensor.dtype != dtype:
        raise _fail(
            DTypeError,
            f"the input {x.name!r} is {type_name(x.element)}, but {tensor.dtype.name} was given",
        )
    if x.shape is not None and not _fits(tuple(tensor.shape), x.shape):
        raise _fail(
            ShapeError, f"the input {x.name!r} has to be {list(x.shape)}, but is {tensor.shape}"
        )
    return tensor


def _fits(have: tuple[Any, ...], want: tuple[Any, ...]) -> bool:
    return len(have) == len(want) and all(
        not isinstance(size, int) or isinstance(given, SymbolicSize) or given == size
        for given, size in zip(have, want, strict=True)
    )


def _result(value: Any) -> Any:
    if isinstance(value, list):
        return [_result(item) for item in value]
    return value.tensor if isinstance(value, Narrow) else as_tensor(value)


def _identifier(name: str) -> str:
    text = re.sub(r"\W", "_", name, flags=re.ASCII) or "_"
    return f"_{text}" if text[0].isdigit() else text


def _identifiers(names: list[str]) -> list[str]:
    """Names that attributes can have, each once; those that can be keep theirs."""
    taken = {name for name in names if name == _identifier(name) and not keyword.iskeyword(name)}
    result = []
    for name in names:
        if name in taken:
            result.append(name)
            continue
        text, count = _identifier(name), 2
        unique = text = f"{text}_" if keyword.iskeyword(text) else text
        while unique in taken:
            unique, count = f"{text}_{count}", count + 1
        taken.add(unique)
        result.append(unique)
    return result


__all__ = ["Model", "load"]
