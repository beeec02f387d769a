"""A line search for the strong Wolfe conditions.

See Nocedal and Wright, "Numerical Optimization", 3.5. Brackets a step, then zooms in by cubic
interpolation, with the constants of PyTorch's search.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from .._core import Tensor

#: How much of the slope's promise a step has to keep, and how much of the slope may be left.
_DECREASE, _CURVATURE = 1e-4, 0.9


class Point(NamedTuple):
    """Where a step along the direction leads."""

    step: float
    loss: float
    gradient: Tensor
    #: The gradient along the direction.
    slope: float


def _cubic_minimum(first: Point, second: Point, low: float, high: float) -> float:
    """Where in [low, high] the cubic polynomial through both points and slopes is least."""
    if second.step < first.step:
        first, second = second, first
    width = second.step - first.step
    if width == 0:
        return (low + high) / 2.0
    mixed = (
        first.slope + second.slope - 3.0 * (first.loss - second.loss) / (first.step - second.step)
    )
    square = mixed * mixed - first.slope * second.slope
    # Where the polynomial has no minimum, or is none as losses are infinite.
    if not 0.0 <= square < math.inf:
        return (low + high) / 2.0
    root = math.sqrt(square)
    span = second.slope - first.slope + 2.0 * root
    if span == 0:
        return (low + high) / 2.0
    place = second.step - width * ((second.slope + root - mixed) / span)
    return min(max(place, low), high)


def _is_enough(point: Point, start: Point) -> bool:
    return abs(point.slope) <= -_CURVATURE * start.slope


def _is_too_far(point: Point, start: Point) -> bool:
    return point.loss > start.loss + _DECREASE * point.step * start.slope


def _away_from_ends(step: float, low: float, high: float, was_close: bool) -> tuple[float, bool]:
    """The step, moved off an end of the bracket where it was close before; whether it is close."""
    margin = 0.1 * (high - low)
    if min(high - step, step - low) >= margin:
        return step, False
    if not was_close and low < step < high:
        return step, True
    return (high - margin if abs(step - high) < abs(step - low) else low + margin), False


def _bracketed(
    evaluate: Callable[[float], Point], start: Point, step: float, limit: int
) -> tuple[list[Point], int]:
    """Points around one that meets the conditions, or it alone; how many were tried."""
    former, point = start, evaluate(step)
    for tried in range(limit):
        if _is_too_far(point, start) or (tried > 1 and point.loss >= former.loss):
            return [former, point], tried
        if _is_enough(point, start):
            return [point], tried
        if point.slope >= 0:
            return [former, point], tried
        low = point.step + 0.01 * (point.step - former.step)
        place = _cubic_minimum(former, point, low, point.step * 10.0)
        former, point = point, evaluate(place)
    return [start, point], limit


def strong_wolfe(
    evaluate: Callable[[float], Point],
    start: Point,
    step: float,
    size: float,
    tolerance_change: float,
    limit: int,
) -> tuple[Point, int]:
    """A point that meets the strong Wolfe conditions, or the best one found.

    Args:
        evaluate: gives the point of a step.
        start: the point of step 0.
        step: the first one to try.
        size: the largest element of the direction.
        tolerance_change: ends the search where the bracket moves no element by more.
        limit: how many steps to try after the first.

    Returns:
        The point, and how many steps were tried.
    """
    bracket, tried = _bracketed(evaluate, start, step, limit)
    if len(bracket) == 1:
        return bracket[0], tried + 1
    best, was_close = (0 if bracket[0].loss <= bracket[1].loss else 1), False
    while tried < limit and abs(bracket[1].step - bracket[0].step) * size >= tolerance_change:
        low, high = sorted(point.step for point in bracket)
        place = _cubic_minimum(bracket[0], bracket[1], low, high)
        place, was_close = _away_from_ends(place, low, high, was_close)
        point, worst = evaluate(place), 1 - best
        tried += 1
        if _is_too_far(point, start) or point.loss >= bracket[best].loss:
            bracket[worst] = point
            best = 0 if bracket[0].loss <= bracket[1].loss else 1
            continue
        enough = _is_enough(point, start)
        if not enough and point.slope * (bracket[worst].step - bracket[best].step) >= 0:
            bracket[worst] = bracket[best]
        bracket[best] = point
        if enough:
            break
    return bracket[best], tried + 1
