"""Schedules for gradient transformations: functions of the number of steps so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _ops
from .._core import Tensor
from .._creation import _fail, asarray
from .._dtypes import float32
from .._errors import OptionError
from .._manipulation import astype, clip
from ._transforms import Schedule


def _share(count: Any, steps: int, name: str) -> Tensor:
    """How much of so many steps is done, at most 1."""
    if steps < 1:
        raise _fail(OptionError, f"{name}: needs at least one step, not {steps}")
    return clip(astype(asarray(count), float32) / steps, 0.0, 1.0)


def constant_schedule(value: float) -> Schedule:
    """Always the same."""
    return lambda count: value


def linear_schedule(
    init_value: float, end_value: float, transition_steps: int, transition_begin: int = 0
) -> Schedule:
    """From one value to the other in so many steps. Raises OptionError for less than one."""
    _share(0, transition_steps, "linear_schedule")

    def value(count: Any) -> Any:
        done = _share(asarray(count) - transition_begin, transition_steps, "linear_schedule")
        return init_value + (end_value - init_value) * done

    return value


def cosine_decay_schedule(
    init_value: float, decay_steps: int, alpha: float = 0.0, exponent: float = 1.0
) -> Schedule:
    """Half a cosine from a value down to its share ``alpha`` (Loshchilov and Hutter, 2016)."""
    _share(0, decay_steps, "cosine_decay_schedule")

    def value(count: Any) -> Any:
        wave = 0.5 * (1 + _ops.cos(math.pi * _share(count, decay_steps, "cosine_decay_schedule")))
        return init_value * ((1 - alpha) * wave**exponent + alpha)

    return value


def exponential_decay(
    init_value: float,
    transition_steps: int,
    decay_rate: float,
    *,
    staircase: bool = False,
    end_value: float | None = None,
) -> Schedule:
    """init_value * decay_rate**(count / transition_steps); in steps with ``staircase``.

    Args:
        end_value: what it does not go beyond.
    """
    if transition_steps < 1 or not decay_rate > 0:
        raise _fail(
            OptionError,
            f"exponential_decay: {transition_steps} steps and a rate of {decay_rate} have to be "
            "above 0",
        )

    def value(count: Any) -> Any:
        power = astype(asarray(count), float32) / transition_steps
        power = _ops.floor(power) if staircase else power
        decayed = init_value * _ops.exp(power * math.log(decay_rate))
        if end_value is None:
            return decayed
        return (_ops.maximum if decay_rate < 1 else _ops.minimum)(decayed, end_value)

    return value


def join_schedules(schedules: Sequence[Schedule], boundaries: Sequence[int]) -> Schedule:
    """One schedule after the other, each of which counts from its own beginning.

    Raises:
        OptionError: there is not one boundary less than schedules.
    """
    if len(boundaries) != len(schedules) - 1:
        raise _fail(
            OptionError,
            f"join_schedules: {len(schedules)} schedules need {len(schedules) - 1} boundaries, not "
            f"{len(boundaries)}",
        )

    def value(count: Any) -> Any:
        count = asarray(count)
        result = asarray(schedules[0](count))
        for schedule, boundary in zip(schedules[1:], boundaries, strict=True):
            result = _ops.where(count < boundary, result, schedule(count - boundary))
        return result

    return value


def warmup_cosine_decay_schedule(
    init_value: float,
    peak_value: float,
    warmup_steps: int,
    decay_steps: int,
    end_value: float = 0.0,
) -> Schedule:
    """Linear up to the peak, then half a cosine down; ``decay_steps`` counts both.

    Raises:
        OptionError: one has no step.
    """
    if peak_value == 0:
        raise _fail(OptionError, "warmup_cosine_decay_schedule: the peak may not be 0")
    return join_schedules(
        [
            linear_schedule(init_value, peak_value, warmup_steps),
            cosine_decay_schedule(
                peak_value, decay_steps - warmup_steps, alpha=end_value / peak_value
            ),
        ],
        [warmup_steps],
    )
