"""Weights of few bits: what they stand for, products by them, layers and whole modules."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import weft
from weft import _core, nn


def as_tensors(arrays):
    return tuple(weft.asarray(each) for each in arrays)


def weight_of(generator, rows, groups, size, bits, has_zero):
    """Numbers, scale and maybe zero, of random bits."""

    def drawn(*shape, least, most):
        dtype = np.uint8 if bits == 4 else np.int8
        return generator.integers(least, most, shape, endpoint=True).astype(dtype)

    whole = (0, 255) if bits == 4 else (-128, 127)
    numbers = drawn(rows, groups, size * bits // 8, least=whole[0], most=whole[1])
    scale = generator.standard_normal((rows, groups)).astype(np.float32)
    if not has_zero:
        return numbers, scale
    limits = (0, 15) if bits == 4 else whole
    return numbers, scale, drawn(rows, groups, least=limits[0], most=limits[1])


def reference_values(bits, numbers, scale, zero=None):
    """What NumPy makes of them, rounded once."""
    rows, groups, size = numbers.shape
    if bits == 4:
        numbers = np.stack([numbers & 15, numbers >> 4], -1).reshape(rows, groups, 2 * size)
    usual = np.full((rows, groups), 8 if bits == 4 else 0)
    exact = (
        numbers.astype(np.float32) - (usual if zero is None else zero).astype(np.float32)[..., None]
    )
    return exact * scale[..., None]


def product(x, weight, bits):
    """x [M, G, S] times the weight: [M, N]."""
    return _core.apply("weft.quantized_matmul", (x, *weight), {"bits": bits})


def random_case(seed):
    generator = np.random.default_rng(seed)
    rows = int(generator.choice([0, 1, 2, 3, 5, 8, 9, 16, 17, 65, 130]))
    columns = int(generator.choice([0, 1, 2, 15, 16, 17, 32, 33, 64, 100, 130, 300]))
    groups = int(generator.choice([0, 1, 2, 5]))
    bits = int(generator.choice([4, 8]))
    size = int(generator.choice([0, 1, 2, 3, 4, 5, 8, 16, 28, 33, 129, 300])) * 8 // bits
    weight = weight_of(generator, columns, groups, size, bits, bool(generator.integers(2)))
    return generator.standard_normal((rows, groups, size)).astype(np.float32), weight, bits


@pytest.mark.parametrize("seed", range(60))
def test_a_product_is_that_by_the_values_to_the_bit(seed):
    """Eager, compiled with the weight as an argument, and by a copy that is kept."""
    x, weight, bits = random_case(seed)
    values = _core.apply("weft.quantized_values", as_tensors(weight), {"bits": bits})
    assert np.array(values).tobytes() == reference_values(bits, *weight).tobytes()
    rows, groups, size = x.shape
    wide = weft.reshape(values, (weight[0].shape[0], groups * size))
    expected = np.array(nn.functional.linear(weft.asarray(x.reshape(rows, groups * size)), wide))
    own = tuple(each * 1 for each in as_tensors(weight))
    given = weft.asarray(x)
    assert np.array(product(given, own, bits)).tobytes() == expected.tobytes()
    compiled = weft.jit(lambda x, weight: product(x, weight, bits))
    assert np.array(compiled(given, own)).tobytes() == expected.tobytes()
    kept = weft.jit(lambda x: product(x, own, bits))
    for _ in range(2):  # The second call has the copy.
        assert np.array(kept(given)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("bits", [4, 8])
def test_what_follows_is_in_the_kernel(bits):
    x, bias = weft.ones((9, 2, 16)), weft.asarray(np.arange(37, dtype=np.float32))
    weight = as_tensors(weight_of(np.random.default_rng(0), 37, 2, 16, bits, True))
    function = weft.jit(lambda x: nn.functional.relu(product(x, weight, bits) + bias) * 2)
    text = function.lower(x).ir("kernels")
    assert text.count("weft.launch ") == 1
    assert "tensor<37x2x16xf32>" not in text
    expected = nn.functional.relu(product(x, weight, bits) + bias) * 2
    assert np.array(function(x)).tobytes() == np.array(expected).tobytes()


FLOATS = ("float8_e4m3fn", "float8_e5m2")


def float_values(bits, name):
    """The floats of 8 bits, by their definition: a sign, 4 or 5 bits of exponent, 3 or 2 behind."""
    fraction = 3 if name == "float8_e4m3fn" else 2
    bias = 7 if fraction == 3 else 15
    exponent, rest = (bits & 127) >> fraction, (bits & (2**fraction - 1)).astype(np.float64)
    power = np.where(exponent == 0, 1, exponent).astype(np.float64) - bias
    size = (rest / 2**fraction + (exponent != 0)) * np.exp2(power)
    largest = 0x7E if fraction == 3 else 0x7B
    size = np.where((bits & 127) > largest, np.nan, size)
    if fraction == 2:
        size = np.where((bits & 127) == 0x7C, np.inf, size)
    return np.where(bits & 128, -size, size).astype(np.float32)


@pytest.mark.parametrize("name", FLOATS)
def test_all_floats_of_8_bits_are_what_they_stand_for(name):
    """Those that are not finite as well, in words that are whole and that are not."""
    bits = np.arange(256, dtype=np.uint8).reshape(256, 1, 1)
    numbers = weft.bitcast(weft.asarray(bits.repeat(6, axis=2)), name)
    scale = weft.full((256, 1), 0.75)
    values = float_values(bits, name) * np.float32(0.75)
    made = _core.apply("weft.quantized_values", (numbers, scale), {"bits": 8})
    np.testing.assert_array_equal(np.array(made), values.repeat(6, axis=2))
    for place in range(6):
        x = weft.asarray(np.eye(6, dtype=np.float32)[place].reshape(1, 1, 6))
        ones = np.where(np.isfinite(values[:, 0, 0]), values[:, 0, 0], np.nan)
        np.testing.assert_array_equal(np.array(product(x, (numbers, scale), 8))[0], ones)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", FLOATS)
def test_a_product_by_floats_of_8_bits_is_that_by_the_values_to_the_bit(seed, name):
    x, weight, _ = random_case(seed)
    generator = np.random.default_rng(seed)
    bits = generator.integers(0, 0x7B, (weight[0].shape[0], *x.shape[1:]), dtype=np.uint8)
    bits |= generator.integers(0, 2, bits.shape, dtype=np.uint8) << 7
    own = (weft.bitcast(weft.asarray(bits), name), weft.asarray(weight[1]) * 1)
    rows, depth = x.shape[0], x.shape[1] * x.shape[2]
    values = float_values(bits, name) * weight[1][..., None]
    wide = weft.asarray(values.reshape(bits.shape[0], depth))
    expected = np.array(nn.functional.linear(weft.asarray(x.reshape(rows, depth)), wide))
    given = weft.asarray(x)
    assert np.array(product(given, own, 8)).tobytes() == expected.tobytes()
    assert np.array(weft.jit(lambda x: product(x, own, 8))(given)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", FLOATS)
def test_layers_of_floats_of_8_bits(name, tmp_path):
    model, x = network(), weft.asarray([[3, 1, 49, 0]])
    before, largest = np.array(model[1].weight), 448.0 if name == "float8_e4m3fn" else 57344.0
    report = weft.quantize(model, name, group=32)
    assert f"floats={name}" in repr(model[1])
    groups = before.reshape(96, 2, 32)
    scale = np.abs(groups).max(axis=2) / np.float32(largest)
    np.testing.assert_allclose(np.array(model[1].weight_scale), scale, rtol=2.0**-23)
    change = np.abs(np.array(model[1].dequantized()).reshape(96, 2, 32) - groups)
    steps = 2.0**-4 if name == "float8_e4m3fn" else 2.0**-3
    least = 2.0**-10 if name == "float8_e4m3fn" else 2.0**-17
    assert (change <= (np.abs(groups) * steps + least * scale[..., None]) * (1 + 2.0**-20)).all()
    assert report.layers[1].after == 96 * 64 + 96 * 2 * 4
    expected = np.array(model(x))
    assert np.array(weft.jit(model.__call__)(x)).tobytes() == expected.tobytes()
    weft.export(model.__call__, x).save(tmp_path / "model.weft")
    assert np.array(weft.load(tmp_path / "model.weft")(x)).tobytes() == expected.tobytes()
    weft.save(model.state_dict(), tmp_path / "model.safetensors")
    weft.quantize(other := network(), name, group=32)
    other.load_state_dict(weft.load(tmp_path / "model.safetensors"))
    assert np.array(other(x)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("options", [{"symmetric": False}, {"activations": "int8"}])
def test_floats_of_8_bits_are_symmetric_and_by_floats(options):
    with pytest.raises(weft.OptionError, match="weights of float8_e5m2 are symmetric"):
        weft.quantize(network(), "float8_e5m2", **options)
    with pytest.raises(weft.OptionError, match=r"floats are|activations of int8 are"):
        nn.QuantizedLinear(4, 4, floats="float8_e5m2", **options)


def test_other_processors_have_the_same_bits():
    """The narrower vectors of x86-64-v3, in a process of their own."""
    names = (
        "test_a_product_is_that_by_the_values_to_the_bit",
        "test_a_product_by_floats_of_8_bits_is_that_by_the_values_to_the_bit",
    )
    tests = [f"{Path(__file__)}::{name}" for name in names]
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"WEFT_TARGET": "x86-64-v3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_gradients_go_by_the_definition():
    generator = np.random.default_rng(3)
    weight = weight_of(generator, 5, 2, 8, 4, True)
    x = generator.standard_normal((3, 2, 8)).astype(np.float32)
    numbers, scale, zero = as_tensors(weight)

    def loss(x, scale):
        return (product(x, (numbers, scale, zero), 4) ** 2).sum()

    ours = weft.grad(loss, argnums=(0, 1))(weft.asarray(x), scale)
    flat, wide = x.reshape(3, 16).astype(np.float64), reference_values(4, *weight).reshape(5, 16)
    outer = 2 * flat @ wide.T
    steps = wide.reshape(5, 2, 8) / weight[1][..., None]
    of_scale = ((outer.T @ flat).reshape(5, 2, 8) * steps).sum(axis=2)
    np.testing.assert_allclose(np.array(ours[0]).reshape(3, 16), outer @ wide, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(np.array(ours[1]), of_scale, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("batched", ["x", "weight", "both"])
def test_vmap_is_a_loop(batched):
    generator = np.random.default_rng(4)
    weights = [weight_of(generator, 6, 2, 8, 8, True) for _ in range(3)]
    x = weft.asarray(generator.standard_normal((3, 4, 2, 8)).astype(np.float32))
    stacked = as_tensors(np.stack(each) for each in zip(*weights, strict=True))
    has_x, has_weight = batched != "weight", batched != "x"
    axes = (0 if has_x else None, 0 if has_weight else None)
    result = weft.vmap(lambda x, w: product(x, w, 8), in_axes=axes)(
        x if has_x else x[0], stacked if has_weight else as_tensors(weights[0])
    )
    for number in range(3):
        own = as_tensors(weights[number if has_weight else 0])
        expected = product(x[number if has_x else 0], own, 8)
        assert np.array(result[number]).tobytes() == np.array(expected).tobytes()


def network():
    weft.random.seed(0)
    return nn.Sequential(
        nn.Embedding(50, 64), nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 50, bias=False)
    )


FORMATS = [
    (weights, group, symmetric)
    for weights in ("int8", "int4")
    for group in (32, 128, None)
    for symmetric in (True, False)
]


@pytest.mark.parametrize(("weights", "group", "symmetric"), FORMATS)
def test_weights_move_by_about_half_a_step(weights, group, symmetric):
    model = network()
    before = np.array(model[1].weight)
    report = weft.quantize(model, weights, group, symmetric)
    size = {32: 32, 128: 64, None: 64}[group]
    assert [layer.group for layer in report.layers][:2] == [size, size]
    groups = before.reshape(96, -1, size)
    spread = np.abs(groups).max(2) if symmetric else np.ptp(groups, axis=2)
    steps = {("int8", True): 127, ("int4", True): 7.0}.get((weights, symmetric))
    steps = steps or {"int8": 255, "int4": 15}[weights]
    change = np.abs(np.array(model[1].dequantized()).reshape(groups.shape) - groups)
    # A zero that is rounded moves the ends by half a step more; 4 bits cut off what is opposite
    # to the largest.
    most = 0.5 if symmetric and weights == "int8" else 1.0
    assert (change <= spread[..., None] / steps * most * (1 + 2.0**-18)).all()
    assert np.sqrt((change**2).mean()) <= 0.33 * (spread / steps).max()


def test_what_a_report_says_is_so():
    model = network()
    before = [np.array(model[place].weight) for place in (0, 1, 3)]
    report = weft.quantize(model, "int4", group=64)
    assert [layer.name for layer in report.layers] == ["0", "1", "3"]
    state = model.state_dict()
    assert report.after == sum(np.array(each).nbytes for each in state.values())
    assert report.before == 4 * (50 * 64 + 96 * 64 + 96 + 96 * 50)
    for layer, weight, place in zip(report.layers, before, (0, 1, 3), strict=True):
        change = np.array(model[place].dequantized()) - weight
        error = np.linalg.norm(change) / np.linalg.norm(weight)
        np.testing.assert_allclose(layer.error, error, rtol=1e-4)
        assert (layer.before, layer.shape) == (weight.nbytes, weight.shape)
    text = str(report)
    assert f"{report.ratio:.2f} x smaller" in text.splitlines()[-1]
    assert len(text.splitlines()) == 5
    rich = pytest.importorskip("rich.console")
    console = rich.Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(report)
    assert f"{report.ratio:.2f} x smaller" in console.export_text()


def test_sizes_are_as_promised():
    for weights, group, least in (("int8", 128, 3.8), ("int4", 128, 7), ("int4", 64, 7)):
        report = weft.quantize(nn.Sequential(nn.Linear(1024, 256, bias=False)), weights, group)
        assert report.ratio >= least


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_modes_agree_and_files_keep_the_bits(weights, tmp_path):
    model, x = network(), weft.asarray([[3, 1, 49, 0]])
    weft.quantize(model, weights, group=32)
    expected = np.array(model(x))
    assert np.array(weft.jit(model.__call__)(x)).tobytes() == expected.tobytes()
    exported = weft.export(model.__call__, x)
    exported.save(tmp_path / "model.weft")
    loaded = weft.load(tmp_path / "model.weft")
    assert np.array(loaded(x)).tobytes() == expected.tobytes()
    weft.save(model.state_dict(), tmp_path / "model.safetensors")
    other = network()
    weft.quantize(other, weights, group=32)
    other[1].weight = weft.zeros_like(other[1].weight)
    other.load_state_dict(weft.load(tmp_path / "model.safetensors"))
    assert np.array(other(x)).tobytes() == expected.tobytes()


def test_names_choose():
    model = network()
    report = weft.quantize(model, include=["1", "3"], exclude="3")
    assert [layer.name for layer in report.layers] == ["1"]
    assert type(model[0]) is nn.Embedding
    assert isinstance(model[1], nn.QuantizedLinear)
    assert type(model[3]) is nn.Linear


def test_what_is_shared_stays_shared():
    first, head = nn.Embedding(50, 64), nn.Linear(64, 50, bias=False)
    head.weight = first.weight
    model = nn.Sequential(first, nn.Linear(64, 64), head)
    weft.quantize(model, "int4")
    assert model[0].weight is model[2].weight
    assert model[0].weight_scale is model[2].weight_scale
    twice = nn.Sequential(layer := nn.Linear(64, 64), layer)
    weft.quantize(twice)
    assert twice[0] is twice[1]


@pytest.mark.parametrize(("width", "group", "made"), [(784, 128, 112), (784, 64, 56), (6, 128, 6)])
def test_groups_divide_rows(width, group, made):
    report = weft.quantize(nn.Sequential(nn.Linear(width, 3)), "int4", group)
    assert report.layers[0].group == made


@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (1, 1), (2, 1)])
def test_small_layers(shape):
    layer = nn.QuantizedLinear.of(nn.Linear(*shape), bits=8)
    result = layer(weft.ones((2, shape[0])))
    assert result.shape == (2, shape[1])


@pytest.mark.parametrize(
    ("module", "options", "error", "message"),
    [
        (network, {"weights": "int2"}, weft.OptionError, "not 'int2'"),
        (network, {"include": "head"}, weft.OptionError, "has a name like 'head'"),
        (network, {"exclude": "*"}, weft.OptionError, "is excluded as well"),
        (lambda: nn.Linear(4, 4), {}, weft.OptionError, r"nn\.QuantizedLinear\.of"),
        (lambda: nn.Sequential(nn.Linear(257, 4)), {}, weft.ShapeError, "'0' has rows of 257"),
        (
            lambda: nn.Sequential(nn.Linear(7, 4)),
            {"weights": "int4", "group": None},
            weft.ShapeError,
            "rows of 7 weights",
        ),
    ],
)
def test_what_can_not_be_is_refused(module, options, error, message):
    made = module()
    before = repr(made)
    with pytest.raises(error, match=message):
        weft.quantize(made, **options)
    assert repr(made) == before


def test_weights_that_are_not_finite_change_nothing():
    model = network()
    model[3].weight = nn.Parameter(weft.full((50, 96), float("nan")))
    with pytest.raises(weft.OptionError, match="not finite"):
        weft.quantize(model)
    assert type(model[1]) is nn.Linear


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_other_dtypes_of_activations(dtype):
    layer = nn.QuantizedLinear.of(nn.Linear(64, 8), bits=4, group=32)
    x = np.random.default_rng(0).standard_normal((3, 64)).astype(np.float32)
    result = layer(weft.asarray(x).astype(getattr(weft, dtype)))
    assert result.dtype.name == dtype
    own = np.array(weft.asarray(x).astype(getattr(weft, dtype)).astype(weft.float64))
    exact = own @ np.array(layer.dequantized(), np.float64).T + np.array(layer.bias)
    tolerance = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float64": 1e-13}[dtype]
    np.testing.assert_allclose(np.array(result.astype(weft.float64)), exact, atol=2 * tolerance)


@pytest.mark.parametrize(
    ("weights", "symmetric"),
    [("int8", True), ("int4", True), ("int4", False), ("float8_e4m3fn", True)],
)
def test_fake_quantised_layers_train_what_they_become(weights, symmetric):
    weft.random.seed(1)
    layer, x = nn.Linear(16, 5), weft.randn((7, 16))
    before = np.array(layer.weight)
    nn.utils.parametrizations.fake_quantized(layer, "weight", weights, 8, symmetric)
    learned = layer.parametrizations.weight.original
    assert np.array(learned).tobytes() == before.tobytes()

    @weft.jit
    def gradient():
        learned.grad = None
        (layer(x) ** 2).sum().backward()
        return learned.grad

    rounded = np.array(layer.weight)
    assert 0 < np.abs(rounded - before).max() < 0.1
    result = x.numpy() @ rounded.T + np.array(layer.bias)
    np.testing.assert_allclose(np.array(gradient()), 2 * result.T @ x.numpy(), rtol=1e-4, atol=1e-4)
    module = nn.Sequential(layer)
    weft.quantize(module, weights, 8, symmetric)
    np.testing.assert_allclose(np.array(module[0].dequantized()), rounded, rtol=1e-5, atol=1e-6)


def test_what_can_not_be_fake_quantised_is_refused():
    layer = nn.Linear(6, 2)
    fake = nn.utils.parametrizations.fake_quantized
    with pytest.raises(weft.OptionError, match="not 'int2'"):
        fake(layer, weights="int2")
    with pytest.raises(weft.ShapeError, match="no groups of 4 numbers"):
        fake(layer, group=4)
    assert type(layer) is nn.Linear


PICTURES = Path("/usr/share/datasets/fashion-mnist")


@pytest.mark.skipif(not PICTURES.exists(), reason="Debian's dataset-fashion-mnist is not there")
def test_accuracy_on_pictures_of_clothes():
    """Trained on some of them, and never above 0.3 points below what float32 has."""
    weft.manual_seed(0)
    train, test = weft.data.FashionMNIST(), weft.data.FashionMNIST(train=False)

    def given(part, count):
        pictures = weft.asarray(part.data[:count].reshape(count, 784)).astype(weft.float32)
        return pictures / 255, weft.asarray(part.targets[:count])

    (x, labels), (pictures, classes) = given(train, 20000), given(test, 10000)
    net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = weft.optim.Adam(net.parameters(), lr=2e-3)

    @weft.jit
    def step(x, labels):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), labels).backward()
        optimizer.step()

    for _ in range(3):
        for start in range(0, 20000, 200):
            step(x[start : start + 200], labels[start : start + 200])

    def accuracy():
        found = weft.jit(net.__call__)(pictures).argmax(axis=1)
        return float((found == classes).astype(weft.float32).mean()) * 100

    whole, state = accuracy(), [np.array(net[place].weight) for place in (0, 2)]
    assert whole > 82
    for weights, group in (("int8", None), ("int8", 128), ("int4", 64)):
        for place, weight in zip((0, 2), state, strict=True):
            other = nn.Linear(weight.shape[1], weight.shape[0])
            other.weight, other.bias = nn.Parameter(weight), net[place].bias
            net[place] = other
        weft.quantize(net, weights, group)
        assert accuracy() > whole - 0.3
