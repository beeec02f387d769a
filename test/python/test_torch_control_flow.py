"""Branches and loops of PyTorch's graphs are weft's: compiled, exported, with their gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import weft  # noqa: E402
import weft.torch  # noqa: E402
from torch._higher_order_ops import while_loop  # noqa: E402
from torch._higher_order_ops.associative_scan import associative_scan  # noqa: E402
from torch._higher_order_ops.map import map as torch_map  # noqa: E402
from torch._higher_order_ops.scan import scan  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402
from weft.torch._rules import TABLE  # noqa: E402

pytestmark = pytest.mark.usefixtures("fresh_torch_compiler")


def branch(x: Any, w: Any) -> Any:
    def other(x: Any) -> Any:
        return x.cos() + w, x.sum()

    return torch.cond(x.sum() > 0, lambda x: (x.sin() * w, x.max()), other, (x,))


def branch_in_branch(x: Any, w: Any) -> Any:
    def inner(x: Any) -> Any:
        return torch.cond(x.max() > 1, lambda x: x * w, lambda x: x - w, (x,))

    return torch.cond(x.sum() > 0, inner, lambda x: x.exp(), (x,))


def running(h: Any, xs: Any) -> Any:
    return scan(lambda h, x: ((h + x).tanh(), h * x), h, xs, dim=0)


def running_back(h: Any, xs: Any) -> Any:
    def step(state: Any, x: Any) -> Any:
        return {"h": (state["h"] * 0.5 + x).sin()}, [x + state["h"], x.sum()]

    return scan(step, {"h": h}, xs.mT, dim=1, reverse=True)


def mapped(xs: Any, y: Any) -> Any:
    return torch_map(lambda x, y: x.sin() * y, xs, y)


def combined(x: Any) -> Any:
    return associative_scan(lambda a, b: a * b + 1, x, dim=0, combine_mode="generic")


def loop(x: Any, count: Any) -> Any:
    def body(i: Any, x: Any) -> Any:
        return i + 1, x * 1.5 + count

    return while_loop(lambda i, x: i < count, body, (count * 0, x))


X, W = torch.randn(4, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([1.0, -2, 3])

CASES: dict[str, tuple] = {
    "branch": (branch, X.abs(), W),
    "other branch": (branch, -X.abs(), W),
    "branches": (branch_in_branch, X.abs(), W),
    "scan": (running, W, X),
    "scan from behind": (running_back, W, X),
    "map": (mapped, X, W),
    "associative scan": (combined, X),
    "loop": (loop, X, torch.tensor(5)),
    "loop without iterations": (loop, X, torch.tensor(0)),
}
DIFFERENTIABLE = [name for name in CASES if "loop" not in name]


def results(function: Callable, arguments: tuple, slopes: bool) -> list:
    given = [x.clone().requires_grad_(slopes) for x in arguments]
    found = tree_leaves(function(*given))
    if not slopes:
        return found
    total = sum((x * x).sum() for x in found)
    gradients = torch.autograd.grad(total, given, allow_unused=True)
    return [*(x.detach() for x in found), *gradients]


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_compiled(name: str, dynamic: bool) -> None:
    function, *arguments = CASES[name]
    compiled = torch.compile(function, backend="weft", dynamic=dynamic)
    torch.testing.assert_close(
        results(compiled, tuple(arguments), False), results(function, tuple(arguments), False)
    )
    found = weft.torch.explain(function, *arguments)
    assert (found.captured, found.fallbacks) == (1, [])


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients(name: str) -> None:
    function, *arguments = CASES[name]
    compiled = torch.compile(function, backend="weft")
    torch.testing.assert_close(
        results(compiled, tuple(arguments), True), results(function, tuple(arguments), True)
    )
    found = weft.torch.explain(function, *[x.clone().requires_grad_() for x in arguments])
    assert (found.captured, found.fallbacks) == (1, [])


class Called(torch.nn.Module):
    def __init__(self, function: Callable) -> None:
        super().__init__()
        self.function = function

    def forward(self, *arguments: Any) -> Any:
        return self.function(*arguments)


def moved(tensor: Any) -> weft.Tensor:
    return weft.asarray(tensor.detach().numpy())


def same(ours: Any, theirs: Any) -> None:
    for have, want in zip(weft.tree.leaves(ours), tree_leaves(theirs), strict=True):
        np.testing.assert_allclose(np.asarray(have), want.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_programs_and_their_files(name: str, tmp_path: Path) -> None:
    function, *arguments = CASES[name]
    want = function(*arguments)
    program = torch.export.export(Called(function), tuple(arguments)).run_decompositions()
    torch.export.save(program, tmp_path / "program.pt2")
    ours = weft.from_torch(tmp_path / "program.pt2")
    given = [moved(x) for x in arguments]
    same(ours(*given), want)
    same(weft.jit(ours)(*given), want)
    exported = weft.export(ours, *ours.specs)
    exported.save(tmp_path / "program.weft")
    same(weft.load(tmp_path / "program.weft")(*given), want)


def test_a_module_of_a_branch_has_gradients_of_weft() -> None:
    program = torch.export.export(Called(branch), (X.abs(), W))
    ours = weft.from_torch(program)
    slope = weft.grad(lambda x, w: weft.sum(ours(x, w)[0]), argnums=(0, 1))(
        moved(X.abs()), moved(W)
    )
    x, w = X.abs().requires_grad_(), W.clone().requires_grad_()
    same(list(slope), torch.autograd.grad(branch(x, w)[0].sum(), (x, w)))


def test_what_a_branch_has_that_weft_has_not_is_named() -> None:
    def function(x: Any) -> Any:
        return torch.cond(
            x.sum() > 0,
            lambda x: torch.linalg.ldl_factor_ex(x @ x.transpose(0, 1))[0] @ x,
            lambda x: x + 1,
            (x,),
        )

    found = weft.torch.explain(function, X)
    (left,) = found.fallbacks
    assert left.name == "higher_order.cond"
    assert "aten.linalg_ldl_factor_ex.default in it" in left.reason
    compiled = torch.compile(function, backend="weft")
    torch.testing.assert_close(compiled(X.abs()), function(X.abs()))
    program = torch.export.export(Called(function), (X,))
    with pytest.raises(weft.UnsupportedError) as caught:
        weft.from_torch(program)
    assert "aten.linalg_ldl_factor_ex.default" in str(caught.value)
    assert "higher_order" not in str(caught.value)


def test_a_draw_in_a_branch_is_that_of_pytorch() -> None:
    def function(x: Any) -> Any:
        return torch.cond(x.sum() > 0, lambda x: x * torch.rand_like(x), lambda x: x + 1, (x,))

    compiled = torch.compile(function, backend="weft")
    torch.manual_seed(3)
    want = function(X.abs())
    torch.manual_seed(3)
    torch.testing.assert_close(compiled(X.abs()), want)


def test_vmap_as_export_found_it_is_refused_with_the_way_out(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(Called(combined), (X,)), tmp_path / "program.pt2")
    with pytest.raises(weft.UnsupportedError, match="run_decompositions"):
        weft.from_torch(tmp_path / "program.pt2")


def test_a_scan_of_single_elements() -> None:
    """PyTorch makes this op of what is on GPUs alone; its function takes one element of each."""
    rule = TABLE.find("higher_order.associative_scan")
    assert rule is not None

    def both(a: Any, m: Any, b: Any, n: Any, extra: Any) -> tuple:
        return a * b, m * b + n + 0 * extra[0]

    made = rule(both, [moved(X), moved(X + 1)], [moved(W)])

    def theirs(a: Any, b: Any) -> Any:
        return a[0] * b[0], a[1] * b[0] + b[1]

    same(made, associative_scan(theirs, (X, X + 1), dim=0, combine_mode="generic"))
