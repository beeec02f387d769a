"""PyTorch's database of operators run through weft's backend, sample by sample."""

from __future__ import annotations

import itertools
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch._functorch.aot_autograd import aot_function
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
)
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from weft.torch._backend import compiler, decompositions
from weft.torch._joint import partition
from weft.torch._runner import Compiled
from weft.torch._split import is_draw

DTYPES = (torch.float32, torch.int64, torch.bool)
#: A result may be so many times as far from float64's as PyTorch's own, plus so many units.
TIMES, UNITS = 8, 64
#: Which of equal elements comes first is open in PyTorch; their values are compared.
_TIES = ("sort", "topk", "argsort", "msort", "median", "nanmedian", "kthvalue", "mode")


class _Dispatched(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.ops: set[Any] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.ops.add(func)
        return func(*args, **(kwargs or {}))


def samples(info: Any, dtype: torch.dtype, count: int, gradients: bool) -> Iterator[Any]:
    """The first samples of an operator."""
    torch.manual_seed(0)
    made = info.sample_inputs("cpu", dtype, requires_grad=gradients)
    return itertools.islice(made, count)


def core_operators() -> list[Any]:
    """The operators whose first sample is computed by ops of the core ATen set alone."""
    found = []
    for info in op_db:
        dtype = next((d for d in DTYPES if d in info.supported_dtypes("cpu")), None)
        if dtype is None:
            continue
        try:
            sample = next(samples(info, dtype, 1, False))
            with _Dispatched() as seen, torch.no_grad():
                info.op(sample.input, *sample.args, **sample.kwargs)
        except Exception:
            continue
        if seen.ops and all(torch.Tag.core in op.tags for op in seen.ops):
            found.append(info)
    return found


@dataclass
class Tally:
    """What became of samples."""

    right: int = 0
    left: Counter = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def check(info: Any, dtype: torch.dtype, count: int, gradients: bool) -> Tally:
    """Runs samples of one operator and dtype."""
    tally = Tally()
    for number, sample in enumerate(samples(info, dtype, count, gradients)):
        label = f"{info.formatted_name} {dtype} {number}{' gradient' if gradients else ''}"
        _check_sample(info, sample, gradients, label, tally)
    return tally


def _check_sample(info: Any, sample: Any, gradients: bool, label: str, tally: Tally) -> None:
    flat, form = pytree.tree_flatten((sample.input, sample.args, sample.kwargs))
    places = [i for i, x in enumerate(flat) if isinstance(x, torch.Tensor)]

    def call(*tensors: torch.Tensor) -> Any:
        given = list(flat)
        for place, tensor in zip(places, tensors):
            given[place] = tensor
        first, args, kwargs = pytree.tree_unflatten(given, form)
        result = info.op(first, *args, **kwargs)
        return sample.output_process_fn_grad(result)

    # What has no operand is traced beside one that it does not read.
    tensors = [flat[i] for i in places] or [torch.zeros(())]
    try:
        expected = _run(call, tensors, gradients)
        exact = _run(call, [_wide(x) for x in tensors], gradients)
    except Exception:
        return  # what PyTorch itself does not compute, in one of the two precisions
    graphs: list[Compiled] = []
    ours = aot_function(
        call,
        fw_compiler=compiler("forward", graphs.append),
        bw_compiler=compiler("backward", graphs.append),
        inference_compiler=compiler("inference", graphs.append),
        decompositions=decompositions(),
        partition_fn=partition,
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _run(ours, tensors, gradients)
    except (DataDependentOutputException, DynamicOutputShapeException):
        return  # torch.compile breaks the graph here, and runs the op itself
    except Exception as error:
        tally.wrong.append(f"{label}: {type(error).__name__}: {str(error)[:300]}")
        return
    reasons = {n: r for g in graphs for n, r in g.split.reasons.items() if not is_draw(n)}
    if info.name.split(".")[-1].removeprefix("new_").startswith("empty"):
        expected = found
    if any(is_draw(n) for g in graphs for n in g.split.reasons):
        found = _run(ours, tensors, gradients)  # the first call drew numbers while it was traced
        exact = [_wide(x) for x in expected]
    if info.name.split(".")[-1] in _TIES:
        found, expected, exact = found[:1], expected[:1], exact[:1]
        if info.name == "argsort":
            return
    problem = difference(found, expected, exact)
    if problem:
        tally.wrong.append(f"{label}: {problem}")
    elif reasons:
        tally.left.update({f"{node.target}: {reason}" for node, reason in reasons.items()})
        tally.left["samples"] += 1
    else:
        tally.right += 1


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.dtype != torch.float32:
        return tensor
    return tensor.detach().double().requires_grad_(tensor.requires_grad)


def _run(call: Any, tensors: list[torch.Tensor], gradients: bool) -> list[torch.Tensor]:
    """The results, and the gradients of the sum of their products with fixed numbers."""
    torch.manual_seed(1)
    given = [x.detach().clone().requires_grad_(x.requires_grad) for x in tensors]
    results = [x for x in pytree.tree_leaves(call(*given)) if isinstance(x, torch.Tensor)]
    roots = [x for x in results if x.requires_grad]
    leaves = [x for x in given if x.requires_grad]
    if not gradients or not roots or not leaves:
        return [x.detach() for x in results]
    weights = [torch.linspace(0.5, 1.5, x.numel(), dtype=x.dtype).reshape(x.shape) for x in roots]
    found = torch.autograd.grad(roots, leaves, weights, allow_unused=True)
    return [x.detach() for x in results] + [
        torch.zeros(()) if x is None else x.detach() for x in found
    ]


def difference(
    found: list[torch.Tensor], expected: list[torch.Tensor], exact: list[torch.Tensor]
) -> str:
    """What is wrong with the results; "" if nothing is."""
    if len(found) != len(expected):
        return f"{len(found)} results for {len(expected)}"
    for ours, theirs, true in zip(found, expected, exact, strict=True):
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return f"{ours.dtype} {tuple(ours.shape)} for {theirs.dtype} {tuple(theirs.shape)}"
        if not ours.numel():
            continue
        if ours.dtype != torch.float32:
            if not torch.allclose(ours, theirs, equal_nan=True, rtol=1e-5, atol=1e-5):
                return f"{ours.flatten()[:6]} for {theirs.flatten()[:6]}"
            continue
        if not torch.equal(ours.isnan(), theirs.isnan()):
            return f"NaN at other places: {ours.flatten()[:6]} for {theirs.flatten()[:6]}"
        if not torch.equal(ours.isinf(), theirs.isinf()):
            return "infinities at other places"
        finite = theirs.isfinite() & true.isfinite()
        if not finite.any():
            continue
        true, mine, other = (x.double()[finite] for x in (true, ours, theirs))
        bound = TIMES * (other - true).abs().max() + UNITS * 2.0**-24 * true.abs().max()
        if (mine - true).abs().max() > bound:
            return f"off by {(mine - true).abs().max().item():.3g}, allowed {bound.item():.3g}"
    return ""
