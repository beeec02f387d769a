"""Draws random programs and compares the ways to run them; see tools/fuzz_programs --help."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
_NAMES = ("programs", "python", "aot", "onnx_models", "jax_programs")
_FOLDERS = [ROOT / "test" / name for name in _NAMES]
sys.path[:0] = [str(folder) for folder in (*_FOLDERS, BUILD / "generated", BUILD / "python")]

from hunting import Hunt, Tally, run  # noqa: E402
from hunts import StateHunt, TensorHunt, merged  # noqa: E402
from modes import DEFAULT_MODES, MODES  # noqa: E402
from names import public_calls  # noqa: E402
from rich.console import Console  # noqa: E402
from weft.profiler import progress  # noqa: E402

EPILOG = """\
examples:
  tools/fuzz_programs                                 1,000 programs in the usual modes
  tools/fuzz_programs --count 100000 --processes 16   a night's work
  tools/fuzz_programs --seed 4711 --count 1           one program again
  tools/fuzz_programs --modes jit,object              compiled, and of every tenth the object
  tools/fuzz_programs --kind state                    objects, closures, containers, mutations
  tools/fuzz_programs --kind onnx                     models of ONNX, compared with ONNX Runtime
  tools/fuzz_programs --kind jax                      programs of JAX, compared with JAX

modes, each of which has to give eager mode's bits (NaN is one number):
  reference  NumPy, statement by statement, within the bound of each
  jit        compiled, called twice       shapes   called with other sizes (every fifth program)
  export     weft.export, called          file     saved and loaded before (every twentieth)
  gradient   backward() of its results, eager and compiled (every second)
  aliases    arguments that are one tensor, or views of a larger one (every fourth)
  threads    one thread and three (every twentieth)
  object     by weftc, many in one object (every tenth)

A program that differs is shrunk and written to a file that runs by itself; the exit status is 1.
"""


def _tensor_hunt(options: argparse.Namespace) -> Hunt:
    return TensorHunt(options.modes, options.output, options.large, public_calls())


def _state_hunt(options: argparse.Namespace) -> Hunt:
    return StateHunt(merged([f for f in options.features.split(",") if f]), options.output)


def _onnx_hunt(options: argparse.Namespace) -> Hunt:
    from model_hunt import ModelHunt  # ONNX is not needed for other kinds

    return ModelHunt(options.output)


def _jax_hunt(options: argparse.Namespace) -> Hunt:
    from jax_hunt import JaxHunt  # JAX is not needed for other kinds

    return JaxHunt()


HUNTS: dict[str, Callable[[argparse.Namespace], Hunt]] = {
    "tensors": _tensor_hunt,
    "state": _state_hunt,
    "onnx": _onnx_hunt,
    "jax": _jax_hunt,
}


def arguments_of(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="tools/fuzz_programs",
        description="Draws random programs over the op table and compares the ways to run them.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG,
    )
    parser.add_argument("--kind", choices=tuple(HUNTS), default="tensors")
    parser.add_argument("--count", type=int, default=1000, help="programs (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first (default: 0)")
    cores = os.cpu_count() or 1
    parser.add_argument("--processes", type=int, default=cores, help=f"default: {cores}")
    parser.add_argument(
        "--modes", default=",".join(DEFAULT_MODES), help="or `all` (default: %(default)s)"
    )
    parser.add_argument("--large", action="store_true", help="sizes for which threads share work")
    parser.add_argument("--features", default="", help="of state programs (default: all)")
    parser.add_argument(
        "--output", type=Path, default=BUILD / "reports" / "programs", help="folder of the finds"
    )
    options = parser.parse_args(words)
    options.modes = MODES if options.modes == "all" else tuple(options.modes.split(","))
    for mode in options.modes:
        if mode not in MODES:
            parser.error(f"no mode named {mode}; there are {', '.join(MODES)}")
    return options


def main(words: list[str]) -> int:
    """Runs the programs; 1 if any differs."""
    options = arguments_of(words)
    # Kernels of random programs are of no use to anybody later, but of much to the other processes.
    with tempfile.TemporaryDirectory(prefix="weft_programs_") as folder:
        os.environ.setdefault("WEFT_CACHE_DIR", folder)
        return _hunt(options)


def _hunt(options: argparse.Namespace) -> int:
    # What runs in the background is ended by SIGTERM, and begins with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    hunt = HUNTS[options.kind](options)
    seeds = range(options.seed, options.seed + options.count)
    console, start, tally = Console(), time.monotonic(), Tally()
    bar = progress("programs", options.count, "programs", console=console)
    with bar as report, contextlib.suppress(KeyboardInterrupt):
        shown = counted = 0
        for tally in run(hunt, seeds, options.processes):
            report(advance=tally.programs - counted, differ=len(tally.found))
            counted = tally.programs
            for found in tally.found[shown:]:
                text = f"{found.seed} {found.mode}: {found.message}\n  {found.file}"
                console.print(text, markup=False, highlight=False)
            shown = len(tally.found)
    modes = ", ".join(f"{mode} {count:,}" for mode, count in sorted(tally.modes.items()))
    console.print(
        f"{tally.programs:,} programs ({modes}) in {time.monotonic() - start:.0f} s: "
        f"{len(tally.found)} differences",
        highlight=False,
    )
    return 1 if tally.found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
