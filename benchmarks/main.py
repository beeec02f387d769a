"""Measures Weft beside the peers that are installed, and prints a table of ratios.

Each case runs Weft and its peers in turn, several rounds, in one process; imports, first results
and memory take fresh processes. A bar that is missed is information: the exit status is 1 only if
something could not be measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lengths
import peers
import schedules
from harness import Row
from processes import FOLDER, PROBES, MeasurementError, measured_rows, probed_row
from report import comparison, table, verdict
from rich.console import Console

CASES = {
    "calls": "one",
    "matmul": "both",
    "elementwise": "both",
    "movement": "both",
    "attention": "both",
    "convolution": "both",
    "updates": "both",
    "training": "all",
    "models": "both",
    "artifact": "one",
}
"""Groups of cases; with one thread, with all, or both."""
GROUPS = tuple(dict.fromkeys((*CASES, *PROBES)))
MACHINE_CORES = len(os.sched_getaffinity(0))


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
            arguments.compare = [
                Row.from_json(row) for row in json.loads(arguments.compare.read_text())
            ]
        except (OSError, ValueError, TypeError, KeyError) as error:
            parser.error(f"--compare: no samples of another run: {error}")


def _thread_counts(group: str, chosen: int | None) -> list[int]:
    if chosen:
        return [chosen]
    counts = {"one": [1], "both": [1, MACHINE_CORES], "all": [MACHINE_CORES]}
    return sorted(set(counts[CASES.get(group, "all")]))


def _rows(group: str, rounds: int, threads: int) -> Iterator[Row]:
    if group in CASES:
        yield from measured_rows(group, rounds, threads)
    for probe in PROBES.get(group, ()):
        yield probed_row(probe, max(1, rounds // 3), threads)


def _measure_all(arguments: argparse.Namespace, console: Console) -> tuple[list[Row], bool]:
    rows: list[Row] = []
    complete = True
    with console.status("") as status:
        for group in arguments.only or GROUPS:
            for threads in _thread_counts(group, arguments.threads):
                status.update(f"{group}, {threads} threads ({len(rows)} rows)")
                try:
                    rows.extend(_rows(group, arguments.rounds, threads))
                except MeasurementError as error:
                    complete = False
                    console.print(f"{group}: failed: {error}", markup=False)
    return rows, complete


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


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
    console.print(f"{_processor()}, {MACHINE_CORES} cores, load {os.getloadavg()[0]:.1f}")
    for line in peers.missing():
        console.print(line)
    rows, complete = _measure_all(arguments, console)
    console.print(table(rows))
    outcomes = [verdict(row) for row in rows]
    console.print(f"bars: {outcomes.count('pass')} passed, {outcomes.count('miss')} missed")
    if arguments.compare:
        console.print(comparison(rows, arguments.compare))
    if arguments.json:
        arguments.json.write_text(json.dumps([row.to_json() for row in rows], indent=1) + "\n")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
