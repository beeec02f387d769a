"""Values that settings of a file may have, where nobody looked."""

from __future__ import annotations

from typing import Any

#: Of every kind that JSON has, and beyond what is sensible.
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 3, 7, 2**31, 2**63, 2**64, -(2**63), 10**400),
    *(0.0, 1.5, -2.0, 1e-300, 1e300, float("nan"), float("inf")),
    *("", "x", "llama", "silu", "\0", "ä" * 5, "x" * 5000, "2", "true"),
    *([], [1], [None], ["x"], [[1]], [1, "x"], [2, 3], [2**70], [-1], [True]),
    *({}, {"x": 1}, {"rope_type": "llama3"}, {"rope_type": 5}, {"type": "linear", "factor": "x"}),
    {"factor": 2.0, "type": "linear", "rope_theta": None},
)
