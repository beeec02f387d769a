"""The table of limits in docs/compiled-functions.md is what happens."""

from __future__ import annotations

import pathlib
import random
import re
import time
import weakref
from typing import Any

import pytest
import weft


class _Kept:
    items = (1, 2)


_PAGE = pathlib.Path(__file__).parents[2] / "docs" / "compiled-functions.md"
_KEPT = _Kept()
_KNOT: list = []
_KNOT.append(_KNOT)
_NAMES = {
    "weft": weft,
    "time": time,
    "random": random,
    "ITERATOR": iter(range(1, 1000)),
    "WEAK": weakref.ref(_KEPT),
    "LOG": [],
    "LARGE": list(range(250_000)),
    "KNOT": _KNOT,
    "PAIR": [weft.ones(2), weft.zeros(2)],
}


def _rows() -> list[tuple[str, str]]:
    text = _PAGE.read_text().partition("<!-- limits -->")[2].partition("<!-- end of limits -->")[0]
    return re.findall(r"^\| `(.*)` \| (.*) \|$", text, re.MULTILINE)


@pytest.mark.parametrize(("program", "outcome"), _rows())
def test_each_limit_is_as_documented(program: str, outcome: str) -> None:
    compiled: Any = eval(program, dict(_NAMES))
    x = weft.asarray([1.0, 2.0])
    if outcome.endswith("Error"):
        with pytest.raises(getattr(weft, outcome)):
            compiled(x)
        return
    for _ in range(3):
        compiled(x)
    statistics = compiled.stats()
    if outcome == "not watched":
        assert statistics["not_watched"]
        assert statistics["traces"] == 1
    else:
        assert outcome == "traced at each call"
        assert statistics["traces"] == statistics["calls"] == 3


def test_the_table_is_found() -> None:
    assert len(_rows()) >= 8
