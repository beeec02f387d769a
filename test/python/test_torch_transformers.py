"""Transformers with random weights: one graph, nothing left to PyTorch, its outputs and steps."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

import weft.torch  # noqa: E402
from transformer_twins import TWINS, plain_outputs  # noqa: E402

pytestmark = pytest.mark.usefixtures("fresh_torch_compiler")


@pytest.mark.parametrize("name", TWINS)
def test_outputs(name: str):
    twin = TWINS[name]
    model, inputs = twin.make().eval(), twin.inputs()
    with torch.no_grad():
        expected = plain_outputs(model(**inputs))
        exact = plain_outputs(copy.deepcopy(model).double()(**_double(inputs)))
        found = weft.torch.explain(model, **inputs)
        results = plain_outputs(torch.compile(model, backend="weft")(**inputs))
    assert found.captured == 1
    assert found.fallbacks == []
    for ours, theirs, true in zip(results, expected, exact, strict=True):
        # As far from the exact result as PyTorch's own, up to the order of sums.
        error = (theirs - true).abs().max()
        bound = 8 * error + 64 * 2**-24 * true.abs().max()
        assert (ours - true).abs().max() <= bound


def _double(inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: x.double() if x.is_floating_point() else x for name, x in inputs.items()}


@pytest.mark.parametrize("name", ["BERT", "GPT-2", "ResNet"])
def test_twenty_steps_of_training(name: str):
    twin = TWINS[name]
    theirs = twin.make().train()
    for module in theirs.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1
    exact, ours = copy.deepcopy(theirs).double(), copy.deepcopy(theirs)
    inputs = twin.inputs()
    true = _trained(exact, exact, _double(inputs))
    expected = _trained(theirs, theirs, inputs)
    found = _trained(ours, _compiled(ours), inputs)
    assert expected[-1] < expected[0]
    error = 0.0
    for mine, other, wanted in zip(found, expected, true, strict=True):
        # Roundings grow from step to step, in PyTorch as here.
        error = max(error, abs(other - wanted))
        assert abs(mine - wanted) <= 8 * error + 256 * 2**-24 * wanted


def _compiled(model: torch.nn.Module) -> torch.nn.Module:
    return torch.compile(model, backend="weft")


def _trained(
    model: torch.nn.Module, call: torch.nn.Module, inputs: dict[str, torch.Tensor]
) -> list[float]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.002)
    losses = []
    for step in range(20):
        torch.manual_seed(step)
        optimizer.zero_grad()
        loss = plain_outputs(call(**inputs))[0].square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
