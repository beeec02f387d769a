"""`load`: a program from a file, from bytes or from text."""

from __future__ import annotations

import os
from pathlib import Path

from .._creation import _fail
from .._errors import FileError
from .._paths import file_path
from . import (
    _annotations,
    _collectives,
    _contractions,
    _control_flow,
    _elementwise,
    _gathering,
    _linear,
    _reductions,
    _reflections,
    _shapes,
    _sorting,
    _special,
)
from ._program import Program
from ._reading import read

#: What fills the table of rules.
FAMILIES = (
    *(_annotations, _collectives, _contractions, _control_flow, _elementwise, _gathering),
    *(_linear, _reductions, _reflections, _shapes, _sorting, _special),
)


def load(
    source: str | bytes | os.PathLike, *, function: str = "main", processes: tuple = (None, 1, 1)
) -> Program:
    """A StableHLO program as a function of tensors.

    The program is called with tensors of the types that it declares and returns its results. It is
    a function like any other: jit, grad, vmap and export take it.

    Args:
        source: the path of a file; or the program itself: bytes, or text that has more than a line.
        function: which function of the program.
        processes: for a program of several processes the ``axis_name`` of the `vmap` whose examples
            they are, and how many replicas and partitions there are.

    Raises:
        FileError: there is no such file, or it is no StableHLO that can be read.
        UnsupportedError: there is no jaxlib, or the program has ops without a rule: the error names
            them all, with their places.
    """
    if isinstance(source, bytes):
        return Program(read(source, "the program"), function, processes)
    if isinstance(source, str) and "\n" in source:
        return Program(read(source.encode(), "the program"), function, processes)
    path = file_path(source)
    try:
        data = Path(os.fsdecode(path)).read_bytes()
    except OSError as error:
        raise _fail(FileError, f"{os.fsdecode(path)}: {error.strerror}") from None
    return Program(read(data, os.fsdecode(path)), function, processes)
