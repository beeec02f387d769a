"""Refuses an import where the package can't work."""

from __future__ import annotations

import importlib


def _is_main_interpreter() -> bool:
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            interpreters = importlib.import_module(name)
        except ImportError:
            continue
        return interpreters.get_current() == interpreters.get_main()
    return True


if not _is_main_interpreter():
    raise ImportError(
        "weft can't be imported in a subinterpreter: its compiler, its threads and its tensors "
        "belong to the process. Use threads, which run compiled code at the same time, or processes"
    )
