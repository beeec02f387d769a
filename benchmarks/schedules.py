"""How good the cost model of contractions is: its choice beside all candidates, measured."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

SCRIPT = Path(__file__).parent / "contractions.py"
LEAST_RATIO = 0.8
"""Of the fastest candidate's time to that of the model's choice, for each contraction."""
LEAST_MEAN = 0.93
"""Of the ratios, geometric."""
ALL_CANDIDATES = "1000"


def _measure(threads: int) -> list[dict]:
    """What contractions.py prints, with an empty disk cache. Raises CalledProcessError."""
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {
            "WEFT_TUNE": ALL_CANDIDATES,
            "WEFT_CACHE_DIR": cache,
            "WEFT_NUM_THREADS": str(threads),
        }
        command = [sys.executable, str(SCRIPT)]
        result = subprocess.run(
            command, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    return json.loads(result.stdout)


def run(console: Console, threads: int) -> bool:
    """Measures all contractions and prints a table; True if the bars are kept."""
    table = Table("contraction", "candidates", "chosen", "fastest", "ratio", "chosen schedule")
    ratios = []
    for row in _measure(threads):
        chosen = next(entry for entry in row["schedules"] if entry[3])
        fastest = row["schedules"][0]
        ratios.append(fastest[2] / chosen[2])
        table.add_row(
            row["name"],
            str(len(row["schedules"])),
            f"{chosen[2] / 1e3:.1f} us",
            f"{fastest[2] / 1e3:.1f} us",
            f"{ratios[-1]:.2f}",
            chosen[0].removeprefix("#weft.contraction"),
            style=None if ratios[-1] >= LEAST_RATIO else "bold",
        )
    console.print(table)
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    kept = mean >= LEAST_MEAN and min(ratios) >= LEAST_RATIO
    console.print(
        f"{threads} threads: geometric mean {mean:.2f} (bar {LEAST_MEAN}), least "
        f"{min(ratios):.2f} (bar {LEAST_RATIO}): {'pass' if kept else 'miss'}"
    )
    return kept
