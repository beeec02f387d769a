"""Arguments that share memory and are written to, in any order of calls: what eager mode does."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import weft.torch  # noqa: E402, F401
from random_programs import count_of_examples  # noqa: E402

pytestmark = pytest.mark.usefixtures("fresh_torch_compiler")

#: Two tensors of a matrix [4, 4]. Written to are only such as do not overlap themselves.
ARGUMENTS: tuple[Callable, ...] = (
    lambda a: (a, a.clone()),
    lambda a: (a, a),
    lambda a: (a, a.t()),
    lambda a: (a, a.detach()),
    lambda a: (a, a.view_as(a)),
    lambda a: (a[:2], a[:2]),
    lambda a: (a[:2], a[2:]),
    lambda a: (a[:2], a[1:3]),
    lambda a: (a[1:3], a[:2]),
    lambda a: (a[::2], a[1:3]),
    lambda a: (a[:, :2], a[:, 1:3]),
    lambda a: (a[:, ::2], a[:, 1:3]),
    lambda a: (a.view(-1)[:9], a.view(-1)[4:13]),
    lambda a: (a.view(2, 8)[:, 1:4], a.view(8, 2)[:3].t()),
    lambda a: (a[1], a),
    lambda a: (a, a[1]),
    lambda a: (a, a.view(torch.int32)),
    lambda a: (a.expand(2, 4, 4)[1], a),
)
STATEMENTS = (
    *("x.add_(1)", "y.mul_(2)", "x.copy_(x * 3 - 1)", "y.copy_(y + 1)", "x[0] = 7", "y[-1:] = 3"),
    *("x.zero_()", "x, y = y, x", "z = z + y.sum()", "z = z * x.sum()"),
    *("x.view(-1)[1:3].sub_(z)", "y[..., :1].mul_(3)"),
)
RESULTS = (
    "x * y.sum()",
    "x",
    "y",
    "x[0]",
    "y[..., 1:]",
    "z",
    "x + 0",
    "y.flatten()",
    "y.t()",
    "(y, x)",
)


def _drawn(draw: random.Random) -> tuple[str, Callable]:
    lines = [draw.choice(STATEMENTS) for _ in range(draw.randint(1, 4))]
    results = [draw.choice(RESULTS) for _ in range(draw.randint(1, 3))]
    body = "".join(f"    {line}\n" for line in ("z = y.sum()", *lines))
    text = f"def function(x, y):\n{body}    return {', '.join(results)},\n"
    space: dict[str, Any] = {}
    exec(text, space)
    return text, space["function"]


def _left_by(call: Callable, make: Callable, kind: torch.dtype) -> Any:
    """The results, the memory, and both again after a write to the results."""
    whole = torch.arange(16).reshape(4, 4).to(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = torch.utils._pytree.tree_leaves(call(*make(whole)))
    first = [x.clone() for x in (*found, whole)]
    found[0].fill_(5)
    return first + [x.clone() for x in (*found, whole)]


def test_shared_arguments() -> None:
    compared = 0
    for seed in range(count_of_examples(8)):
        draw = random.Random(seed)
        text, function = _drawn(draw)
        torch.compiler.reset()
        call = torch.compile(function, backend="weft", dynamic=draw.choice((None, False)))
        kind = draw.choice((torch.float32, torch.float32, torch.int32))
        for number in range(4):
            place = draw.randrange(len(ARGUMENTS))
            try:
                expected = _left_by(function, ARGUMENTS[place], kind)
            except RuntimeError:
                continue
            found = _left_by(call, ARGUMENTS[place], kind)
            same = map(torch.equal, found, expected)
            assert all(same), f"seed {seed}, call {number} of {place}:\n{text}{found}\n{expected}"
            compared += 1
    assert compared > 8


def test_parts_that_are_only_read_may_lie_anywhere() -> None:
    """As batches do: inputs and targets out of one text, with a count that is written to."""

    def function(inputs: Any, targets: Any, count: Any) -> Any:
        count.add_(1)
        return (inputs * targets).sum() + count

    text, counts = torch.randn(64), (torch.zeros(()), torch.zeros(()))
    call = torch.compile(function, backend="weft")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for start in range(0, 40, 8):
            parts = text[start : start + 8], text[start + 1 : start + 9]
            torch.testing.assert_close(call(*parts, counts[0]), function(*parts, counts[1]))
