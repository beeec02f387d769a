"""Modules of weft beside those of PyTorch with the same parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import weft
from numerics import assert_same_bits, numpy_dtype
from torch_comparison import to_float64

Call = Callable[..., Any]


def array(*shape: int, seed: int = 0, scale: float = 1.0, dtype: str = "float32") -> np.ndarray:
    """Normally distributed numbers, that are the same for the same arguments."""
    values = np.random.default_rng([seed, *shape]).standard_normal(shape) * scale
    return values.astype(numpy_dtype(dtype))


def leaves(tree: Any) -> list[Any]:
    """The tensors of nested tuples and lists; what else is in them is left out."""
    if isinstance(tree, (weft.Tensor, torch.Tensor)):
        return [tree]
    if isinstance(tree, (tuple, list)):
        return [leaf for item in tree for leaf in leaves(item)]
    return []


def assert_close(ours: Any, theirs: Any, terms: float, name: str = "") -> None:
    """Both are sums of about ``terms`` products, whose roundings add up like random ones."""
    assert str(theirs.dtype).endswith(ours.dtype.name), name
    assert tuple(ours.shape) == tuple(theirs.shape), name
    epsilon = weft.finfo(ours.dtype).eps
    actual, expected = to_float64(ours), to_float64(theirs)
    size = max(float(np.abs(expected).max(initial=0.0)), 1e-3)
    bound = (4 * math.sqrt(terms) + 8) * epsilon * size
    np.testing.assert_allclose(actual, expected, rtol=16 * epsilon, atol=bound, err_msg=name)


def twins(make: Callable[[Any], Any]) -> tuple[Any, Any]:
    """What ``make`` makes of each library, the one of weft with the state of PyTorch's."""
    torch.manual_seed(0)
    theirs = make(torch)
    ours = make(weft)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def call(module: Any, *inputs: Any, **options: Any) -> Any:
    """What a module gives."""
    return module(*inputs, **options)


def _made(make: Callable[[Any], Any], options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: make(value) if isinstance(value, np.ndarray) else value
        for name, value in options.items()
    }


def compare(
    ours: Any,
    theirs: Any,
    inputs: Sequence[np.ndarray],
    *,
    terms: float,
    run: Call = call,
    run_theirs: Call | None = None,
    options: Mapping[str, Any] | None = None,
) -> None:
    """Results and gradients of both, and the results of weft compiled, to the bit.

    ``run(module, *inputs, **options)`` gives a tensor or nested tuples of them; its gradients are
    for a cotangent that is not constant. Arrays among the options are tensors of either library.
    It should not name PyTorch, whose insides compiled functions would compare: for that one there
    may be another function.
    """
    more, others = (_made(make, options or {}) for make in (weft.asarray, torch.tensor))
    mine = [weft.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    given = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in inputs]
    results, expected = (
        leaves(run(ours, *mine, **more)),
        leaves((run_theirs or run)(theirs, *given, **others)),
    )
    assert len(results) == len(expected)
    loss, wanted_loss = 0.0, 0.0
    for number, (result, wanted) in enumerate(zip(results, expected, strict=True)):
        assert_close(result, wanted, terms, f"result {number}")
        cotangent = array(*result.shape, seed=number + 1, dtype=result.dtype.name)
        loss = loss + (result * weft.asarray(cotangent)).sum()
        wanted_loss = wanted_loss + (wanted * torch.tensor(cotangent)).sum()
    with weft.no_grad():
        compiled = leaves(weft.jit(lambda *inputs: run(ours, *inputs, **more))(*mine))
    assert_same_bits([x.detach() for x in results], [x.detach() for x in compiled])
    loss.backward()
    wanted_loss.backward()
    for number, (x, y) in enumerate(zip(mine, given, strict=True)):
        if y.grad is not None:
            assert_close(x.grad, y.grad, terms * 4, f"gradient of input {number}")
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        if q.grad is not None:
            assert_close(p.grad, q.grad, terms * 8, f"gradient of {name}")
