"""weft.summary beside torchinfo's figures and PyTorch's counter of operations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import weft

torch = pytest.importorskip("torch")
torchinfo = pytest.importorskip("torchinfo")


def dense(nn: Any) -> Any:
    return nn.Sequential(nn.Linear(13, 31), nn.ReLU(), nn.Linear(31, 7, bias=False))


def images(nn: Any) -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 16, (3, 5), stride=2, groups=4),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 16, 3, padding=1, groups=16, dilation=2),
        nn.Flatten(),
        nn.Dropout(0.5),
    )


def signal(nn: Any) -> Any:
    return nn.Sequential(nn.Conv1d(4, 6, 3), nn.GELU(), nn.AvgPool1d(2), nn.LayerNorm(9))


def words(nn: Any) -> Any:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True)
    return nn.Sequential(nn.Embedding(50, 16), layer, nn.Linear(16, 50))


def attended(nn: Any) -> Any:
    """Products outside of layers."""
    function = __import__(f"{'torch' if nn is torch.nn else 'weft'}.nn.functional").nn.functional

    class Attended(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.of = nn.Linear(12, 12)

        def forward(self, x: Any) -> Any:
            q = self.of(x)
            k = self.of(q)
            return function.scaled_dot_product_attention(q, k, k) @ k.mT

    return Attended()


CASES: list[tuple[Callable, tuple[int, ...], str]] = [
    (dense, (4, 13), "float32"),
    (dense, (13,), "float32"),
    (dense, (0, 13), "float32"),
    (images, (2, 3, 20, 24), "float32"),
    (signal, (3, 4, 20), "float32"),
    (words, (2, 11), "int64"),
    (attended, (2, 3, 9, 12), "float32"),
]


def torch_flops(model: Any, data: Any) -> int:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    # The fused path of an encoder hides its products from the counter.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        # Nor does it know the fused attention of processors.
        counting = FlopCounterMode(display=False)
        with counting as counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            model.eval()(data)
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops()


@pytest.mark.parametrize(("make", "shape", "dtype"), CASES)
def test_figures_are_those_of_others(make: Callable, shape: tuple, dtype: str) -> None:
    found = weft.summary(make(weft.nn), weft.spec(shape, dtype))
    theirs = make(torch.nn)
    data = torch.zeros(shape, dtype=getattr(torch, dtype))
    assert 2 * found.multiply_adds == torch_flops(theirs, data)
    if math.prod(shape) == 0:
        return
    other = torchinfo.summary(theirs, input_data=data, verbose=0, depth=9)
    assert found.parameters == other.total_params
    assert found.trainable_parameters == other.trainable_params
    expected = {
        (row.var_name, tuple(row.output_size))
        for row in other.summary_list
        if row.depth and not row.is_recursive
    }
    named = {
        (layer.name.rpartition(".")[2], layer.outputs[0].shape)
        for layer in found.layers
        if layer.name and layer.calls
    }
    # An encoder's attention gives two results, and its projection is no call of a module.
    skipped = {"self_attn", "out_proj"}
    assert {row for row in named if row[0] not in skipped} == {
        row for row in expected if row[0] not in skipped
    }


def test_a_transposed_convolution_multiplies_zeros_too() -> None:
    """It is a convolution over its input with zeros between, and counts as what is computed."""
    ours, theirs = (
        weft.nn.ConvTranspose2d(16, 4, 2, stride=2),
        torch.nn.ConvTranspose2d(16, 4, 2, 2),
    )
    found = weft.summary(ours, weft.spec((2, 16, 4, 5))).multiply_adds
    assert 2 * found == 2 * 2 * torch_flops(theirs, torch.zeros(2, 16, 4, 5))


def test_calls_parameters_and_bytes_of_layers() -> None:
    model = attended(weft.nn)
    found = weft.summary(model, weft.ones((2, 3, 9, 12)))
    whole, layer = found.layers
    assert (whole.name, whole.kind, whole.depth, whole.calls) == ("", "Attended", 0, 1)
    assert (layer.name, layer.kind, layer.depth, layer.calls) == ("of", "Linear", 1, 2)
    assert layer.parameters == found.parameters == 12 * 12 + 12
    assert layer.bytes == found.parameter_bytes == 4 * found.parameters
    assert layer.multiply_adds == 2 * (2 * 3 * 9) * 12 * 12
    assert whole.multiply_adds == found.multiply_adds > layer.multiply_adds
    assert found.input_bytes == 4 * 2 * 3 * 9 * 12
    assert found.output_bytes == 2 * found.input_bytes
    assert whole.inputs[0].shape == (2, 3, 9, 12)


def test_shared_parameters_count_once_and_frozen_ones_do_not_train() -> None:
    model = weft.nn.Sequential(weft.nn.Linear(4, 4), weft.nn.Linear(4, 4), weft.nn.BatchNorm1d(4))
    model[1].weight = model[0].weight
    model[1].bias.requires_grad_(False)
    found = weft.summary(model, weft.spec((2, 4)))
    assert found.parameters == 16 + 4 + 4 + 8
    assert found.trainable_parameters == found.parameters - 4
    assert found.buffers == 4 + 4 + 1
    assert sum(layer.parameters for layer in found.layers) == found.parameters
    assert sum(layer.bytes for layer in found.layers) == found.parameter_bytes


def test_nothing_changes_and_nothing_runs() -> None:
    model = weft.nn.Sequential(weft.nn.BatchNorm1d(4), weft.nn.Dropout(), weft.nn.Linear(4, 2))
    model[1].eval()
    before = {name: np.asarray(value).copy() for name, value in model.state_dict().items()}
    compiled = weft.jit(model)
    compiled(weft.ones((3, 4)))
    weft.summary(model, weft.spec((1 << 40, 4)))
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert not any(module._forward_hooks for module in model.modules())
    del before["0.running_mean"], before["0.running_var"], before["0.num_batches_tracked"]
    for name, value in before.items():
        np.testing.assert_array_equal(np.asarray(model.state_dict()[name]), value)
    compiled(weft.ones((3, 4)))
    assert compiled.stats()["traces"] == 1


def test_containers_numbers_and_keywords() -> None:
    class Several(weft.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = weft.nn.Linear(2, 2)
            self.used = weft.nn.Linear(3, 5)

        def forward(self, pair: tuple, scale: float = 1.0, *, mode: str, more: dict) -> dict:
            x, y = pair
            return {"a": self.used(x) * scale, "b": [y, more["z"]], "mode": mode}

    pair = (np.ones((2, 3), np.float32), weft.ones(4))
    more = {"z": weft.spec((7,), "int32")}
    found = weft.summary(Several(), pair, 2.0, mode="x", more=more)
    whole, unused, used = found.layers
    assert [spec.shape for spec in whole.outputs] == [(2, 5), (4,), (7,)]
    assert unused.calls == 0
    assert unused.outputs == ()
    assert used.multiply_adds == found.multiply_adds == 30
    assert "not called" in str(found)


def test_loops_count_as_often_as_they_run() -> None:
    class Looped(weft.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.of = weft.nn.Linear(4, 4)

        def forward(self, x: weft.Tensor) -> weft.Tensor:
            return weft.scan(lambda c, _: (self.of(c), None), x, None, length=6)[0]

    assert weft.summary(Looped(), weft.spec((3, 4))).multiply_adds == 6 * 3 * 16


def test_prints_a_table() -> None:
    text = str(weft.summary(images(weft.nn), weft.spec((2, 3, 20, 24))))
    for part in ("Conv2d", "float32[2, 8, 20, 24]", "MaxPool2d", "multiply-adds", "parameters"):
        assert part in text


def test_wrong_use() -> None:
    model = dense(weft.nn)
    with pytest.raises(weft.DTypeError, match="summary takes a module"):
        weft.summary(weft.sin, weft.ones(3))
    with pytest.raises(weft.ShapeError, match=r"py:\d+: summary: the sizes have to be numbers"):
        weft.summary(model, weft.spec(("batch", 13)))
    with pytest.raises(weft.ShapeError):
        weft.summary(model, weft.spec((4, 12)))
    assert not any(module._forward_hooks for module in model.modules())
    assert model.training
    assert weft.summary(model, weft.spec((4, 13))).parameters


class Repeated(weft.nn.Module):
    """A product as often as it is told."""

    def forward(self, x, times=1):
        for _ in range(times):
            x = x @ x
        return x


def test_calls_of_one_shape_may_do_other_work() -> None:
    class Model(weft.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Repeated()

        def forward(self, x):
            return self.inner(self.inner(x), times=5) + self.inner(x)

    found = weft.summary(Model(), weft.spec((4, 4)))
    assert [(layer.calls, layer.multiply_adds) for layer in found.layers] == [(1, 448), (3, 448)]


@pytest.mark.parametrize("name", ["[red]a", "[/]", "a\\", "[b]é日本[/b]", "\\[a]"])
def test_names_are_printed_as_they_are(name: str) -> None:
    model = weft.nn.Sequential()
    model.add_module(name, weft.nn.Linear(4, 4))
    assert f"  {name}: Linear" in str(weft.summary(model, weft.spec((2, 4))))
    report = weft.quantize(model)
    console = pytest.importorskip("rich.console").Console(width=200)
    with console.capture() as captured:
        console.print(report)
    assert f" {name} " in captured.get()
