"""The profiler: what is recorded, when, and what becomes of it."""

from __future__ import annotations

import functools
import itertools
import operator
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from .. import _core
from .._arguments import explain_errors
from .._creation import _fail
from .._errors import DTypeError, OptionError
from .._paths import written
from ._events import MARKS, Event, events_of, thread_names
from ._flame import folded, folded_text, svg
from ._table import table
from ._trace import trace_text

#: The profiler that records now.
_recording: profile | None = None


def schedule(
    *, wait: int = 0, warmup: int = 0, active: int, repeat: int = 0, skip_first: int = 0
) -> Callable[[int], bool]:
    """Which steps of a loop `profile` records.

    After ``skip_first`` steps come cycles: of ``wait`` and ``warmup`` steps nothing is recorded, of
    the next ``active`` ones all. There are ``repeat`` cycles; with 0 they go on to the end.

    Returns a function of the step's number, as another one may be given.

    Raises:
        OptionError: a number is negative, or ``active`` is 0.
    """
    numbers = {
        "wait": wait,
        "warmup": warmup,
        "active": active,
        "repeat": repeat,
        "skip_first": skip_first,
    }
    for name, number in numbers.items():
        if number < (name == "active"):
            least = int(name == "active")
            raise _fail(OptionError, f"schedule: {name} is {number}; it has to be at least {least}")
    length = wait + warmup + active

    def records(step: int) -> bool:
        cycle, place = divmod(step - skip_first, length)
        return cycle >= 0 and (not repeat or cycle < repeat) and place >= wait + warmup

    return records


class profile:  # noqa: N801 (as in PyTorch, it is written like a function)
    """Records what runs between its begin and its end, on all threads of the process.

    ::

        with weft.profiler.profile() as p:
            train(batch)
        print(p)  # where the time went
        p.save("trace.json")  # for ui.perfetto.dev
        p.flame_graph("train.svg")

    Recorded are: calls of compiled functions, eager operations, backward() and exported programs;
    every step of what they run, with the operations that are in a kernel and the user's lines that
    these come from; tracing, and the phases of the compiler; what worker threads do; the memory of
    tensors after each. A device runs its kernels one at a time meanwhile, so that each has its
    time.

    Args:
        schedule: which steps of a loop are recorded, as `schedule` gives it; the loop calls `step`.
            Without, all is.
        on_trace_ready: called with the profiler when a run of recorded steps is over, or at the
            end; the next run begins a record anew.
        limit: the most events that are kept; of those that come later `dropped` counts.

    Raises:
        DTypeError: an argument is no function, or no integer. OptionError: the limit is negative;
            at the begin, the process is recorded already. OutOfMemoryError: at the begin, there is
            no room for so many events.
    """

    def __init__(
        self,
        *,
        schedule: Callable[[int], bool] | None = None,
        on_trace_ready: Callable[[profile], Any] | None = None,
        limit: int = 1_000_000,
    ) -> None:
        limit = operator.index(limit)
        for name, function in (("schedule", schedule), ("on_trace_ready", on_trace_ready)):
            if function is not None and not callable(function):
                raise _fail(DTypeError, f"profile: {name} has to be a function, not {function!r}")
        if limit < 0:
            raise _fail(OptionError, f"profile: a limit of {limit} events; it has to be at least 0")
        self.events: list[Event] = []
        """In the order in which they ended."""
        self.dropped = 0
        """How many events there were beyond the limit."""
        self.threads: dict[int, str] = {}
        """What the threads are called, by their numbers."""
        self.limit = limit
        self.step_number = 0
        """Of the step that runs."""
        self._schedule, self._ready = schedule, on_trace_ready
        self._marks: list[Event] = []
        self._marks_lock = threading.Lock()
        self._is_started = self._is_on = False
        self._step_began = 0

    # When it records --------------------------------------------------------------------------

    def start(self) -> None:
        """Begins; `with` does it too. Raises OptionError if the process is recorded already."""
        if self._is_started or _recording is not None:
            raise _fail(OptionError, "profile: the process is recorded already; one at a time")
        self._is_started, self.step_number = True, 0
        self._step_began = time.monotonic_ns()
        self._follow_schedule()

    def stop(self) -> None:
        """Ends; `with` does it too, whatever happened inside. Raises OptionError if it did not
        begin."""
        if not self._is_started:
            raise _fail(OptionError, "profile: stop() before start()")
        self._end_step()
        self._is_started = False
        self._switch(False)

    def step(self) -> None:
        """Says that one step of a loop is over and the next begins.

        Raises OptionError outside of the profiler.
        """
        if not self._is_started:
            raise _fail(OptionError, "profile: step() before start()")
        self._end_step()
        self.step_number += 1
        self._step_began = time.monotonic_ns()
        self._follow_schedule()

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_started:
            self.stop()

    def _follow_schedule(self) -> None:
        self._switch(self._schedule is None or bool(self._schedule(self.step_number)))

    def _end_step(self) -> None:
        if self._is_on and (self._schedule is not None or self.step_number > 0):
            began = self._step_began
            self._mark("iteration", f"step {self.step_number}", began, time.monotonic_ns() - began)

    def _switch(self, on: bool) -> None:
        global _recording
        if on == self._is_on:
            return
        if on:
            if self._ready is not None:
                self.events, self.threads, self.dropped = [], {}, 0
            _core.start_recording(max(0, self.limit - len(self.events)))
            _recording = self
        else:
            _recording = None
            rows, dropped = _core.stop_recording()
            with self._marks_lock:
                found, self._marks = [*events_of(rows), *self._marks], []
            room = max(0, self.limit - len(self.events))
            self.events += found[:room]
            self.threads |= thread_names(found[:room])
            self.dropped += dropped + len(found[room:])
        self._is_on = on
        if not on and self._ready is not None:
            self._ready(self)

    def _mark(self, kind: str, name: str, start: int, duration: int) -> None:
        in_use = _core.bytes_in_use()
        event = Event(kind, name, None, start, duration, in_use, 0, threading.get_native_id())
        with self._marks_lock:
            if len(self._marks) < self.limit:
                self._marks.append(event)
            else:
                self.dropped += 1

    # What was recorded ------------------------------------------------------------------------

    @property
    def peak_bytes(self) -> int:
        """The most memory of tensors that was in use at the end of an event."""
        return max((event.bytes_in_use for event in self.events), default=0)

    def save(self, path: str | os.PathLike) -> None:
        """Writes a trace for https://ui.perfetto.dev, ``chrome://tracing`` and, in a file whose
        name ends in ``.pt.trace.json``, TensorBoard's plugin torch-tb-profiler. The file is in
        Chrome's trace event format, whole or not at all.

        Raises:
            FileError: it can't be written.
        """
        with written(path, "a trace", folders=True) as file:
            file.writelines(trace_text(self.events, self.threads, self.dropped, self.limit))

    def flame_graph(self, path: str | os.PathLike) -> None:
        """Draws the time of each line: a picture if the path ends in ``.svg``, else folded stacks,
        the nanoseconds behind each, which speedscope and flamegraph.pl read.

        Raises:
            FileError: it can't be written.
        """
        times = folded(self.events)
        text = svg(times) if str(os.fsdecode(path)).endswith(".svg") else folded_text(times)
        with written(path, "a flame graph", folders=True) as file:
            file.write(text)

    def stacks(self) -> dict[tuple[str, ...], int]:
        """Nanoseconds by stack: frames, lines, kernels and phases of the compiler, outermost
        first."""
        return folded(self.events)

    def table(self, by: str = "kernel", rows: int = 25) -> str:
        """Where the time went, the longest first; what printing the profiler shows.

        Args:
            by: "kernel", "line" (of the user's), or "call".
            rows: so many at most.

        Raises:
            OptionError: there is no such table, or ``rows`` is negative. UnsupportedError: the
                package rich is missing.
        """
        return table(self.events, self.dropped, by, rows)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        marks = sum(event.kind in MARKS for event in self.events)
        return f"<profile: {len(self.events) - marks} events, {self.dropped} dropped>"


class record_function:  # noqa: N801 (as in PyTorch)
    """Gives what runs inside of it a name in the record; also a decorator.

    ::

        with weft.profiler.record_function("load"):
            batch = next(batches)
    """

    def __init__(self, name: str) -> None:
        # Files of text have no halves of characters.
        self.name = str(name).encode("utf-8", "backslashreplace").decode()
        self._began: list[int] = []

    def __enter__(self) -> record_function:
        self._began.append(time.monotonic_ns())
        return self

    def __exit__(self, *_: object) -> None:
        began, profiler = self._began.pop(), _recording
        if profiler is not None:
            profiler._mark("annotation", self.name, began, time.monotonic_ns() - began)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def named(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name):
                return function(*args, **kwargs)

        return named


def tensorboard_trace_handler(folder: str | os.PathLike) -> Callable[[profile], None]:
    """For ``on_trace_ready``: each trace becomes a file of the folder, by the names that
    TensorBoard's plugin torch-tb-profiler looks for. Raises FileError where it can't be written."""
    counter = itertools.count()

    def save(profiler: profile) -> None:
        worker = f"{socket.gethostname()}_{os.getpid()}"
        moment = time.time_ns() // 1_000_000 + next(counter)
        profiler.save(os.path.join(os.fsdecode(folder), f"{worker}.{moment}.pt.trace.json"))

    return save


explain_errors(globals(), ["schedule", "tensorboard_trace_handler"])
explain_errors(profile, ["__init__", "save", "flame_graph", "table"])
