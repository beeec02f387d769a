"""Containers of tensors as arguments and results of compiled functions."""

from __future__ import annotations

import collections
import dataclasses
import enum
from collections.abc import Callable
from typing import Any, NamedTuple

import attr
import numpy as np
import optree
import pytest
import weft

X = weft.asarray([1.0, 2.0])
Y = weft.asarray([[3.0, 5.0, 4.0], [9.0, 7.0, 8.0]])


class Pair(NamedTuple):
    second: Any
    first: Any = 1.0


class Checked(collections.namedtuple("Checked", "value")):
    """A named tuple whose constructor takes something else."""

    __slots__ = ()

    def __new__(cls, value: Any, extra: str) -> Checked:
        assert extra
        return super().__new__(cls, value)


class Items(list):
    pass


class Table(dict):
    pass


@dataclasses.dataclass
class State:
    weight: Any
    history: list = dataclasses.field(default_factory=list)
    name: str = "state"
    derived: Any = dataclasses.field(init=False, default=None)


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    weight: Any
    rate: float = 2.0


@dataclasses.dataclass(frozen=True)
class FrozenWithSlots:
    __slots__ = ("weight",)
    weight: Any


@dataclasses.dataclass(kw_only=True)
class Derived(State):
    bias: Any = 0.5

    def __post_init__(self) -> None:
        self.extra = "kept"


@attr.s(auto_attribs=True)
class Attributes:
    weight: Any
    rate: float = 3.0


@attr.frozen
class FrozenAttributes:
    weight: Any


class Own:
    def __init__(self, value: Any, kind: str) -> None:
        self.value, self.kind = value, kind


weft.register_pytree_node(Own, lambda own: ((own.value,), own.kind), lambda kind, c: Own(*c, kind))


@optree.register_pytree_node_class(namespace=vars(optree.registry)["__GLOBAL_NAMESPACE"])
class KnownToOptree:
    def __init__(self, value: Any) -> None:
        self.value = value

    def tree_flatten(self) -> tuple:
        return (self.value,), None, ("value",)

    @classmethod
    def tree_unflatten(cls, metadata: Any, children: Any) -> Any:
        return cls(*children)


class Color(enum.Enum):
    RED = 1


def _factory() -> float:
    return 0.0


def _with_attribute(container: Any) -> Any:
    container.note = "kept"
    return container


_TREES: dict[str, Callable[[Any], Any]] = {
    "none": lambda x: (None, x),
    "named_tuple": lambda x: Pair(x, 2.0),
    "nested_named_tuple": lambda x: [Pair(Pair(x, x * 2), {"a": x})],
    "named_tuple_with_constructor": lambda x: Checked(x, "extra"),
    "ordered": lambda x: collections.OrderedDict(b=x, a=2.0),
    "default": lambda x: collections.defaultdict(_factory, b=x, a=1.0),
    "counter": lambda x: collections.Counter({"b": x}),
    "deque": lambda x: collections.deque([x, 2.0], maxlen=3),
    "list_subclass": lambda x: _with_attribute(Items([x, 2.0])),
    "dict_subclass": lambda x: _with_attribute(Table(b=x, a=1.0)),
    "dict_of_many_keys": lambda x: {1: x, "1": x + 1, (1, "a"): x + 2, None: x + 3, 2.5: x + 4},
    "dataclass": lambda x: State(x, [x, 1.0]),
    "frozen": lambda x: Frozen(x),
    "frozen_with_slots": lambda x: FrozenWithSlots(x),
    "derived": lambda x: Derived(weight=x, bias=x * 2),
    "attrs": lambda x: Attributes(x),
    "frozen_attrs": lambda x: FrozenAttributes(x),
    "registered": lambda x: Own(x, "a kind"),
    "optree": lambda x: KnownToOptree(x),
    "enum": lambda x: (Color.RED, x),
    "strings": lambda x: ("a", b"b", range(3), ..., x),
    "arrays": lambda x: [np.asarray(x), x],
    "empty": lambda x: ([], {}, (), Items(), x),
}


def _facts(tree: Any) -> Any:
    """Everything of a tree, as something that compares by `==`."""
    if isinstance(tree, (weft.Tensor, np.ndarray)):
        return str(tree.dtype), tuple(tree.shape), np.asarray(tree).tobytes()
    facts: list[Any] = [type(tree)]
    if isinstance(tree, dict):
        facts += [(key, type(key), _facts(tree[key])) for key in tree]
    elif isinstance(tree, (list, tuple, collections.deque)):
        facts += [_facts(item) for item in tree]
    elif not hasattr(tree, "__dict__") and not hasattr(type(tree), "__slots__"):
        facts.append(repr(tree))
    facts += [getattr(tree, "maxlen", None), getattr(tree, "default_factory", None)]
    if not isinstance(tree, enum.Enum):
        names = [*getattr(tree, "__dict__", ()), *getattr(type(tree), "__slots__", ())]
        facts += [(name, _facts(getattr(tree, name))) for name in names]
    return facts


def _as_results(tree: Any) -> Any:
    """What a function that returns its argument gives: arrays and numbers are tensors."""
    return weft.asarray(tree)


@pytest.mark.parametrize("name", list(_TREES))
def test_results_keep_their_form(name: str) -> None:
    make = _TREES[name]
    compiled = weft.jit(lambda x: make(x * 2.0))
    if name == "arrays":
        compiled = weft.jit(lambda x: [x * 2.0, x * 2.0])
        assert _facts(compiled(X)) == _facts([X * 2.0, X * 2.0])
        return
    for _ in range(2):
        assert _facts(compiled(X)) == _facts(make(X * 2.0))


def _tensors(tree: Any) -> list[Any]:
    if isinstance(tree, weft.Tensor):
        return [tree]
    if isinstance(tree, np.ndarray):
        return [weft.asarray(tree)]
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, (list, tuple, collections.deque)):
        return [tensor for item in tree for tensor in _tensors(item)]
    names = [*getattr(tree, "__dict__", ()), *getattr(type(tree), "__slots__", ())]
    if isinstance(tree, (enum.Enum, str, bytes)):
        return []
    return [tensor for name in names for tensor in _tensors(getattr(tree, name))]


@pytest.mark.parametrize("name", list(_TREES))
def test_arguments_keep_their_form(name: str) -> None:
    seen = []

    def f(tree: Any) -> Any:
        seen.append(type(tree))
        return [tensor * 2.0 for tensor in _tensors(tree)]

    compiled = weft.jit(f)
    for scale in (1.0, 2.0):
        tree = _TREES[name](X * scale)
        expected = [_facts(tensor * 2.0) for tensor in _tensors(tree)]
        # Numbers are tensors inside of a compiled function.
        assert [_facts(tensor) for tensor in compiled(tree) if tensor.shape] == expected
        assert seen[-1] is type(tree)


@pytest.mark.parametrize("name", list(_TREES))
def test_new_values_in_old_forms_trace_nothing(name: str) -> None:
    compiled = weft.jit(lambda tree: [tensor * 2.0 for tensor in _tensors(tree)])
    for scale in (1.0, 2.0, 3.0):
        compiled(_TREES[name](X * scale))
    assert compiled.stats()["traces"] == 1


def test_functions_that_return_named_tuples() -> None:
    f = weft.jit(lambda x: (x.max(0), x.min(1), x * 2))
    plain = (Y.max(0), Y.min(1), Y * 2)
    assert _facts(f(Y)) == _facts(plain)
    assert f(Y)[0].values.shape == (3,)
    assert f(Y)[0].indices.dtype is weft.int64


def test_the_order_of_keys_is_part_of_the_form() -> None:
    def f(table: dict) -> Any:
        total = X
        for value in table.values():
            total = total * 2.0 + value
        return {**table, "total": total}

    compiled = weft.jit(f)
    for table in ({"a": X, "b": X * 3}, {"b": X * 3, "a": X}, {"a": X, "b": X * 3}):
        expected = f(table)
        result = compiled(table)
        assert list(result) == list(expected)
        assert _facts(result) == _facts(expected)
    ordered = collections.OrderedDict(a=X, b=X * 3)
    first = compiled(ordered)
    ordered.move_to_end("a")
    assert _facts(compiled(ordered)["total"]) == _facts(f(ordered)["total"])
    assert _facts(first["total"]) == _facts(f({"a": X, "b": X * 3})["total"])


@pytest.mark.parametrize(("one", "other"), [({1: X}, {True: X}), ({0.0: X}, {-0.0: X})])
def test_keys_compare_by_type_and_bits(one: dict, other: dict) -> None:
    compiled = weft.jit(lambda table: repr(next(iter(table))))
    assert [compiled(one), compiled(other)] == [repr(next(iter(one))), repr(next(iter(other)))]


def test_what_registered_nodes_tell_is_compared() -> None:
    compiled = weft.jit(lambda own: own.value * (2.0 if own.kind == "double" else 3.0))
    for kind, scale in (("double", 2.0), ("triple", 3.0), ("double", 2.0)):
        assert _facts(compiled(Own(X, kind))) == _facts(X * scale)
    assert compiled.stats()["traces"] == 2


def _appended(items: Any) -> None:
    items.append(1.0)


_CHANGES: dict[str, tuple[Any, Callable[[Any], None]]] = {
    "list": ([X], _appended),
    "nested": ({"a": [X]}, lambda tree: _appended(tree["a"])),
    "dict": ({"a": X}, lambda tree: tree.update(b=1.0)),
    "value": ({"a": X}, lambda tree: tree.update(a=tree["a"] * 2)),
    "dataclass": (State(X), lambda tree: setattr(tree, "weight", 2.0)),
    "deque": (collections.deque([X]), _appended),
}


@pytest.mark.parametrize("name", list(_CHANGES))
def test_changes_of_argument_containers_are_refused(name: str) -> None:
    tree, change = _CHANGES[name]

    def f(tree: Any, x: Any) -> Any:
        change(tree)
        return x * 2.0

    with pytest.raises(weft.UnsupportedError, match="argument `tree` is a container that"):
        weft.jit(f)(tree, X)


def test_updates_in_place_are_no_change_of_the_container() -> None:
    tree = {"a": weft.asarray([1.0, 2.0])}

    def f(tree: Any) -> None:
        tree["a"] += 1.0

    weft.jit(f)(tree)
    assert _facts(tree["a"]) == _facts(weft.asarray([2.0, 3.0]))


def test_registering_needs_a_class() -> None:
    with pytest.raises(TypeError, match="takes a class, not a int"):
        weft.register_pytree_node(3, lambda x: ((), None), lambda d, c: 3)  # type: ignore[type-var]
