"""Products of whole numbers: activations of int8, with scales of the call or of calibration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import weft
from test_quantize import as_tensors, network, weight_of
from weft import _core, nn


def exact_of(bits, numbers, zero):
    """numbers - zero, as int64 [N, G, S]."""
    rows, groups, size = numbers.shape
    if bits == 4:
        numbers = np.stack([numbers & 15, numbers >> 4], -1).reshape(rows, groups, 2 * size)
    usual = np.full((rows, groups), 8 if bits == 4 else 0)
    return numbers.astype(np.int64) - (usual if zero is None else zero)[..., None].astype(np.int64)


def fma(x, y, z):
    """Rounded once: the product of floats is exact in float64, and the sum is made odd."""
    product = x.astype(np.float64) * y.astype(np.float64)
    wide = np.asarray(product + z)
    # What the sum in float64 lost decides where it lies between two floats.
    shift = wide - product
    lost = (product - (wide - shift)) + (z - shift)
    bits = wide.view(np.int64)
    away = np.where((lost > 0) == (wide > 0), bits, bits - 1)
    odd = np.where((lost != 0) & (bits & 1 == 0), away | 1, bits)
    return odd.view(np.float64).astype(np.float32)


def reference(x, weight, bits):
    """The definition: exact sums of groups, and a chain of them by the scales."""
    numbers, scale, *zero = weight
    exact = exact_of(bits, numbers, zero[0] if zero else None)
    sums = np.einsum("mgs,ngs->gmn", x.astype(np.int64), exact).astype(np.int32)
    result = np.zeros((x.shape[0], numbers.shape[0]), np.float32)
    for group, part in enumerate(sums):
        result = fma(part.astype(np.float32), scale[:, group], result)
    return result


def product(x, weight, bits):
    return _core.apply("weft.quantized_dot", (x, *weight), {"bits": bits})


def random_case(seed):
    generator = np.random.default_rng(seed)
    rows = int(generator.choice([0, 1, 2, 3, 5, 8, 9, 16, 17, 65, 130]))
    columns = int(generator.choice([0, 1, 2, 15, 16, 17, 32, 33, 64, 100, 130, 300]))
    groups = int(generator.choice([0, 1, 2, 5]))
    bits = int(generator.choice([4, 8]))
    size = int(generator.choice([0, 1, 2, 3, 4, 5, 8, 16, 28, 33, 70])) * 8 // bits
    weight = weight_of(generator, columns, groups, size, bits, bool(generator.integers(2)))
    x = generator.integers(-128, 127, (rows, groups, size), dtype=np.int8, endpoint=True)
    return x, weight, bits


@pytest.mark.parametrize("seed", range(60))
def test_products_are_those_of_whole_numbers_to_the_bit(seed):
    """Eager, compiled with the weight as an argument, and by a copy that is kept."""
    x, weight, bits = random_case(seed)
    expected = reference(x, weight, bits)
    own, given = tuple(each * 1 for each in as_tensors(weight)), weft.asarray(x)
    assert np.array(product(given, own, bits)).tobytes() == expected.tobytes()
    compiled = weft.jit(lambda x, weight: product(x, weight, bits))
    assert np.array(compiled(given, own)).tobytes() == expected.tobytes()
    kept = weft.jit(lambda x: product(x, own, bits))
    for _ in range(2):  # The second call has the copy.
        assert np.array(kept(given)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("value", [-128, 127])
@pytest.mark.parametrize("bits", [4, 8])
def test_the_largest_numbers_of_long_rows_are_exact(value, bits):
    x = np.full((3, 1, 4096), value, np.int8)
    numbers = np.full((5, 1, 4096 * bits // 8), 255 if bits == 4 else value)
    weight = numbers.astype(np.uint8 if bits == 4 else np.int8), np.ones((5, 1), np.float32)
    exact = 4096 * value * (7 if bits == 4 else value)
    assert (np.array(product(weft.asarray(x), as_tensors(weight), bits)) == exact).all()


@pytest.mark.parametrize("bits", [4, 8])
def test_what_follows_is_in_the_kernel(bits):
    x, bias = weft.ones((9, 2, 16), dtype="int8"), weft.asarray(np.arange(37, dtype=np.float32))
    weight = as_tensors(weight_of(np.random.default_rng(0), 37, 2, 16, bits, True))
    function = weft.jit(lambda x: nn.functional.relu(product(x, weight, bits) + bias) * 2)
    text = function.lower(x).ir("kernels")
    assert text.count("weft.launch ") == 1
    assert "tensor<37x2x16xi32>" not in text
    expected = nn.functional.relu(product(x, weight, bits) + bias) * 2
    assert np.array(function(x)).tobytes() == np.array(expected).tobytes()


def test_other_processors_have_the_same_bits():
    """Without instructions for dot products of bytes, in a process of their own."""
    test = f"{Path(__file__)}::test_products_are_those_of_whole_numbers_to_the_bit"
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", test]
    environment = os.environ | {"WEFT_TARGET": "x86-64-v3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("shape", [(), (7,)])
def test_steps_are_rounded_to_even_and_cut_off(shape):
    generator = np.random.default_rng(1)
    x = generator.integers(-600, 600, (7, 33)).astype(np.float32) / 2
    scale = np.exp2(generator.integers(-1, 2, shape)).astype(np.float32)
    made = _core.apply("weft.quantized_steps", as_tensors((x, scale)), {})
    expected = np.clip(np.round(x / (scale[:, None] if shape else scale)), -128, 127)
    np.testing.assert_array_equal(np.array(made), expected.astype(np.int8))


def reference_layer(layer, x, scale=None):
    """What a layer computes, in NumPy."""
    wide = x.astype(np.float32)
    if scale is None:
        largest = np.abs(wide).max(axis=1, initial=0) / np.float32(127)
        scale = np.where(largest == 0, np.float32(1), largest)[:, None]
    steps = np.clip(np.round(wide / scale), -128, 127).astype(np.int8)
    packed = layer.packed
    weight = [np.array(packed.numbers), np.array(packed.scale)]
    weight += [] if packed.zero is None else [np.array(packed.zero)]
    groups = weight[0].shape[1]
    size = x.shape[1] // groups if groups else 0
    made = reference(steps.reshape(x.shape[0], groups, size), weight, packed.bits) * scale
    return made if layer.bias is None else made + np.array(layer.bias)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("seed", range(6))
def test_layers_are_what_they_say(seed, dtype):
    generator = np.random.default_rng(seed)
    weft.random.seed(seed)
    bits, symmetric = int(generator.choice([4, 8])), bool(generator.integers(2))
    group = int(generator.choice([2, 6, 14, 70]))
    rows, width = int(generator.choice([0, 1, 4, 19])), group * int(generator.choice([1, 3]))
    linear = nn.Linear(width, int(generator.choice([1, 7, 40])), bool(generator.integers(2)))
    layer = nn.QuantizedLinear.of(linear, bits, group, symmetric, "int8")
    x = weft.asarray(generator.standard_normal((rows, width)).astype(np.float32)).astype(dtype)
    if rows > 1:
        x = x * weft.asarray(np.arange(rows)[:, None]).astype(dtype)  # A row of zeros as well.
    result = layer(x)
    assert result.dtype.name == dtype
    expected = weft.asarray(reference_layer(layer, np.array(x.astype("float32")))).astype(dtype)
    assert np.array(result).tobytes() == np.array(expected).tobytes()
    assert np.array(weft.jit(layer.__call__)(x)).tobytes() == np.array(result).tobytes()


def test_rows_have_scales_of_their_own():
    layer = nn.QuantizedLinear.of(nn.Linear(64, 8, bias=False), activations="int8")
    x = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    factors = np.array([[1.0], [2.0**20], [2.0**-20]], np.float32)
    apart = np.array(layer(weft.asarray(x)))
    np.testing.assert_array_equal(np.array(layer(weft.asarray(x * factors))), apart * factors)
    exact = x @ np.array(layer.dequantized()).T
    # Half a step of the row for each of 64 terms.
    bound = (
        np.abs(x).max(axis=1, keepdims=True) / 254 * np.abs(np.array(layer.dequantized())).sum(1)
    )
    assert (np.abs(apart - exact) <= bound * (1 + 2.0**-10)).all()
    assert np.abs(apart - exact).max() > 0
    wide = layer(weft.reshape(weft.asarray(x), (1, 3, 64)))
    np.testing.assert_array_equal(np.array(wide)[0], apart)


@pytest.mark.parametrize("percentile", [None, 90.0])
def test_calibration_finds_the_scales(percentile):
    model, generator = network(), np.random.default_rng(0)
    batches = [weft.asarray(generator.integers(0, 50, (4, 3))) for _ in range(3)]
    model.train()
    given = [np.abs(np.array(model[0](each))) for each in batches]
    most = max(x.max() if percentile is None else np.percentile(x, percentile) for x in given)
    wide = [np.array(model[1](model[0](each))) for each in batches]
    report = weft.quantize(
        model,
        include=["1", "3"],
        activations="int8_static",
        calibration=iter(batches),
        percentile=percentile,
    )
    assert model.training
    assert model[0].training
    np.testing.assert_allclose(float(model[1].input_scale), most / 127, rtol=1e-6)
    flat = [np.array(model[0](each)).reshape(-1, 64) for each in batches]
    scale = np.array(model[1].input_scale)
    made = [reference_layer(model[1], x, scale).reshape(4, 3, 96) for x in flat]
    np.testing.assert_array_equal(np.array(model[1](model[0](batches[0]))), made[0])
    change = np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(made, wide, strict=True)))
    size = np.sqrt(sum(np.sum(b**2) for b in wide))
    np.testing.assert_allclose(report.layers[0].output_error, change / size, rtol=1e-4)
    assert str(report).splitlines()[0].endswith("output error")
    state = {name: np.array(value) for name, value in model.state_dict().items()}
    other = network()
    weft.quantize(other, include=["1", "3"], activations="int8_static", calibration=batches[:1])
    other.load_state_dict({name: weft.asarray(value) for name, value in state.items()})
    assert np.array(other(batches[0])).tobytes() == np.array(model(batches[0])).tobytes()


def test_a_report_has_the_errors_of_results_where_there_is_data():
    model, batch = network(), weft.asarray([[3, 1, 49, 0]])
    assert weft.quantize(network(), activations="int8").layers[1].output_error is None
    report = weft.quantize(model, activations="int8", calibration=[(batch,)])
    assert [each.output_error is None for each in report.layers] == [True, False, False]
    assert 0 < report.layers[1].output_error < 0.02
    assert model[1].input_scale is None


@pytest.mark.parametrize("activations", ["int8", "int8_static"])
def test_modes_agree_and_files_keep_the_bits(activations, tmp_path):
    model, x = network(), weft.asarray([[3, 1, 49, 0]])
    weft.quantize(model, "int4", group=32, activations=activations, calibration=[x])
    expected = np.array(model(x))
    assert np.array(weft.jit(model.__call__)(x)).tobytes() == expected.tobytes()
    weft.export(model.__call__, x).save(tmp_path / "model.weft")
    assert np.array(weft.load(tmp_path / "model.weft")(x)).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": 0}, "groups have at least one weight, not 0"),
        ({"group": -4}, "groups have at least one weight, not -4"),
        ({"activations": "int4"}, '"int8" or "int8_static", not \'int4\''),
        ({"activations": "int8_static"}, "needs calibration=batches"),
        ({"activations": "int8_static", "calibration": []}, "has no batches"),
        ({"activations": "int8", "percentile": 99.0}, "a percentile is above 0"),
        (
            {"activations": "int8_static", "calibration": [0], "percentile": 0.0},
            "a percentile is above 0",
        ),
    ],
)
def test_what_can_not_be_is_refused(options, message):
    model = network()
    before = repr(model)
    with pytest.raises(weft.OptionError, match=message):
        weft.quantize(model, **options)
    assert repr(model) == before


def test_data_that_does_not_do_changes_nothing():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU())
    bad = weft.full((2, 8), float("nan"))
    with pytest.raises(weft.OptionError, match="'0' is given numbers that are not finite"):
        weft.quantize(model, activations="int8_static", calibration=[bad])

    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x):
            return self.used(x)

    with pytest.raises(weft.OptionError, match="no batch of the calibration reaches 'idle'"):
        weft.quantize(
            other := Other(), activations="int8_static", calibration=[{"x": weft.ones((2, 8))}]
        )
    assert type(model[0]) is type(other.used) is nn.Linear
    assert not other.used._forward_pre_hooks
