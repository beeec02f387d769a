"""Python's numbers, where a trace left tracers of them in objects.

A number among the arguments is a tensor while a function is traced (see TraceScope.h). What the
function has put into attributes, lists, dicts and so on is to be the number itself, as if the
function had not been traced.
"""

from __future__ import annotations

import collections
import types
from collections.abc import Iterable
from typing import Any

from ._guards import _instance_dictionary, _members

_CONTAINERS = (list, dict, set, collections.deque, tuple)


class _Numbers:
    """Puts numbers into objects, in the place of tracers, which are known by their addresses."""

    def __init__(self, numbers: dict[int, Any]) -> None:
        self.numbers = numbers
        self.seen: set[int] = set()
        self.waiting: list[Any] = []

    def of(self, value: Any) -> Any:
        """What is to stand where ``value`` stands; a container is looked into later."""
        if id(value) in self.numbers:
            return self.numbers[id(value)]
        if type(value) is tuple:
            items = [self.of(item) for item in value]
            same = all(item is old for item, old in zip(items, value, strict=True))
            return value if same else tuple(items)
        if isinstance(value, _CONTAINERS) and id(value) not in self.seen:
            self.waiting.append(value)
        return value

    def put_into(self, holder: Any) -> None:
        """Replaces what the object itself has."""
        self.seen.add(id(holder))
        if isinstance(holder, type):
            for name, value in list(vars(holder).items()):
                wanted = self.of(value)
                if wanted is not value:
                    type.__setattr__(holder, name, wanted)
            return
        if isinstance(holder, types.CellType):
            self._put_into_cell(holder)
        elif isinstance(holder, (list, collections.deque)):
            base: Any = list if isinstance(holder, list) else collections.deque
            for i, item in enumerate(list(base.__iter__(holder))):
                wanted = self.of(item)
                if wanted is not item:
                    base.__setitem__(holder, i, wanted)
        elif isinstance(holder, set):
            # Anew, so that none of the places in the table is one that was given up.
            items = [self.of(item) for item in set.__iter__(holder)]
            set.clear(holder)
            set.update(holder, items)
        elif isinstance(holder, dict):
            self._put_into_dict(holder)
        attributes = _instance_dictionary(holder)
        if attributes is not None and attributes is not holder:
            self._put_into_dict(attributes)
        self._put_into_members(holder)

    def _put_into_cell(self, cell: types.CellType) -> None:
        try:
            value = cell.cell_contents
        except ValueError:
            return
        wanted = self.of(value)
        if wanted is not value:
            cell.cell_contents = wanted

    def _put_into_dict(self, holder: dict) -> None:
        # In their order, which code may see.
        items = list(dict.items(holder))
        if any(id(key) in self.numbers for key, _ in items):
            dict.clear(holder)
            for key, value in items:
                dict.__setitem__(holder, self.of(key), self.of(value))
            return
        for key, value in items:
            wanted = self.of(value)
            if wanted is not value:
                dict.__setitem__(holder, key, wanted)

    def _put_into_members(self, holder: Any) -> None:
        for _, descriptor in _members(type(holder)):
            try:
                value = descriptor.__get__(holder)
                wanted = self.of(value)
                if wanted is not value:
                    descriptor.__set__(holder, wanted)
            except (AttributeError, TypeError):
                continue


def put_numbers(watched: Iterable[Any], numbers: dict[int, Any]) -> None:
    """Puts numbers in the place of tracers in the objects that a trace read, and what they hold.

    Args:
        watched: the objects, as the guards know them.
        numbers: by the address of the tracer.
    """
    put = _Numbers(numbers)
    for holder in watched:
        put.put_into(holder)
    while put.waiting:
        put.put_into(put.waiting.pop())
