"""Connectionist temporal classification, with PyTorch's name and arguments."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import NamedTuple

from .. import _ops
from .._core import SymbolicSize, Tensor
from .._creation import _fail, _iota, asarray
from .._dtypes import int64
from .._errors import OutOfBoundsError, ShapeError, UnsupportedError
from .._gathering import gather
from .._manipulation import (
    astype,
    broadcast_to,
    check_indices,
    expand_dims,
    integer_indices,
    narrow,
    pad,
    reshape,
    stack,
    take,
    without_negative,
)
from .._reductions import cumulative_sum, max, sum
from .._windows import floating, widened
from ._loss_functions import check_reduction, reduced
from ._precision import narrowed_loss

Lengths = Tensor | Sequence[int]


class _Labels(NamedTuple):
    """Sequences of labels [N, S], blank beyond their lengths [N], and whether these fit [N]."""

    labels: Tensor
    lengths: Tensor
    fit: Tensor


def _lengths(values: Lengths | int, count: int, most: int, what: str, scores: Tensor) -> Tensor:
    """Lengths as int64 [N]. Raises ShapeError, DTypeError and OutOfBoundsError."""
    lengths = astype(integer_indices(asarray(values, device=scores.device), "ctc_loss"), int64)
    if lengths.ndim == 0:
        lengths = reshape(lengths, (1,))
    if lengths.shape != (count,):
        raise _fail(
            ShapeError,
            f"ctc_loss: the {what} lengths have shape {lengths.shape}, but have to be one for each "
            f"of {count} sequences",
        )
    check_indices(lengths, most + 1, "ctc_loss", f"{what} length")
    return lengths


def _padded(targets: Tensor, values: Lengths, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Targets that follow each other [total] as rows [N, S], and whether they are as many as their
    lengths add up to."""
    total = targets.shape[0]
    longest = total
    if not isinstance(values, Tensor):
        longest = builtins.max((int(value) for value in values), default=0)
        if builtins.sum(int(value) for value in values) != total:
            raise _fail(
                ShapeError,
                f"ctc_loss: {total} targets are not as many as the target lengths add up to",
            )
    ends = cumulative_sum(lengths, axis=0)
    columns = _iota((longest,), 0, int64, lengths.device)
    places = expand_dims(ends - lengths, axis=1) + columns
    inside = columns < expand_dims(lengths, axis=1)
    # One more target, so that there is one.
    rows = take(pad(targets, [(0, 1)]), _ops.where(inside, places, total))
    return rows, sum(lengths) == total


def _labels(
    targets: Tensor, values: Lengths, count: int, scores: Tensor, blank: int, batched: bool
) -> _Labels:
    """The targets by sequence. Raises ShapeError, DTypeError and OutOfBoundsError."""
    numbers = astype(integer_indices(targets, "ctc_loss"), int64)
    if not batched and numbers.ndim == 1:
        numbers = reshape(numbers, (1, -1))
    if numbers.ndim not in (1, 2) or (numbers.ndim == 2 and numbers.shape[0] != count):
        raise _fail(
            ShapeError,
            f"ctc_loss: the targets have shape {targets.shape}, but have to be [N, S] for {count} "
            "sequences, or all labels one after the other",
        )
    most = numbers.shape[-1]
    lengths = _lengths(values, count, most, "target", scores)
    fit = (lengths >= 0) & (lengths <= most)
    if numbers.ndim == 1:
        numbers, whole = _padded(numbers, values, lengths)
        fit = fit & whole
    inside = _iota(numbers.shape, 1, int64, numbers.device) < expand_dims(lengths, axis=1)
    labels = _ops.where(inside, numbers, blank)
    return _Labels(without_negative(labels, scores.shape[-1], "ctc_loss", "label"), lengths, fit)


def _log_sum_exp(parts: Sequence[Tensor]) -> Tensor:
    """log of the sum of exp(part), elementwise; -inf, without derivatives, where all are that."""
    largest = parts[0]
    for part in parts[1:]:
        largest = _ops.maximum(largest, part)
    largest = _ops.stop_gradient(largest)
    impossible = largest == -math.inf
    largest = _ops.where(impossible, 0.0, largest)
    total = _ops.exp(parts[0] - largest)
    for part in parts[1:]:
        total = total + _ops.exp(part - largest)
    logarithm = _ops.log(_ops.where(impossible, 1.0, total)) + largest
    return _ops.where(impossible, -math.inf, logarithm)


def _log_likelihoods(scores: Tensor, labels: _Labels, times: Tensor, blank: int) -> Tensor:
    """The logarithms of the probabilities of the labels [N], by scores [T, N, C].

    State 2 i + 1 is label i, those around it are blanks. After each time step there is for each
    state the logarithm of the probability of all paths to it (Graves et al., 2006, equation 6).
    """
    steps, count, _ = scores.shape
    states = 2 * labels.labels.shape[1] + 1
    row = pad(labels.labels, [(0, 0), (0, 1)], blank)
    blanks = broadcast_to(asarray(blank, dtype=int64, device=scores.device), row.shape)
    path = narrow(reshape(stack([blanks, row], axis=2), (count, states + 1)), 1, 0, states)
    # A blank between labels may be left out unless they are equal.
    before = narrow(pad(path, [(0, 0), (2, 0)], blank), 1, 0, states)
    may_skip = path != before
    emitted = gather(scores, 2, broadcast_to(path, (steps, count, states)))
    # Two impossible states come before the first; before the first step the path is there.
    front = _iota((count, states + 2), 1, int64, scores.device) == 2
    start = asarray(0.0, dtype=scores.dtype, device=scores.device)
    reached = _ops.where(front, start, -math.inf)
    for step in range(steps):
        stay, move, skip = (narrow(reached, 1, 2 - back, states) for back in range(3))
        skip = _ops.where(may_skip, skip, -math.inf)
        arrived = _log_sum_exp([stay, move, skip]) + emitted[step]
        arrived = pad(arrived, [(0, 0), (2, 0)], -math.inf)
        reached = _ops.where(step < expand_dims(times, axis=1), arrived, reached)
    place = _iota((states,), 0, int64, scores.device)
    last = expand_dims(labels.lengths, axis=1) * 2
    paths = narrow(reached, 1, 2, states)
    return _log_sum_exp(
        [max(_ops.where(place == end, paths, -math.inf), axis=-1) for end in (last, last - 1)]
    )


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Lengths,
    target_lengths: Lengths,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor:
    """-log of the probability of the targets, over all their alignments to the time steps.

    It is computed step by step (Graves et al., 2006), so that a program is as long as T. The
    gradient is that of this function: by the input of `log_softmax` PyTorch's is the same, but by
    ``log_probs`` themselves it has that of `log_softmax` in it already.

    Args:
        log_probs: logarithms of probabilities [T, N, C], or [T, C] of one sequence.
        targets: labels [N, S], or [S] of one sequence, or those of all sequences one after the
            other; what is beyond the target lengths counts for nothing.
        input_lengths: how many time steps of each sequence count: integers [N].
        target_lengths: how many labels each sequence has: integers [N].
        blank: the class that stands between labels.
        reduction: "mean" (of losses over target lengths), "sum" or "none".
        zero_infinity: the loss of targets without an alignment is 0, not infinite. Its gradient is
            0 in both cases.

    Raises:
        ShapeError: the shapes do not fit. DTypeError: ``log_probs`` are not floating, or labels or
            lengths not of integers. OutOfBoundsError: a label or a length is out of range. In a
            compiled function the loss is NaN. OptionError: there is no such reduction.
            UnsupportedError: T or S is not known, while exporting.
    """
    check_reduction(reduction, "ctc_loss")
    scores = floating(log_probs, "ctc_loss")
    if scores.ndim not in (2, 3):
        raise _fail(
            ShapeError,
            f"ctc_loss: the input has shape {scores.shape}, but has to be [T, N, C] or [T, C]",
        )
    batched = scores.ndim == 3
    wide = widened(scores if batched else expand_dims(scores, axis=1))
    steps, count, classes = wide.shape
    if isinstance(steps, SymbolicSize) or isinstance(asarray(targets).shape[-1], SymbolicSize):
        raise _fail(
            UnsupportedError, "ctc_loss: T and S have to be known while exporting, as N has not"
        )
    if not 0 <= blank < classes:
        raise _fail(
            OutOfBoundsError, f"ctc_loss: blank {blank} is out of range for {classes} classes"
        )
    times = _lengths(input_lengths, count, steps, "input", wide)
    labels = _labels(asarray(targets), target_lengths, count, wide, blank, batched)
    losses = -_log_likelihoods(wide, labels, times, blank)
    if zero_infinity:
        losses = _ops.where(losses == math.inf, 0.0, losses)
    losses = _ops.where(labels.fit & (times >= 0) & (times <= steps), losses, math.nan)
    if reduction == "mean":
        losses = losses / astype(_ops.maximum(labels.lengths, 1), losses.dtype)
    result = reduced(losses if batched or reduction != "none" else reshape(losses, ()), reduction)
    return narrowed_loss(result, scores)
