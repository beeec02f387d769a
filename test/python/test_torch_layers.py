"""Random calls of PyTorch's modules, losses and attention, compiled by weft and exported to it."""

from __future__ import annotations

import os
import random
import warnings
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from random_programs import count_of_examples  # noqa: E402
from torch_exported import module_problem, returned_problem  # noqa: E402
from torch_layer_templates import KINDS  # noqa: E402
from torch_layers import Layer, drawn, problem  # noqa: E402
from weft.torch._backend import make_backend  # noqa: E402
from weft.torch._graph import op_name  # noqa: E402
from weft.torch._split import is_draw  # noqa: E402

pytestmark = pytest.mark.usefixtures("fresh_torch_compiler")

#: More calls of each under `tools/test --full`.
FULL = "WEFT_TEST_EXAMPLES" in os.environ
#: What of these rows stays in PyTorch: checks of values, and what is decided by elements.
LEFT = ("aten._assert_async", "aten._local_scalar_dense", "aten._assert_scalar")


def _drawn(kind: str, seed: int, calls: int) -> tuple[Layer | None, random.Random]:
    draw = random.Random(f"{kind} {seed}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return drawn(draw.choice(KINDS[kind]), draw, calls), draw


@pytest.mark.parametrize("kind", KINDS)
def test_compiled(kind: str) -> None:
    """What AOTAutograd alone does not compile as eager mode runs it is none of weft's."""
    wrong, left = [], set()
    for seed in range(min(count_of_examples(1), 1000)):
        layer, draw = _drawn(kind, seed, 2 + FULL)
        if layer is None:
            continue
        dynamic = draw.choice((None, True, False))
        graphs: list[Any] = []
        found = problem(layer, make_backend(graphs.append), dynamic)
        if found and not problem(layer, "aot_eager_decomp_partition", dynamic):
            wrong.append(f"seed {seed}, dynamic={dynamic}: {found}\n{layer}")
        nodes = {n: r for graph in graphs for n, r in graph.split.reasons.items()}
        left |= {f"{op_name(n)}: {r}" for n, r in nodes.items() if not is_draw(n)}
    assert not wrong, "\n\n".join(wrong)
    assert not [text for text in left if not text.startswith(LEFT)]


#: Programs of loops and of attention take long to compile, three times each.
QUICK = [kind for kind in KINDS if FULL or kind not in ("attention", "recurrent")]


@pytest.mark.parametrize("kind", QUICK)
def test_exported(kind: str) -> None:
    """`weft.from_torch`: eager, compiled and as a program of open sizes, with its gradients."""
    wrong = []
    for seed in range(min(count_of_examples(1), 500)):
        layer, _ = _drawn(kind, seed, 2)
        found = layer and module_problem(layer)
        if found:
            wrong.append(f"seed {seed}: {found}\n{layer}")
    assert not wrong, "\n\n".join(wrong)


def test_returned() -> None:
    """`weft.to_torch` of weft's modules of the same names: results, gradients and buffers."""
    wrong, compared = [], 0
    for kind in KINDS:
        for seed in range(min(count_of_examples(3), 300)):
            layer, _ = _drawn(kind, seed, 2)
            found = layer and returned_problem(layer)
            compared += found is not None
            if found:
                wrong.append(f"{kind}, seed {seed}: {found}\n{layer}")
    assert not wrong, "\n\n".join(wrong)
    assert compared > 5
