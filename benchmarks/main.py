"""Measures Weft beside the peers that are installed, and prints a table of ratios.

Each case runs Weft and its peers in turn, several rounds, in one process; imports, first results
and memory take fresh processes. A bar that is missed is information: the exit status is 1 only if
something could not be measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import lengths
import machine
import peers
import picture
import schedules
from harness import Row
from processes import FOLDER, PROBES, MeasurementError, measured_rows, probed_row
from report import comparison, means, table, verdict
from rich.console import Console

CASES = {
    "calls": "one",
    "matmul": "both",
    "elementwise": "both",
    "movement": "both",
    "attention": "both",
    "convolution": "both",
    "updates": "both",
    "loops": "one",
    "training": "all",
    "models": "both",
    "narrow": "both",
    "kernels": "both",
    "artifact": "one",
    "bridge": "both",
    "onnx_files": "both",
    "gpu": "one",
}
"""Groups of cases; with one thread, with all, or both."""
GROUPS = tuple(dict.fromkeys((*CASES, *PROBES)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="benchmarks/run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--only",
        metavar="NAME",
        action="append",
        choices=GROUPS,
        help=f"one of {', '.join(GROUPS)}; may be repeated",
    )
    add(
        "--threads",
        metavar="N",
        type=int,
        help="threads of every framework (default: 1 and all cores)",
    )
    add(
        "--rounds",
        metavar="N",
        type=int,
        default=15,
        help="samples of each contender (default: 15; a third where each takes a process)",
    )
    add("--json", metavar="FILE", type=Path, help="write all samples there")
    add(
        "--compare",
        metavar="FILE",
        type=Path,
        help="print Weft beside itself in such a file, corrected by what the peers changed",
    )
    add(
        "--picture",
        metavar="FILE",
        type=Path,
        help="draw the best peer beside Weft there; the suffix is the format: .svg, .png, .pdf",
    )
    add(
        "--profile",
        action="store_true",
        help="print the kernels of the training step, and measure nothing",
    )
    add(
        "--lengths",
        metavar="SHAPE",
        nargs="*",
        help="measure compile time against the length of programs (of these shapes; default: all)",
    )
    add(
        "--schedules",
        action="store_true",
        help="measure all schedules of well-known contractions beside those that Weft chooses",
    )
    arguments = parser.parse_args()
    _check(parser, arguments)
    return arguments


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Reads what `--compare` names; ends the program if an option is wrong."""
    for option in ("rounds", "threads"):
        if (value := getattr(arguments, option)) is not None and value < 1:
            parser.error(f"--{option}: has to be at least 1, not {value}")
    if arguments.compare:
        try:
            samples = json.loads(arguments.compare.read_text())["rows"]
            arguments.compare = [Row.from_json(row) for row in samples]
        except (OSError, ValueError, TypeError, KeyError) as error:
            parser.error(f"--compare: no samples of another run: {error}")


def _thread_counts(group: str, chosen: int | None) -> list[int]:
    if chosen:
        return [chosen]
    counts = {"one": [1], "both": [1, machine.CORES], "all": [machine.CORES]}
    return sorted(set(counts[CASES.get(group, "all")]))


def _rows(group: str, rounds: int, threads: int) -> Iterator[Row]:
    if group in CASES:
        yield from measured_rows(group, rounds, threads)
    for probe in PROBES.get(group, ()):
        yield replace(probed_row(probe, max(1, rounds // 3), threads), group=group)


def _measure_all(arguments: argparse.Namespace, console: Console) -> tuple[list[Row], bool]:
    from weft.profiler import progress

    rows: list[Row] = []
    complete = True
    groups = arguments.only or GROUPS
    runs = [(group, n) for group in groups for n in _thread_counts(group, arguments.threads)]
    with progress("measuring", len(runs), "groups", lines=len(runs), console=console) as report:
        for group, threads in runs:
            try:
                rows.extend(_rows(group, arguments.rounds, threads))
            except MeasurementError as error:
                complete = False
                console.print(f"{group}: failed: {error}", markup=False)
            report(title=f"{group}, {threads} threads", rows=len(rows))
    return rows, complete


def main() -> int:
    arguments = _arguments()
    if arguments.profile:
        program = "import network; print(network.weft_profile())"
        return subprocess.run([sys.executable, "-c", program], cwd=FOLDER).returncode
    console = Console(width=None if sys.stdout.isatty() else 160)
    if arguments.lengths is not None:
        return 0 if lengths.run(console, arguments.lengths) else 1
    if arguments.schedules:
        return 0 if schedules.run(console, arguments.threads or 1) else 1
    if arguments.picture and not peers.installed("matplotlib"):
        console.print("--picture needs the package matplotlib, which is not installed")
        return 1
    facts = machine.record()
    console.print(machine.line(facts))
    for line in peers.missing():
        console.print(line)
    rows, complete = _measure_all(arguments, console)
    console.print(table(rows))
    console.print(means(rows))
    outcomes = [verdict(row) for row in rows]
    console.print(f"bars: {outcomes.count('pass')} passed, {outcomes.count('miss')} missed")
    if arguments.compare:
        console.print(comparison(rows, arguments.compare))
    if arguments.json:
        samples = {"machine": facts, "rows": [row.to_json() for row in rows]}
        arguments.json.write_text(json.dumps(samples, indent=1) + "\n")
    if arguments.picture:
        picture.draw(rows, arguments.picture, machine.line(facts))
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
