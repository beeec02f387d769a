"""``python -m weft.torch model.pt2 -o model.weft``: what weftc compiles."""

from __future__ import annotations

import argparse
import sys
import warnings

import weft

from .._foreign import refuse
from ._module import from_torch


def main() -> int:
    """Reads a program that ``torch.export.save`` wrote, and writes it as weft's own."""
    parser = argparse.ArgumentParser(prog="python -m weft.torch", description=main.__doc__)
    parser.add_argument("program", help="the .pt2 file")
    parser.add_argument("-o", "--output", required=True, help="the .weft file")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # PyTorch's about its own ways
    try:
        module = from_torch(options.program)
        weft.export(module, *module.specs).save(options.output)
    except weft.WeftError as error:
        return refuse("weft.torch", error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
