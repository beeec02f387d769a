"""Interleaved measurements of one computation by several frameworks."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

WEFT = "weft"


@dataclass
class Bar:
    """What an issue asks for; `limit` is in seconds (or bytes), or a factor of the peers' best."""

    text: str
    limit: float
    peers: tuple[str, ...] = ()

    def met(self, values: dict[str, float]) -> bool | None:
        """None if no peer of the bar was measured."""
        if not self.peers:
            return values[WEFT] <= self.limit
        best = [values[peer] for peer in self.peers if peer in values]
        return values[WEFT] <= self.limit * min(best) if best else None


@dataclass
class Case:
    """One computation. Each contender is a call that returns when its result is there."""

    name: str
    contenders: dict[str, Callable[[], object]]
    bar: Bar | None = None
    operations: float = 0.0
    """Floating-point operations of a call, for GFLOP/s; 0 if of no interest."""
    notes: list[str] = field(default_factory=list)
    """What was measured beside the calls."""


@dataclass
class Row:
    """The samples of a case: seconds of a call, bytes, or kernels."""

    name: str
    samples: dict[str, list[float]]
    bar: Bar | None = None
    operations: float = 0.0
    unit: str = "s"
    threads: int = 0
    notes: list[str] = field(default_factory=list)
    group: str = ""

    def minima(self) -> dict[str, float]:
        return {name: min(values) for name, values in self.samples.items()}

    def medians(self) -> dict[str, float]:
        return {name: statistics.median(values) for name, values in self.samples.items()}

    def ratio(self) -> float | None:
        """The least of the peers (those of the bar, if it names some) to Weft; None without any."""
        minima = self.minima()
        peers = (self.bar.peers if self.bar else ()) or tuple(minima)
        others = [minima[peer] for peer in peers if peer in minima and peer != WEFT]
        return min(others) / minima[WEFT] if others else None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Row:
        bar = data.pop("bar")
        return cls(bar=Bar(**bar) if bar else None, **data)


def _seconds(call: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - start) / repeats


def _repeats(call: Callable[[], object], sample_seconds: float) -> int:
    """How many calls make a sample of the wanted length."""
    repeats = 1
    while (seconds := _seconds(call, repeats)) * repeats < sample_seconds / 4:
        repeats *= 4
    return max(1, round(sample_seconds / seconds))


def _await_rest() -> None:
    """Waits until no thread of this process computes: workers go on spinning behind a call, some
    for a tenth of a second, on the cores of who comes next."""
    for _ in range(200):
        before = time.process_time()
        time.sleep(0.005)
        if time.process_time() - before < 0.0005:
            return


def measure(case: Case, rounds: int, threads: int, sample_seconds: float = 0.01) -> Row:
    """Runs the contenders in turn, `rounds` times, in an order that turns.

    Before a sample the threads of the framework before have come to rest, and one call is not
    counted, so that those of this one wake up.
    """
    repeats = {}
    for name, call in case.contenders.items():
        for _ in range(2):
            call()
        repeats[name] = _repeats(call, sample_seconds)
    samples: dict[str, list[float]] = {name: [] for name in case.contenders}
    order = list(case.contenders)
    for _ in range(rounds):
        for name in order:
            call = case.contenders[name]
            _await_rest()
            call()
            samples[name].append(_seconds(call, repeats[name]))
        order = order[1:] + order[:1]
    return Row(
        case.name, samples, case.bar, case.operations, threads=threads, notes=list(case.notes)
    )
