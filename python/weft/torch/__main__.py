"""``python -m weft.torch model.pt2 -o model.weft``: what weftc compiles."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

import weft

from .._foreign import importer_parser, refuse, size_numbers, with_sizes
from ._module import from_torch


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads a program that ``torch.export.save`` wrote, and writes it as weft's own."""
    assert main.__doc__ is not None
    parser = importer_parser("weft.torch", main.__doc__, "the .pt2 file")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # PyTorch's about its own ways
    try:
        sizes = size_numbers(options.size)
        module = from_torch(options.program)
        weft.export(module, *with_sizes(module.specs, sizes)).save(options.output)
    except weft.WeftError as error:
        return refuse("weft.torch", error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
