"""A program as the server runs it: tensors by name, checked, and rows of several requests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from .._core import SymbolicSize
from .._errors import UnsupportedError
from .._export import Exported, Spec
from ._refusals import invalid, refused_setting
from ._settings import ModelSettings
from ._tensors import DATATYPE_NAMES, datatype_of, shown

Arrays = dict[str, np.ndarray]


class Program:
    """An exported program, and what its requests have to be.

    Attributes:
        inputs, outputs: its tensors.
        batched: whether rows of several requests are computed together.
    """

    def __init__(self, program: Exported, settings: ModelSettings) -> None:
        self._program, self._settings = program, settings
        self.inputs, self.outputs = program.inputs, program.outputs
        for row in (*self.inputs, *self.outputs):
            if row.dtype not in DATATYPE_NAMES:
                raise UnsupportedError(
                    f"{row.name} is {row.dtype.name}, which the protocol has no datatype for"
                )
            row.dtype.to_numpy()  # an error if it needs a package that is not installed
        unknown = sorted(set(settings.max_sizes) - set(program.symbols))
        if unknown:
            raise refused_setting(
                f"max_sizes: there is no size {unknown[0]!r}, but "
                f"{', '.join(program.symbols) or 'none'}"
            )
        self.batched = settings.max_batch_size > 1
        if self.batched:
            _check_rows(self.inputs, self.outputs)

    def check(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Raises RefusedError for what no call of the program takes."""
        known = {row.name: row for row in self.inputs}
        for name in arrays:
            if name not in known:
                raise invalid(f"there is no input {shown(name)}, but {', '.join(known) or 'none'}")
        for name, row in known.items():
            if name not in arrays:
                raise invalid(f"the input {name} is missing")
            self._check_tensor(row, arrays[name])
        if self.batched and len({array.shape[0] for array in arrays.values()}) > 1:
            raise invalid("the inputs have different numbers of rows")

    def _check_tensor(self, row: Spec, array: np.ndarray) -> None:
        if row.dtype != array.dtype:
            wanted = DATATYPE_NAMES[row.dtype]
            raise invalid(f"the input {row.name} is {wanted}, not {datatype_of(array)}")
        fits = len(row.shape) == array.ndim and all(
            isinstance(size, SymbolicSize) or size == given
            for size, given in zip(row.shape, array.shape, strict=True)
        )
        if not fits:
            raise invalid(
                f"the input {row.name} has to be {shape_text(row)}, but is {list(array.shape)}"
            )
        for size, given in zip(row.shape, array.shape, strict=True):
            most = self._settings.max_sizes.get(str(size))
            if most is not None and given > most:
                raise invalid(f"the input {row.name} has {size} = {given}, of {most} at most")

    def run(self, arrays: Mapping[str, np.ndarray]) -> Arrays:
        """The outputs; any number of threads may call it. Raises what the program raises."""
        results = self._program.run(arrays)
        return {name: np.asarray(tensor.to("cpu")) for name, tensor in results.items()}

    def run_together(self, requests: Sequence[Mapping[str, np.ndarray]]) -> list[Arrays]:
        """The outputs of requests whose other sizes are equal, by one call on all of their rows."""
        first = next(iter(self.inputs)).name
        ends = np.cumsum([request[first].shape[0] for request in requests])
        joined = {
            row.name: np.concatenate([request[row.name] for request in requests])
            for row in self.inputs
        }
        results = self.run(joined)
        parts = {name: np.split(array, ends[:-1]) for name, array in results.items()}
        return [{name: rows[i] for name, rows in parts.items()} for i in range(len(requests))]


def rows_of(arrays: Mapping[str, np.ndarray]) -> int:
    """The rows of a request to a model that is batched."""
    return next(iter(arrays.values())).shape[0]


def kind_of(arrays: Mapping[str, np.ndarray]) -> tuple:
    """What requests that are computed together have in common: the sizes of a row."""
    return tuple(sorted((name, array.shape[1:]) for name, array in arrays.items()))


def shape_text(row: Spec) -> str:
    """A shape as messages show it."""
    return f"[{', '.join(map(str, row.shape))}]"


def _check_rows(inputs: Sequence[Spec], outputs: Sequence[Spec]) -> None:
    """Raises OptionError if not all tensors have rows of one symbolic number, and nothing else."""
    first = inputs[0].shape[0] if inputs and inputs[0].shape else None
    for row in (*inputs, *outputs):
        own = row.shape[0] if row.shape else None
        if not isinstance(own, SymbolicSize) or not str(own).isidentifier() or own != first:
            raise refused_setting(
                f"max_batch_size is above 1, but {row.name} of shape {shape_text(row)} does not "
                "begin with the symbolic size that all inputs and outputs have to begin with"
            )
        if any(str(own) in _names_in(size) for size in row.shape[1:]):
            raise refused_setting(
                f"max_batch_size is above 1, but {row.name} of shape {shape_text(row)} has the "
                "number of rows in another size, too"
            )


def _names_in(size: object) -> set[str]:
    return set(re.findall(r"[A-Za-z_]\w*", str(size)))
