"""torch.compile(backend="weft") of small programs, with and without symbolic sizes."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch_programs import PROGRAMS  # noqa: E402
from weft.torch._backend import make_backend  # noqa: E402
from weft.torch._graph import op_name  # noqa: E402
from weft.torch._split import is_draw  # noqa: E402

#: Both ways of each under `tools/test --full`, in turn one of them otherwise.
FULL = "WEFT_TEST_EXAMPLES" in os.environ
CASES = [
    (name, dynamic)
    for number, name in enumerate(PROGRAMS)
    for dynamic in (False, True)
    if FULL or dynamic == bool(number % 2)
]

pytestmark = pytest.mark.usefixtures("fresh_torch_compiler")


def _tensors(value: Any) -> list[torch.Tensor]:
    found = torch.utils._pytree.tree_leaves(value)
    return [leaf for leaf in found if isinstance(leaf, torch.Tensor)]


def _run(call: Callable, arguments: list[torch.Tensor]) -> list[torch.Tensor]:
    """The results, and the gradients of the sum of their elements times different numbers."""
    torch.manual_seed(5)
    given = [x.clone().requires_grad_(x.is_floating_point()) for x in arguments]
    results = _tensors(call(*given))
    roots = [x for x in results if x.requires_grad]
    if not roots:
        return results
    weights = [torch.linspace(0.5, 1.5, x.numel()).reshape(x.shape).to(x.dtype) for x in roots]
    leaves = [x for x in given if x.requires_grad]
    found = torch.autograd.grad(roots, leaves, weights, allow_unused=True)
    return [*results, *(torch.zeros(()) if x is None else x for x in found)]


@pytest.mark.parametrize(("name", "dynamic"), CASES)
def test_results_and_gradients_are_those_of_pytorch(name: str, dynamic: bool) -> None:
    function, make = PROGRAMS[name]
    torch.manual_seed(1)
    arguments = make()
    graphs: list[Any] = []
    compiled = torch.compile(function, backend=make_backend(graphs.append), dynamic=dynamic)
    _run(compiled, arguments)  # the first call may draw numbers while it is traced
    found, expected = _run(compiled, arguments), _run(function, arguments)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-4, equal_nan=True)
    reasons = {n: r for graph in graphs for n, r in graph.split.reasons.items() if not is_draw(n)}
    assert {f"{op_name(node)}: {reason}" for node, reason in reasons.items()} == set()
