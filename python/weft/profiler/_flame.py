"""Flame graphs: time by the user's frames and lines, as folded stacks and as a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from ._events import CALLS, KERNELS, Event, line_of, nested, plain_name

_WIDTH, _ROW = 1200, 17


def folded(events: Sequence[Event]) -> dict[tuple[str, ...], int]:
    """Nanoseconds by stack: the user's frames, the function, its line, the kernel or the phase of
    the compiler. What workers did meanwhile is no part."""
    tree = nested(events)
    paths: list[tuple[str, ...]] = []
    frames: list[tuple[str, ...]] = []
    times: dict[tuple[str, ...], int] = {}
    for number, (event, parent, own) in enumerate(tree):
        path = paths[parent] if parent is not None else ()
        around = frames[parent] if parent is not None else ()
        if event.kind in CALLS and event.source is not None:
            called = event.source.lines
            shared = 0
            while shared < min(len(called), len(around)) and called[shared] == around[shared]:
                shared += 1
            path, around = (*path, *called[shared:], event.name), called
        elif event.kind in KERNELS:
            inner = parent is not None and tree[parent].event.kind == "operation"
            line = "" if inner else line_of(number, tree)
            path = (*path, *([line] if line else ()), plain_name(event.name))
        elif event.kind != "plan":
            path = (*path, event.name)
        paths.append(path)
        frames.append(around)
        if own and path:
            times[path] = times.get(path, 0) + own
    return times


def folded_text(times: dict[tuple[str, ...], int]) -> str:
    """One line for each stack: the frames with semicolons between them, and its nanoseconds."""
    lines = []
    for path, time in sorted(times.items()):
        stack = ";".join(frame.replace(";", ",").replace("\n", " ") for frame in path)
        lines.append(f"{stack} {time}\n")
    return "".join(lines)


@dataclass
class _Box:
    time: int = 0
    inner: dict[str, _Box] = field(default_factory=dict)

    def rows(self) -> int:
        return 1 + max((box.rows() for box in self.inner.values()), default=0)


def _boxes(times: dict[tuple[str, ...], int]) -> _Box:
    root = _Box()
    for path, time in times.items():
        box = root
        box.time += time
        for frame in path:
            box = box.inner.setdefault(frame, _Box())
            box.time += time
    return root


#: What no file of XML has, whatever stands for it.
_NO_XML = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def _escaped(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text))


def _drawn(name: str, box: _Box, x: float, row: int, scale: float, total: int) -> Iterator[str]:
    width, y = box.time * scale, row * _ROW
    if width < 0.3:
        return
    hue = 20 + sum(name.encode()) % 40
    share = 100 * box.time / max(total, 1)
    title = f"{name}: {box.time / 1e6:.3f} ms, {share:.2f} %"
    letters = int(width / 6.6)
    text = name if len(name) <= letters else name[: max(letters - 2, 0)] + ".."
    yield f'<g><title>{_escaped(title)}</title><rect x="{x:.2f}" y="{y}" width="{width:.2f}" '
    yield f'height="{_ROW - 1}" fill="hsl({hue}, 80%, 65%)"/>'
    if letters >= 4:
        yield f'<text x="{x + 3:.2f}" y="{y + 12}">{_escaped(text)}</text>'
    yield "</g>\n"
    for inner, part in sorted(box.inner.items()):
        yield from _drawn(inner, part, x, row + 1, scale, total)
        x += part.time * scale


def svg(times: dict[tuple[str, ...], int]) -> str:
    """A picture: callers above what they call, widths are times; a box tells its time when pointed
    at."""
    root = _boxes(times)
    scale = _WIDTH / max(root.time, 1)
    body = "".join(_drawn("all", root, 0, 0, scale, root.time))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{root.rows() * _ROW}" '
        f'font-family="monospace" font-size="11">\n{body}</svg>\n'
    )
