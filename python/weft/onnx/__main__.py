"""`python -m weft.onnx model.onnx -o model.weft`: an ONNX model as a program of weft's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .._errors import WeftError
from .._foreign import importer_parser, pairs, refuse, size_numbers
from ._model import load


def _parser() -> argparse.ArgumentParser:
    parser = importer_parser(
        "weft.onnx",
        "Reads an ONNX model and writes it as a program (.weft), which weftc and weft.load "
        "read; or, with --header, as an object file for C.",
        "the .onnx file",
    )
    parser.add_argument("--header", help="write an object file, and its C header here")
    parser.add_argument("--target", default="native", help="the processor of the object file")
    parser.add_argument(
        "--threads", default="none", help="none, hook or pool: who runs the object's work"
    )
    parser.add_argument(
        "--known",
        action="append",
        default=[],
        metavar="NAME=FILE.npy",
        help="the value of an input that shapes follow from",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; the exit status is 1 for models that can't be read or converted."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        sizes = size_numbers(options.size)
        known = {
            name: np.load(Path(path), allow_pickle=False)
            for name, path in pairs("--known", options.known).items()
        }
        program = load(options.program, known=known).export(**sizes)
        if options.header is None:
            program.save(options.output)
        else:
            program.compile_object(
                options.output, options.target, header=options.header, threads=options.threads
            )
    except (WeftError, ValueError, OSError) as error:
        return refuse("weft.onnx", _message(error))
    print(program)
    return 0


def _message(error: Exception) -> str:
    """The message, without the place in this file that it names as the user's line."""
    return str(error).replace(f"{__file__}:", "line ")


if __name__ == "__main__":
    sys.exit(main())
