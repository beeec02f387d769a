"""Records as files of Chrome's trace event format, which Perfetto and TensorBoard's plugin read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from ._events import MARKS, Event

#: Categories as readers of such files know them.
_CATEGORIES = {"device kernel": "kernel", "annotation": "user_annotation"}


def _arguments(event: Event) -> dict[str, Any]:
    arguments: dict[str, Any] = {"kind": event.kind}
    source = event.source
    if source is not None:
        if event.kind in ("call", "operation"):
            arguments["Call stack"] = ";".join(source.lines)
        elif source.lines:
            arguments["lines"] = list(source.lines)
        for name in ("operators", "schedule", "bytes", "operations"):
            if value := getattr(source, name):
                arguments[name] = list(value) if isinstance(value, tuple) else value
    if event.bytes_allocated:
        arguments["bytes allocated"] = event.bytes_allocated
    return arguments


def _named(names: dict[int, str], process: int) -> Iterator[dict[str, Any]]:
    def metadata(kind: str, thread: int, **arguments: Any) -> dict[str, Any]:
        return {"ph": "M", "name": kind, "pid": process, "tid": thread, "args": arguments}

    yield metadata("process_name", 0, name=f"weft {process}")
    for order, (number, name) in enumerate(names.items()):
        yield metadata("thread_name", number, name=name)
        yield metadata("thread_sort_index", number, sort_index=order)


def trace_events(
    events: Sequence[Event], threads: dict[int, str], dropped: int
) -> Iterator[dict[str, Any]]:
    """The events of a file. Times are microseconds since the first."""
    process = os.getpid()
    origin = min((event.start for event in events), default=0)
    yield from _named(threads, process)
    for event in sorted(events, key=lambda event: event.start):
        category = _CATEGORIES.get(event.kind, "cpu_op")
        name = event.name
        if event.kind == "iteration":
            category, name = "user_annotation", name.replace("step ", "ProfilerStep#")
        yield {
            "ph": "X",
            "cat": category,
            "name": name,
            "pid": process,
            "tid": event.thread,
            "ts": (event.start - origin) / 1000,
            "dur": event.duration / 1000,
            "args": _arguments(event),
        }
        if event.kind not in MARKS:
            yield {
                "ph": "C",
                "cat": "memory",
                "name": "memory of tensors",
                "pid": process,
                "tid": 0,
                "ts": (event.end - origin) / 1000,
                "args": {"bytes in use": event.bytes_in_use},
            }
    if dropped:
        end = max((event.end for event in events), default=0)
        yield {
            "ph": "i",
            "cat": "cpu_op",
            "name": f"{dropped} later events were dropped: the record was full",
            "pid": process,
            "tid": 0,
            "ts": (end - origin) / 1000,
            "s": "g",
            "args": {"dropped": dropped},
        }


def trace_text(
    events: Sequence[Event], threads: dict[int, str], dropped: int, limit: int
) -> Iterator[str]:
    """The file, in pieces."""
    about = {"program": "weft", "events": len(events), "limit": limit, "dropped": dropped}
    yield f'{{"schemaVersion": 1, "displayTimeUnit": "ns", "otherData": {json.dumps(about)},\n'
    yield '"traceEvents": [\n'
    for number, event in enumerate(trace_events(events, threads, dropped)):
        yield (",\n" if number else "") + json.dumps(event)
    yield "\n]}\n"
