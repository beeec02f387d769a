"""Gradient transformations, as Optax has them: steps of an optimizer as pure functions over trees.

A transformation is a pair of functions. ``init(params)`` gives its state, a tree of tensors;
``update(updates, state, params)`` gives what becomes of the gradients, and the next state. Nothing
is changed in place, so that both may be part of compiled functions, `grad` and `vmap`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .. import _ops, _reductions, tree
from .._complex import imag, real, sign
from .._core import Tensor
from .._creation import _fail, asarray, zeros, zeros_like
from .._dtypes import float64, int64
from .._errors import OptionError
from .._manipulation import astype
from .._manipulation import clip as limit

#: Of the number of steps so far, a tensor, the learning rate.
Schedule = Callable[[Any], Any]

_INIT = "init(params) gives the state that the first update needs."


class GradientTransformation(NamedTuple):
    """A pair of functions: ``init(params)`` gives a state, and ``update(updates, state, params)``
    what becomes of the updates, and the next state."""

    init: Callable[[Any], Any]
    update: Callable[..., tuple[Any, Any]]


class CountState(NamedTuple):
    """How many updates there were."""

    count: Tensor


class TraceState(NamedTuple):
    """What `trace` keeps: the sums so far."""

    trace: Any


class MeanState(NamedTuple):
    """What `ema` keeps: the number of updates, and their mean."""

    count: Tensor
    ema: Any


class MomentsState(NamedTuple):
    """What `scale_by_adam` keeps: means of the updates and of their squares."""

    count: Tensor
    mu: Any
    nu: Any


def _stateless(transform: Callable[[Any, Any], Any]) -> GradientTransformation:
    """Of a function of the updates and the parameters."""
    return GradientTransformation(
        lambda params: (), lambda updates, state, params=None: (transform(updates, params), state)
    )


def _needed(params: Any, name: str) -> Any:
    if params is None:
        raise _fail(OptionError, f"{name}: update needs the parameters, as its third argument")
    return params


def _checked(name: str, what: str, value: Any, low: float, high: float = math.inf) -> None:
    """Raises OptionError for a number of Python's that is not in [low, high)."""
    if isinstance(value, (int, float)) and not low <= value < high:
        raise _fail(OptionError, f"{name}: {what} has to be in [{low}, {high}), not {value}")


def chain(*transformations: GradientTransformation) -> GradientTransformation:
    """One transformation after the other; the state is a tuple of theirs.

    tx = chain(clip_by_global_norm(1.0), scale_by_adam(), scale_by_learning_rate(1e-3))
    state = tx.init(params)
    updates, state = tx.update(gradients, state, params)
    params = apply_updates(params, updates)
    """

    def init(params: Any) -> tuple:
        return tuple(each.init(params) for each in transformations)

    def update(updates: Any, state: tuple, params: Any = None) -> tuple[Any, tuple]:
        if len(state) != len(transformations):
            raise _fail(
                OptionError,
                f"chain: a state of {len(state)} parts for {len(transformations)} transformations; "
                + _INIT,
            )
        states = []
        for each, part in zip(transformations, state, strict=True):
            updates, part = each.update(updates, part, params)
            states.append(part)
        return updates, tuple(states)

    return GradientTransformation(init, update)


def apply_updates(params: Any, updates: Any) -> Any:
    """The parameters with the updates added, in their own dtypes."""
    return tree.map(lambda p, u: astype(p + u, p.dtype, copy=False), params, updates)


def global_norm(updates: Any) -> Tensor:
    """The root of the sum of all squares in a tree; of leaves narrower than float32 in that."""
    squares = [_reductions.sum(_square(_wide(x))) for x in tree.leaves(updates)]
    return _ops.sqrt(sum(squares[1:], squares[0])) if squares else zeros(())


def _wide(x: Any) -> Tensor:
    x = asarray(x)
    return x if x.itemsize >= 4 else astype(x, "float32")


def _square(x: Any) -> Tensor:
    """The squared distance from 0, a real number also where x is complex."""
    x = asarray(x)
    if not x.dtype.is_complex:
        return x * x
    first, second = real(x), imag(x)
    return first * first + second * second


def identity() -> GradientTransformation:
    """Changes nothing."""
    return _stateless(lambda updates, params: updates)


def scale(step_size: Any) -> GradientTransformation:
    """All updates times a number."""
    return _stateless(lambda updates, params: tree.map(lambda g: g * step_size, updates))


def clip(max_delta: float) -> GradientTransformation:
    """Each element limited to [-max_delta, max_delta]. Raises OptionError if that is below 0."""
    _checked("clip", "max_delta", max_delta, 0)
    return _stateless(
        lambda updates, params: tree.map(lambda g: limit(g, -max_delta, max_delta), updates)
    )


def clip_by_global_norm(max_norm: float) -> GradientTransformation:
    """All updates scaled down so that `global_norm` is at most ``max_norm``.

    Raises:
        OptionError: max_norm is below 0.
    """
    _checked("clip_by_global_norm", "max_norm", max_norm, 0)

    def transform(updates: Any, params: Any) -> Any:
        norm = global_norm(updates)
        factor = _ops.where(norm <= max_norm, 1.0, max_norm / _ops.maximum(norm, max_norm))
        return tree.map(lambda g: g * astype(factor, g.dtype), updates)

    return _stateless(transform)


def add_decayed_weights(weight_decay: Any, mask: Any = None) -> GradientTransformation:
    """``weight_decay`` times the parameters added.

    Args:
        mask: a tree of bools in the places of the parameters, or what makes one of them: which
            are decayed. None: all.
    """

    def transform(updates: Any, params: Any) -> Any:
        params = _needed(params, "add_decayed_weights")
        chosen = mask(params) if callable(mask) else mask
        chosen = tree.map(lambda p: True, params) if chosen is None else chosen
        return tree.map(
            lambda g, p, is_decayed: g + p * weight_decay if is_decayed else g,
            *(updates, params, chosen),
        )

    return _stateless(transform)


def _zeros(params: Any) -> Any:
    return tree.map(zeros_like, params)


def _mean(kept: Any, new: Any, share: float) -> Any:
    return tree.map(lambda m, g: m * share + g * (1 - share), kept, new)


def _unbiased(mean: Any, share: float, count: Tensor) -> Any:
    """Means that began with 0, over the share that is not that."""
    whole = _ops.subtract(1, share ** astype(count, float64))
    return tree.map(lambda m: m / astype(whole, m.dtype), mean)


def _no_steps() -> Tensor:
    return zeros((), dtype=int64)


def trace(decay: float, nesterov: bool = False) -> GradientTransformation:
    """The momentum of SGD: the sums of updates, of which the share ``decay`` is kept each time."""
    _checked("trace", "decay", decay, 0, 1)

    def update(updates: Any, state: TraceState, params: Any = None) -> tuple[Any, TraceState]:
        kept = tree.map(lambda g, t: g + t * decay, updates, state.trace)
        moved = tree.map(lambda g, t: g + t * decay, updates, kept) if nesterov else kept
        return moved, TraceState(kept)

    return GradientTransformation(lambda params: TraceState(_zeros(params)), update)


def ema(decay: float, debias: bool = True) -> GradientTransformation:
    """The means of the updates so far, which keep the share ``decay`` each time.

    `swa_utils.AveragedModel` with `get_ema_avg_fn` keeps such means of a module's parameters.
    """
    _checked("ema", "decay", decay, 0, 1)

    def update(updates: Any, state: MeanState, params: Any = None) -> tuple[Any, MeanState]:
        count, mean = state.count + 1, _mean(state.ema, updates, decay)
        return _unbiased(mean, decay, count) if debias else mean, MeanState(count, mean)

    return GradientTransformation(lambda params: MeanState(_no_steps(), _zeros(params)), update)


def scale_by_adam(
    b1: float = 0.9, b2: float = 0.999, eps: float = 1e-8, eps_root: float = 0.0
) -> GradientTransformation:
    """Means of the updates over the roots of means of their squares (Kingma and Ba, 2014)."""
    _checked("scale_by_adam", "b1", b1, 0, 1)
    _checked("scale_by_adam", "b2", b2, 0, 1)

    def update(updates: Any, state: MomentsState, params: Any = None) -> tuple[Any, MomentsState]:
        count, mu = state.count + 1, _mean(state.mu, updates, b1)
        nu = _mean(state.nu, tree.map(_square, updates), b2)
        direction = tree.map(
            lambda m, v: m / (_ops.sqrt(v + eps_root) + eps),
            _unbiased(mu, b1, count),
            _unbiased(nu, b2, count),
        )
        return direction, MomentsState(count, mu, nu)

    return GradientTransformation(
        lambda params: MomentsState(_no_steps(), _zeros(params), _zeros(tree.map(real, params))),
        update,
    )


def scale_by_rms(decay: float = 0.9, eps: float = 1e-8) -> GradientTransformation:
    """The updates over the roots of the means of their squares (Hinton's RMSProp)."""
    _checked("scale_by_rms", "decay", decay, 0, 1)

    def update(updates: Any, state: TraceState, params: Any = None) -> tuple[Any, TraceState]:
        nu = _mean(state.trace, tree.map(_square, updates), decay)
        return tree.map(lambda g, v: g / _ops.sqrt(v + eps), updates, nu), TraceState(nu)

    return GradientTransformation(lambda params: TraceState(_zeros(tree.map(real, params))), update)


def scale_by_lion(b1: float = 0.9, b2: float = 0.99) -> GradientTransformation:
    """The signs of the momentum with the updates (Chen et al., 2023)."""
    _checked("scale_by_lion", "b1", b1, 0, 1)
    _checked("scale_by_lion", "b2", b2, 0, 1)

    def update(updates: Any, state: TraceState, params: Any = None) -> tuple[Any, TraceState]:
        signs = tree.map(sign, _mean(state.trace, updates, b1))
        return signs, TraceState(_mean(state.trace, updates, b2))

    return GradientTransformation(lambda params: TraceState(_zeros(params)), update)


def trust_ratio(parameter: Tensor, direction: Tensor) -> Tensor:
    """The norm of a parameter over that of its update, 1 where one is 0 (You et al., 2020)."""
    size, step = (_ops.sqrt(_reductions.sum(_square(_wide(x)))) for x in (parameter, direction))
    whole = (size > 0) & (step > 0)
    return astype(_ops.where(whole, size / _ops.where(whole, step, 1.0), 1.0), direction.dtype)


def scale_by_trust_ratio() -> GradientTransformation:
    """Each update as long as its parameter (You et al., 2020): with `scale_by_adam` LAMB."""

    def transform(updates: Any, params: Any) -> Any:
        params = _needed(params, "scale_by_trust_ratio")
        return tree.map(lambda u, p: u * trust_ratio(p, u), updates, params)

    return _stateless(transform)


def scale_by_schedule(step_size: Schedule) -> GradientTransformation:
    """All updates times what a function makes of the number of updates before."""

    def update(updates: Any, state: CountState, params: Any = None) -> tuple[Any, CountState]:
        factor = asarray(step_size(state.count))
        scaled = tree.map(lambda g: g * astype(factor, g.dtype), updates)
        return scaled, CountState(state.count + 1)

    return GradientTransformation(lambda params: CountState(_no_steps()), update)


def scale_by_learning_rate(learning_rate: Any | Schedule) -> GradientTransformation:
    """All updates times minus the learning rate: a number, a tensor, or a schedule."""
    if callable(learning_rate) and not isinstance(learning_rate, Tensor):
        return scale_by_schedule(lambda count: -learning_rate(count))
    return scale(-learning_rate)
