"""`weft.func`: what PyTorch's module of this name has besides the transformations."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from numerics import assert_same_bits, to_numpy
from weft import func, nn


def test_ensembles() -> None:
    models = [nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval() for _ in range(3)]
    models[0][0].bias.requires_grad_(False)
    parameters, buffers = func.stack_module_state(models)
    assert list(parameters) == [name for name, _ in models[0].named_parameters()]
    assert list(buffers) == [name for name, _ in models[0].named_buffers()]
    assert parameters["0.weight"].requires_grad
    assert not parameters["0.bias"].requires_grad
    x = weft.asarray(np.random.default_rng(0).normal(size=(3, 5, 3)).astype("float32"))

    def run(parameters: dict, buffers: dict, x: weft.Tensor) -> weft.Tensor:
        return func.functional_call(models[0], (parameters, buffers), x)

    found = weft.vmap(run)(parameters, buffers, x)
    wanted = np.stack([to_numpy(model(x[i])) for i, model in enumerate(models)])
    np.testing.assert_allclose(to_numpy(found), wanted, rtol=1e-5, atol=1e-6)
    weft.sum(found).backward()
    assert parameters["0.weight"].grad.shape == (3, 4, 3)
    assert models[0][0].weight.grad is None


def test_ensembles_of_unlike_modules() -> None:
    with pytest.raises(weft.OptionError, match="there has to be a module"):
        func.stack_module_state([])
    with pytest.raises(weft.DTypeError, match="is not a module"):
        func.stack_module_state([weft.sin])
    with pytest.raises(weft.OptionError, match="of one class, and either in training"):
        func.stack_module_state([nn.Linear(2, 2), nn.ReLU()])
    with pytest.raises(weft.OptionError, match="of one class, and either in training"):
        func.stack_module_state([nn.Linear(2, 2), nn.Linear(2, 2).eval()])
    with pytest.raises(weft.OptionError, match="other names"):
        func.stack_module_state([nn.Linear(2, 2), nn.Linear(2, 2, bias=False)])
    with pytest.raises(weft.ShapeError):
        func.stack_module_state([nn.Linear(2, 2), nn.Linear(2, 3)])


def test_functions_that_change_tensors_are_functions() -> None:
    def step(x: weft.Tensor) -> weft.Tensor:
        y = x.clone()
        y[0] = 5.0
        y.reshape(-1).mul_(2)
        return y

    x = weft.asarray([1.0, 2.0])
    made = func.functionalize(step, remove="mutations_and_views")
    assert weft.jit(made)(x).tolist() == [10.0, 4.0]
    assert weft.grad(lambda x: weft.sum(made(x)))(x).tolist() == [0.0, 2.0]
    with pytest.raises(weft.OptionError, match="remove has to be"):
        func.functionalize(step, remove="views")


def test_batch_norm_without_running_statistics() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sequential(nn.BatchNorm2d(2)), nn.LayerNorm(3))
    assert func.replace_all_batch_norm_modules_(model) is model
    assert dict(model.named_buffers()) == {}
    x = weft.asarray(np.random.default_rng(0).normal(size=(4, 2, 1, 3, 3)).astype("float32"))
    mapped = weft.vmap(model)(x)
    for i in range(4):
        np.testing.assert_allclose(to_numpy(mapped[i]), to_numpy(model(x[i])), atol=1e-5)
    layer = func.replace_all_batch_norm_modules_(nn.BatchNorm1d(3))
    x = weft.asarray(np.random.default_rng(0).normal(size=(4, 3)).astype("float32"))
    assert_same_bits(layer(x).detach(), layer.eval()(x).detach())


def test_linear_functions_of_tangents() -> None:
    value, push = func.linearize(lambda x: weft.sin(x) * 2, weft.asarray([0.0, 1.0]))
    np.testing.assert_allclose(value.numpy(), 2 * np.sin([0, 1]), rtol=1e-6)
    np.testing.assert_allclose(push(weft.ones(2)).numpy(), 2 * np.cos([0, 1]), rtol=1e-6)
