"""Requests that wait for a model: how many, how long, and which are computed together."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

from ._program import Arrays, Program, kind_of, rows_of
from ._refusals import ClosedError, Kind, RefusedError, refusal_of
from ._settings import ModelSettings


@dataclass
class _Job:
    arrays: Arrays
    deadline: float
    rows: int = 1
    kind: tuple = ()
    arrived: float = field(default_factory=time.monotonic)
    future: Future = field(default_factory=Future)


@dataclass(frozen=True)
class Timing:
    """What a turn took: requests and rows, how long each waited, and how long they computed."""

    waited: Sequence[float]
    rows: int
    computed: float


class RequestQueue:
    """Requests in the order of their arrival, and the thread that computes them.

    Rows of requests are computed together if the model says so: those that are there, or come
    within its delay, up to its number of rows. Requests whose rows have other sizes keep their
    places and have a turn of their own.
    """

    def __init__(
        self, program: Program, settings: ModelSettings, watch: Callable[[Timing], Any]
    ) -> None:
        self._program, self._settings, self._watch = program, settings, watch
        self._jobs: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._open = True
        self._thread = threading.Thread(target=self._work, name="weft-serving", daemon=True)
        self._thread.start()

    def submit(self, arrays: Arrays, deadline: float) -> Future:
        """The future outputs of a request that was checked.

        Args:
            deadline: the time by `time.monotonic` after which nobody waits any more.

        Raises:
            RefusedError: so many wait that there is no place, or the model is being unloaded.
        """
        job = _Job(arrays, deadline)
        if self._program.batched:
            job.rows, job.kind = rows_of(arrays), kind_of(arrays)
        with self._changed:
            if not self._open:
                raise ClosedError
            if len(self._jobs) >= self._settings.max_queue:
                # Those that nobody waits for any more give their places.
                self._jobs = deque(job for job in self._jobs if not job.future.cancelled())
            if len(self._jobs) >= self._settings.max_queue:
                raise RefusedError(
                    Kind.FULL, f"{len(self._jobs)} requests wait for the model: try again later"
                )
            self._jobs.append(job)
            self._changed.notify()
        return job.future

    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._jobs)

    def close(self, seconds: float) -> bool:
        """Takes no more requests, and waits for those that are there.

        Returns:
            Whether all were computed in this time; those that were not are refused.
        """
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join(seconds)
        finished = not self._thread.is_alive()
        with self._changed:
            left, self._jobs = list(self._jobs), deque()
            self._changed.notify()
        for job in left:
            _finish(job, RefusedError(Kind.UNAVAILABLE, "the server stops"))
        return finished

    def _work(self) -> None:
        while True:
            jobs = self._next()
            if jobs is None:
                return
            self._compute([job for job in jobs if _begins(job)])

    def _next(self) -> list[_Job] | None:
        """The requests of the next turn; None: there will be none."""
        with self._changed:
            while not self._jobs:
                if not self._open:
                    return None
                self._changed.wait()
            if self._program.batched:
                self._wait_for_more(self._jobs[0])
            return self._take()

    def _wait_for_more(self, first: _Job) -> None:
        end = first.arrived + self._settings.max_delay_ms / 1000
        while self._open and self._jobs:
            rows = sum(job.rows for job in self._jobs if job.kind == first.kind)
            left = end - time.monotonic()
            if left <= 0 or rows >= self._settings.max_batch_size:
                return
            self._changed.wait(left)

    def _take(self) -> list[_Job]:
        """The first request, and those that are computed with it."""
        taken: list[_Job] = []
        kept: deque[_Job] = deque()
        rows = 0
        for job in self._jobs:
            fits = taken and self._program.batched and job.kind == taken[0].kind
            if not taken or (fits and rows + job.rows <= self._settings.max_batch_size):
                taken.append(job)
                rows += job.rows
            else:
                kept.append(job)
        self._jobs = kept
        return taken

    def _compute(self, jobs: list[_Job]) -> None:
        if not jobs:
            return
        begin = time.monotonic()
        try:
            if len(jobs) == 1:
                results = [self._program.run(jobs[0].arrays)]
            else:
                results = self._program.run_together([job.arrays for job in jobs])
        except BaseException as error:
            # One of several may be at fault, and the others are not to suffer.
            if len(jobs) > 1:
                for job in jobs:
                    self._compute([job])
            else:
                _finish(jobs[0], refusal_of(error))
            return
        waited = [begin - job.arrived for job in jobs]
        self._watch(Timing(waited, sum(job.rows for job in jobs), time.monotonic() - begin))
        for job, result in zip(jobs, results, strict=True):
            _finish(job, result)


def _begins(job: _Job) -> bool:
    """Whether somebody still waits for a request; it can't be cancelled any more then."""
    if not job.future.set_running_or_notify_cancel():
        return False
    if job.deadline < time.monotonic():
        _finish(job, RefusedError(Kind.LATE, "the request waited longer than it may"))
        return False
    return True


def _finish(job: _Job, result: Any) -> None:
    # Who waits may leave at any moment, and another thread may have finished it.
    with contextlib.suppress(InvalidStateError):
        if isinstance(result, BaseException):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
