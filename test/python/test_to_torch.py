"""weft.to_torch: modules of weft in programs of PyTorch, values and gradients those of weft."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import weft  # noqa: E402
from weft import nn  # noqa: E402


def network() -> nn.Module:
    weft.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.LayerNorm(16), nn.GELU(), nn.Linear(16, 4))


def same(theirs: Any, ours: Any) -> None:
    np.testing.assert_array_equal(theirs.detach().numpy(), np.asarray(ours))


def test_values_and_gradients_are_those_of_weft_to_the_bit() -> None:
    ours, x = network(), torch.randn(5, 8, requires_grad=True)
    theirs = weft.to_torch(ours)
    assert [name for name, _ in theirs.named_parameters()] == [
        n for n, _ in ours.named_parameters()
    ]
    result = theirs(x)
    result.square().sum().backward()
    given = weft.asarray(x.detach().numpy().copy())
    given.requires_grad = True
    want = weft.jit(ours)(given)
    same(result, want)
    want.backward(2 * want.detach())
    same(x.grad, given.grad)
    for name, parameter in ours.named_parameters():
        same(theirs.get_parameter(name).grad, parameter.grad)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_optimizers_of_pytorch_train_both(kind: str) -> None:
    ours = network()
    twin = torch.nn.Sequential(
        torch.nn.Linear(8, 16), torch.nn.LayerNorm(16), torch.nn.GELU(), torch.nn.Linear(16, 4)
    )
    theirs = weft.to_torch(ours)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            parameter.copy_(theirs.get_parameter(name))
    optimizers = [getattr(torch.optim, kind)(m.parameters(), lr=0.01) for m in (theirs, twin)]
    x, y = torch.randn(32, 8), torch.randn(32, 4)
    for _ in range(5):
        for module, optimizer in zip((theirs, twin), optimizers):
            optimizer.zero_grad()
            (module(x) - y).square().mean().backward()
            optimizer.step()
    for name, parameter in twin.named_parameters():
        torch.testing.assert_close(theirs.get_parameter(name), parameter, rtol=1e-4, atol=1e-5)
    # One memory: weft's module computes with what PyTorch has trained.
    same(theirs(x), weft.jit(ours)(weft.asarray(x.numpy())))


def test_between_layers_of_pytorch_with_a_trained_input() -> None:
    before, after = torch.nn.Linear(6, 8), torch.nn.Linear(4, 1)
    model = torch.nn.Sequential(before, weft.to_torch(network()), after)
    model(torch.randn(3, 6)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert before.weight.grad.abs().sum() > 0


def test_functions_containers_and_integers() -> None:
    def function(pair: Any, places: Any, *, scale: float) -> Any:
        x, y = pair["x"], pair["y"]
        return {"product": scale * x * y, "places": (places + 1, weft.sum(x))}

    module = weft.to_torch(function)
    assert list(module.parameters()) == []
    x, y = torch.randn(3, 2, requires_grad=True), torch.randn(3, 2)
    found = module({"x": x, "y": y}, torch.arange(3), scale=2.0)
    torch.testing.assert_close(found["product"], 2 * x * y)
    assert found["places"][0].tolist() == [1, 2, 3]
    assert not found["places"][0].requires_grad
    (found["product"].sum() + found["places"][1]).backward()
    torch.testing.assert_close(x.grad, 2 * y + 1)
    assert y.grad is None


def test_dropout_and_running_averages() -> None:
    """What the forward pass drew is what the backward pass knows; buffers are PyTorch's too."""
    module = weft.to_torch(nn.Sequential(nn.BatchNorm1d(4), nn.Dropout(0.5)))
    x = torch.randn(64, 4, requires_grad=True)
    before = module.state_dict()["0.running_mean"].clone()
    result = module(x)
    assert not torch.equal(module.state_dict()["0.running_mean"], before)
    torch.testing.assert_close(
        module.state_dict()["0.running_mean"], 0.1 * x.detach().mean(0), rtol=1e-4, atol=1e-6
    )
    dropped = result == 0
    assert 0 < dropped.sum() < dropped.numel()
    seeds = dropped.to(torch.float32)
    (slopes,) = torch.autograd.grad(result, x, seeds)
    assert slopes.abs().sum() == 0  # what was dropped passes nothing on
    module.eval()
    torch.testing.assert_close(module(x), module(x))
    assert not (module(x) == 0).any()


def test_no_tape_where_pytorch_records_nothing() -> None:
    module, x = weft.to_torch(network()), torch.randn(2, 8)
    with torch.no_grad():
        assert module(x).grad_fn is None
    module.requires_grad_(False)
    assert module(x).grad_fn is None


def test_backward_twice_and_changes_in_between() -> None:
    module = weft.to_torch(network())
    x = torch.randn(2, 8, requires_grad=True)
    loss = module(x).sum()
    loss.backward(retain_graph=True)
    first = x.grad.clone()
    loss.backward()
    torch.testing.assert_close(x.grad, 2 * first)
    loss = module(x).sum()
    with torch.no_grad():
        next(module.parameters()).add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_inputs_with_gaps_and_other_shapes() -> None:
    ours = network()
    module = weft.to_torch(ours)
    wide = torch.randn(3, 16)
    for x in (wide[:, ::2], wide.T.reshape(16, 3)[:8].T, wide[:1, :8], wide[:0, :8]):
        same(module(x), weft.jit(ours)(weft.asarray(x.contiguous().numpy())))


def test_arguments_that_the_program_changes() -> None:
    def add_one(x: Any) -> Any:
        x += 1
        return weft.sum(x)

    module = weft.to_torch(add_one)
    for x in (torch.zeros(4), torch.zeros(3, 4)[:, ::2], torch.zeros(0)):
        total = module(x)
        assert torch.equal(x, torch.ones_like(x))
        assert total == x.numel()
    with pytest.raises(weft.GradientError, match="in place"):
        module(torch.zeros(2, requires_grad=True))


def test_what_is_no_program() -> None:
    with pytest.raises(weft.DTypeError, match="not a list"):
        weft.to_torch([])


def test_errors_have_the_line_of_the_user() -> None:
    with pytest.raises(weft.ShapeError, match=r"^[^ ]*test_to_torch.py:\d+: [^/]*$"):
        weft.to_torch(network())(torch.ones(3, 5))
