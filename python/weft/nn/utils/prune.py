"""Weights of which some are 0, and stay so: PyTorch's pruning, by masks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeVar

from ... import _ops, random
from ..._autodiff import no_grad
from ..._core import Tensor
from ..._creation import _fail, asarray, ones_like
from ..._dtypes import int64
from ..._errors import NameUseError, OptionError, ShapeError
from ..._manipulation import astype, broadcast_to, concat, moveaxis, normalize_axis, reshape
from ..._reductions import any, norm, sum
from ..._refused import refusing as _refusing
from ..._sorting import argsort
from .._module import Module
from .._parameter import Parameter
from ._weight_norms import _Computed, _parameter_to_replace

__all__ = [
    "L1Unstructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]

Pruned = TypeVar("Pruned", bound=Module)


class _Masked(_Computed):
    """A parameter ``<name>_orig`` times a buffer ``<name>_mask``."""

    function = "prune"
    parts = ("_mask", "_orig")

    @property
    def undo(self) -> str:
        return "prune.remove"

    def compute(self, module: Module) -> Tensor:
        return getattr(module, self.name + "_orig") * getattr(module, self.name + "_mask")


class L1Unstructured:
    """The elements nearest to 0 go first, for `global_unstructured`."""

    @staticmethod
    def scores(weight: Tensor) -> Tensor:
        """What the elements are ordered by; the least go."""
        return _ops.abs(weight)


class RandomUnstructured:
    """Any elements go, for `global_unstructured`."""

    @staticmethod
    def scores(weight: Tensor) -> Tensor:
        """What the elements are ordered by; the least go."""
        return random.uniform(weight.shape)


def identity(module: Pruned, name: str) -> Pruned:
    """Masks the parameter with ones: nothing is pruned yet. Raises NameUseError: there is none."""
    return custom_from_mask(module, name, ones_like(_weight(module, name)))


@no_grad()
def custom_from_mask(module: Pruned, name: str, mask: Tensor) -> Pruned:
    """Multiplies a parameter by a mask where the module reads it, and learns the rest.

    The parameter is then called ``<name>_orig``, the mask is a buffer ``<name>_mask``. What an
    earlier mask has at 0 stays there.

    Args:
        mask: ones and zeros, of the parameter's shape.

    Returns:
        The module.

    Raises:
        NameUseError: there is no parameter of that name. ShapeError: the mask has another shape.
    """
    weight = _weight(module, name)
    mask = astype(asarray(mask) != 0, weight.dtype)
    if mask.shape != weight.shape:
        raise _fail(
            ShapeError,
            f"prune: the mask of shape {mask.shape} is for {name!r} of shape {weight.shape}",
        )
    if _masked(module, name):
        setattr(module, name + "_mask", mask * getattr(module, name + "_mask"))
        return module
    parameter = _parameter_to_replace(module, name, "prune")
    module._derive(name, _Masked(name))
    module.register_parameter(name + "_orig", Parameter(parameter, parameter.requires_grad))
    module.register_buffer(name + "_mask", mask)
    return module


def l1_unstructured(
    module: Pruned, name: str, amount: float, importance_scores: Tensor | None = None
) -> Pruned:
    """Masks the elements of a parameter that are nearest to 0; see `custom_from_mask`.

    Args:
        amount: how many of those that are left, or, as a float, which part of them.
        importance_scores: what decides in the place of the elements, of their shape.

    Raises:
        NameUseError: there is no parameter of that name. OptionError: the amount is below 0, or
            more than there are.
    """
    given = _weight(module, name) if importance_scores is None else importance_scores
    global_unstructured([(module, name)], L1Unstructured, {(module, name): given}, amount=amount)
    return module


def random_unstructured(module: Pruned, name: str, amount: float) -> Pruned:
    """Masks any elements of a parameter; arguments and errors are those of `l1_unstructured`."""
    global_unstructured([(module, name)], RandomUnstructured, amount=amount)
    return module


@no_grad()
def global_unstructured(
    parameters: Iterable[tuple[Module, str]],
    pruning_method: type[L1Unstructured] | type[RandomUnstructured],
    importance_scores: dict[tuple[Module, str], Tensor] | None = None,
    *,
    amount: float,
) -> None:
    """Masks elements of several parameters, whose elements are compared with each other.

    Args:
        parameters: modules and the names of their parameters.
        pruning_method: `L1Unstructured` or `RandomUnstructured`.
        importance_scores: what decides in the place of the elements.
        amount: how many of all that are left, or, as a float, which part of them.

    Raises:
        NameUseError: there is no parameter of that name. OptionError: there are no parameters; the
            amount is below 0, or more than there are.
    """
    places = list(parameters)
    if not places:
        raise _fail(OptionError, "prune: there are no parameters to prune")
    weights = [_weight(module, name) for module, name in places]
    left = [_mask(module, name) != 0 for module, name in places]
    given = importance_scores or {}
    scores = [
        pruning_method.scores(given.get(place, weight))
        for place, weight in zip(places, weights, strict=True)
    ]
    ordered, allowed = (concat([reshape(x, (-1,)) for x in each]) for each in (scores, left))
    keeps, start = _without_least(ordered, allowed, amount), 0
    for (module, name), weight in zip(places, weights, strict=True):
        count = math.prod(weight.shape)
        custom_from_mask(module, name, reshape(keeps[start : start + count], weight.shape))
        start += count


@no_grad()
def ln_structured(
    module: Pruned,
    name: str,
    amount: float,
    n: float,
    dim: int,
    importance_scores: Tensor | None = None,
) -> Pruned:
    """Masks whole slices of a parameter, those of the least norm; see `custom_from_mask`.

    Args:
        amount: how many of the slices that are left, or, as a float, which part of them.
        n: the order of the norm.
        dim: the dimension whose slices they are.
        importance_scores: what decides in the place of the elements, of their shape.

    Raises:
        NameUseError: there is no parameter of that name. OutOfBoundsError: it has no such
            dimension. OptionError: the amount is below 0, or more than there are.
    """
    weight = _weight(module, name)
    given = weight if importance_scores is None else importance_scores
    axis = normalize_axis(dim, weight.ndim, "prune")
    rows = reshape(moveaxis(given, axis, 0), (weight.shape[axis], -1))
    return _without_slices(module, name, axis, norm(rows, ord=n, axis=1), amount)


@no_grad()
def random_structured(module: Pruned, name: str, amount: float, dim: int) -> Pruned:
    """Masks any slices of a parameter; arguments and errors are those of `ln_structured`."""
    weight = _weight(module, name)
    axis = normalize_axis(dim, weight.ndim, "prune")
    return _without_slices(module, name, axis, random.uniform((weight.shape[axis],)), amount)


def remove(module: Pruned, name: str) -> Pruned:
    """Has the masked weight for a parameter again. Raises NameUseError if none is masked."""
    derived = (module._derived or {}).get(name)
    if not isinstance(derived, _Masked):
        raise _fail(
            NameUseError, f"prune.remove: {name!r} of {type(module).__name__} is not pruned"
        )
    derived.remove(module)
    return module


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module, or of one in it, is masked."""
    kinds = [kind for each in module.modules() for kind in (each._derived or {}).values()]
    return _Masked in map(type, kinds)


def _masked(module: Module, name: str) -> bool:
    return isinstance((module._derived or {}).get(name), _Masked)


def _weight(module: Module, name: str) -> Tensor:
    """The parameter as it is learned."""
    if _masked(module, name):
        return getattr(module, name + "_orig").detach()
    return _parameter_to_replace(module, name, "prune").detach()


def _mask(module: Module, name: str) -> Tensor:
    if _masked(module, name):
        return getattr(module, name + "_mask")
    return ones_like(_weight(module, name))


def _count(amount: float, left: int) -> int:
    """How many of those that are left an amount is."""
    count = amount if isinstance(amount, int) else round(amount * left)
    if amount < 0 or count > left:
        raise _fail(
            OptionError,
            f"prune: the amount {amount} is a number of those that are left, {left}, or a part of "
            "them from 0.0 to 1.0",
        )
    return count


def _without_least(scores: Tensor, left: Tensor, amount: float) -> Tensor:
    """Bools [N]: what is left without those of the least scores."""
    count = _count(amount, int(sum(astype(left, int64))))
    ranks = argsort(argsort(_ops.where(left, scores, math.inf)))
    return left & (ranks >= count)


def _without_slices(module: Pruned, name: str, axis: int, scores: Tensor, amount: float) -> Pruned:
    mask: Any = _mask(module, name)
    others = tuple(d for d in range(mask.ndim) if d != axis)
    keeps = _without_least(scores, any(mask != 0, axis=others), amount)
    shape = [1] * mask.ndim
    shape[axis] = mask.shape[axis]
    return custom_from_mask(module, name, broadcast_to(reshape(keeps, tuple(shape)), mask.shape))


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("nn.utils.prune")
