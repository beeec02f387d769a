"""Runs programs in processes of their own, so that one that crashes or hangs is found as well."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Programs of one process, which starts anew then.
CHUNK = 400
#: Seconds after which a program is taken to hang.
PATIENCE = 120.0


@dataclass(frozen=True)
class Found:
    """A program that differs: its number, the mode, what differs, and a file that shows it."""

    seed: int
    mode: str
    message: str
    file: str = ""


@dataclass
class Tally:
    """How many programs ran in each mode, and what was found."""

    programs: int = 0
    modes: Counter[str] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)


#: Runs the programs of some numbers; gives for each (or for some at once) the modes and the finds.
Hunt = Callable[[Sequence[int]], Iterator[tuple[int, dict[str, int], list[Found]]]]


def _work(hunt: Hunt, seeds: range, pipe: Any) -> None:
    os.environ.setdefault("WEFT_NUM_THREADS", "2")
    # Ctrl-C reaches all processes; the first one ends the run, with its totals.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for report in hunt(seeds):
        pipe.send(report)
    pipe.send(None)


@dataclass
class _Worker:
    process: Any
    pipe: Any
    seeds: range
    done: int = 0
    since: float = field(default_factory=time.monotonic)


def _start(hunt: Hunt, seeds: range) -> _Worker:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(hunt, seeds, there), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here, seeds)


def _ended(worker: _Worker, why: str) -> tuple[list[Found], range]:
    """A worker that did not come to its end: what it had before itself, and what is left."""
    worker.process.kill()
    worker.process.join()
    at = worker.seeds.start + worker.done
    return [Found(at, "crash", why)], range(at + 1, worker.seeds.stop)


def run(hunt: Hunt, seeds: range, processes: int) -> Iterator[Tally]:
    """Runs all; gives the tally so far, again and again."""
    tally = Tally()
    waiting = [seeds[i : i + CHUNK] for i in range(0, len(seeds), CHUNK)][::-1]
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < processes:
                workers.append(_start(hunt, waiting.pop()))
            rest = _rest_of_ended(workers, tally)
            waiting += [seeds for seeds in rest if seeds]
            yield tally
    finally:
        for worker in workers:
            worker.process.kill()


def _rest_of_ended(workers: list[_Worker], tally: Tally) -> list[range]:
    """Takes what has been reported; workers that have ended go, and what they left is given."""
    left = []
    ready = multiprocessing.connection.wait([w.pipe for w in workers], 1.0)
    for worker in list(workers):
        finished, why = False, ""
        if worker.pipe in ready:
            finished, why = _receive(worker, tally)
        elif time.monotonic() - worker.since > PATIENCE:
            why = f"takes more than {PATIENCE:.0f} s"
        if why:
            found, rest = _ended(worker, why)
            tally.found += found
            left.append(rest)
        if finished or why:
            workers.remove(worker)
    return left


def _receive(worker: _Worker, tally: Tally) -> tuple[bool, str]:
    """Takes one report: whether the worker is done, and why it ended before."""
    try:
        report = worker.pipe.recv()
    except EOFError:
        worker.process.join()
        return False, f"the process ended with {worker.process.exitcode}"
    if report is None:
        worker.process.join()
        return True, ""
    count, modes, found = report
    worker.done += count
    worker.since = time.monotonic()
    tally.programs += count
    tally.modes.update(modes)
    tally.found += found
    return False, ""
