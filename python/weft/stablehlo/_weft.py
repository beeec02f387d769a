"""The public functions, which rules are made of."""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: The package, whose names type checkers take for private where a module of its own asks for them.
weft: Any = import_module("weft")
