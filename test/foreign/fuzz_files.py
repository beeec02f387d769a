"""Gives damaged files to what reads those of other systems; see tools/fuzz_files --help."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "release"
_FOLDERS = [ROOT / "test" / name for name in ("foreign", "programs", "python")]
sys.path[:0] = [str(folder) for folder in (*_FOLDERS, BUILD / "python")]

import formats  # noqa: E402
from formats import FORMATS, Format, Watch, fault_of  # noqa: E402
from hunting import Found, Tally, run  # noqa: E402

EPILOG = """\
examples:
  tools/fuzz_files                                    500 damaged files of each format
  tools/fuzz_files --format onnx --count 100000       a night's work
  tools/fuzz_files --format onnx --seed 4711 --count 1   one file again

Each file has to be read, or to be refused by a weft.WeftError with one clear message: in bounded
time and memory, without a crash, without opening or writing anything elsewhere, and without running
code that it brings along. One that does not is made of as few changes as show it and kept; the exit
status is 1.
"""


@dataclass(frozen=True)
class FileHunt:
    """Takes the damaged files of some numbers of one format."""

    format: str
    inputs: tuple[bytes, ...]
    output: Path

    def __call__(self, seeds: Sequence[int]) -> Iterator[tuple[int, dict[str, int], list[Found]]]:
        """Runs in a process of its own."""
        form = FORMATS[self.format]
        with tempfile.TemporaryDirectory(prefix="weft_files_") as name:
            folder = Path(name)
            watch = _prepare(form, folder)
            for seed in seeds:
                verdict, found = self._take(form, seed, folder, watch)
                yield 1, {verdict: 1}, found

    def _take(self, form: Format, seed: int, folder: Path, watch: Watch) -> tuple[str, list[Found]]:
        inputs = list(self.inputs)
        path = folder / f"input{form.suffix}"
        # There before, so that what ends the process can be looked at.
        kept = self.output / f"{form.name}_{seed}{form.suffix}"
        data = form.mutated(inputs, seed)
        path.write_bytes(data)
        kept.write_bytes(data)
        verdict, fault = fault_of(form, path, watch)
        if fault:
            kept.write_bytes(_smallest(form, inputs, seed, path, watch))
            return "failed", [Found(seed, form.name, fault, str(kept))]
        kept.unlink()
        return verdict, []


def _smallest(form: Format, inputs: list[bytes], seed: int, path: Path, watch: Watch) -> bytes:
    """The file with as few of its changes as still show a fault."""
    kept = set(range(5))
    for number in range(5):
        path.write_bytes(form.mutated(inputs, seed, kept - {number}))
        if fault_of(form, path, watch)[1]:
            kept.discard(number)
    return form.mutated(inputs, seed, kept)


def _prepare(form: Format, folder: Path) -> Watch:
    """Bounds the process, and imports what the format needs before anything is watched."""
    os.environ["WEFT_CACHE_DIR"] = str(folder / "cache")
    os.environ["TMPDIR"] = str(folder)
    os.chdir(folder)
    if form.name.startswith("stablehlo"):
        formats.parse_in_forked_children()
    path = folder / f"first{form.suffix}"
    path.write_bytes(form.corpus()[0])
    watch = Watch(folder)
    fault = fault_of(form, path, watch)[1]
    assert not fault, f"{form.name} does not accept its own input: {fault}"
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + formats.BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return watch


def missing(form: Format) -> list[str]:
    """The modules that the format needs and that are not there."""
    return [name for name in form.needs if importlib.util.find_spec(name) is None]


def hunt(name: str, seeds: range, processes: int, output: Path) -> Tally:
    """The tally of these damaged files of a format."""
    output.mkdir(parents=True, exist_ok=True)
    from weft.profiler import progress

    tally, counted = Tally(), 0
    with progress(name, len(seeds), "files") as report:
        corpus = tuple(FORMATS[name].corpus())
        for tally in run(FileHunt(name, corpus, output), seeds, processes):
            report(advance=tally.programs - counted, faults=len(tally.found))
            counted = tally.programs
    return tally


def main(words: list[str]) -> int:
    """The command line; 1 if anything was found."""
    parser = argparse.ArgumentParser(
        prog="tools/fuzz_files",
        description="Gives damaged files to what reads those of other systems.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=EPILOG,
    )
    parser.add_argument("--format", choices=tuple(FORMATS), action="append", help="default: all")
    parser.add_argument("--count", type=int, default=500, help="files of each (default: 500)")
    parser.add_argument("--seed", type=int, default=0, help="number of the first (default: 0)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=BUILD / "reports" / "files")
    options = parser.parse_args(words)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    seeds, failed = range(options.seed, options.seed + options.count), False
    for name in options.format or FORMATS:
        if lacking := missing(FORMATS[name]):
            print(f"{name}: {', '.join(lacking)} not installed")
            continue
        start = time.monotonic()
        with contextlib.suppress(KeyboardInterrupt):
            tally = hunt(name, seeds, options.processes, options.output)
            for found in tally.found:
                print(f"  {found.seed}: {found.message}\n    {found.file}")
            verdicts = ", ".join(f"{count:,} {what}" for what, count in sorted(tally.modes.items()))
            print(
                f"{name}: {tally.programs:,} damaged files in {time.monotonic() - start:.0f} s: "
                f"{verdicts}; {len(tally.found)} faults",
                flush=True,
            )
            failed = failed or bool(tally.found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
