"""A request to compute, as HTTP and gRPC read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._program import Arrays
from ._refusals import invalid
from ._tensors import shown


@dataclass
class InferRequest:
    """A request to compute.

    Attributes:
        id: what the answer has to repeat.
        arrays: the inputs.
        outputs: the outputs that are asked for, and what is asked of each; None: all of them.
        seconds: how long the caller waits; None: as long as the model may take.
        all_binary: whether outputs that are not named are to be binary data (HTTP alone).
    """

    id: str = ""
    arrays: Arrays = field(default_factory=dict)
    outputs: dict[str, Any] | None = None
    seconds: float | None = None
    all_binary: bool = False


def timeout_of(value: Any) -> float:
    """The seconds of the parameter ``timeout``, microseconds."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise invalid(f"the parameter timeout is {shown(value)}, not a number of microseconds")
    return min(value, 1 << 60) / 1e6
