"""`from_jax`: a function of JAX as a function of weft's tensors, by `jax.export`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .._core import Tensor
from .._creation import _fail, asarray
from .._errors import ShapeError, UnsupportedError
from .._export import Spec
from . import _loading
from ._program import Program
from ._reading import read


class JaxProgram:
    """What `from_jax` makes of a function: called with trees of tensors as that was."""

    __weft_static__ = True

    def __init__(self, program: Program, arguments: Any, results: Any) -> None:
        self.program = program
        self._arguments = arguments
        self._results = results

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The results, in the containers in which the function returned them.

        Raises:
            ShapeError: the arguments have another structure than the specs. Else as `Program`.
        """
        from jax import tree_util

        leaves, structure = tree_util.tree_flatten((args, kwargs), is_leaf=_is_tensor)
        if structure != self._arguments:
            raise _fail(
                ShapeError,
                f"the arguments have the structure {structure}, but the specs {self._arguments}",
            )
        made = self.program(*(_as_jax(leaf) for leaf in leaves))
        return tree_util.tree_unflatten(self._results, made if isinstance(made, tuple) else (made,))


def _as_jax(leaf: Any) -> Any:
    """An array in the dtype that JAX takes it in: of 32 bits unless it is told otherwise."""
    from jax import dtypes

    if isinstance(leaf, (bool, int, float, complex)):
        return leaf
    value = asarray(leaf)
    if value.dtype.is_kept_as_bits:
        return value
    wanted = dtypes.canonicalize_dtype(value.dtype.to_numpy()).name
    return value if value.dtype == wanted else value.astype(wanted)


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, Tensor)


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
        UnsupportedError: there is no jax, or the program has ops without a rule.
    """
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
    jitted: Any = fn if hasattr(fn, "lower") else jax.jit(fn)
    exported = jax.export.export(jitted, disabled_checks=[_AnyCustomCall(jax)], platforms=("cpu",))(
        *args, **kwargs
    )
    functions = read(exported.mlir_module_serialized, "the program of JAX", trusted=True)
    kept = set(exported.module_kept_var_idx)
    assert _loading.FAMILIES
    program = Program(functions)
    if len(kept) != len(shapes):
        program = _Kept(program, sorted(kept))  # type: ignore[assignment]
    return JaxProgram(program, structure, exported.out_tree)


class _Kept:
    """A program that JAX left arguments out of which it does not read."""

    __weft_static__ = True

    def __init__(self, program: Program, places: list[int]) -> None:
        self._program = program
        self._places = places

    def __call__(self, *arguments: Any) -> Any:
        return self._program(*(arguments[i] for i in self._places))


class _AnyCustomCall:
    """What weft has a rule for is asked later, of all ops at once."""

    def __new__(cls, jax: Any) -> Any:
        return jax.export.DisabledSafetyCheck.custom_call("*")


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
    return jax.ShapeDtypeStruct((), _canonical(np.asarray(leaf).dtype, jax))


def _canonical(dtype: Any, jax: Any) -> Any:
    return jax.dtypes.canonicalize_dtype(dtype)
