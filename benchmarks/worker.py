"""Measures one group of cases in this process; prints rows as lines of JSON.

Run as ``worker.py GROUP ROUNDS THREADS`` with the numbers of threads set in the environment.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

from harness import measure


def main(group: str, rounds: int, threads: int) -> None:
    # What libraries print, exporters above all, goes where errors go.
    with os.fdopen(os.dup(1), "w") as rows:
        os.dup2(2, 1)
        for case in importlib.import_module(group).cases():
            print(json.dumps(measure(case, rounds, threads).to_json()), file=rows, flush=True)
            del case  # Before the next one is made.


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
