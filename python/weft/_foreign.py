"""Programs of other systems: one table of rules for each, and one error for what has none.

An importer walks a foreign graph in order and calls, for each op, the rule of its name: a function
of a few lines over weft's own public functions. So a foreign program is a Python function of
tensors like any other: it runs eagerly, and jit, grad, vmap, export, devices and object files come
with it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ._errors import UnsupportedError

#: What computes the results of one foreign op; what it is given is the importer's affair.
Rule = Callable[..., Any]


@dataclass(frozen=True)
class ForeignUse:
    """One op of a foreign program: its name, its version there (0: none), and where it stands."""

    name: str
    version: int = 0
    place: str = ""


class RuleTable:
    """The rules of one source, by the op's name and the version since which a rule holds."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._rules: dict[str, dict[int, Rule]] = {}

    def rule(self, *names: str, since: int = 0) -> Callable[[Rule], Rule]:
        """A decorator: the function is the rule of these ops, from this version on."""

        def add(function: Rule) -> Rule:
            for name in names:
                versions = self._rules.setdefault(name, {})
                if since in versions:
                    raise ValueError(f"{self.source} op {name} has two rules since {since}")
                versions[since] = function
            return function

        return add

    def find(self, name: str, version: int = 0) -> Rule | None:
        """The newest rule that is not newer than the version; None if there is none."""
        versions = self._rules.get(name, {})
        known = [since for since in versions if since <= version]
        return versions[max(known)] if known else None

    def names(self) -> list[str]:
        """All ops that have a rule, sorted."""
        return sorted(self._rules)

    def require(self, uses: Iterable[ForeignUse], way_out: str) -> None:
        """Raises one UnsupportedError for all ops without a rule, with place and number of each."""
        missing: dict[tuple[str, int], list[str]] = {}
        for use in uses:
            if self.find(use.name, use.version) is None:
                missing.setdefault((use.name, use.version), []).append(use.place)
        if not missing:
            return
        lines = [
            f"  {name}{f' (version {version})' if version else ''}: {_times(len(places))}, "
            f"{'first ' if len(places) > 1 else ''}at {places[0]}"
            for (name, version), places in sorted(missing.items())
        ]
        raise UnsupportedError(
            "\n".join([f"{self.source} ops that weft has no rule for:", *lines, way_out])
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def refuse(command: str, reason: object) -> int:
    """Tells why an importer's command ends, as weftc passes it on; the exit status."""
    print(f"{command}: error: {reason}", file=sys.stderr)
    return 1
