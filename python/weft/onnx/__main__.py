"""`python -m weft.onnx model.onnx -o model.weft`: an ONNX model as a program of weft's."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .._errors import FileError, OptionError, WeftError
from .._foreign import importer_parser, pairs, refuse, size_numbers
from ._model import load

#: The target and the threads of an object file.
_DEFAULTS = ("native", "none")


def _parser() -> argparse.ArgumentParser:
    parser = importer_parser(
        "weft.onnx",
        "Reads an ONNX model and writes it as a program (.weft), which weftc and weft.load "
        "read; or, with --header, as an object file for C.",
        "the .onnx file",
    )
    parser.add_argument("--header", help="write an object file, and its C header here")
    parser.add_argument("--target", default=_DEFAULTS[0], help="the processor of the object file")
    parser.add_argument(
        "--threads", default=_DEFAULTS[1], help="none, hook or pool: who runs the object's work"
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
        known = {name: _array(path) for name, path in pairs("--known", options.known).items()}
        program = load(options.program, known=known).export(**sizes)
        if options.header is None and (options.target, options.threads) != _DEFAULTS:
            raise OptionError("--target and --threads are of object files: give --header too")
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


def _array(path: str) -> np.ndarray:
    """What a .npy file holds. Raises FileError."""
    try:
        return np.load(Path(path), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileError(f"--known: {path} is no array that can be read: {reason}") from None


def _message(error: Exception) -> str:
    """The message, without the place in this file that it names as the user's line."""
    return str(error).replace(f"{__file__}:", "line ")


if __name__ == "__main__":
    sys.exit(main())
