"""`weft.tree`: the containers that `jit` takes, against optree where it takes the same ones."""

from __future__ import annotations

import collections
from typing import Any

import numpy as np
import optree
import pytest
import test_pytrees as pytrees
import weft
from weft import tree

X = weft.asarray([1.0, 2.0])


def _same(left: Any, right: Any) -> bool:
    return pytrees._facts(left) == pytrees._facts(right)


@pytest.mark.parametrize("name", pytrees._TREES)
def test_taken_apart_and_put_together(name: str) -> None:
    """Every container comes back as it was, and equal forms are equal."""
    make = pytrees._TREES[name]
    given = make(X)
    leaves, form = tree.flatten(given)
    assert all(a is b for a, b in zip(leaves, tree.leaves(given), strict=True))
    assert form.num_leaves == len(leaves)
    assert _same(tree.unflatten(form, leaves), given)
    other = tree.structure(make(X * 2))
    assert (other == form, hash(other) == hash(form)) == (True, True)
    assert form != tree.structure([given])
    paths = [path for path, _ in tree.leaves_with_path(given)]
    assert len(set(paths)) == len(paths)
    with pytest.raises(weft.ShapeError, match="leaves for a tree of"):
        tree.unflatten(form, [*leaves, 1])


@pytest.mark.parametrize("name", pytrees._TREES)
def test_jit_sees_the_same_leaves(name: str) -> None:
    """What a compiled function gets for a tree, flattened inside, is what is flattened outside."""
    given = pytrees._TREES[name](X)
    outside = [weft.asarray(x) for x in tree.leaves(given) if _is_number(x)]
    traced = weft.jit(lambda t: [x for x in tree.leaves(t) if isinstance(x, weft.Tensor)])(given)
    assert len(traced) == len(outside)
    for inside, plain in zip(traced, outside, strict=True):
        np.testing.assert_array_equal(inside.numpy(), plain.numpy())


def _is_number(leaf: Any) -> bool:
    return isinstance(leaf, (weft.Tensor, np.ndarray, int, float)) and not isinstance(leaf, bool)


def _random_tree(generator: np.random.Generator, depth: int) -> Any:
    kinds = ["leaf", "leaf", "list", "tuple", "dict", "named", "deque", "ordered", "none"]
    kind = kinds[generator.integers(len(kinds))] if depth else "leaf"
    if kind == "leaf":
        return int(generator.integers(100))
    if kind == "none":
        return None
    items = [_random_tree(generator, depth - 1) for _ in range(generator.integers(0, 4))]
    # optree sorts the keys of dicts.
    keys = sorted(f"k{i}" for i in range(len(items)))
    return {
        "list": lambda: items,
        "tuple": lambda: tuple(items),
        "dict": lambda: dict(zip(keys, items, strict=True)),
        "named": lambda: pytrees.Pair(items, tuple(items[:1])),
        "deque": lambda: collections.deque(items, maxlen=7),
        "ordered": lambda: collections.OrderedDict(zip(keys, items, strict=True)),
    }[kind]()


@pytest.mark.parametrize("seed", range(60))
def test_random_trees_as_optree_has_them(seed: int) -> None:
    generator = np.random.default_rng(seed)
    given = _random_tree(generator, 4)
    leaves, form = tree.flatten(given)
    theirs, spec = optree.tree_flatten(given)
    assert leaves == theirs
    assert form.num_leaves == spec.num_leaves
    assert _same(form.unflatten(leaves), given)
    doubled = tree.map(lambda x: 2 * x, given)
    assert _same(doubled, optree.tree_map(lambda x: 2 * x, given))
    sums = tree.map(lambda x, y: (x, y), given, doubled)
    assert _same(sums, optree.tree_map(lambda x, y: (x, y), given, doubled))
    assert tree.reduce(lambda a, b: a + b, given, 0) == sum(theirs)
    assert tree.all(given) == all(theirs)
    for path, leaf in tree.leaves_with_path(given):
        part = given
        for step in path:
            part = getattr(part, step) if isinstance(part, pytrees.Pair) else part[step]
        assert part is leaf
    named = tree.map_with_path(lambda path, x, y: (len(path), x + y), given, given)
    rows = tree.leaves_with_path(given)
    assert tree.leaves(named) == [n for path, x in rows for n in (len(path), 2 * x)]
    stop = lambda x: isinstance(x, dict)  # noqa: E731
    assert tree.leaves(given, stop) == optree.tree_leaves(given, is_leaf=stop)


@pytest.mark.parametrize("seed", range(20))
def test_transpose(seed: int) -> None:
    generator = np.random.default_rng(seed)
    outer = tree.structure(_random_tree(generator, 3))
    inner = tree.structure((1, {"a": 2, "b": [3]}))
    rows = np.arange(outer.num_leaves * 3).reshape(-1, 3).tolist()
    given = outer.unflatten(inner.unflatten(row) for row in rows)
    turned = tree.transpose(outer, inner, given)
    expected = inner.unflatten(outer.unflatten(row[i] for row in rows) for i in range(3))
    assert _same(turned, expected)
    if rows:
        assert _same(tree.transpose(outer, None, given), expected)


def test_structures_are_shown() -> None:
    assert (
        repr(tree.structure({"a": (1, None), "b": [2]})) == "Structure({'a': (*, None), 'b': [*]})"
    )


def test_modules_are_leaves_and_their_tensors_trees() -> None:
    layer = weft.nn.Linear(2, 3)
    assert tree.leaves([layer, 1]) == [layer, 1]
    shapes = tree.map(lambda p: p.shape, dict(layer.named_parameters()))
    assert shapes == {"weight": (3, 2), "bias": (3,)}


def test_gradients_over_trees() -> None:
    parameters = {"w": weft.ones((2, 2)), "b": [weft.zeros(2), None]}

    @weft.jit
    def step(parameters: Any, x: weft.Tensor) -> Any:
        slopes = weft.grad(lambda p: ((x @ p["w"] + p["b"][0]) ** 2).sum())(parameters)
        return tree.map(lambda p, g: p - 0.5 * g, parameters, slopes)

    after = step(parameters, X)
    assert after["b"][1] is None
    np.testing.assert_array_equal(after["b"][0].numpy(), [-3.0, -3.0])


def test_errors() -> None:
    with pytest.raises(weft.ShapeError, match=r"map: tree 1 .* at \['a'\]: a list of 1 .* of 2"):
        tree.map(lambda x, y: x, {"a": (1, 2)}, {"a": [1]})
    with pytest.raises(weft.ShapeError, match="its top: a dict of 1"):
        tree.map(lambda x, y: x, {"a": 1}, {"b": 1})
    with pytest.raises(weft.UnsupportedError, match="holds itself"):
        tree.leaves(pytrees_knot())
    with pytest.raises(weft.ShapeError, match="needs an initializer"):
        tree.reduce(lambda a, b: a, [])
    with pytest.raises(weft.DTypeError, match="needs a Structure"):
        tree.unflatten([1], [2])
    with pytest.raises(weft.ShapeError, match="transpose: inner tree 1"):
        tree.transpose(tree.structure([1, 2]), None, [(1, 2), (1,)])


def pytrees_knot() -> list:
    knot: list = []
    knot.append(knot)
    return knot


def test_dicts_beside_each_other_match_by_their_keys() -> None:
    sums = weft.tree.map(lambda a, b: a - b, {"a": 5, "b": 7}, {"b": 1, "a": 2})
    assert sums == {"a": 3, "b": 6}
    with pytest.raises(weft.ShapeError, match="another form"):
        weft.tree.map(lambda a, b: a, {"a": 1}, {"b": 1})


def test_forms_of_dicts_do_not_depend_on_the_order_of_keys() -> None:
    one, other = {"a": 1, "b": [2, 3]}, {"b": [5, 6], "a": 4}
    assert tree.structure(one) == tree.structure(other)
    assert hash(tree.structure(one)) == hash(tree.structure(other))
    assert tree.structure(one) != tree.structure({"a": [2, 3], "b": 1})
    assert tree.structure({1: 0}) != tree.structure({True: 0})
    turned = tree.transpose(tree.structure([0, 0]), None, [one, other])
    assert turned == {"a": [1, 4], "b": [[2, 5], [3, 6]]}
