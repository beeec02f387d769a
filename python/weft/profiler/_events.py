"""What a record consists of, and which event is inside of which."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

#: Kinds of events that are calls of the user's, with the Python frames that they came from.
CALLS = ("call", "operation")
#: Kinds of events that are kernels.
KERNELS = ("kernel", "device kernel")
#: Kinds that say where something belongs, and are no work of their own.
MARKS = ("annotation", "iteration")


@dataclass(frozen=True)
class Source:
    """What an event is about: a kernel, or a call that the user made."""

    name: str
    lines: tuple[str, ...] = ()
    """Of a kernel ``"file.py:12"``, the user's lines in it; of a call the user's Python frames,
    ``"function (file.py:12)"``, the innermost last."""
    operators: tuple[str, ...] = ()
    """Of a kernel: the operations in it, in order."""
    schedule: str = ""
    bytes: int = 0
    """Of a kernel: what it reads and writes, each input and output counted once."""
    operations: int = 0
    """Of a kernel: floating-point operations; a fused multiply-add counts as two."""

    @staticmethod
    def from_row(row: Mapping[str, Any]) -> Source:
        """One of those of the recorder."""
        fixed: dict[str, Any] = {
            name: tuple(v) if isinstance(v, list) else v for name, v in row.items()
        }
        return Source(**fixed)


class Event(NamedTuple):
    """Something that took time on a thread."""

    kind: str
    """"kernel" (a launch), "device kernel", "tasks" (a worker's share of a kernel), "step" (another
    step of a plan), "plan" (a whole run of compiled code), "operation" (an eager one), "call" (of a
    compiled function, backward() or an exported program), "compile" (tracing and the compiler's
    phases), "annotation" (`record_function`), "iteration" (`profile.step`)."""
    name: str
    source: Source | None
    start: int
    """Nanoseconds, as of ``time.monotonic_ns``."""
    duration: int
    """Nanoseconds."""
    bytes_in_use: int
    """Of the host's memory of tensors, at the end of the event."""
    bytes_allocated: int
    """Of a plan: what was allocated for it, its results included."""
    thread: int
    """As the operating system numbers it."""

    @property
    def end(self) -> int:
        """Nanoseconds, as of the same clock."""
        return self.start + self.duration


def events_of(rows: Iterable[tuple]) -> list[Event]:
    """The recorder's rows."""
    sources: dict[int, Source] = {}
    events = []
    for kind, name, source, *figures in rows:
        known = None
        if source is not None:
            known = sources.get(id(source))
            if known is None:
                known = sources[id(source)] = Source.from_row(source)
        events.append(Event(kind, name, known, *figures))
    return events


def thread_names(events: Sequence[Event]) -> dict[int, str]:
    """What the threads of events are called, as far as they still live."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    found = {}
    for number in sorted({event.thread for event in events}):
        name = names.get(number)
        if name is None:
            with suppress(OSError):
                name = Path(f"/proc/self/task/{number}/comm").read_text().strip()
        found[number] = name or f"thread {number}"
    return found


class Nested(NamedTuple):
    """An event, the one that it is inside of (by its number), and the time that is its own."""

    event: Event
    parent: int | None
    own: int


def nested(events: Iterable[Event]) -> list[Nested]:
    """Events with those around them on the same thread, each behind the one that it is inside of.

    Marks and workers' tasks are none of them.
    """
    work = [event for event in events if event.kind not in MARKS and event.kind != "tasks"]
    # What ends later is around what begins at the same time.
    work.sort(key=lambda event: (event.thread, event.start, -event.duration))
    parents: list[int | None] = []
    own = [event.duration for event in work]
    open_: list[int] = []
    for number, event in enumerate(work):
        while open_ and (work[open_[-1]].thread != event.thread or work[open_[-1]].end < event.end):
            open_.pop()
        parent = open_[-1] if open_ else None
        parents.append(parent)
        if parent is not None:
            own[parent] -= event.duration
        open_.append(number)
    return [Nested(event, parent, max(0, time)) for event, parent, time in zip(work, parents, own)]


def line_of(number: int, tree: Sequence[Nested]) -> str:
    """The user's lines of an event: those of its kernel; of an eager operation's kernel, which all
    places share that call it, the line of the call; of others, that of the call around them."""
    source = tree[number].event.source
    around: int | None = number
    while around is not None:
        event = tree[around].event
        if event.kind in CALLS and event.source is not None and event.source.lines:
            if event.kind == "call" and tree[number].event.kind in KERNELS and source:
                return ", ".join(source.lines) or place_of(event.source.lines[-1])
            return place_of(event.source.lines[-1])
        around = tree[around].parent
    return ", ".join(source.lines) if source and tree[number].event.kind in KERNELS else ""


def plain_name(name: str) -> str:
    """A kernel's name without the hash that tells it from others."""
    return re.sub(r"_[0-9a-f]{32}$", "", name)


def place_of(frame: str) -> str:
    """ "file.py:12" of "function (file.py:12)"."""
    return frame[frame.rfind("(") + 1 : -1] if frame.endswith(")") else frame
