"""Programs of other systems: one table of rules for each, and one error for what has none.

An importer walks a foreign graph in order and calls, for each op, the rule of its name: a function
of a few lines over weft's own public functions. So a foreign program is a Python function of
tensors like any other: it runs eagerly, and jit, grad, vmap, export, devices and object files come
with it.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ._errors import OptionError, UnsupportedError

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


# Importers as commands -----------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Wrong options are one line, which weftc passes on, with the command's name."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog.removeprefix('python -m ')}: error: {message}\n")


def importer_parser(module: str, description: str, program: str) -> argparse.ArgumentParser:
    """What the commands of all importers take: the program, the output, numbers for sizes."""
    parser = _Parser(prog=f"python -m {module}", description=description, allow_abbrev=False)
    parser.add_argument("program", help=program)
    parser.add_argument("-o", "--output", required=True, help="the file to write")
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="a number for a size that the program leaves open; others stay open",
    )
    return parser


def pairs(option: str, texts: Iterable[str]) -> dict[str, str]:
    """Names with values, of an option that is given as often as there are names.

    Raises:
        OptionError: a text is no NAME=VALUE, or a name is there twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise OptionError(f"{option} {text}: write a name, =, and a value")
        if name in found:
            raise OptionError(f"{option} {text}: {name} is {found[name]} already")
        found[name] = value
    return found


def size_numbers(texts: Iterable[str]) -> dict[str, int]:
    """The numbers that --size gives. Raises OptionError for what is none."""
    numbers: dict[str, int] = {}
    for name, value in pairs("--size", texts).items():
        if not re.fullmatch(r"\d{1,18}", value, re.ASCII):
            raise OptionError(f"--size {name}={value}: {value} is no number of elements")
        numbers[name] = int(value)
    return numbers


def with_sizes(specs: Sequence[Any], numbers: Mapping[str, int]) -> list[Any]:
    """Specs with numbers for some of the sizes that they leave open.

    Raises:
        OptionError: no size has one of these names, or a formula is less than nothing.
    """
    from ._export import spec

    texts = {str(size) for row in specs for size in row.shape if not isinstance(size, int)}
    names = sorted({name for text in texts for name in _names(text)})
    for name, number in numbers.items():
        if name not in names:
            there = f"there are {', '.join(names)}" if names else "none is open"
            raise OptionError(f"--size {name}={number}: the program has no size {name}; {there}")
    made = []
    for row in specs:
        sizes = [x if isinstance(x, int) else _filled(str(x), numbers) for x in row.shape]
        made.append(dataclasses.replace(spec(sizes, row.dtype), name=row.name))
    return made


def _names(text: str) -> list[str]:
    return [name for name in re.findall(r"[A-Za-z_]\w*", text) if name != "floor"]


def _filled(text: str, numbers: Mapping[str, int]) -> str:
    def number(found: re.Match[str]) -> str:
        return str(numbers.get(found[0], found[0]))

    return re.sub(r"[A-Za-z_]\w*", number, text)


def refuse(command: str, reason: object) -> int:
    """Tells why an importer's command ends, as weftc passes it on; the exit status."""
    print(f"{command}: error: {reason}", file=sys.stderr)
    return 1
