"""The scaler of gradients beside PyTorch's, eager and compiled."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import weft
from numerics import assert_same_bits, to_numpy

#: What the gradients are of in each step: a step that overflows is skipped.
FACTORS = [1.0, 2.0, float("inf"), 1.0, float("nan"), 3.0, 1.0, 1.0, 1e30, 1.0]
OPTIONS = {"init_scale": 2.0**10, "growth_interval": 2, "growth_factor": 4.0}
START = np.linspace(-1, 1, 6, dtype=np.float32)


def ours(name: str, options: dict, wrap: Callable = lambda f: f) -> tuple[list, dict]:
    parameter = weft.nn.Parameter(weft.asarray(START))
    optimizer = getattr(weft.optim, name)([parameter], **options)
    scaler = weft.amp.GradScaler(**OPTIONS)

    def step(factor: weft.Tensor) -> None:
        optimizer.zero_grad()
        scaler.scale((parameter * parameter * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()

    run = wrap(step)
    values = []
    for factor in FACTORS:
        run(weft.asarray(factor, dtype="float32"))
        values += [to_numpy(parameter.detach()).copy(), scaler.get_scale()]
    if wrap is weft.jit:
        # The first step may find state to be made; no other traces again.
        assert run.stats()["traces"] <= 2
    return values, scaler.state_dict()


def pytorchs(name: str, options: dict) -> tuple[list, dict]:
    parameter = torch.nn.Parameter(torch.from_numpy(START.copy()))
    optimizer = getattr(torch.optim, name)([parameter], **options)
    scaler = torch.amp.GradScaler("cpu", **OPTIONS)
    values = []
    for factor in FACTORS:
        optimizer.zero_grad()
        scaler.scale((parameter * parameter * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        values += [parameter.detach().numpy().copy(), scaler.get_scale()]
    return values, scaler.state_dict()


@pytest.mark.parametrize(
    ("name", "options"),
    [("SGD", {"lr": 0.1}), ("SGD", {"lr": 0.1, "momentum": 0.9}), ("Adam", {"lr": 0.1})],
)
def test_steps_are_pytorchs(name: str, options: dict) -> None:
    eager, state = ours(name, options)
    compiled, compiled_state = ours(name, options, weft.jit)
    theirs, their_state = pytorchs(name, options)
    assert state == compiled_state == their_state
    for left, right in zip(eager, compiled, strict=True):
        assert_same_bits(left, right)
    for left, right in zip(eager, theirs, strict=True):
        # A few roundings of each of ten steps.
        np.testing.assert_allclose(left, right, rtol=40 * 2.0**-24, atol=1e-7)


def test_unscaled_gradients_can_be_clipped() -> None:
    parameter = weft.nn.Parameter(weft.ones(3))
    optimizer = weft.optim.SGD([parameter], lr=1.0)
    scaler = weft.amp.GradScaler(init_scale=8.0)
    scaler.scale((parameter * 3.0).sum()).backward()
    np.testing.assert_array_equal(to_numpy(parameter.grad), [24, 24, 24])
    scaler.unscale_(optimizer)
    np.testing.assert_array_equal(to_numpy(parameter.grad), [3, 3, 3])
    with pytest.raises(weft.OptionError, match="unscaled already"):
        scaler.unscale_(optimizer)
    weft.nn.utils.clip_grad_value_(parameter, 1.0)
    scaler.step(optimizer)
    np.testing.assert_array_equal(to_numpy(parameter.detach()), [0, 0, 0])
    with pytest.raises(weft.OptionError, match="has made its step"):
        scaler.step(optimizer)
    scaler.update()
    with pytest.raises(weft.OptionError, match="no step since the last call"):
        scaler.update()
    scaler.update(16.0)
    assert scaler.get_scale() == 16.0


def test_several_optimizers_share_a_scale() -> None:
    finite, infinite = (weft.nn.Parameter(weft.ones(2)) for _ in range(2))
    optimizers = [weft.optim.SGD([p], lr=0.5) for p in (finite, infinite)]
    scaler = weft.amp.GradScaler(init_scale=4.0)
    scaler.scale(finite.sum() + (infinite * float("inf")).sum()).backward()
    for optimizer in optimizers:
        scaler.step(optimizer)
    scaler.update()
    np.testing.assert_array_equal(to_numpy(finite.detach()), [0.5, 0.5])
    np.testing.assert_array_equal(to_numpy(infinite.detach()), [1, 1])
    assert scaler.get_scale() == 2.0


def test_states_are_pytorchs() -> None:
    scaler, theirs = weft.amp.GradScaler(**OPTIONS), torch.amp.GradScaler("cpu", **OPTIONS)
    changed = {**theirs.state_dict(), "scale": 3.0, "_growth_tracker": 1, "growth_interval": 7}
    scaler.load_state_dict(changed)
    theirs.load_state_dict(changed)
    assert scaler.state_dict() == theirs.state_dict() == changed
    with pytest.raises(weft.NameUseError, match="_growth_tracker"):
        scaler.load_state_dict({"scale": 1.0})


def test_without_scaling_nothing_changes() -> None:
    parameter = weft.nn.Parameter(weft.ones(2))
    optimizer = weft.optim.SGD([parameter], lr=0.5)
    scaler = weft.amp.GradScaler(enabled=False)
    scaler.scale(parameter.sum()).backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    np.testing.assert_array_equal(to_numpy(parameter.detach()), [0.5, 0.5])
    assert (scaler.get_scale(), scaler.state_dict(), scaler.is_enabled()) == (1.0, {}, False)


def test_outputs_keep_their_dtypes_and_containers() -> None:
    scaler = weft.amp.GradScaler(init_scale=4.0)
    scaled = scaler.scale({"a": weft.ones(2, dtype="bfloat16"), "b": [weft.ones(1)]})
    assert scaled["a"].dtype == "bfloat16"
    assert_same_bits(scaled["b"][0], np.full(1, 4, np.float32))


def test_what_is_refused() -> None:
    with pytest.raises(weft.OptionError, match="growth_factor"):
        weft.amp.GradScaler(growth_factor=1.0)
    with pytest.raises(weft.OptionError, match="backoff_factor"):
        weft.amp.GradScaler(backoff_factor=1.0)
    parameter = weft.nn.Parameter(weft.ones(2, dtype="float16"))
    optimizer = weft.optim.SGD([parameter], lr=0.5)
    scaler = weft.amp.GradScaler()
    parameter.sum().backward()
    with pytest.raises(weft.DTypeError, match="float16"):
        scaler.unscale_(optimizer)
    with pytest.raises(weft.OptionError, match="closure"):
        scaler.step(optimizer, closure=lambda: None)
