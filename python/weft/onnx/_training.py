"""Steps of optimizers, as ONNX's training ops have them, and counts of n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._core import Tensor
from .._creation import _fail
from .._errors import UnsupportedError
from ._rules import rule, weft

_DOMAIN = "ai.onnx.preview.training"


def _groups(tensors: tuple[Tensor, ...], kinds: int) -> list[tuple[Tensor, ...]]:
    """The operands of each parameter: they come kind by kind."""
    count = len(tensors) // kinds
    return [tuple(tensors[kind * count + i] for kind in range(kinds)) for i in range(count)]


def _outputs(groups: list[Any]) -> tuple[Tensor, ...]:
    return tuple(tensor for column in zip(*groups, strict=True) for tensor in column)


@rule(f"{_DOMAIN}.Momentum")
def _momentum(
    rate: Tensor,
    step: Tensor,
    *tensors: Tensor,
    alpha: float,
    beta: float,
    mode: str,
    norm_coefficient: float,
) -> tuple:
    made: list[Any] = []
    for x, gradient, velocity in _groups(tensors, 3):
        slope = norm_coefficient * x + gradient
        factor = weft.where(step > 0, beta, 1.0).astype(x.dtype)
        following = alpha * velocity + factor * slope
        way = slope + alpha * following if mode == "nesterov" else following
        made.append((x - rate * way, following))
    return _outputs(made)


@rule(f"{_DOMAIN}.Adagrad")
def _adagrad(
    rate: Tensor,
    step: Tensor,
    *tensors: Tensor,
    decay_factor: float = 0.0,
    epsilon: float = 0.0,
    norm_coefficient: float = 0.0,
) -> tuple:
    now = rate / (1 + step.astype(rate.dtype) * decay_factor)
    made: list[Any] = []
    for x, gradient, squares in _groups(tensors, 3):
        slope = norm_coefficient * x + gradient
        total = squares + slope * slope
        made.append((x - now * slope / (weft.sqrt(total) + epsilon), total))
    return _outputs(made)


@rule(f"{_DOMAIN}.Adam")
def _adam(
    rate: Tensor,
    step: Tensor,
    *tensors: Tensor,
    alpha: float = 0.9,
    beta: float = 0.999,
    epsilon: float = 0.0,
    norm_coefficient: float = 0.0,
    norm_coefficient_post: float = 0.0,
) -> tuple:
    made: list[Any] = []
    times = step.astype(rate.dtype)
    unbiased = rate * weft.sqrt(1 - beta**times) / (1 - alpha**times)
    now = weft.where(step > 0, unbiased, rate)
    for x, gradient, mean, squares in _groups(tensors, 4):
        slope = norm_coefficient * x + gradient
        first = alpha * mean + (1 - alpha) * slope
        second = beta * squares + (1 - beta) * (slope * slope)
        following = x - now * first / (weft.sqrt(second) + epsilon)
        made.append(((1 - norm_coefficient_post) * following, first, second))
    return _outputs(made)


@rule("TfIdfVectorizer")
def _tf_idf(
    x: Tensor,
    *,
    max_gram_length: int,
    max_skip_count: int,
    min_gram_length: int,
    mode: str,
    ngram_counts: Any,
    ngram_indexes: Any,
    pool_int64s: Any = None,
    pool_strings: Any = None,
    weights: Any = None,
) -> Tensor:
    if pool_int64s is None:
        raise _fail(UnsupportedError, "TfIdfVectorizer of strings")
    rows = weft.reshape(x, (1, -1)) if x.ndim == 1 else x
    length = rows.shape[1]
    width = int(max(ngram_indexes)) + 1
    totals = weft.zeros((rows.shape[0], width), dtype="float32")
    ends = [*ngram_counts[1:], len(pool_int64s)]
    place = 0
    for size, (begin, end) in enumerate(zip(ngram_counts, ends, strict=True), 1):
        grams = np.asarray(pool_int64s[begin:end], np.int64).reshape(-1, size)
        columns = ngram_indexes[place : place + len(grams)]
        place += len(grams)
        if not min_gram_length <= size <= max_gram_length or not len(grams):
            continue
        found = _counts(rows, grams, length, max_skip_count if size > 1 else 0)
        spread = np.zeros((len(grams), width), np.float32)
        spread[np.arange(len(grams)), columns] = 1
        totals = totals + weft.matmul(found.astype("float32"), weft.asarray(spread))
    factors = np.ones(width, np.float32)
    if weights is not None:
        factors[np.asarray(ngram_indexes)] = weights
    if mode == "IDF":
        totals = (totals > 0).astype("float32")
    made = totals if mode == "TF" else totals * weft.asarray(factors)
    return weft.reshape(made, (-1,)) if x.ndim == 1 else made


def _counts(rows: Tensor, grams: np.ndarray, length: int, skips: int) -> Tensor:
    """How often each n-gram [G, n] is in each row [N, L], with up to ``skips`` elements between
    two of it: [N, G]."""
    size = grams.shape[1]
    total: Any = weft.zeros((rows.shape[0], len(grams)), dtype="int64")
    for step in range(1, skips + 2):
        starts = length - (size - 1) * step
        if starts <= 0:
            break
        equal: Any = None
        for place in range(size):
            part = rows[:, place * step : place * step + starts]
            same = part[:, :, None] == weft.asarray(np.ascontiguousarray(grams[:, place]))
            equal = same if equal is None else equal & same
        total = total + weft.sum(equal, axis=1)
    return total
