"""From bytes to functions: jaxlib's MLIR reads, and what it gives becomes plain data."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .._creation import _fail
from .._errors import FileError, UnsupportedError, WeftError
from . import _parse
from ._elements import elements_of
from ._graph import DYNAMIC, Function, Op, Region, TensorType
from ._rules import RULES


def read(
    data: bytes, name: str, *, trusted: bool = False, unregistered: bool = False
) -> dict[str, Function]:
    """The functions of a program. Raises FileError; UnsupportedError if there is no jaxlib."""
    try:
        import jaxlib.mlir.ir  # noqa: F401
    except ImportError as error:
        raise _fail(
            UnsupportedError,
            "StableHLO is read by the MLIR that the package jaxlib ships, which can't be imported "
            f"({error}); pip install jax",
        ) from None
    if not trusted:
        _try_in_child(data, name, unregistered)
    context = _parse.context(unregistered=unregistered)
    try:
        with context:
            module = _parse.parse(data, context)
            functions = _Reader(module).functions()
            if not _needs_decomposition(functions):
                return functions
            return _Reader(_parse.decomposed(module)).functions()
    except WeftError:
        raise
    except (ValueError, RuntimeError) as error:  # of names that are no text, too
        raise _damaged(name, str(error)) from None


def _needs_decomposition(functions: dict[str, Function]) -> bool:
    """Whether there are functions of CHLO that no rule knows."""
    ops = (op for function in functions.values() for op in function.body.walk())
    return any(op.name.startswith("chlo.") and RULES.find(op.name) is None for op in ops)


def _damaged(name: str, why: str) -> Exception:
    if '!"quant"' in why or "!quant." in why:
        # Without its dialect such a type can't even be read.
        return _fail(
            UnsupportedError,
            f"{name}: quantized values are not supported; export the program with integers and "
            "floats",
        )
    return _fail(FileError, f"{name} is no StableHLO that can be read: {why.strip()[:2000]}")


def _try_in_child(data: bytes, name: str, unregistered: bool) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        command = [sys.executable, str(Path(_parse.__file__)), *["unregistered"] * unregistered]
        done = subprocess.run(command, stdin=file, capture_output=True, check=False)
    if done.returncode < 0:
        raise _damaged(name, f"a process that read it ended by signal {-done.returncode}")
    if done.returncode:
        raise _damaged(name, done.stderr.decode(errors="replace"))


_CUSTOM = "stablehlo.custom_call"


class _Reader:
    """Walks one module."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._resources: dict[str, bytes] | None = None
        self._symbols: dict[str, Any] = {}

    def functions(self) -> dict[str, Function]:
        """Those at the top; others hide in nested modules, which no op of StableHLO can call."""
        return {
            _plain(op.attributes["sym_name"]): self._function(op)
            for op in self._module.body.operations
            if op.operation.name == "func.func" and len(op.operation.regions[0].blocks)
        }

    def _function(self, op: Any) -> Function:
        numbers: dict[Any, int] = {}
        self._producers: dict[int, Op] = {}
        block = op.operation.regions[0].blocks[0]
        body = self._region(block, numbers)
        if len(op.operation.regions[0].blocks) != 1:
            raise ValueError(f"the function {op.attributes['sym_name']} branches between blocks")
        kind = op.attributes["function_type"].value
        names = [_argument_name(argument, i) for i, argument in enumerate(block.arguments)]
        return Function(
            _plain(op.attributes["sym_name"]), body, [_type(t) for t in kind.results], names
        )

    def _region(self, block: Any, numbers: dict[Any, int]) -> Region:
        def number(value: Any) -> int:
            return numbers.setdefault(value, len(numbers))

        region = Region(
            [number(value) for value in block.arguments],
            [_type(value.type) for value in block.arguments],
        )
        for view in block.operations:
            op = view.operation
            inputs = [number(value) for value in op.operands]
            if op.name in ("func.return", "stablehlo.return"):
                region.results = inputs
                continue
            outputs = [number(value) for value in op.results]
            regions = [
                self._region(one.blocks[0], numbers) for one in op.regions if len(one.blocks)
            ]
            attributes = self._attributes(op)
            # A custom call is asked for by its target.
            name = f"{op.name} @{attributes['call_target_name']}" if op.name == _CUSTOM else op.name
            given, made = ([_type(v.type) for v in some] for some in (op.operands, op.results))
            place = _place(str(op.location))
            region.ops.append(Op(name, inputs, outputs, given, made, attributes, regions, place))
        for one in region.ops:
            self._producers.update(dict.fromkeys(one.outputs, one))
            one.producers = self._producers
        return region

    def _attributes(self, op: Any) -> dict[str, Any]:
        if _parse.has_complex_elements(op):
            text = re.search(r"dense(_resource)?<.*> : tensor<[\w<>]*>", _generic(op), re.DOTALL)
            if text is None:
                raise ValueError(f"the elements of {_generic(op)[:200]} can't be read")
            return {"value": elements_of(text.group(), self._resource)}
        found: dict[str, Any] = {}
        for entry in op.attributes:
            name = entry if isinstance(entry, str) else entry.name
            try:
                attribute = op.attributes[name]
            except TypeError:
                # The bindings have no class for elements that are complex.
                text = re.search(
                    rf"\b{name} = (dense<.*?> : tensor<[\w<>]*>)", generic := _generic(op)
                )
                text = text or re.search(r"(dense<.*> : tensor<[\w<>]*>)", generic)
                if text is None:
                    raise ValueError(f"the attribute {name} can't be read") from None
                found[name] = elements_of(text.group(1), self._resource)
                continue
            found[name] = self._plain_attribute(attribute)
        return found

    def _plain_attribute(self, attribute: Any) -> Any:
        kind = type(attribute).__name__
        if kind in ("DenseIntElementsAttr", "DenseFPElementsAttr", "DenseElementsAttr"):
            return _numbers(attribute)
        if kind == "DictAttr":
            return {entry.name: self._plain_attribute(entry.attr) for entry in attribute}
        if kind == "ArrayAttr":
            return [self._plain_attribute(one) for one in attribute]
        text = str(attribute) if kind == "Attribute" else ""
        if text.startswith("dense"):
            return elements_of(text, self._resource)
        return _plain(attribute)

    def _resource(self, name: str) -> bytes:
        """The bytes of a resource of the file; these are printed only, with their alignment."""
        if self._resources is None:
            text = self._module.operation.get_asm(large_resource_limit=1 << 40)
            found = re.findall(r'([\w.$"-]+): "0x([0-9A-Fa-f]*)"', text.rpartition("{-#")[2])
            self._resources = {key.strip('"'): bytes.fromhex(code)[4:] for key, code in found}
        if name not in self._resources:
            raise ValueError(f"the resource {name} is not in the file")
        return self._resources[name]


def _generic(op: Any) -> str:
    return str(op.get_asm(print_generic_op_form=True))


def _numbers(attribute: Any) -> Any:
    """Elements as an array, or text's if the bindings can't give them."""
    text = None
    try:
        if attribute.is_splat:
            text = str(attribute)
        else:
            return np.array(attribute).reshape(attribute.type.shape)
    except TypeError:
        text = str(attribute)
    return elements_of(text, lambda _: b"")


_ENUM = re.compile(r"#\w+<\w+ (\w+)>$")
_FIELD = re.compile(r"(\w+)\s*=\s*(\[[^\]]*\]|-?\w+)")


def _list(text: str) -> Any:
    inner = text.strip("[] ")
    return [int(word) for word in inner.split(",")] if inner else []


def _plain(attribute: Any) -> Any:
    """An attribute as Python has it; StableHLO's own are read from how they are printed."""
    kind = type(attribute).__name__
    if kind in ("BoolAttr", "IntegerAttr", "FloatAttr", "StringAttr", "FlatSymbolRefAttr"):
        return attribute.value
    if kind.startswith("Dense") and kind.endswith("ArrayAttr"):
        return list(attribute)
    if kind == "UnitAttr":
        return True
    text = str(attribute)
    if enum := _ENUM.match(text):
        return enum.group(1)
    if text.startswith("#stablehlo.conv<"):
        left, right, result = re.findall(r"\[([^\]]*)\]", text)
        return tuple([word.strip() for word in side.split(",")] for side in (left, right, result))
    if text.startswith(("#stablehlo.", "#chlo.")):
        return {
            name: _list(value) if value.startswith("[") else _word(value)
            for name, value in _FIELD.findall(text)
        }
    return text


def _word(text: str) -> Any:
    return int(text) if re.fullmatch(r"-?\d+", text) else text


_TENSOR = re.compile(r"tensor<((?:(?:\d+|\?)x)*)([a-zA-Z]\w*(?:<\w+>)?)(?:, .*)?>$")


def _type(kind: Any) -> Any:
    return type_of(str(kind))


def type_of(text: str) -> Any:
    """A type that was printed: a TensorType if it is one that weft may have, else the text."""
    found = _TENSOR.match(text)
    if not found:
        return text
    sizes = [DYNAMIC if size == "?" else int(size) for size in found.group(1).split("x")[:-1]]
    return TensorType(tuple(sizes), found.group(2))


_LINE = re.compile(r'"([^"]+)":(\d+):\d+')
_NAME = re.compile(r'loc\("([^"]+)"[()]')


def _place(location: str) -> str:
    """Where an op stands: what JAX calls it, and its file and line."""
    line, name = _LINE.search(location), _NAME.match(location)
    places = [name.group(1)] if name else []
    if line:
        places.append(f"line {line.group(2)}" if line.group(1) == "-" else ":".join(line.groups()))
    return ", ".join(places) or location


def _argument_name(argument: Any, number: int) -> str:
    found = re.match(r'loc\("([^"]+)"\)$', str(argument.location))
    return found.group(1) if found else f"arg{number}"


#: For annotations elsewhere.
ResourceReader = Callable[[str], bytes]
