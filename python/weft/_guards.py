"""Finding what a function can read from outside: the paths that a compiled call guards.

`scan` walks from the function through closures, globals that code names, attributes and containers.
Each value on the way becomes a row for the C++ side (see Guards.h), which checks the rows at calls.
"""

from __future__ import annotations

import dis
import functools
import sys
import types
from typing import Any

from ._core import JitFunction, Tensor

# Access and Check of Guards.h.
ROOT, ARGUMENT, CELL, KEY, INDEX, ATTRIBUTE, ANCHOR = range(7)
IDENTITY, EQUALITY, TENSOR, SAME_TENSOR, STRUCTURE, ABSENT = range(6)

_CONSTANTS = (bool, int, float, complex, str, bytes, type(None), range, slice, type(...))
_LIBRARIES = frozenset(sys.stdlib_module_names) | {
    "weft",
    "numpy",
    "scipy",
    "torch",
    "jax",
    "matplotlib",
    "rich",
    "pytest",
    "hypothesis",
}
_MAXIMUM_ROWS = 50_000
_MAXIMUM_ITEMS = 10_000


def _is_library(module_name: str | None) -> bool:
    name = (module_name or "").partition(".")[0]
    return name in _LIBRARIES and name != "__main__"


@functools.lru_cache(maxsize=4096)
def _global_names(code: types.CodeType) -> tuple[str, ...]:
    """The globals that code (and the code nested in it) names."""
    names = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(_global_names(constant))
    return tuple(sorted(names))


@functools.lru_cache(maxsize=4096)
def _attribute_names(code: types.CodeType) -> frozenset[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names.update(_attribute_names(constant))
    return frozenset(names)


class _Scanner:
    def __init__(self) -> None:
        self.rows: list[tuple] = []
        self.seen: dict[int, int] = {}
        self.keep: list[Any] = []

    def add(
        self,
        parent: int,
        access: int,
        check: int,
        index: int,
        key: Any,
        value: Any,
        path: str,
        governed: bool,
        other: int = -1,
    ) -> int:
        self.rows.append((parent, access, check, governed, index, other, key, value, path))
        return len(self.rows) - 1

    def anchor(self, value: Any, path: str) -> int:
        """A row for something that stays what it is as long as the rows before it hold."""
        self.keep.append(value)
        return self.add(-1, ANCHOR, IDENTITY, 0, value, value, path, False)

    def visit(
        self,
        parent: int,
        access: int,
        index: int,
        key: Any,
        value: Any,
        path: str,
        governed: bool = False,
        names: frozenset[str] = frozenset(),
    ) -> None:
        """Adds the rows for `value`, and for what it reaches."""
        if len(self.rows) >= _MAXIMUM_ROWS:
            self.add(parent, access, IDENTITY, index, key, value, path, governed)
            return
        if isinstance(value, _CONSTANTS):
            self.add(parent, access, EQUALITY, index, key, value, path, governed)
            return
        known = self.seen.get(id(value))
        if known is not None:
            if isinstance(value, Tensor):
                self.add(parent, access, SAME_TENSOR, index, key, value, path, governed, known)
            else:
                self.add(parent, access, IDENTITY, index, key, value, path, governed)
            return
        check = self._check_of(value)
        number = self.add(parent, access, check, index, key, value, path, governed)
        self.seen[id(value)] = number
        self.keep.append(value)
        self._expand(number, value, path, governed, names)

    @staticmethod
    def _check_of(value: Any) -> int:
        if isinstance(value, Tensor):
            return TENSOR
        if type(value) in (list, tuple, dict):
            return STRUCTURE
        if isinstance(value, (types.FunctionType, types.MethodType, types.ModuleType, type)):
            return IDENTITY
        if _is_library(type(value).__module__) and not hasattr(type(value), "__weft_epoch__"):
            return IDENTITY
        return STRUCTURE if hasattr(value, "__dict__") else IDENTITY

    def _expand(
        self, number: int, value: Any, path: str, governed: bool, names: frozenset[str]
    ) -> None:
        if isinstance(value, Tensor):
            return
        if type(value) in (list, tuple):
            self._expand_sequence(number, value, path, names)
        elif type(value) is dict:
            self._expand_dict(number, value, path, names, governed=False)
        elif isinstance(value, types.FunctionType):
            self._expand_function(number, value, path)
        elif isinstance(value, types.MethodType):
            self.visit(number, ATTRIBUTE, 0, "__func__", value.__func__, path)
            self.visit(number, ATTRIBUTE, 0, "__self__", value.__self__, path)
        elif isinstance(value, functools.partial):
            for name in ("func", "args", "keywords"):
                self.visit(number, ATTRIBUTE, 0, name, getattr(value, name), f"{path}.{name}")
        elif isinstance(value, JitFunction):
            self.visit(number, ATTRIBUTE, 0, "_function", value._function, path)
        elif isinstance(value, types.ModuleType):
            if not _is_library(value.__name__):
                self._expand_module(value, path, names)
        elif isinstance(value, type):
            if not _is_library(value.__module__):
                self._expand_class(value, path)
        elif self.rows[number][2] == STRUCTURE:
            self._expand_object(number, value, path)

    def _expand_sequence(self, number: int, value: Any, path: str, names: frozenset[str]) -> None:
        if len(value) > _MAXIMUM_ITEMS:
            return
        for i, item in enumerate(value):
            self.visit(number, INDEX, i, None, item, f"{path}[{i}]", names=names)

    def _expand_dict(
        self,
        number: int,
        value: dict,
        path: str,
        names: frozenset[str],
        governed: bool,
        attributes: bool = False,
    ) -> None:
        if len(value) > _MAXIMUM_ITEMS:
            return
        for key, item in list(value.items()):
            inner = f"{path}.{key}" if attributes else f"{path}[{key!r}]"
            inside = governed and attributes and type(item) is dict and str(key).startswith("_")
            if inside:
                nested = self.add(number, KEY, STRUCTURE, 0, key, item, inner, True)
                self._expand_dict(nested, item, path, names, governed=True)
            else:
                self.visit(number, KEY, 0, key, item, inner, governed=governed, names=names)

    def _expand_function(self, number: int, function: types.FunctionType, path: str) -> None:
        code = function.__code__
        names = _attribute_names(code)
        for i, cell in enumerate(function.__closure__ or ()):
            try:
                content = cell.cell_contents
            except ValueError:
                continue
            label = f"closure variable `{code.co_freevars[i]}`"
            self.visit(self.anchor(cell, label), CELL, 0, None, content, label, names=names)
        if _is_library(function.__module__):
            return
        wanted = [name for name in _global_names(code) if name in function.__globals__]
        if wanted:
            holder = self.anchor(function.__globals__, "globals")
            for name in wanted:
                self.visit(
                    holder,
                    KEY,
                    0,
                    name,
                    function.__globals__[name],
                    f"global variable `{name}`",
                    names=names,
                )
        defaults = function.__defaults__
        if defaults:
            self.visit(number, ATTRIBUTE, 0, "__defaults__", defaults, f"defaults of {path}")
        if function.__kwdefaults__:
            self.visit(
                number,
                ATTRIBUTE,
                0,
                "__kwdefaults__",
                function.__kwdefaults__,
                f"defaults of {path}",
            )

    def _expand_module(self, module: types.ModuleType, path: str, names: frozenset[str]) -> None:
        """Those of a module's variables that the code names."""
        values = vars(module)
        holder = self.anchor(values, path)
        for name in sorted(names):
            if name in values:
                self.visit(holder, KEY, 0, name, values[name], f"{path}.{name}", names=names)

    def _expand_class(self, cls: type, path: str) -> None:
        """The class attributes that code names, and the methods' own outside."""
        for base in cls.__mro__:
            if _is_library(base.__module__):
                continue
            for name, item in list(vars(base).items()):
                function = getattr(item, "__func__", item)
                if isinstance(function, property):
                    function = function.fget
                if isinstance(function, (types.FunctionType, JitFunction)):
                    self._visit_method(name, function, path)
                elif not name.startswith("__") and isinstance(item, (*_CONSTANTS, Tensor)):
                    holder = self.anchor(base, path)
                    self.visit(holder, ATTRIBUTE, 0, name, item, f"{path}.{name}")

    def _visit_method(self, name: str, function: Any, path: str) -> None:
        """Methods are constants of their class; what their code names is guarded."""
        if isinstance(function, JitFunction):
            function = function._function
        if not isinstance(function, types.FunctionType) or id(function) in self.seen:
            return
        self.seen[id(function)] = self.anchor(function, f"{path}.{name}")
        self._expand_function(self.seen[id(function)], function, f"{path}.{name}")

    def _expand_object(self, number: int, value: Any, path: str) -> None:
        cls = type(value)
        governs = hasattr(cls, "__weft_epoch__")
        values = vars(value)
        holder = self.add(number, ATTRIBUTE, STRUCTURE, 0, "__dict__", values, path, governs)
        self._expand_dict(holder, values, path, frozenset(), governed=governs, attributes=True)
        if id(cls) not in self.seen and not _is_library(cls.__module__):
            self.seen[id(cls)] = self.anchor(cls, path)
            self._expand_class(cls, path)


def scan(function: Any, objects: tuple) -> list[tuple]:
    """The rows for all that `function` and the argument objects reach."""
    scanner = _Scanner()
    scanner.visit(-1, ROOT, 0, None, function, "the function")
    for i, value in enumerate(objects):
        scanner.visit(-1, ARGUMENT, i, None, value, f"argument object {i}")
    return scanner.rows
