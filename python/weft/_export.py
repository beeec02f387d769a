"""Functions that leave the process: exported, saved, loaded, and compiled ahead of time."""

from __future__ import annotations

import inspect
import json
import keyword
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _core
from ._core import SymbolicSize, Tensor
from ._creation import _fail, asarray
from ._dtypes import DType, as_dtype, bool_, float64, int64
from ._errors import DTypeError, FileError, ShapeError
from ._jit import jit, precision_of
from ._paths import file_path


@dataclass(frozen=True)
class Spec:
    """Shape and dtype of an argument or result, with symbolic sizes; see `spec`."""

    shape: tuple[int | SymbolicSize, ...]
    dtype: DType
    name: str = ""

    def __repr__(self) -> str:
        text = f"{self.dtype.name}[{', '.join(map(str, self.shape))}]"
        return f"{self.name}: {text}" if self.name else text


def spec(shape: Any, dtype: object = "float32") -> Spec:
    """What an argument of an exported function will be.

    Args:
        shape: a size or a sequence of sizes. A size is a number, or not known yet: a name
            (``"batch"``) or a formula of names and numbers (``"2*n + 1"``), as text or made of
            another spec's sizes. Equal names are equal sizes.
        dtype: the dtype of the elements.

    Raises:
        ShapeError: a size is negative, or a formula that can't be read.
    """
    sizes = list(shape) if isinstance(shape, Sequence) and not isinstance(shape, str) else [shape]
    return Spec(tuple(map(_size, sizes)), as_dtype(dtype))


def _size(size: Any) -> int | SymbolicSize:
    if isinstance(size, SymbolicSize):
        return size
    if isinstance(size, str):
        parsed = _core.parse_size(size)
        if parsed is None:
            raise _fail(
                ShapeError,
                f"spec: {size!r} is no size: write a number, a name, or a formula of both with "
                "+ - * and floor(... / number)",
            )
        size = parsed
    if isinstance(size, (int, np.integer)) and not isinstance(size, bool):
        if size < 0:
            raise _fail(ShapeError, f"spec: a size is {size}, but has to be zero or more")
        return int(size)
    if isinstance(size, SymbolicSize):
        return size
    raise _fail(ShapeError, f"spec: a size is a {type(size).__name__}, not a number or a name")


# Structures ----------------------------------------------------------------------------------
#
# A structure is what JSON can say: {"tensor": i} and {"number": i} for input or output i, {"tuple":
# [...]}, {"list": [...]}, {"dict": {...}}, and {"constant": value} for what has to be equal.

_CONSTANTS = (str, int, float, bool, type(None))


def _identifier(text: str, taken: set[str]) -> str:
    """A name that C and Python accept and that no other tensor has."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII) or "_"
    if name[0].isdigit():
        name = "_" + name
    elif keyword.iskeyword(name) or _RESERVED.fullmatch(name):
        name += "_"
    unique, count = name, 2
    while unique in taken:
        unique, count = f"{name}_{count}", count + 1
    taken.add(unique)
    return unique


#: What C reserves, and what generated C functions call their own parameters.
_RESERVED = re.compile(
    "auto|break|case|char|const|continue|default|do|double|else|enum|extern|float|for|goto|if|"
    "inline|int|long|register|restrict|return|short|signed|sizeof|static|struct|switch|typedef|"
    "union|unsigned|void|volatile|while|bool|true|false|sizes|workspace"
)


#: Levels of containers among arguments and results; each adds "_" to the path.
_DEEPEST = 200


def _containers(value: Any, inner: Callable[[Any, str], Any], path: str) -> dict | None:
    """The structure of a tuple, list or dict; None for other values. Raises DTypeError."""
    if path.count("_") > _DEEPEST and isinstance(value, (tuple, list, dict)):
        raise _fail(
            DTypeError,
            f"export: {path[:40]}... is nested more than about {_DEEPEST} deep, or holds itself",
        )
    if isinstance(value, (tuple, list)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [inner(item, f"{path}_{i}") for i, item in enumerate(value)]}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise _fail(
                    DTypeError,
                    f"export: {path} is a dict with the key {key!r}; keys of exported functions "
                    "are strings",
                )
        return {"dict": {key: inner(item, f"{path}_{key}") for key, item in value.items()}}
    return None


class _Arguments:
    """Takes the arguments of export() apart."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.taken: set[str] = set()

    def structure(self, value: Any, path: str) -> dict:
        """The structure of an argument; notes the names of its tensors in their order."""
        nested = _containers(value, self.structure, path)
        if nested is not None:
            return nested
        if isinstance(value, (bool, int, float)):
            return {"number": self._add(path)}
        if isinstance(value, Spec) or _is_array(value):
            return {"tensor": self._add(path)}
        if value is None or isinstance(value, str):
            return {"constant": value}
        raise _fail(
            DTypeError,
            f"export: the argument {path} is of type {type(value).__name__}. Arguments are specs, "
            "arrays, numbers, strings, None, and tuples, lists and dicts of such; bind others "
            "(modules, dataclasses) by a closure or functools.partial",
        )

    def static(self, value: Any, path: str) -> dict:
        """The structure of an argument that jit takes as a constant."""
        if not isinstance(value, _CONSTANTS):
            raise _fail(
                DTypeError,
                f"export: the static argument {path} is a {type(value).__name__}, which no file "
                "can hold; bind it by functools.partial",
            )
        return {"constant": value}

    def _add(self, path: str) -> int:
        self.names.append(_identifier(path, self.taken))
        return len(self.names) - 1


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor) or hasattr(value, "__array__") or hasattr(value, "__dlpack__")


def _placeholders(value: Any) -> Any:
    """The argument with each spec or array replaced by a tensor that has no elements."""
    if isinstance(value, Spec):
        return _core.placeholder(value.shape, value.dtype)
    if isinstance(value, tuple):
        items = [_placeholders(item) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, list):
        return [_placeholders(item) for item in value]
    if isinstance(value, dict):
        return {key: _placeholders(item) for key, item in value.items()}
    if _is_array(value):
        example = asarray(value)
        return _core.placeholder(example.shape, example.dtype)
    return value


class _Results:
    """Takes apart what the function returned."""

    def __init__(self, taken: set[str]) -> None:
        self.names: dict[int, str] = {}
        self.taken = taken

    def structure(self, value: Any, path: str) -> dict:
        """The structure of a result; notes the names of its tensors."""
        nested = _containers(value, self.structure, path)
        if nested is not None:
            return nested
        if isinstance(value, _core.ResultPlace):
            name = (
                path.removeprefix("result_") if not re.fullmatch(r"result(_\d.*)?", path) else path
            )
            self.names[value.number] = _identifier(name, self.taken)
            return {"tensor": value.number}
        if isinstance(value, _CONSTANTS):
            return {"constant": value}
        raise _fail(
            DTypeError,
            f"export: the function returns a value of type {type(value).__name__}. Results are "
            "tensors, numbers, strings, None, and tuples, lists and dicts of such",
        )


def _parameter_names(fun: Any, count: int) -> list[str]:
    """The names of the first ``count`` positional parameters; those of *args are numbered."""
    from .nn import Module

    if isinstance(fun, Module) and not hasattr(fun, "__signature__"):
        fun = fun.forward
    try:
        parameters = list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [parameter.name for parameter in parameters if parameter.kind in positional][:count]
    rest = [p.name for p in parameters if p.kind is inspect.Parameter.VAR_POSITIONAL] or ["arg"]
    return names + [f"{rest[0]}_{i}" for i in range(count - len(names))]


# Export --------------------------------------------------------------------------------------


def export(fun: Callable, /, *specs: Any, **keyword_specs: Any) -> Exported:
    """A function as a program that needs neither its source nor this process.

    Args:
        fun: what `jit` takes: a function, a method, a module (whose ``forward`` is meant), or a
            compiled function, whose static arguments are constants of the program.
        specs, keyword_specs: its arguments: specs (see `spec`) or example arrays, whose shape is
            then fixed, in nested tuples, lists and dicts. Numbers are arguments of the program
            too, strings and None are constants.

    Tensors that the function reads from outside (the weights of a module) become constants of the
    program, with the values that they have now.

    Raises:
        UnsupportedError: the function changes a tensor from outside. ConcretizationError: it asks
            for a number that a symbolic size stands for. DTypeError: an argument or result can't
            leave the process.
    """
    if not callable(fun):
        raise TypeError(f"export takes a function, not a {type(fun).__name__}")
    compiled = jit(fun, matmul_precision=precision_of(fun))
    arguments = _Arguments()
    rows = []
    names = _parameter_names(compiled._function, len(specs))
    for i, (name, value) in enumerate([*zip(names, specs, strict=True), *keyword_specs.items()]):
        by_position = i < len(specs)
        static = compiled._is_static(i if by_position else name)
        structure = arguments.static(value, name) if static else arguments.structure(value, name)
        rows.append({"name": name, "positional": by_position, "value": structure})
    keywords = {name: _placeholders(value) for name, value in keyword_specs.items()}
    program, returned = compiled._export(*map(_placeholders, specs), **keywords)
    results = _Results(set(arguments.names))
    structure = {"arguments": rows, "result": results.structure(returned, "result")}
    outputs = [results.names[i] for i in range(len(results.names))]
    program.annotate(arguments.names, outputs, json.dumps(structure, separators=(",", ":")))
    return Exported(program)


def load_program(path: bytes) -> Exported:
    """The program that `Exported.save` wrote. Its weights are mapped, not copied.

    Raises:
        FileError: there is no such file, it is damaged, or of another version of the format.
    """
    return Exported(_core.load_program(path))


class Exported:
    """A program made by `export` or read by `load`; called as the function was.

    Calls take and return arrays; they record nothing for gradients. Each new combination of sizes
    is planned once, and compiles no kernel that another combination had.
    """

    def __init__(self, program: Any) -> None:
        self._program = program
        if program.calls_lapack:
            from ._lapack import require_lapack

            require_lapack()
        try:
            self._structure = json.loads(program.structure or _plain_structure(program))
            self._rows = self._structure["arguments"]
            inputs = [i for row in self._rows for i in _numbers(row["value"])]
            if any(not isinstance(row["name"], str) for row in self._rows):
                raise ValueError
            if sorted(inputs) != list(range(len(program.inputs))):
                raise ValueError
            if not set(_numbers(self._structure["result"])) <= set(range(len(program.outputs))):
                raise ValueError
            self._tensor_names = self._names_if_all_tensors()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise _fail(FileError, "the program does not say properly how it is called") from None

    @property
    def inputs(self) -> tuple[Spec, ...]:
        """The tensors that a call needs, in the order of the compiled function's arguments."""
        return tuple(Spec(shape, dtype, name) for name, shape, dtype in self._program.inputs)

    @property
    def outputs(self) -> tuple[Spec, ...]:
        """The tensors that a call gives."""
        return tuple(Spec(shape, dtype, name) for name, shape, dtype in self._program.outputs)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The names of the sizes that calls choose."""
        return tuple(self._program.symbols)

    def mlir(self, *, elide_constants: bool = True) -> str:
        """The program as MLIR text; its weights' elements only if they are not to be elided."""
        return self._program.text(elide_constants)

    def __repr__(self) -> str:
        inputs = ", ".join(map(repr, self.inputs))
        return f"Exported({inputs} -> {', '.join(map(repr, self.outputs))})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the program.

        Raises:
            DTypeError, ShapeError: an argument is not what the program was exported for.
        """
        names = self._tensor_names
        if names is not None and len(args) == len(names) and not kwargs:
            given = list(map(self._tensor, args, names))
        else:
            tensors: dict[int, Tensor] = {}
            for row, value in self._matched(args, kwargs):
                self._collect(row["value"], value, row["name"], tensors)
            given = [tensors[i] for i in range(len(tensors))]
        return _rebuilt(self._structure["result"], self._program.run(given))

    def run(self, tensors: Mapping[str, Any]) -> dict[str, Tensor]:
        """Runs the program on tensors by the names of `inputs`, and gives those of `outputs`.

        For those who know a program by its tensors alone, whatever containers its arguments have.

        Raises:
            DTypeError, ShapeError: a tensor is not what the program was exported for, or missing.
        """
        rows = {name: dtype for name, _, dtype in self._program.inputs}
        names = list(rows)
        if set(tensors) != set(names):
            other = sorted(set(tensors) ^ set(names))[0]
            problem = "missing" if other in names else "unknown"
            raise _fail(DTypeError, f"the program takes ({', '.join(names)}); {other} is {problem}")
        given = [self._array_or_number(tensors[name], rows[name], name) for name in names]
        results = self._program.run(given)
        return {row[0]: tensor for row, tensor in zip(self._program.outputs, results, strict=True)}

    def _names_if_all_tensors(self) -> list[str] | None:
        """The names of the arguments if all are tensors and given by position, as they mostly are.

        Such calls need no look at the structure.
        """
        for i, row in enumerate(self._rows):
            if not row["positional"] or row["value"] != {"tensor": i}:
                return None
        return [row["name"] for row in self._rows]

    def _matched(self, args: tuple, kwargs: dict[str, Any]) -> list[tuple[dict, Any]]:
        """The argument for each row of the signature. Raises DTypeError."""
        positional = [row for row in self._rows if row["positional"]]
        names = [row["name"] for row in self._rows]
        given = dict(zip((row["name"] for row in positional), args, strict=False))
        unknown = [name for name in kwargs if name not in names or name in given]
        missing = [name for name in names if name not in given and name not in kwargs]
        if len(args) > len(positional) or unknown or missing:
            what = (
                f"{len(args)} arguments by position"
                if len(args) > len(positional)
                else f"{unknown[0]} unknown or given twice"
                if unknown
                else f"{missing[0]} missing"
            )
            raise _fail(DTypeError, f"the program takes ({', '.join(names)}); here is {what}")
        given.update(kwargs)
        return [(row, given[row["name"]]) for row in self._rows]

    def _collect(self, structure: dict, value: Any, path: str, tensors: dict[int, Tensor]) -> None:
        """Notes the tensors of an argument by their numbers. Raises DTypeError."""
        ((kind, content),) = structure.items()
        if kind == "tensor":
            tensors[content] = self._tensor(value, path)
        elif kind == "number":
            tensors[content] = self._number(value, self._program.inputs[content][2], path)
        elif kind == "constant":
            if type(value) is not type(content) or value != content:
                self._refuse(path, f"the constant {content!r} that it was exported with", value)
        elif kind == "dict":
            if not isinstance(value, dict) or set(value) != set(content):
                self._refuse(path, f"a dict with the keys {', '.join(content)}", value)
            for key, inner in content.items():
                self._collect(inner, value[key], f"{path}[{key!r}]", tensors)
        else:
            wanted = list if kind == "list" else tuple
            if not isinstance(value, wanted) or len(value) != len(content):
                self._refuse(path, f"a {kind} of {len(content)}", value)
            for i, inner in enumerate(content):
                self._collect(inner, value[i], f"{path}[{i}]", tensors)

    @staticmethod
    def _refuse(path: str, expected: str, value: Any) -> None:
        shown = repr(value)
        shown = shown if len(shown) < 60 else f"a {type(value).__name__}"
        raise _fail(DTypeError, f"the argument {path} has to be {expected}, but is {shown}")

    @staticmethod
    def _tensor(value: Any, path: str) -> Tensor:
        if type(value) is Tensor:
            return value
        if not (_is_array(value) or isinstance(value, (bool, int, float, list))):
            Exported._refuse(path, "an array", value)
        return asarray(value)

    @staticmethod
    def _array_or_number(value: Any, dtype: DType, path: str) -> Tensor:
        if isinstance(value, (bool, int, float)):
            return Exported._number(value, dtype, path)
        return Exported._tensor(value, path)

    @staticmethod
    def _number(value: Any, dtype: DType, path: str) -> Tensor:
        fits = {bool_: (bool,), int64: (int,), float64: (int, float)}.get(dtype, ())
        if type(value) in fits:
            return _core.full((), value, dtype)
        if _is_array(value):
            return asarray(value)
        Exported._refuse(path, f"a number of {dtype.name}", value)
        raise AssertionError

    def save(self, path: str | os.PathLike, *, weights: str | os.PathLike | None = None) -> None:
        """Writes the program to a file (by custom ``.weft``), whole or not at all.

        Args:
            weights: put the weights in this file, of the safetensors format, which has to lie in
                the same folder and be moved together with the program.

        Raises:
            FileError: a file can't be written.
        """
        place = file_path(path)
        target = b"" if weights is None else file_path(weights)
        if target and os.path.dirname(os.path.abspath(target)) != os.path.dirname(
            os.path.abspath(place)
        ):
            raise _fail(FileError, f"save: {weights!s} is not in the folder of {path!s}")
        if target and os.path.realpath(target) == os.path.realpath(place):
            raise _fail(FileError, f"save: {path!s} is named for the program and its weights")
        self._program.save(place, target)

    def compile_object(
        self,
        path: str | os.PathLike,
        target: str = "native",
        *,
        header: str | os.PathLike | None = None,
        name: str | None = None,
        threads: str = "none",
        emit: str | None = None,
        weights: str | os.PathLike | None = None,
        javascript: str | os.PathLike | None = None,
    ) -> None:
        """Compiles the program to a file that programs in C link, as the command ``weftc`` does.

        Args:
            path: the file to write.
            target: the processor: "native", "x86-64-v3", "x86-64-v4", "aarch64", "riscv64", ...;
                "wasm32" for browsers; or a GPU, "cuda:sm_80" or "cuda:sm_90a".
            header: where to write the C header.
            name: what the names of the C functions begin with; by default made from that of the
                file.
            threads: "none", "hook" (the caller gives a parallel_for) or "pool".
            emit: "obj", "static", "shared", "llvm" or "asm"; for "wasm32", also "wasm", a module,
                which is the default there; for a GPU, "ptx" or "cubin".
            weights: where to write the large constants, a safetensors file, which the C program
                then maps; by default they are part of the object.
            javascript: where to write the JavaScript that loads and calls a WebAssembly module;
                its types for TypeScript go beside it.

        Raises:
            UnsupportedError: there is no such target or option. FileError: a file can't be written.
        """
        files = (path, header, weights, javascript)
        places = [b"" if file is None else file_path(file) for file in files]
        self._program.compile_object(
            places[0], target, places[1], name or "", threads, emit or "", *places[2:]
        )


def _plain_structure(program: Any) -> str:
    """For programs that were not written by `export`: tensors in, a tuple of tensors out."""
    arguments = [
        {"name": name, "positional": True, "value": {"tensor": i}}
        for i, (name, _, _) in enumerate(program.inputs)
    ]
    places = [{"tensor": i} for i in range(len(program.outputs))]
    result = places[0] if len(places) == 1 else {"tuple": places}
    return json.dumps({"arguments": arguments, "result": result})


def _numbers(structure: dict) -> list[int]:
    """The numbers of the tensors in a structure. Raises ValueError if it is none."""
    ((kind, content),) = structure.items()
    if kind == "constant":
        return []
    if kind in ("tensor", "number"):
        return [int(content)]
    if kind not in ("tuple", "list", "dict"):
        raise ValueError(kind)
    items = content.values() if kind == "dict" else content
    return [number for item in items for number in _numbers(item)]


def _rebuilt(structure: dict, tensors: Sequence[Tensor]) -> Any:
    ((kind, content),) = structure.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _rebuilt(inner, tensors) for key, inner in content.items()}
    if kind in ("tuple", "list"):
        items = [_rebuilt(inner, tensors) for inner in content]
        return items if kind == "list" else tuple(items)
    return content
