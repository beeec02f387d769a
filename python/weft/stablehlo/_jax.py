"""`from_jax`: a function of JAX as a function of weft's tensors, by `jax.export`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._core import Tensor
from .._creation import _fail, asarray
from .._errors import DTypeError, ShapeError, UnsupportedError
from .._export import Spec
from ._graph import TensorType
from ._program import Program
from ._reading import read


class JaxProgram:
    """What `from_jax` makes of a function: called with trees of tensors as that was."""

    def __init__(self, program: Program, places: list[int], arguments: Any, results: Any) -> None:
        self.program = program
        # Which leaves the program takes: JAX leaves out what the function does not read.
        self._places = places
        self._arguments = arguments
        self._results = results

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The results, in the containers in which the function returned them.

        Raises:
            ShapeError: the arguments have another structure than the specs. Else as `Program`.
        """
        leaves: list[Any] = []
        _collect(self._arguments, (args, kwargs), leaves, "the arguments")
        given = [leaves[place] for place in self._places]
        kinds = [kind for _, kind in self.program.inputs]
        made = self.program(*map(_as_jax, given, kinds))
        return _rebuilt(self._results, made if isinstance(made, tuple) else (made,))


# Trees are walked here and not by JAX, whose code would be looked at when a call is traced.


def _parts(node: Any) -> list[Any] | None:
    """What a container has in it, in JAX's order; None for a leaf."""
    if isinstance(node, dict):
        return [node[key] for key in sorted(node)]
    if isinstance(node, (tuple, list)):
        return list(node)
    return [] if node is None else None


def _like(node: Any, parts: list[Any]) -> Any:
    """A container as another one, with other things in it."""
    if isinstance(node, dict):
        made = dict(zip(sorted(node), parts))
        return {key: made[key] for key in node}
    if isinstance(node, tuple) and hasattr(node, "_fields"):
        return type(node)(*parts)
    return None if node is None else type(node)(parts)


def _collect(expected: Any, given: Any, leaves: list[Any], path: str) -> None:
    """Adds the leaves of what is given for a tree. Raises ShapeError for another structure."""
    parts = _parts(expected)
    if parts is None:
        leaves.append(given)
        return
    fits = type(given) is type(expected)
    if isinstance(expected, dict):
        fits = fits and given.keys() == expected.keys()
    if not fits or len(_parts(given) or []) != len(parts):
        raise _fail(
            ShapeError,
            f"{path} have the structure {_shown(given)} where the specs have {_shown(expected)}",
        )
    for part, value in zip(parts, _parts(given) or []):
        _collect(part, value, leaves, path)


def _shown(node: Any) -> str:
    """A tree with a star for each leaf."""
    parts = _parts(node)
    return "*" if parts is None else str(_like(node, [_Star(part) for part in parts]))


class _Star:
    """Shows what is in a tree."""

    def __init__(self, node: Any) -> None:
        self._node = node

    def __repr__(self) -> str:
        return _shown(self._node)


def _rebuilt(node: Any, values: tuple) -> Any:
    """The results in their containers: a leaf is the number of its result."""
    parts = _parts(node)
    if parts is None:
        return values[node]
    return _like(node, [_rebuilt(part, values) for part in parts])


def _as_jax(leaf: Any, kind: Any) -> Any:
    """An array of 64 bits as one of 32, where JAX would take it so."""
    if isinstance(leaf, (bool, int, float, complex)) or not isinstance(kind, TensorType):
        return leaf
    value = asarray(leaf)
    same = value.dtype.kind == kind.dtype.kind
    return value.astype(kind.dtype) if same and _is_half(kind, value) else value


def _is_half(kind: TensorType, value: Tensor) -> bool:
    return 2 * kind.dtype.itemsize == value.dtype.itemsize and kind.dtype.itemsize in (4, 8)


def from_jax(fn: Callable, /, *specs: Any, **keyword_specs: Any) -> JaxProgram:
    """A JAX function as a function of weft's tensors.

    JAX traces it once, for the shapes and dtypes of the specs, and gives StableHLO (`jax.export`);
    weft's rules compute it. Arrays that the function reads become constants of the program.

    Args:
        fn: a function that `jax.jit` takes.
        specs, keyword_specs: for each argument a tree (of JAX's kinds) of `weft.spec`, of arrays or
            of `jax.ShapeDtypeStruct`; only shapes and dtypes matter. Names in a `weft.spec` are
            symbolic sizes, which each call chooses.

    Raises:
        UnsupportedError: there is no jax, or the program has ops without a rule. DTypeError: ``fn``
            is no function.
    """
    if not callable(fn):
        raise _fail(DTypeError, f"from_jax: a {type(fn).__name__} is no function")
    try:
        import jax
        import jax.export
    except ImportError as error:
        raise _fail(UnsupportedError, f"from_jax needs the package jax ({error})") from None
    given = (specs, keyword_specs)
    leaves, structure = jax.tree_util.tree_flatten(given, is_leaf=lambda x: isinstance(x, Spec))
    scope = jax.export.SymbolicScope()
    shapes = [_shape_of(leaf, jax, scope) for leaf in leaves]
    args, kwargs = jax.tree_util.tree_unflatten(structure, shapes)
    # Classes may have a method of one of these names: str.lower.
    is_jitted = hasattr(fn, "lower") and hasattr(fn, "trace")
    jitted: Any = fn if is_jitted else jax.jit(fn)
    try:
        exported = jax.export.export(
            jitted, disabled_checks=[_AnyCustomCall(jax)], platforms=("cpu",)
        )(*args, **kwargs)
    except NotImplementedError as error:
        if calls := _callbacks(jitted.trace(*args, **kwargs).jaxpr.jaxpr):
            raise _fail(
                UnsupportedError,
                "from_jax: the program calls back into Python, which what JAX exports can't: "
                f"{', '.join(calls)}. Take the call out of the function",
            ) from None
        raise _fail(UnsupportedError, f"from_jax: JAX can't export the function: {error}") from None
    program = Program(read(exported.mlir_module_serialized, "the program of JAX", trusted=True))
    out_tree: Any = exported.out_tree
    numbers = range(out_tree.num_leaves)
    results = jax.tree_util.tree_unflatten(out_tree, numbers)
    for tree, count in ((given, len(leaves)), (results, len(numbers))):
        if _leaf_count(tree) != count:
            raise _fail(
                UnsupportedError,
                "from_jax takes and returns trees of tuples, named tuples, lists and dicts; "
                "convert other containers inside of the function",
            )
    places = sorted(exported.module_kept_var_idx)
    return JaxProgram(program, places, given, results)


def _leaf_count(tree: Any) -> int:
    parts = _parts(tree)
    return 1 if parts is None else sum(map(_leaf_count, parts))


def _callbacks(jaxpr: Any) -> list[str]:
    """The calls of Python in a traced function and in those within it, each with its line."""
    from jax.extend.source_info_util import summarize

    found: dict[str, None] = {}
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if "callback" in name or name == "debug_print":
            found[f"{name} at {summarize(equation.source_info)}"] = None
        for value in equation.params.values():
            for inner in value if isinstance(value, (list, tuple)) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    found |= dict.fromkeys(_callbacks(inner))
    return list(found)


class _AnyCustomCall:
    """What weft has a rule for is asked later, of all ops at once."""

    def __new__(cls, jax: Any) -> Any:
        return jax.export.DisabledSafetyCheck.custom_call("ALL")


def _shape_of(leaf: Any, jax: Any, scope: Any) -> Any:
    """What JAX takes for an argument of a shape and dtype."""
    if isinstance(leaf, Spec):
        sizes = ", ".join(str(size) for size in leaf.shape)
        text = f"({sizes},)" if len(leaf.shape) == 1 else f"({sizes})"
        is_known = all(isinstance(size, int) and str(size).isdigit() for size in leaf.shape)
        shape = leaf.shape if is_known else jax.export.symbolic_shape(text, scope=scope)
        return jax.ShapeDtypeStruct(shape, _canonical(leaf.dtype.to_numpy(), jax))
    if isinstance(leaf, Tensor):
        return jax.ShapeDtypeStruct(tuple(leaf.shape), _canonical(leaf.dtype.to_numpy(), jax))
    if hasattr(leaf, "shape") and hasattr(leaf, "dtype"):
        return jax.ShapeDtypeStruct(leaf.shape, _canonical(leaf.dtype, jax))
    if not isinstance(leaf, (bool, int, float, complex)):
        raise _fail(
            DTypeError,
            f"from_jax: a {type(leaf).__name__} is no spec of an argument: give a weft.spec, an "
            "array or a number, or bind what is none of these before (functools.partial)",
        )
    return jax.ShapeDtypeStruct((), _canonical(np.asarray(leaf).dtype, jax))


def _canonical(dtype: Any, jax: Any) -> Any:
    return jax.dtypes.canonicalize_dtype(dtype)
