"""Sequences of different lengths: padded, and packed step by step."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

from ..._core import Tensor
from ..._creation import _fail, asarray
from ..._dtypes import int64
from ..._errors import OptionError, ShapeError
from ..._manipulation import narrow, pad, reshape, stack, take, transpose
from ..._pytree import register_pytree_node
from ..._refused import refusing as _refusing
from ..._sorting import argsort

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence(NamedTuple):
    """Sequences step by step, the longest first: what `pack_padded_sequence` returns.

    Attributes:
        data: [total, ...], the first elements of all sequences, then the second ones of those that
            have one, ...
        batch_sizes: how many have a first element, a second one, ...: Python's integers, on which
            shapes depend.
        sorted_indices: which sequence is the longest, ...; None if they were in that order.
        unsorted_indices: its inverse.
    """

    data: Tensor
    batch_sizes: tuple[int, ...]
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The sequences converted to a dtype or moved to a device, as by the tensor's method."""
        data = self.data.to(*args, **kwargs)
        places = (
            None if index is None else index.to(data.device)
            for index in (self.sorted_indices, self.unsorted_indices)
        )
        return PackedSequence(data, self.batch_sizes, *places)

    def cpu(self) -> PackedSequence:
        """The sequences in the memory of the host."""
        return self.to("cpu")

    def cuda(self, device: int | str = "cuda") -> PackedSequence:
        """The sequences on a GPU, given by its number or name."""
        return self.to(f"cuda:{device}" if isinstance(device, int) else device)


# Shapes depend on the sizes of batches: compiled functions have them for constants.
register_pytree_node(
    PackedSequence,
    lambda packed: ((packed.data, packed[2], packed[3]), tuple(packed.batch_sizes)),
    lambda sizes, items: PackedSequence(items[0], sizes, *items[1:]),
)


def _whole_numbers(values: Any) -> list[int]:
    """Lengths as Python's integers, which shapes depend on."""
    items = values.tolist() if hasattr(values, "tolist") else values
    return [operator.index(item) for item in items]


def _check_lengths(lengths: list[int], count: int, longest: int, name: str) -> None:
    if len(lengths) != count:
        raise _fail(ShapeError, f"{name}: {len(lengths)} lengths for {count} sequences")
    if any(not 0 < length <= longest for length in lengths):
        raise _fail(
            ShapeError,
            f"{name}: lengths have to be from 1 to {longest}, not {min(lengths)} to {max(lengths)}",
        )


def pad_sequence(
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences [L, ...] of different lengths as one tensor: [T, N, ...] for the longest length T.

    Args:
        sequences: N tensors that differ in their first size alone.
        batch_first: [N, T, ...] instead.
        padding_value: what is behind the shorter ones.
        padding_side: "right", or "left": before them.

    Raises:
        OptionError: the side is neither. ShapeError: there are none, or they differ otherwise.
    """
    if padding_side not in ("left", "right"):
        raise _fail(
            OptionError,
            f'pad_sequence: padding_side has to be "left" or "right", not {padding_side!r}',
        )
    tensors = [asarray(x) for x in sequences]
    if not tensors or any(x.ndim == 0 or x.shape[1:] != tensors[0].shape[1:] for x in tensors):
        raise _fail(
            ShapeError,
            f"pad_sequence: shapes {[x.shape for x in tensors]} have to be of at least one "
            "dimension, and differ in the first alone",
        )
    longest = max(x.shape[0] for x in tensors)
    padded = []
    for x in tensors:
        missing = longest - x.shape[0]
        sides = (missing, 0) if padding_side == "left" else (0, missing)
        padded.append(pad(x, [sides, *[(0, 0)] * (x.ndim - 1)], padding_value))
    return stack(padded, axis=0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of `pad_sequence`, given their lengths.

    Args:
        padded_sequences: [T, N, ...], or with ``batch_first`` [N, T, ...].
        lengths: N integers, or a tensor of them, whose value is then read.
    """
    axis = 0 if batch_first else 1
    known = _whole_numbers(lengths)
    if padded_sequences.ndim < 2 or padded_sequences.shape[axis] != len(known):
        raise _fail(
            ShapeError,
            f"unpad_sequence: {len(known)} lengths do not fit shape {padded_sequences.shape}",
        )
    rows = [narrow(padded_sequences, axis, place, 1) for place in range(len(known))]
    flat = [reshape(row, (row.shape[1 - axis], *row.shape[2:])) for row in rows]
    return [narrow(row, 0, 0, length) for row, length in zip(flat, known, strict=True)]


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes one; None of None."""
    return None if permutation is None else argsort(permutation)


def _rows_of_steps(batch_sizes: Sequence[int]) -> list[tuple[int, int]]:
    """Step and place in the sorted batch of each row of packed data."""
    return [(step, place) for step, size in enumerate(batch_sizes) for place in range(size)]


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Padded sequences without what they were padded with.

    Args:
        input: [T, N, ...], or with ``batch_first`` [N, T, ...].
        lengths: N integers, or a tensor of them, whose value is read: within a compiled function
            it has to be a list, and other lengths trace anew.
        enforce_sorted: the lengths have to descend; else the sequences are sorted by them.

    Raises:
        ShapeError: the lengths do not fit. OptionError: they do not descend, though they have to.
    """
    if input.ndim < 2:
        raise _fail(
            ShapeError, f"pack_padded_sequence: shape {input.shape} has less than 2 dimensions"
        )
    count, longest = input.shape[:2] if batch_first else input.shape[1::-1]
    known = _whole_numbers(lengths)
    _check_lengths(known, count, longest, "pack_padded_sequence")
    order = sorted(range(count), key=lambda place: -known[place])
    if enforce_sorted and order != list(range(count)):
        raise _fail(
            OptionError,
            "pack_padded_sequence: the lengths have to descend; give enforce_sorted=False to have "
            "the sequences sorted",
        )
    batch_sizes = [sum(length > step for length in known) for step in range(max(known, default=0))]
    rows = [
        order[place] * longest + step if batch_first else step * count + order[place]
        for step, place in _rows_of_steps(batch_sizes)
    ]
    flat = reshape(input, (count * longest, *input.shape[2:]))
    data = take(flat, asarray(rows, dtype=int64, device=input.device), axis=0)
    if enforce_sorted:
        return PackedSequence(data, tuple(batch_sizes))
    inverse = sorted(range(count), key=order.__getitem__)
    places = (asarray(index, dtype=int64, device=input.device) for index in (order, inverse))
    return PackedSequence(data, tuple(batch_sizes), *places)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Packed sequences, padded, and their lengths (int64 [N]): the opposite of
    `pack_padded_sequence`.

    Args:
        batch_first: [N, T, ...] instead of [T, N, ...].
        padding_value: what is behind the shorter ones.
        total_length: the length T; None: that of the longest.

    Raises:
        ShapeError: ``total_length`` is shorter than that.
    """
    sizes = _whole_numbers(sequence.batch_sizes)
    longest = len(sizes) if total_length is None else operator.index(total_length)
    if longest < len(sizes):
        raise _fail(
            ShapeError,
            f"pad_packed_sequence: total_length {longest} is less than the longest, {len(sizes)}",
        )
    count, data = sizes[0] if sizes else 0, sequence.data
    # Behind the data comes one row of padding, which all that is padded reads.
    table = [[sum(sizes)] * count for _ in range(longest)]
    for row, (step, place) in enumerate(_rows_of_steps(sizes)):
        table[step][place] = row
    extended = pad(data, [(0, 1), *[(0, 0)] * (data.ndim - 1)], padding_value)
    rows = reshape(asarray(table, dtype=int64, device=data.device), (longest, count))
    lengths = asarray([sum(size > place for size in sizes) for place in range(count)], dtype=int64)
    if sequence.unsorted_indices is not None:
        rows = take(rows, sequence.unsorted_indices, axis=1)
        lengths = take(lengths, sequence.unsorted_indices.to(lengths.device), axis=0)
    return take(extended, transpose(rows, 0, 1) if batch_first else rows, axis=0), lengths


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences [L, ...] of different lengths, packed; see `pack_padded_sequence`."""
    lengths = [x.shape[0] for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of `pack_sequence`."""
    padded, _ = pad_packed_sequence(packed_sequences, batch_first=True)
    sizes = _whole_numbers(packed_sequences.batch_sizes)
    lengths = [sum(size > place for size in sizes) for place in range(padded.shape[0])]
    order = packed_sequences.unsorted_indices
    if order is not None:
        lengths = [lengths[place] for place in _whole_numbers(order)]
    return unpad_sequence(padded, lengths, batch_first=True)


#: What to write in the place of names that PyTorch has here.
__getattr__ = _refusing("nn.utils.rnn")
