"""Makes a file of weft's of a StableHLO program, which weftc compiles to an object file.

    python -m weft.stablehlo model.mlir -o model.weft
    python -m weft.stablehlo model.mlir -o model.weft --shape x=batch,784 --shape y=batch
    python -m weft.stablehlo model.mlir -o model.weft --shape x=batch,784 --size batch=8

Sizes that the program leaves open get names of their own; --shape gives those of one argument, by
its name or its number, so that two can share one; --size gives a number to one of these names.
"""

from __future__ import annotations

import sys

from .._export import Spec
from .._foreign import importer_parser, pairs, refuse, size_numbers, with_sizes
from ._graph import DYNAMIC, TensorType
from ._loading import load
from ._program import Program
from ._weft import weft


def _specs(program: Program, shapes: dict[str, str]) -> list[Spec]:
    """What `export` is told of each argument. Raises UnsupportedError, ShapeError."""
    specs, unnamed = [], 0
    numbers = list(map(str, range(len(program.inputs))))
    names = [str(name) for name, _ in program.inputs]
    for argument, text in shapes.items():
        if argument not in names and argument not in numbers:
            there = ", ".join(names)
            raise weft.OptionError(f"--shape {argument}={text}: the arguments are {there}")
    for number, (name, kind) in enumerate(program.inputs):
        if not isinstance(kind, TensorType):
            raise weft.UnsupportedError(f"argument {number} is no tensor, but {kind}")
        words = shapes.get(name, shapes.get(str(number)))
        sizes: list[int | str] = list(kind.shape)
        if words is not None:
            given = [word.strip() for word in words.split(",") if word.strip()]
            sizes = [int(word) if word.isdigit() else word for word in given]
            if len(sizes) != len(kind.shape):
                raise weft.ShapeError(f"--shape {name}={words}: the argument is {kind}")
        for axis, size in enumerate(sizes):
            if size == DYNAMIC:
                sizes[axis] = f"n{unnamed}"
                unnamed += 1
        specs.append(weft.spec(tuple(sizes), kind.dtype))
    return specs


def main(arguments: list[str] | None = None) -> int:
    """The command line; gives the exit status."""
    assert __doc__ is not None
    parser = importer_parser(
        "weft.stablehlo", __doc__.split("\n")[0], "text (.mlir), bytecode or a portable artifact"
    )
    parser.add_argument("--function", default="main", help="which function (default: main)")
    parser.add_argument(
        "--shape", action="append", default=[], metavar="ARGUMENT=SIZES", help="of one argument"
    )
    options = parser.parse_args(arguments)
    try:
        shapes, sizes = pairs("--shape", options.shape), size_numbers(options.size)
        program = load(options.program, function=options.function)
        specs = with_sizes(_specs(program, shapes), sizes)
        weft.export(program, *specs).save(options.output)
    except weft.WeftError as error:
        return refuse("weft.stablehlo", error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
