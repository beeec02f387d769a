"""Which types are containers of tensors, for compiled functions: see PyTree.h."""

from __future__ import annotations

import collections
import sys
import types
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
