"""Containers of tensors as trees: the same containers that `jit` takes apart, in the same order.

Nodes are tuples, named tuples, lists, dicts, their subclasses, deques, dataclasses, classes made by
attrs, and classes of `register_pytree_node`. None is a node without items. All else is a leaf:
tensors, numbers, strings, and modules of `weft.nn`, whose tensors `dict(module.named_parameters())`
gives as a tree. Dicts keep the order of their keys.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ._creation import _fail
from ._errors import DTypeError, ShapeError, UnsupportedError
from ._pytree import (
    COPIED_DICT,
    DICT,
    FIELDS,
    REGISTERED,
    TUPLE,
    rebuild,
    register_pytree_node,
    take_apart,
)

__all__ = [
    "Structure",
    "all",
    "flatten",
    "flatten_with_path",
    "leaves",
    "leaves_with_path",
    "map",
    "map_with_path",
    "reduce",
    "register_pytree_node",
    "structure",
    "transpose",
    "unflatten",
]

#: Says of an object whether it is to be a leaf, though it is a container.
IsLeaf = Callable[[Any], bool] | None

#: What leads from a tree to a part of it: indices, keys, and names of fields.
Path = tuple[Any, ...]

#: Deeper trees hold themselves; each level needs a few of the interpreter's frames.
_MOST_LEVELS = 300


class _Leaf:
    """What stands in a structure for a leaf."""

    def __repr__(self) -> str:
        return "*"


_LEAF = _Leaf()


class _Node(NamedTuple):
    """One level of a tree."""

    kind: int
    items: list
    #: The keys, the names of the fields, or what a registered class tells.
    description: list

    def steps(self, node: Any) -> Sequence[Any]:
        """How paths call the items."""
        if self.kind in (DICT, COPIED_DICT, FIELDS):
            return self.description
        return getattr(node, "_fields", None) or range(len(self.items))


def _node(tree: Any, is_leaf: IsLeaf, depth: int) -> _Node | None:
    if depth > _MOST_LEVELS:
        raise _fail(
            UnsupportedError,
            f"a tree holds itself, or is nested more than {_MOST_LEVELS} deep",
        )
    if is_leaf is not None and is_leaf(tree):
        return None
    if tree is None:
        return _Node(TUPLE, [], [])
    apart = take_apart(tree)
    return None if apart is None else _Node(*apart)


def _rebuild(like: Any, items: list) -> Any:
    return None if like is None else rebuild(like, items)


class Structure:
    """The form of a tree: its containers, without its leaves. Equal forms compare equal; those of
    dicts by their keys, whatever order these came in. The leaves of each are in its own order.

    The containers are kept as copies whose leaves are placeholders.
    """

    __slots__ = ("_form", "num_leaves")

    def __init__(self, form: Any, num_leaves: int) -> None:
        self._form = form
        #: How many leaves such a tree has.
        self.num_leaves = num_leaves

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this form with these leaves. Raises ShapeError for another number of them."""
        items = list(leaves)
        if len(items) != self.num_leaves:
            raise _fail(
                ShapeError,
                f"unflatten: {len(items)} leaves for a tree of {self.num_leaves}: {self}",
            )
        left = iter(items)
        return _mapped(lambda _: next(left), self._form, _is_placeholder, 0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Structure) or self.num_leaves != other.num_leaves:
            return False
        return _same_form(self._form, other._form, 0)

    def __hash__(self) -> int:
        return hash((type(self._form), self.num_leaves))

    def __repr__(self) -> str:
        return f"Structure({self._form!r})"


def _is_placeholder(tree: Any) -> bool:
    return tree is _LEAF


def _same_form(one: Any, other: Any, depth: int) -> bool:
    if one is _LEAF or other is _LEAF:
        return one is other
    if type(one) is not type(other):
        return False
    first, second = _node(one, None, depth), _node(other, None, depth)
    if first is None or second is None:
        return one is other
    if len(first.items) != len(second.items):
        return False
    told, others = ([(type(x), x) for x in node.description] for node in (first, second))
    if type(one) is dict:
        # By their keys, in whatever order the other one has them.
        by_key = dict(zip(others, second.items, strict=True))
        return _every(
            key in by_key and _same_form(item, by_key[key], depth + 1)
            for key, item in zip(told, first.items, strict=True)
        )
    if told != others:
        return False
    pairs = zip(first.items, second.items, strict=True)
    return _every(_same_form(a, b, depth + 1) for a, b in pairs)


_every = all


def _mapped(function: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf, depth: int) -> Any:
    node = _node(tree, is_leaf, depth)
    if node is None:
        return function(tree)
    return _rebuild(tree, [_mapped(function, item, is_leaf, depth + 1) for item in node.items])


def _walk(tree: Any, is_leaf: IsLeaf, path: Path) -> Iterator[tuple[Path, Any]]:
    node = _node(tree, is_leaf, len(path))
    if node is None:
        yield path, tree
        return
    for step, item in zip(node.steps(tree), node.items, strict=True):
        yield from _walk(item, is_leaf, (*path, step))


def flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list, Structure]:
    """The leaves of a tree in order, and its form.

    Args:
        is_leaf: says of an object whether it is a leaf, before it is taken apart.

    Raises:
        UnsupportedError: the tree holds itself, or is nested more than 300 deep.
    """
    found: list = []

    def take(leaf: Any) -> _Leaf:
        found.append(leaf)
        return _LEAF

    form = _mapped(take, tree, is_leaf, 0)
    return found, Structure(form, len(found))


def unflatten(structure: Structure, leaves: Iterable[Any]) -> Any:
    """The tree of a form with these leaves. Raises ShapeError if they are too many or too few."""
    if not isinstance(structure, Structure):
        raise _fail(
            DTypeError, f"unflatten: needs a Structure first, not a {type(structure).__name__}"
        )
    return structure.unflatten(leaves)


def leaves(tree: Any, is_leaf: IsLeaf = None) -> list:
    """The leaves of a tree, in order."""
    return [leaf for _, leaf in _walk(tree, is_leaf, ())]


def structure(tree: Any, is_leaf: IsLeaf = None) -> Structure:
    """The form of a tree."""
    return flatten(tree, is_leaf)[1]


def leaves_with_path(tree: Any, is_leaf: IsLeaf = None) -> list[tuple[Path, Any]]:
    """Pairs of a path and a leaf, in order.

    A path is a tuple of indices, of keys of dicts, and of names of fields of dataclasses and named
    tuples; of a registered class it has the places of its items.
    """
    return list(_walk(tree, is_leaf, ()))


def flatten_with_path(
    tree: Any, is_leaf: IsLeaf = None
) -> tuple[list[tuple[Path, Any]], Structure]:
    """`leaves_with_path`, and the form of the tree."""
    return leaves_with_path(tree, is_leaf), structure(tree, is_leaf)


def _beside(name: str, form: Structure, rest: tuple) -> list[list]:
    """What other trees have in the places of the leaves of one: leaves, or whole trees."""
    result = []
    for i, tree in enumerate(rest):
        parts: list = []
        _take_beside(name, form._form, tree, i + 1, (), parts)
        result.append(parts)
    return result


def _take_beside(name: str, form: Any, tree: Any, which: int, path: Path, parts: list) -> None:
    if form is _LEAF:
        parts.append(tree)
        return
    node, other = _node(form, None, len(path)), _node(tree, None, len(path))
    fits = (
        node is not None
        and other is not None
        and type(form) is type(tree)
        and len(node.items) == len(other.items)
        and (node.kind == REGISTERED or node.description == other.description)
    )
    items = [] if other is None else other.items
    if node is not None and other is not None and type(form) is type(tree) is dict:
        # By their keys, in whatever order the other one has them.
        fits = set(node.description) == set(other.description)
        items = [items[list(other.description).index(key)] for key in node.description if fits]
    if node is None or other is None or not fits:
        place = "".join(f"[{step!r}]" for step in path) or "its top"
        raise _fail(
            ShapeError,
            f"{name}: tree {which} beside the first has another form at {place}: {_shown(tree)} "
            f"where the first has {_shown(form)}",
        )
    for step, a, b in zip(node.steps(form), node.items, items, strict=True):
        _take_beside(name, a, b, which, (*path, step), parts)


def _shown(tree: Any) -> str:
    node = take_apart(tree)
    size = "" if node is None else f" of {len(node[1])}"
    return f"a {type(tree).__name__}{size}"


def map(function: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None) -> Any:
    """A tree of the same form, with what the function makes of each leaf.

    Args:
        rest: other trees, whose parts in the same places are its further arguments. They have the
            form of the first, or trees where that has leaves.

    Raises:
        ShapeError: a tree has another form. UnsupportedError: one holds itself.
    """
    if not rest:
        return _mapped(function, tree, is_leaf, 0)
    found, form = flatten(tree, is_leaf)
    columns = _beside("map", form, rest)
    return form.unflatten(function(*row) for row in zip(found, *columns, strict=True))


def map_with_path(
    function: Callable[..., Any], tree: Any, *rest: Any, is_leaf: IsLeaf = None
) -> Any:
    """`map` of a function whose first argument is the path of the leaf; see `leaves_with_path`."""
    pairs, form = flatten_with_path(tree, is_leaf)
    columns = _beside("map_with_path", form, rest)
    rows = zip(pairs, *columns, strict=True)
    return form.unflatten(function(path, leaf, *others) for (path, leaf), *others in rows)


_NOTHING = object()


def reduce(
    function: Callable[[Any, Any], Any],
    tree: Any,
    initializer: Any = _NOTHING,
    is_leaf: IsLeaf = None,
) -> Any:
    """The leaves joined from the left by a function of two, beginning with the initializer.

    Raises:
        ShapeError: there is neither a leaf nor an initializer.
    """
    items = leaves(tree, is_leaf)
    if initializer is not _NOTHING:
        return functools.reduce(function, items, initializer)
    if not items:
        raise _fail(ShapeError, "reduce: a tree without leaves needs an initializer")
    return functools.reduce(function, items)


def all(tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether all leaves are true; their values are asked for."""
    return _every(bool(leaf) for leaf in leaves(tree, is_leaf))


def transpose(outer: Structure, inner: Structure | None, tree: Any) -> Any:
    """Of a tree of the form ``outer`` with trees of the form ``inner`` for its leaves the tree of
    the form ``inner`` with trees of the form ``outer`` for its leaves.

    Args:
        inner: None: the form of the first of the inner trees.

    Raises:
        ShapeError: the tree has another form.
    """
    (parts,) = _beside("transpose", outer, (tree,))
    if inner is None:
        inner = structure(parts[0]) if parts else structure(None)
    for i, part in enumerate(parts):
        if structure(part) != inner:
            raise _fail(
                ShapeError, f"transpose: inner tree {i} has the form {structure(part)}, not {inner}"
            )
    columns = [
        [leaf for (leaf,) in zip(*_beside("transpose", inner, (part,)), strict=True)]
        for part in parts
    ]
    turned = zip(*columns, strict=True) if columns else ([] for _ in range(inner.num_leaves))
    return inner.unflatten(outer.unflatten(column) for column in turned)
