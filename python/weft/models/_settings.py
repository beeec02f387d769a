"""Settings of config.json, each checked where it is read."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Any, NoReturn

from .._creation import _fail
from .._errors import FileError, UnsupportedError

#: What is asked for when there is no default.
_NEEDED: Any = object()

#: No size of a tensor is larger.
MOST = (1 << 31) - 1


class Settings:
    """The settings of a file; what is not there, or null, has a default or is an error.

    Every error is a FileError that names file, setting and value, as the file has it.

    Attributes:
        values: those of the file, and what is not there by default.
        path: the file.
    """

    def __init__(
        self,
        values: dict[str, Any],
        path: Path,
        defaults: dict[str, Any] | None = None,
        names: dict[str, str] | None = None,
    ) -> None:
        """Takes what the file calls settings that are asked for by other names, too."""
        self._given, self.path, self._names = values, path, names or {}
        self.values = {**(defaults or {}), **values}
        self._read: set[str] = set()
        self._parts: dict[str, Settings] = {}

    def name(self, asked: str) -> str:
        """What the file calls a setting."""
        return self._names.get(asked, asked)

    def _get(self, name: str, default: Any) -> Any:
        name = self.name(name)
        self._read.add(name)
        value = self.values.get(name)
        if value is not None:
            return value
        if default is _NEEDED:
            raise _fail(FileError, f"{self.path} has no {name}")
        return default

    def _refuse(self, name: str, value: Any, wanted: str) -> NoReturn:
        shown = repr(value) if not isinstance(value, int) or abs(value) < 1 << 64 else "too large"
        shown = shown if len(shown) < 60 else shown[:57] + "..."
        message = f"{self.path}: {self.name(name)} has to be {wanted}, but is {shown}"
        raise _fail(FileError, message)

    def count(self, name: str, default: Any = _NEEDED, most: int = MOST, least: int = 1) -> Any:
        """An integer from ``least`` on, or the default."""
        value = self._get(name, default)
        if value is default:
            return default
        if not _is_integer(value) or not least <= value <= most:
            self._refuse(name, value, f"an integer from {least} to {most}")
        return value

    def number(self, name: str, default: Any = _NEEDED, least: float = 0.0) -> float:
        """A finite number above ``least``, or the default."""
        value = self._get(name, default)
        if not _is_number(value) or not least < value < math.inf:
            self._refuse(name, value, f"a number above {least:g}")
        return float(value)

    def limit(self, name: str) -> float | None:
        """A finite number above 0, or None."""
        return self.number(name) if self._get(name, None) is not None else None

    def flag(self, name: str, default: bool = False) -> bool:
        """true or false."""
        value = self._get(name, default)
        if not isinstance(value, bool):
            self._refuse(name, value, "true or false")
        return value

    def choice(self, name: str, choices: Collection[str], default: Any = _NEEDED) -> str:
        """One of some words. Raises UnsupportedError for others."""
        value = self._get(name, default)
        if not isinstance(value, str):
            self._refuse(name, value, "a string")
        if value not in choices:
            raise _fail(
                UnsupportedError,
                f"{self.path}: {self.name(name)} is {value[:60]!r}, but weft.models knows "
                f"{', '.join(sorted(choices))}",
            )
        return value

    def word(self, name: str) -> str | None:
        """A string, or None."""
        value = self._get(name, None)
        if value is not None and not isinstance(value, str):
            self._refuse(name, value, "a string")
        return value

    def words(self, name: str, length: int) -> list[str] | None:
        """A list of so many strings, or None."""
        value = self._get(name, None)
        if value is None:
            return None
        if not isinstance(value, list) or len(value) != length or not _are_strings(value):
            self._refuse(name, value, f"a list of {length} strings")
        return value

    def numbers(self, name: str, length: int) -> tuple[float, ...]:
        """A list of so many finite numbers above 0."""
        value = self._get(name, _NEEDED)
        if not isinstance(value, list) or len(value) != length or not all(map(_is_factor, value)):
            self._refuse(name, value, f"a list of {length} numbers above 0")
        return tuple(map(float, value))

    def tokens(self, name: str) -> tuple[int, ...]:
        """A token, or several in a list; nothing without the setting."""
        value = self._get(name, [])
        several = value if isinstance(value, list) else [value]
        if not _are_tokens(several):
            self._refuse(name, value, "a token, or a list of tokens")
        return tuple(several)

    def token(self, name: str) -> int | None:
        """A token; None without the setting, or for the numbers below 0 of older files."""
        value = self._get(name, None)
        if value is None or (_is_integer(value) and -MOST <= value < 0):
            return None
        if not _is_integer(value) or not 0 <= value <= MOST:
            self._refuse(name, value, "a token")
        return value

    def token_rows(self, name: str) -> tuple[tuple[int, ...], ...]:
        """Several rows of tokens; nothing without the setting."""
        rows = self._get(name, [])
        if not isinstance(rows, list) or not all(_are_tokens(row) and row for row in rows):
            self._refuse(name, rows, "a list of lists of tokens")
        return tuple(tuple(row) for row in rows)

    def strings(self, name: str) -> tuple[str, ...]:
        """A string, or several in a list; nothing without the setting."""
        value = self._get(name, [])
        several = [value] if isinstance(value, str) else value
        if not isinstance(several, list) or not _are_strings(several) or not all(several):
            self._refuse(name, value, "a string that is not empty, or a list of such")
        return tuple(several)

    def part(self, name: str) -> Settings:
        """The settings in an object of the file; none without it."""
        value = self._get(name, {})
        if not isinstance(value, dict):
            self._refuse(name, value, "an object")
        return self._parts.setdefault(name, Settings(value, self.path))

    def has(self, name: str) -> bool:
        """Whether the setting is there, and not null."""
        return self.values.get(self.name(name)) is not None

    def unread(self, indifferent: Collection[str]) -> list[tuple[str, Any]]:
        """What the file says, is not off, and nothing has read, but some that are indifferent."""
        found = [
            (name, value)
            for name, value in self._given.items()
            if name not in self._read and name not in indifferent and not _is_off(value)
        ]
        for place, part in self._parts.items():
            found += [(f"{place}.{name}", value) for name, value in part.unread(indifferent)]
        return found


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    # Beyond the range of float an integer can't be compared as one.
    return isinstance(value, float) or (_is_integer(value) and abs(value) < 1 << 64)


def _is_factor(value: Any) -> bool:
    return _is_number(value) and 0 < value < math.inf


def _are_tokens(value: Any) -> bool:
    return isinstance(value, list) and all(_is_integer(x) and 0 <= x <= MOST for x in value)


def _is_off(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})


def _are_strings(values: list) -> bool:
    return all(isinstance(value, str) for value in values)
