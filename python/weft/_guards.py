"""Finding what a traced function reads from outside: what a compiled call compares.

A `Scanner` is told of every Python function that a trace enters, before its first instruction runs
(see ReadRecorder.h), and follows what that function's code names: globals, builtins, imports, cells
and defaults, and from there attributes, items and members, by protocol. What it finds is a graph of
objects, each with the parts of it that matter; Guards.h says how the parts are compared at a call.
What has a state that no protocol shows is listed in `unwatched`.
"""

from __future__ import annotations

import builtins
import collections
import contextvars
import enum
import functools
import gc
import importlib.util
import operator
import re
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from ._code_names import NamesOfCode, attributes_of, names_of
from ._core import JitFunction, Tensor
from ._errors import UnsupportedError

# Check of Guards.h and Reading of ObjectParts.h.
CONSTANT, VALUE, IDENTITY, TENSOR, STRUCTURE, SAME, ABSENT = range(7)
(
    ROOTS,
    ITEMS,
    ENTRIES,
    LOOKUPS,
    ATTRIBUTES,
    CLASS_ATTRIBUTES,
    MEMBERS,
    ELEMENTS,
    FUNCTION,
    LINEAGE,
    CELL,
    CONTEXT,
    CONTENT,
    FIXED,
    CLASS,
) = range(15)

#: Which keys of a part are compared: all; those that code mentions, or all if code computes names;
#: those that code mentions.
ALL, MENTIONED, NEVER_ALL = range(3)

_CONSTANTS = frozenset(
    {bool, int, float, complex, str, bytes, type(None), range, type(...), type(NotImplemented)}
)
_MAXIMUM_EDGES = 200_000
#: Weft itself, and libraries whose functions see no tensor of a trace.
_PACKAGES = frozenset({"weft", "numpy", "torch", "sympy"})
_LIBRARIES = frozenset(sys.stdlib_module_names) | _PACKAGES
#: What runs tests puts its own functions into their modules.
_TEST_RUNNERS = frozenset({"pytest", "_pytest", "pluggy", "hypothesis"})
_CODE_TYPES = (types.FunctionType, type, types.ModuleType, types.BuiltinFunctionType)
#: Types in C all of whose state is compared, though no struct member shows it.
_KNOWN_LAYOUTS = frozenset(
    {object, list, tuple, dict, set, frozenset, collections.deque, collections.OrderedDict}
    | {int, float, complex, str, bytes, functools.partial, property, classmethod, staticmethod}
    | {types.MethodType, types.BuiltinMethodType, types.FunctionType, types.CellType}
    | {contextvars.ContextVar, JitFunction, Tensor, types.MappingProxyType, slice}
    | {type({}.keys()), type({}.values()), type({}.items()), BaseException}
)
#: Objects of these never change, though they are compared by identity.
_UNCHANGING = (
    types.CodeType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.ClassMethodDescriptorType,
    type(vars(collections.namedtuple("_Pair", "first"))["first"]),
)
#: Functions that take the name of an attribute: who calls them by another name may give any.
_BY_NAME = (getattr, hasattr, setattr, delattr)
#: Hashable by value, yet with parts that can change.
_NO_VALUES = (tuple, frozenset, Tensor, weakref.ref, types.BuiltinFunctionType)
#: Modules in C whose functions ask the operating system, the clock or a generator of numbers.
_OUTSIDE = frozenset(
    {"time", "posix", "nt", "_io", "io", "_socket", "select", "_random", "random"}
    | {"numpy.random.mtrand", "numpy.random._generator"}
)
#: What no code reads of a class unless it is named.
_HIDDEN = frozenset(
    {"__doc__", "__dict__", "__weakref__", "__module__", "__annotations__", "_abc_impl"}
    | {"__dataclass_fields__", "__dataclass_params__", "__match_args__", "__abstractmethods__"}
)


_Result = TypeVar("_Result")


def _package(module_name: Any) -> str:
    return module_name.partition(".")[0] if isinstance(module_name, str) else ""


def is_library(module_name: Any) -> bool:
    """Whether the code of a module is taken to read nothing that changes."""
    name = _package(module_name)
    return (name in _LIBRARIES and name != "__main__") or name in _TEST_RUNNERS


def _is_constant(value: Any, depth: int = 8) -> bool:
    cls = type(value)
    if cls in _CONSTANTS:
        return True
    if cls is tuple or cls is frozenset:
        return depth > 0 and all(_is_constant(item, depth - 1) for item in value)
    return cls is slice and _is_constant((value.start, value.stop, value.step), depth)


def _once_for_class(compute: Callable[[type], _Result]) -> Callable[[type], _Result]:
    """Remembers the result for each class as long as there is the class, which it must not hold."""
    known: dict[int, tuple[weakref.ref, _Result]] = {}

    @functools.wraps(compute)
    def find(cls: type) -> _Result:
        number = id(cls)  # a metaclass may define what is equal
        entry = known.get(number)
        if entry is not None and entry[0]() is cls:
            return entry[1]
        result = compute(cls)
        known[number] = (weakref.ref(cls, lambda _: known.pop(number, None)), result)
        return result

    return find


@_once_for_class
def _hides_state(cls: type) -> bool:
    """Whether objects have a state that no protocol shows: memory that is no struct member's."""
    for base in cls.__mro__:
        if base in _KNOWN_LAYOUTS or base.__base__ is None:
            continue
        above = base.__base__
        explained = above.__basicsize__
        explained += 8 * len(_own_members(base))
        explained += 8 * (base.__dictoffset__ > 0 and above.__dictoffset__ == 0)
        explained += 8 * (base.__weakrefoffset__ != 0 and above.__weakrefoffset__ == 0)
        if base.__basicsize__ > explained or base.__itemsize__ != above.__itemsize__:
            return True
    return False


def _own_members(cls: type) -> dict[str, Any]:
    values = vars(cls)
    return {name: values[name] for name in _names_of_members(cls) if name in values}


@_once_for_class
def _names_of_members(cls: type) -> tuple[str, ...]:
    """The names of a class's own struct members: those that it was made with."""
    return tuple(
        name
        for name, item in vars(cls).items()
        if type(item) is types.MemberDescriptorType and name not in ("__doc__", "__dict__")
    )


def _members(cls: type) -> tuple[tuple[str, Any], ...]:
    """The struct members of objects: slots of classes in Python, fields of types in C."""
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        found.update(_own_members(base))
    return tuple(found.items())


# Of library classes alone: a table must not keep the user's.
@functools.lru_cache(maxsize=1024)
def _names_of_methods(cls: type) -> frozenset[str]:
    names: set[str] = set()
    for item in vars(cls).values():
        function = getattr(item, "fget", None) or getattr(item, "__func__", item)
        while isinstance(function, types.FunctionType):
            names |= attributes_of(function.__code__)
            function = getattr(function, "__wrapped__", None)
    return frozenset(names)


def _names_of_library(cls: type) -> frozenset[str]:
    """What Weft's own code reads of a module, an optimizer, a distribution, a group: it is not
    looked at."""
    bases = [base for base in cls.__mro__ if is_library(base.__module__)]
    names: frozenset[str] = frozenset()
    if hasattr(cls, "__weft_state__"):
        return names.union(*map(_names_of_methods, bases))
    records = (base for base in bases if _package(base.__module__) == "weft")
    return names.union(*(vars(base).get("__dataclass_fields__", ()) for base in records))


def _is_value(value: Any) -> bool:
    """Whether an object promises, by its hash, not to change, and has no parts to look at."""
    cls: Any = type(value)
    return (
        cls.__hash__ not in (None, object.__hash__)
        and type(cls.__eq__) is types.WrapperDescriptorType
        and not isinstance(value, _NO_VALUES)
        and _instance_dictionary(value) is None
        and not _members(cls)
        and not _is_buffer(value)
    )


def _is_library_function(value: Any) -> bool:
    """Whether a function is part of one of these packages, not made by theirs of another."""
    if not isinstance(value, types.FunctionType):
        return False
    package = _package(value.__module__)
    made = "<locals>" in value.__qualname__ and bool(value.__closure__)
    return package in _TEST_RUNNERS or (package in _PACKAGES and not made)


def _is_buffer(value: Any) -> bool:
    if isinstance(value, (bytes, str)):
        return False
    try:
        memoryview(value).release()
    except (TypeError, BufferError, ValueError, SystemError):
        return False
    return True


class _Part:
    """Some of what an object consists of: rows (key, check, value, target, path)."""

    def __init__(self, reading: int, scope: int, extra: frozenset[str]) -> None:
        self.reading = reading
        self.scope = scope
        #: Names that are compared also where no code mentions them.
        self.extra = extra
        self.edges: list[tuple] = []
        self.keys: set[str] = set()

    def wants(self, name: str, mentioned: set[str], dynamic: bool) -> bool:
        """Whether the attribute is compared."""
        if name in mentioned:
            return True
        everything = dynamic and self.scope == MENTIONED
        if self.reading == CLASS_ATTRIBUTES:
            # Methods that syntax calls have no name in code.
            special = name.startswith("__") and name.endswith("__")
            everything = (everything or special) and name not in _HIDDEN
        return everything or name in self.extra


class _Watched:
    """An object that is looked into."""

    def __init__(self, value: Any, path: str, distinct: bool) -> None:
        self.value = value
        # What is nested deep would have a path as long as it is deep, at each level.
        self.path = path if len(path) < 300 else path[:250] + "..."
        self.distinct = distinct
        self.parts: list[_Part] = []


class Scanner:
    """What one trace reads, found while it runs. It starts anew, or from what another one read."""

    def __init__(self) -> None:
        self.watched: list[_Watched] = []
        #: By the address of the object, which `watched` keeps alive.
        self.numbers: dict[int, int] = {}
        self.queue: collections.deque[int] = collections.deque()
        self.mentioned: set[str] = set()
        self.dynamic = False
        self.edge_count = 0
        self.refusal = ""
        self.unwatched: dict[str, str] = {}
        self.known_code: set[types.CodeType] = set()
        #: Functions were looked for by their code: another trace may find others.
        self.searched = False
        #: What is being entered.
        self.code: types.CodeType | None = None
        self.lines: Mapping[str, int] = {}
        self.named_parts: list[tuple[int, _Part]] = []

    def start(self, function: Any, objects: tuple) -> None:
        """Begins with a function and the objects among its arguments."""
        self.code = getattr(function, "__code__", None)
        self.lines = names_of(self.code).lines if self.code else {}
        roots = self._part(self._watch(object(), "", distinct=False), ROOTS)
        self._edge(roots, None, function, "the function")
        for number, value in enumerate(objects):
            self._edge(roots, None, value, f"argument object {number}")
        self._expand_all()

    def resume(self, table: tuple) -> None:
        """Goes on where the scanner ended whose `table` this is; all is as it was then.

        Which code was reached by a path is not: another trace may enter it in other functions.
        """
        objects, mentioned, _, self.dynamic, unwatched, self.searched = table
        self.mentioned, self.unwatched = set(mentioned), dict(unwatched)
        for value, path, distinct, rows in objects:
            number = self._watch(value, path, distinct)
            for reading, scope, extra, edges in rows:
                part = self._part(number, reading, scope, extra)
                part.edges = edges
                part.keys = _keys_of(part, value)
                self.edge_count += len(edges)

    # What the trace does ------------------------------------------------------------------------

    def enter(self, code: types.CodeType, variables: dict[str, Any]) -> None:
        """Called before a function runs for the first time in the trace."""
        module = variables.get("__name__")
        if _package(module) == "weft" or _package(module) in _TEST_RUNNERS:
            return
        names = names_of(code)
        self.code, self.lines = code, names.lines
        if not is_library(module):
            if code not in self.known_code:
                self._find_functions(code)
            self._look_up(variables, names)
            if names.reads_all_globals:
                self._look_up_all(variables)
        self._mention(names)
        self._expand_all()

    def _ask_by_name(self, value: Any, found_as: str) -> None:
        """Mentions the attributes that an object asks others for, without code that names them."""
        if any(value is function for function in _BY_NAME):
            if not found_as.startswith("builtin "):
                self._mention(_ANY_NAME)
        elif isinstance(value, operator.attrgetter | operator.methodcaller):
            names = frozenset(
                name for text in _texts_in(value.__reduce__()) for name in text.split(".")
            )
            self._mention(_NO_NAME._replace(attributes=names))

    def called(self, function: Any, line: str) -> None:
        """Called when the trace calls a function in C that it has not called before."""
        owner = function.__self__
        module = function.__module__
        if module is None and owner is not None:
            cls = owner if isinstance(owner, type) else type(owner)
            modules = {base.__module__ for base in cls.__mro__}
        else:
            modules = {module}
        # Of dates, the class methods ask the clock.
        clock = isinstance(owner, type) and owner.__module__ == "datetime"
        if clock or modules & _OUTSIDE:
            name = getattr(function, "__qualname__", function.__name__)
            self.unwatched.setdefault(f"{line}{name}()", "its result is read while tracing only")

    def table(self) -> tuple:
        """The graph, for GuardSet: objects and their parts, and what new parts depend on."""
        if self.refusal:
            raise UnsupportedError(self.refusal)
        objects = [
            (
                item.value,
                item.path,
                item.distinct,
                [(part.reading, part.scope, part.extra, part.edges) for part in item.parts],
            )
            for item in self.watched
        ]
        unwatched = list(self.unwatched.items())
        return objects, self.mentioned, _HIDDEN, self.dynamic, unwatched, self.searched

    # Names --------------------------------------------------------------------------------------

    def _mention(self, names: NamesOfCode) -> None:
        """Attributes of these names are compared from now on, of objects found before too."""
        new: Iterable[str] | None = names.attributes - self.mentioned
        self.mentioned |= names.attributes
        if names.dynamic and not self.dynamic:
            self.dynamic = True
            new = None
        if new is None or new:
            for number, part in list(self.named_parts):
                self._add_names(number, part, new)

    def _look_up(self, variables: dict[str, Any], names: NamesOfCode) -> None:
        """The globals that code names, those that are not there, and builtins and imports."""
        holder = self._holder(variables, LOOKUPS, "global variable `{}`")
        inner = variables.get("__builtins__", builtins)
        inner = vars(inner) if isinstance(inner, types.ModuleType) else inner
        for name in names.variables:
            self._look_up_key(holder, variables, name, f"global variable `{name}`")
            if name not in variables:
                built_in = self._holder(inner, LOOKUPS, "builtin `{}`")
                self._look_up_key(built_in, inner, name, f"builtin `{name}`")
        modules = self._holder(sys.modules, LOOKUPS, "module `{}`")
        for level, name in names.imports:
            if level:
                try:
                    package = variables.get("__package__")
                    name = importlib.util.resolve_name("." * level + name, package)
                except (ImportError, TypeError, ValueError):
                    continue
            parts = name.split(".")
            for end in range(1, len(parts) + 1):
                whole = ".".join(parts[:end])
                self._look_up_key(modules, sys.modules, whole, f"module `{whole}`")

    def _look_up_all(self, variables: dict[str, Any]) -> None:
        part = self._holder(variables, ENTRIES, "")
        if not part.edges:
            for name, value in list(variables.items()):
                self._edge(part, name, value, f"global variable `{name}`")

    def _look_up_key(self, part: _Part, values: dict, key: str, path: str) -> None:
        if key in part.keys:
            return
        part.keys.add(key)
        if key in values:
            self._edge(part, key, values[key], path)
        else:
            self._append(part, (key, ABSENT, None, -1, path))

    def _find_functions(self, code: types.CodeType) -> None:
        """Of code that was reached by no path: the functions that it may belong to."""
        if not code.co_freevars:
            return
        self.searched = True
        for function in gc.get_referrers(code):
            if isinstance(function, types.FunctionType) and function.__code__ is code:
                anchor = self._part(self._watch(object(), "", distinct=False), FIXED)
                self._edge(anchor, None, function, f"the function `{code.co_name}`")

    def _add_names(self, number: int, part: _Part, new: Iterable[str] | None = None) -> None:
        """Adds the attributes of these names, or of all that are wanted."""
        item = self.watched[number]
        if part.reading == MEMBERS:
            self._add_members(item, part)
            return
        values = self._namespace(part.reading, item.value)
        for name in list(values) if new is None else new:
            if not isinstance(name, str) or name in part.keys or name not in values:
                continue
            if part.wants(name, self.mentioned, self.dynamic):
                part.keys.add(name)
                # What a module owns is called as the attribute that it looks like.
                owned = name.startswith("_") and name in part.extra
                path = item.path if owned else f"{item.path}.{name}"
                self._edge(part, name, values[name], path)

    @staticmethod
    def _namespace(reading: int, value: Any) -> Any:
        if reading == CLASS_ATTRIBUTES:
            return type.__dict__["__dict__"].__get__(value)
        return _instance_dictionary(value)

    # The graph ----------------------------------------------------------------------------------

    def _watch(self, value: Any, path: str, distinct: bool) -> int:
        self.watched.append(_Watched(value, path, distinct))
        self.numbers[id(value)] = len(self.watched) - 1
        return len(self.watched) - 1

    def _part(
        self, number: int, reading: int, scope: int = ALL, extra: frozenset[str] = frozenset()
    ) -> _Part:
        part = _Part(reading, scope, extra)
        self.watched[number].parts.append(part)
        if scope != ALL:
            self.named_parts.append((number, part))
        return part

    def _holder(self, values: dict, reading: int, path: str) -> _Part:
        """The part for lookups in a dict of variables, which is always the same dict."""
        number = self.numbers.get(id(values))
        if number is None:
            number = self._watch(values, path, distinct=False)
        for part in self.watched[number].parts:
            if part.reading == reading:
                return part
        return self._part(number, reading)

    def _append(self, part: _Part, edge: tuple) -> None:
        self.edge_count += 1
        if self.edge_count > _MAXIMUM_EDGES:
            self.refusal = self.refusal or (
                f"the function reads {edge[4]} and more than {_MAXIMUM_EDGES:,} other values from "
                "outside, too many to compare at each call: keep numbers in tensors, constants in "
                "tuples, and pass what changes as arguments"
            )
            # Again at the end, should the function catch it.
            raise UnsupportedError(self.refusal)
        part.edges.append(edge)

    def _edge(self, part: _Part, key: Any, value: Any, path: str) -> None:
        """Adds what is found at `key`."""
        if _is_constant(value):
            self._append(part, (key, CONSTANT, value, -1, path))
            return
        if callable(value):
            self._ask_by_name(value, path)
        known = self.numbers.get(id(value))
        if known is not None:
            self._append(part, (key, SAME, value, known, path))
            return
        if isinstance(value, _UNCHANGING) or _is_library_function(value):
            self._append(part, (key, IDENTITY, value, -1, path))
            return
        if _is_value(value):
            self._append(part, (key, VALUE, value, -1, path))
            return
        check = self._check_of(value)
        number = self._watch(value, path, distinct=check in (STRUCTURE, TENSOR))
        self._append(part, (key, check, value, number, path))
        self.queue.append(number)

    @staticmethod
    def _check_of(value: Any) -> int:
        cls: Any = type(value)
        if isinstance(value, Tensor):
            return TENSOR
        if isinstance(value, (types.ModuleType, type, enum.Enum, weakref.ref)):
            return IDENTITY
        if isinstance(value, (types.MappingProxyType, types.BuiltinFunctionType)):
            return IDENTITY
        if isinstance(value, (int, float, complex, str, bytes)):
            return CONSTANT
        return IDENTITY if _hides_state(cls) and not _is_buffer(value) else STRUCTURE

    def _expand_all(self) -> None:
        # First in, first out: the table's order, and nothing recurses.
        while self.queue:
            number = self.queue.popleft()
            item = self.watched[number]
            try:
                self._expand(number, item.value, item.path)
            except UnsupportedError:
                raise
            except Exception as error:
                self._give_up(item.path, f"it can't be looked into: {error!r}")

    def _expand(self, number: int, value: Any, path: str) -> None:
        if isinstance(value, types.ModuleType):
            scope = NEVER_ALL if is_library(value.__name__) else MENTIONED
            self._add_names(number, self._part(number, ATTRIBUTES, scope))
        elif isinstance(value, type):
            self._expand_class(number, value, path)
        elif isinstance(value, types.FunctionType):
            self._expand_function(number, value, path)
        elif isinstance(value, types.CellType):
            self._expand_cell(number, value, path)
        else:
            self._expand_object(number, value, path)

    def _expand_class(self, number: int, cls: type, path: str) -> None:
        if is_library(cls.__module__):
            return
        self._edge(self._part(number, LINEAGE), None, cls.__mro__, f"the base classes of {path}")
        if not is_library(type(cls).__module__):
            self._edge(self._part(number, CLASS), None, type(cls), f"the class of {path}")
        names = _names_of_library(cls)
        self._add_names(number, self._part(number, CLASS_ATTRIBUTES, MENTIONED, names))
        mixed_in = (base for base in cls.__mro__ if not is_library(base.__module__))
        if names and not all(hasattr(base, "__weft_state__") for base in mixed_in):
            # Such a base does not know what it is part of.
            self._mention(_NO_NAME._replace(attributes=names))

    def _expand_function(self, number: int, function: types.FunctionType, path: str) -> None:
        self._know(function.__code__)
        part = self._part(number, FUNCTION)
        rows = ("__code__", "__globals__", "__closure__", "__defaults__", "__kwdefaults__")
        for name in rows:
            content = getattr(function, name)
            label = f"the {name.strip('_')} of {path}"
            if name == "__globals__":
                self._append(part, (name, IDENTITY, content, -1, label))
            elif name == "__closure__" and content:
                self._edge_to_closure(part, function, content)
            else:
                self._edge(part, name, content, label)
        if not is_library(function.__module__):
            self._add_names(number, self._part(number, ATTRIBUTES, MENTIONED))
        elif _package(function.__module__) != "weft":
            self._expand_library_function(function)

    def _edge_to_closure(self, part: _Part, function: types.FunctionType, cells: tuple) -> None:
        """The cells, each called by its variable's name."""
        number = self._watch(cells, "", distinct=True)
        self._append(part, ("__closure__", STRUCTURE, cells, number, "the closure"))
        inner = self._part(number, ITEMS)
        for name, cell in zip(function.__code__.co_freevars, cells):
            self._edge(inner, None, cell, f"closure variable `{name}`")

    def _expand_library_function(self, function: types.FunctionType) -> None:
        """The data that a function of the standard library reads itself: `os.getenv`'s environ."""
        variables = function.__globals__
        for name in names_of(function.__code__).variables:
            value = variables.get(name)
            if value is not None and not isinstance(value, _CODE_TYPES) and not callable(value):
                holder = self._holder(variables, LOOKUPS, "")
                path = f"`{name}` of module `{function.__module__}`"
                self._look_up_key(holder, variables, name, path)

    def _know(self, code: types.CodeType) -> None:
        if code in self.known_code:
            return
        self.known_code.add(code)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                self._know(constant)

    def _expand_cell(self, number: int, cell: types.CellType, path: str) -> None:
        part = self._part(number, CELL)
        try:
            content = cell.cell_contents
        except ValueError:
            self._append(part, (None, ABSENT, None, -1, path))
        else:
            self._edge(part, None, content, path)

    def _expand_object(self, number: int, value: Any, path: str) -> None:
        """What any object may have: a class, items, attributes, members, memory."""
        cls: Any = type(value)
        if not is_library(cls.__module__):
            self._edge(self._part(number, CLASS), None, cls, f"the class of {path}")
        if isinstance(value, (list, tuple)):
            items = self._part(number, ITEMS)
            base: Any = list if isinstance(value, list) else tuple
            for i, item in enumerate(base.__iter__(value)):
                self._edge(items, None, item, f"{path}[{i}]")
            if cls is base:
                return
        elif isinstance(value, dict):
            self._expand_dict(number, value, path)
        elif isinstance(value, (set, frozenset, collections.deque)):
            self._elements(number, value, path)
        elif isinstance(value, contextvars.ContextVar):
            self._expand_context(number, value, path)
        elif isinstance(value, (types.BuiltinFunctionType, types.MappingProxyType)):
            for inner in gc.get_referents(value):
                if not isinstance(inner, (types.ModuleType, str)):
                    self._edge(self._part(number, FIXED), None, inner, path)
        elif isinstance(value, weakref.ref) or self._hides(number, value):
            self._give_up(path, f"a {cls.__module__}.{cls.__qualname__}")
        if _members(cls):
            self._add_names(number, self._part(number, MEMBERS, MENTIONED))
        if _instance_dictionary(value) is not None:
            extra = _names_of_library(cls)
            if isinstance(value, JitFunction):
                extra = frozenset({"__wrapped__", "_options"})
            self._add_names(number, self._part(number, ATTRIBUTES, MENTIONED, extra))

    def _hides(self, number: int, value: Any) -> bool:
        """Whether there is state that is not compared; memory is compared byte by byte."""
        cls: Any = type(value)
        if not _hides_state(cls):
            return False
        if _is_buffer(value):
            self._part(number, CONTENT)
            return bool(getattr(getattr(value, "dtype", None), "hasobject", False))
        # What can be called and belongs to a library computes; values that are hashed are constant.
        computes = callable(value) and is_library(cls.__module__)
        return not computes and (cls.__hash__ is None or cls.__hash__ is object.__hash__)

    def _give_up(self, path: str, what: str) -> None:
        """Lists what can't be watched, with the line that names it."""
        mentions = [name for name in re.findall(r"\w+", path) if name in self.lines]
        line = ""
        if self.code is not None:
            number = self.lines[mentions[-1]] if mentions else self.code.co_firstlineno
            line = f"{self.code.co_filename}:{number}: "
        self.unwatched.setdefault(f"{line}{path}", what)

    def _expand_dict(self, number: int, value: dict, path: str) -> None:
        part = self._part(number, ENTRIES)
        for key, item in list(dict.items(value)):
            label = f"{path}[{key!r}]" if _is_constant(key) else f"{path}[...]"
            self._edge(part, key, item, label)
        keys = [key for key in dict.keys(value) if not _is_constant(key)]
        if keys:
            fixed = self._part(number, FIXED)
            for key in keys:
                self._edge(fixed, None, key, f"a key of {path}")
        if isinstance(value, collections.OrderedDict):
            self._elements(number, value, f"the keys of {path}")

    def _elements(self, number: int, value: Any, path: str) -> None:
        part = self._part(number, ELEMENTS)
        kinds = (set, frozenset, collections.deque, collections.OrderedDict)
        base = next(kind for kind in kinds if isinstance(value, kind))
        for item in base.__iter__(value):
            self._edge(part, base, item, f"an element of {path}")

    def _expand_context(self, number: int, variable: contextvars.ContextVar, path: str) -> None:
        part = self._part(number, CONTEXT)
        try:
            self._edge(part, None, variable.get(), f"the value of {path}")
        except LookupError:
            self._append(part, (None, ABSENT, None, -1, path))

    def _add_members(self, item: _Watched, part: _Part) -> None:
        cls: Any = type(item.value)
        for name, descriptor in _members(cls):
            in_library = is_library(descriptor.__objclass__.__module__)
            wanted = in_library or part.wants(name, self.mentioned, self.dynamic)
            if name in part.keys or not wanted:
                continue
            part.keys.add(name)
            path = f"{item.path}.{name}"
            try:
                self._edge(part, descriptor, descriptor.__get__(item.value), path)
            except AttributeError:
                self._append(part, (descriptor, ABSENT, None, -1, path))


def _keys_of(part: _Part, value: Any) -> set[str]:
    """The names whose edges the part has."""
    keys = [edge[0] for edge in part.edges]
    if part.reading == MEMBERS:
        return {name for name, descriptor in _members(type(value)) if descriptor in keys}
    return {key for key in keys if isinstance(key, str)}


def is_fixed(value: Any) -> bool:
    """Whether an object is no function's to make anew: it never changes, or belongs to a module."""
    if isinstance(value, (*_CODE_TYPES, enum.Enum, types.GenericAlias)):
        return not (isinstance(value, types.FunctionType) and value.__closure__)
    return _is_constant(value) or _is_value(value) or _package(type(value).__module__) == "weft"


_NO_NAME = names_of((lambda: None).__code__)
_ANY_NAME = _NO_NAME._replace(dynamic=True)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _texts_in(item)
    elif isinstance(value, functools.partial):
        yield from _texts_in(value.args)


def _instance_dictionary(value: Any) -> dict | None:
    """The dict of an object's attributes, past any property or method of that name."""
    for base in type(value).__mro__:
        descriptor: Any = vars(base).get("__dict__")
        if type(descriptor) in (types.GetSetDescriptorType, types.MemberDescriptorType):
            try:
                found = descriptor.__get__(value)
            except (AttributeError, TypeError):
                return None
            return found if isinstance(found, dict) else None
    return vars(value) if isinstance(value, types.ModuleType) else None
