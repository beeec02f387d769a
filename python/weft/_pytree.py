"""Which types are containers of tensors, for compiled functions: see PyTree.h."""

from __future__ import annotations

import collections
import copy
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

from . import _core
from ._creation import _fail
from ._errors import DTypeError

T = TypeVar("T")

# TreeKind of PyTree.h.
TUPLE, LIST, DICT, COPIED_SEQUENCE, COPIED_DICT, FIELDS, REGISTERED, LEAF = range(8)


def register_pytree_node(
    cls: type[T],
    flatten: Callable[[T], tuple],
    unflatten: Callable[[Any, tuple], T],
) -> type[T]:
    """Makes a class known as a container of tensors, for arguments and results of `jit`.

    Lists, tuples, dicts, their subclasses, named tuples, deques, dataclasses, classes made by
    attrs, and classes that optree knows in its global namespace need no registration.

    Args:
        cls: the class; subclasses are not meant.
        flatten: gives ``(items, description)`` of an object: its items, and what describes it
            beside them, which is compared at each call. More that it gives is not used.
        unflatten: makes an object of ``(description, items)``.

    Returns:
        The class.

    Raises:
        DTypeError: ``cls`` is no class.
    """
    if not isinstance(cls, type):
        raise _fail(DTypeError, f"register_pytree_node takes a class, not a {type(cls).__name__}")
    _core.register_tree_type(cls, flatten, unflatten)
    _kinds[cls] = (REGISTERED, (flatten, unflatten))
    return cls


def _field_names(cls: type) -> tuple[str, ...] | None:
    """The fields of a dataclass, or of a class made by attrs."""
    if hasattr(cls, "__dataclass_fields__"):
        fields = cls.__dataclass_fields__.values()
        # Class variables and arguments of __init__ alone are listed too.
        return tuple(field.name for field in fields if field._field_type.name == "_FIELD")
    if hasattr(cls, "__attrs_attrs__"):
        return tuple(attribute.name for attribute in cls.__attrs_attrs__)
    return None


def _known_to_optree(cls: type) -> tuple[Callable, Callable] | None:
    optree = sys.modules.get("optree")
    if optree is None or cls.__module__ == "builtins":
        return None
    entry = optree.register_pytree_node.get(cls)
    if entry is None or entry.flatten_func is None or entry.unflatten_func is None:
        return None
    return entry.flatten_func, entry.unflatten_func


def describe(cls: type) -> tuple[int, bool, Any]:
    """The kind of a type, whether its objects are arrays, and what its kind needs."""
    array = hasattr(cls, "__array_interface__") or hasattr(cls, "__dlpack__")
    if issubclass(cls, _core.Tensor) or hasattr(cls, "__weft_state__"):
        return LEAF, False, None
    for plain, kind in ((tuple, TUPLE), (list, LIST), (dict, DICT)):
        if cls is plain:
            return kind, False, None
    if issubclass(cls, collections.OrderedDict | collections.defaultdict):
        return COPIED_DICT, False, None
    functions = _known_to_optree(cls)
    if functions is not None and not issubclass(cls, tuple | collections.deque):
        return REGISTERED, False, functions
    fields = _field_names(cls)
    if fields is not None:
        return FIELDS, False, fields
    if issubclass(cls, tuple):
        return TUPLE, False, None
    if issubclass(cls, list | collections.deque):
        return COPIED_SEQUENCE, False, None
    if issubclass(cls, dict):
        return COPIED_DICT, False, None
    return LEAF, array and not issubclass(cls, type | types.ModuleType), None


# One level of a container, for `weft.tree`; PyTree.cpp does the same for calls -------------------

#: The kind of a type and what its kind needs, where that is known.
_kinds: weakref.WeakKeyDictionary[type, tuple[int, Any]] = weakref.WeakKeyDictionary()


def _kind(cls: type) -> tuple[int, Any]:
    known = _kinds.get(cls)
    if known is None:
        kind, _, extra = describe(cls)
        known = _kinds[cls] = (kind, extra)
    return known


def _has_own(node: Any, name: str) -> bool:
    """Whether the object itself has the attribute: in its dict, or in a slot."""
    if name in getattr(node, "__dict__", ()):
        return True
    return hasattr(getattr(type(node), name, None), "__set__") and hasattr(node, name)


def take_apart(node: Any) -> tuple[int, list, list] | None:
    """The kind of a container, its items, and what describes it beside them: keys, names, or what a
    registered class tells. None for a leaf."""
    kind, extra = _kind(type(node))
    if kind == LEAF:
        return None
    if kind in (TUPLE, LIST, COPIED_SEQUENCE):
        # Subclasses of tuples may iterate otherwise.
        return kind, list(tuple.__iter__(node) if kind == TUPLE else node), []
    if kind in (DICT, COPIED_DICT):
        ordered = isinstance(node, collections.OrderedDict)
        keys = list((collections.OrderedDict if ordered else dict).__iter__(node))
        return kind, [dict.__getitem__(node, key) for key in keys], keys
    if kind == FIELDS:
        names = [name for name in extra if _has_own(node, name)]
        return kind, [getattr(node, name) for name in names], names
    flat = tuple(extra[0](node))
    if len(flat) < 2:
        raise _fail(
            DTypeError,
            f"the function that takes a {type(node).__name__} apart has to give its items and what "
            "describes it beside them",
        )
    return kind, list(flat[0]), [flat[1]]


def _without_init(cls: type) -> Any:
    """An object of the class whose __init__ did not run."""
    in_c: Any = next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)
    return in_c.__new__(cls)


#: The flag of classes that are made in Python.
_HEAP_TYPE = 1 << 9


def rebuild(like: Any, items: list) -> Any:
    """A container like one that is no leaf, of as many other items."""
    kind, extra = _kind(type(like))
    cls, description = type(like), (take_apart(like) or (kind, [], []))[2]
    if kind == TUPLE and cls is not tuple:
        result = tuple.__new__(cls, items) if cls.__flags__ & _HEAP_TYPE else cls(items)
        if getattr(like, "__dict__", None):
            vars(result).update(vars(like))
        return result
    if kind in (TUPLE, LIST):
        return cls(items)
    if kind == DICT:
        return dict(zip(description, items, strict=True))
    if kind == REGISTERED:
        return extra[1](description[0], tuple(items))
    if kind == FIELDS:
        result = _without_init(cls)
        if hasattr(like, "__dict__"):
            vars(result).update(vars(like))
        for name, item in zip(description, items, strict=True):
            object.__setattr__(result, name, item)
        return result
    result = copy.copy(like)
    for key, item in zip(description or range(len(items)), items, strict=True):
        if kind == COPIED_DICT:
            dict.__setitem__(result, key, item)
        else:
            result[key] = item
    return result
