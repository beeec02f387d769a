"""Packages that only some functions here need."""

from __future__ import annotations

from importlib import import_module
from io import StringIO
from typing import Any

from .._creation import _fail
from .._errors import UnsupportedError


def needed(module: str, what: str) -> Any:
    """A module of another package.

    Raises:
        UnsupportedError: the package is not there; says what needs it, and how to get it.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ImportError as error:
        raise _fail(
            UnsupportedError, f"{what} needs the package {package}: pip install {package} ({error})"
        ) from error


def printed(what: Any, width: int = 130) -> str:
    """What rich prints of a table, as text without colours."""
    console = needed("rich.console", "a table")
    text = StringIO()
    console.Console(file=text, width=width, color_system=None).print(what)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def plain(text: str) -> Any:
    """Text as rich prints it, brackets and backslashes too, which it may take for a style."""
    return needed("rich.text", "a table").Text(text)
