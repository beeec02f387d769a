"""What users do around torch.compile: weft's results are PyTorch's, with their layout."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import torch_more_situations  # noqa: E402, F401
import weft  # noqa: E402
import weft.torch  # noqa: E402
from torch_situations import SITUATIONS, network, numbers  # noqa: E402

pytestmark = pytest.mark.usefixtures("fresh_torch_compiler")

#: Take seconds each; under `tools/test --full` alone.
LONG = {"optimizers", "autocast_around_and_inside", "sizes_that_change", "default_dtypes"}
LONG |= {"several_open_sizes", "ops_of_users"}
FULL = "WEFT_TEST_EXAMPLES" in os.environ


def _eager(function: Callable, **_: Any) -> Callable:
    return function


def _compiled(function: Callable, **options: Any) -> Callable:
    return torch.compile(function, backend="weft", **options)


def _steps(x: torch.Tensor) -> list[int]:
    return [step for step, size in zip(x.stride(), x.shape) if size > 1] if x.numel() else []


@pytest.mark.parametrize("name", [name for name in SITUATIONS if FULL or name not in LONG])
def test_situations(name: str) -> None:
    torch.manual_seed(4)
    expected = torch.utils._pytree.tree_leaves(SITUATIONS[name](_eager))
    torch.manual_seed(4)
    found = torch.utils._pytree.tree_leaves(SITUATIONS[name](_compiled))
    for ours, theirs in zip(found, expected, strict=True):
        if not isinstance(theirs, torch.Tensor):
            assert ours == theirs
            continue
        assert ours.requires_grad == theirs.requires_grad
        assert _steps(ours) == _steps(theirs)
        # Chains of tens of roundings, of numbers up to 10.
        unit = torch.finfo(theirs.dtype).eps if theirs.dtype.is_floating_point else 0
        bound = 2e-5 if theirs.dtype.is_complex else 100 * unit
        torch.testing.assert_close(ours, theirs, rtol=bound, atol=bound * 10, equal_nan=True)


def _by_hand(loss: Callable, x: torch.Tensor) -> torch.Tensor:
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(loss(x), x, create_graph=True)
    return torch.autograd.grad(slope.square().sum(), x)[0]


SECOND_DERIVATIVES: dict[str, Callable[[Callable, torch.Tensor], Any]] = {
    "grad": _by_hand,
    "hessian": torch.autograd.functional.hessian,
    "strict hessian": lambda f, x: torch.autograd.functional.hessian(f, x, strict=True),
    "hvp": lambda f, x: torch.autograd.functional.hvp(f, x, torch.ones_like(x)),
    "vhp": lambda f, x: torch.autograd.functional.vhp(f, x, torch.ones_like(x)),
    "jacobian of a gradient": lambda f, x: torch.autograd.functional.jacobian(
        lambda x: torch.autograd.functional.jacobian(f, x, create_graph=True), x
    ),
}


def _added_to(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    y = x.sin()
    y[1:] *= x[:-1]
    return y[1:], y.view(-1)


def _calls() -> list[Callable]:
    """Functions whose backward passes read arguments, views, what the forward pass computed,
    or nothing."""
    model = network()
    functions: list[Any] = [torch.sin, torch.exp, lambda x: x * 2, lambda x: x.view(-1) * x.sum()]
    functions += [model, _added_to, lambda x: x @ model[0].weight.T]
    return [
        *map(_compiled, functions),
        weft.to_torch(weft.exp),
        weft.to_torch(weft.nn.Linear(5, 2)),
    ]


@pytest.mark.parametrize("name", SECOND_DERIVATIVES)
def test_gradients_of_gradients_are_refused(name: str) -> None:
    for call in _calls():

        def loss(x: torch.Tensor, call: Callable = call) -> torch.Tensor:
            found = call(x)
            return (found[0] if isinstance(found, tuple) else found).sum()

        with pytest.raises(weft.GradientError, match=r"^[^ ]*situations.py:\d+: .*of a gradient"):
            SECOND_DERIVATIVES[name](loss, numbers(3, 5))


def test_slopes_that_are_recorded_and_not_differentiated() -> None:
    x, model = numbers(3, 5, grad=True), network()
    found, expected = (
        torch.autograd.grad(call(x).square().sum(), x, create_graph=True)[0]
        for call in (_compiled(model), model)
    )
    assert found.requires_grad
    torch.testing.assert_close(found, expected)


def _rounded(x: torch.Tensor) -> torch.Tensor:
    return x + (x.round() - x).detach()


def _in_place(x: torch.Tensor) -> torch.Tensor:
    y = x.sin()
    return y.detach_() * x + y


def _partly(x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        y = x.sin() * 2
        with torch.enable_grad():
            z = x * 3
    return x * y + z


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("function", [_rounded, _in_place, _partly])
def test_from_torch_lets_no_gradient_through_where_pytorch_does_not(
    function: Callable, strict: bool
) -> None:
    class Module(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return function(x)

    x = torch.tensor([0.3, 1.7, -2.2], requires_grad=True)
    program = torch.export.export(Module(), (x.detach(),), strict=strict)
    expected = torch.autograd.grad(function(x).sum(), x)[0]
    for _ in range(2):  # the program itself stays what it was
        given = weft.asarray(x.detach().numpy())
        given.requires_grad = True
        (found,) = weft.autograd.grad(weft.from_torch(program)(given).sum(), given)
        torch.testing.assert_close(torch.from_dlpack(found), expected)


def test_rows_of_tables_have_their_gradients() -> None:
    """No gradient for the padding, and those of frequent rows divided."""
    places = torch.tensor([[1, 2, 2], [2, 0, 1]])
    for options in ({"padding_idx": 2}, {"scale_grad_by_freq": True}, {"padding_idx": 0}):
        theirs = torch.nn.Embedding(4, 3, **options)
        ours = weft.from_torch(theirs, (places,))
        theirs(places).sum().backward()
        ours(weft.asarray(places.numpy())).sum().backward()
        (weight,) = ours.parameters()
        torch.testing.assert_close(torch.from_dlpack(weight.grad), theirs.weight.grad)
