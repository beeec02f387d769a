"""Random modules that `weft.quantize` is given: what they compute, and what the report says."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from weft import nn

WEIGHTS = ("int8", "int4", "float8_e4m3fn", "float8_e5m2")
WIDTHS = (2, 4, 8, 12, 16, 28, 30, 64, 96, 130)


def drawn_weight(generator, shape, dtype):
    """Of some kind of distribution, and some size that the dtype has."""
    sizes = (-4, 1) if dtype == "float16" else (-32, 30)
    weight = generator.standard_normal(shape) * 10.0 ** float(generator.integers(*sizes))
    kind = generator.integers(6)
    if kind == 0:
        weight = -np.abs(weight)
    elif kind == 1:
        weight[generator.integers(shape[0])] = 0.0
    elif kind == 2:
        weight *= 10.0 ** generator.integers(-3, 4, (shape[0], 1))
    elif kind == 3:
        weight = np.full(shape, weight[0, 0])
    return weight.astype(np.float32)


def drawn_layer(generator, width, dtype):
    """A layer for rows of so many numbers, and how many it makes of them."""
    made = int(generator.choice(WIDTHS))
    layer = nn.Linear(width, made, bias=bool(generator.integers(2)), dtype=dtype)
    weight = weft.asarray(drawn_weight(generator, (made, width), dtype))
    layer.weight = nn.Parameter(weight.astype(layer.weight.dtype))
    kind = generator.integers(8)
    if kind == 0:
        nn.utils.prune.l1_unstructured(layer, "weight", 0.5)
    elif kind == 1 and layer.bias is not None:
        nn.utils.prune.random_unstructured(layer, "bias", 0.5)
    elif kind == 2 and dtype == "float32":
        nn.utils.parametrizations.fake_quantized(layer, weights="int8", group=None)
    return layer, made


def drawn_module(generator):
    """Layers one after the other, nested, some of them twice or with the weight of another."""
    dtype = str(generator.choice(["float32", "float32", "float16", "bfloat16", "float64"]))
    width = first = int(generator.choice(WIDTHS))
    layers: list[nn.Module] = []
    for _ in range(int(generator.integers(1, 6))):
        layer, made = drawn_layer(generator, width, dtype)
        if layers and generator.integers(4) == 0 and layers[-1].in_features == width:
            layer, made = layers[-1], layers[-1].out_features
        layers.append(layer)
        width = made
    tail = nn.Linear(width, layers[-1].out_features, bias=False, dtype=dtype)
    if width == layers[-1].in_features and isinstance(layers[-1].weight, nn.Parameter):
        tail.weight = layers[-1].weight
    half = int(generator.integers(len(layers) + 1))
    nested = nn.ModuleDict({"first": nn.Sequential(*layers[:half]), "rest": nn.Sequential()})
    nested["rest"] = nn.Sequential(*layers[half:], tail)
    return nested, first


def numbers_of(layer):
    """What the bytes of a weight are, from the least on, as NumPy reads them: [N, G, S]."""
    form, packed = layer.format, layer.packed
    if form.floats is not None:
        return np.array(packed.numbers.astype(weft.float64))
    numbers = np.array(packed.numbers).astype(np.int64)
    if form.bits == 4:
        numbers = np.stack([numbers & 15, numbers >> 4], -1).reshape(*numbers.shape[:2], -1)
        numbers -= 8 * (packed.zero is None)
    return numbers - (0 if packed.zero is None else np.array(packed.zero, np.int64)[..., None])


def reference_weight(layer):
    """What the numbers stand for, in float64."""
    made = numbers_of(layer) * np.array(layer.weight_scale, np.float64)[..., None]
    return made.reshape(made.shape[0], -1)


def most_of_a_step(layer, weight):
    """How far a number may be from a weight [N, G, S] that it stands for, in scales."""
    if layer.format.floats is None:
        # A zero that is rounded is another half; 4 bits cut 8.5 steps off at 7.
        return {True: 0.5 if layer.format.bits == 8 else 1.5, False: 1.0}[layer.format.symmetric]
    part, least = (-4, -10) if layer.format.floats is weft.float8_e4m3fn else (-3, -17)
    steps = np.abs(weight) / np.array(layer.weight_scale, np.float64)[..., None]
    return steps * 2.0**part + 2.0**least


@pytest.mark.parametrize("seed", range(60))
def test_random_modules_are_those_by_the_numbers(seed):
    """Each layer has its own weight's nearest numbers, and the report says how far they are."""
    generator = np.random.default_rng(seed)
    module, _ = drawn_module(generator)
    before = {
        name: np.array(each.weight.astype(weft.float64))
        for name, each in module.named_modules(remove_duplicate=False)
        if isinstance(each, nn.Linear)
    }
    held = {id(t): t for t in (*module.parameters(), *module.buffers())}.values()
    size = sum(t.dtype.itemsize * np.prod(t.shape) for t in held)
    weights = str(generator.choice(WEIGHTS))
    symmetric = "float" in weights or bool(generator.integers(2))
    group = generator.choice([None, 8, 32, 128])
    try:
        report = weft.quantize(module, weights, group, symmetric)
    except weft.ShapeError as error:
        assert "have no groups" in str(error)  # noqa: PT017
        return
    assert report.before == size
    layers = dict(module.named_modules(remove_duplicate=False))
    lines = {line.name: line for line in report.layers}
    for name, weight in before.items():
        layer = layers[name]
        made, scale = reference_weight(layer), np.array(layer.weight_scale, np.float64)
        np.testing.assert_allclose(np.array(layer.dequantized()), made, rtol=2.0**-23, atol=1e-44)
        grouped = weight.reshape(*scale.shape, -1)
        change = np.abs(made.reshape(grouped.shape) - grouped)
        allowed = most_of_a_step(layer, grouped) * np.abs(scale)[..., None]
        # Numbers, their quotient and scales are rounded to float32.
        assert (change <= allowed * (1 + 1e-5) + np.abs(grouped) * 2.0**-20).all()
        if name in lines:
            unit = np.abs(weight).max() or 1.0
            error = np.linalg.norm((made - weight) / unit) / (np.linalg.norm(weight / unit) or 1.0)
            np.testing.assert_allclose(lines[name].error, error, rtol=1e-3, atol=1e-6)
            assert lines[name].group == grouped.shape[2]


@pytest.mark.parametrize("seed", range(16))
def test_random_modules_compute_with_these_weights(seed, tmp_path):
    """Eager, compiled, exported and loaded again, beside NumPy."""
    generator = np.random.default_rng(100 + seed)
    width, middle = (int(each) for each in generator.choice([8, 16, 24, 40, 64], 2))
    layers = [nn.Linear(width, middle), nn.ReLU(), nn.Linear(middle, 5, bias=False)]
    model = nn.Sequential(*layers)
    weights = WEIGHTS[seed % 4]
    weft.quantize(model, weights, 8, "float" in weights or bool(generator.integers(2)))
    x = generator.standard_normal((int(generator.integers(4)), width)).astype(np.float32)
    hidden = x @ reference_weight(model[0]).T + np.array(model[0].bias)
    expected = np.maximum(hidden, 0) @ reference_weight(model[2]).T
    result = np.array(model(weft.asarray(x)))
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)
    assert np.array(weft.jit(model.__call__)(weft.asarray(x))).tobytes() == result.tobytes()
    weft.export(model.__call__, weft.spec(("n", width))).save(tmp_path / "model.weft")
    assert np.array(weft.load(tmp_path / "model.weft")(x)).tobytes() == result.tobytes()
    lanes = weft.vmap(model)(weft.asarray(x)) if len(x) else weft.asarray(result)
    np.testing.assert_allclose(np.array(lanes), result, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("weights", ["int8", "int4"])
def test_hooks_stay_with_a_layer(weights):
    model, seen = nn.Sequential(nn.Linear(8, 4), nn.Embedding(4, 8)), []
    model[0].register_forward_pre_hook(lambda layer, args: (args[0] * 2,))
    model[0].register_forward_hook(lambda layer, args, result: seen.append(type(layer).__name__))
    model[1].register_forward_hook(lambda layer, args, result: result * 0)
    weft.quantize(model, weights, group=8)
    x = weft.ones((1, 8))
    expected = 2 * reference_weight(model[0]).sum(axis=1) + np.array(model[0].bias)
    np.testing.assert_allclose(np.array(model[0](x))[0], expected, rtol=1e-5, atol=1e-6)
    assert seen == ["QuantizedLinear"]
    assert not np.array(model[1](weft.asarray([3]))).any()


def test_what_computes_otherwise_stays():
    model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2))
    model[0].forward = lambda x: x[:, :4] * 7
    assert [line.name for line in weft.quantize(model).layers] == ["1"]


def test_a_layer_by_the_name_of_its_argument_is_calibrated():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(8, 4)

        def forward(self, x):
            return self.inner(input=x)

    model, x = Named(), weft.randn((3, 8))
    report = weft.quantize(model, activations="int8_static", calibration=[x])
    assert 0 < report.layers[0].output_error < 0.05
    largest = np.abs(np.array(x)).max()
    np.testing.assert_allclose(float(model.inner.input_scale), largest / 127, rtol=1e-6)


@pytest.mark.parametrize("number", [-1, -6, 5])
@pytest.mark.parametrize("weights", WEIGHTS)
def test_rows_that_there_are_not_are_those_of_an_embedding(number, weights):
    model = nn.Sequential(nn.Embedding(5, 8))
    weft.quantize(model, weights)
    given = weft.asarray([2, number])
    with pytest.raises(weft.OutOfBoundsError, match=f"index {number} is out of range"):
        model(given)
    rows = np.array(weft.jit(model.__call__)(given))
    assert np.isnan(rows[1]).all()
    assert rows[0].tobytes() == np.array(model(given[:1]))[0].tobytes()


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (0, 0)])
def test_layers_without_weights(weights, shape):
    model = nn.Sequential(nn.Linear(*shape), nn.Embedding(*shape))
    weft.quantize(model, weights)
    result = np.array(model[0](weft.ones((2, shape[0]))))
    np.testing.assert_array_equal(result, np.broadcast_to(np.array(model[0].bias), (2, shape[1])))


def test_numbers_beyond_float32_are_refused_by_the_name_of_the_layer():
    """A zero that is rounded can move the end of a range beyond the largest number."""
    largest = np.finfo(np.float32).max
    model = nn.Sequential(nn.Linear(2, 1), nn.Linear(2, 1))
    model[1].weight = nn.Parameter(weft.asarray([[largest, -largest]]))
    with pytest.raises(weft.OptionError, match="'1' has weights that would not be finite"):
        weft.quantize(model, symmetric=False)
    model[1].weight = nn.Parameter(weft.asarray([[1.0, np.nan]], dtype=weft.float32))
    with pytest.raises(weft.OptionError, match="'1' has weights that are not finite"):
        weft.quantize(model)
    assert [type(each) for each in model] == [nn.Linear, nn.Linear]


def test_weights_that_are_computed_are_no_narrower_ones():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    nn.utils.prune.l1_unstructured(model[1], "weight", 0.5)
    with pytest.raises(weft.OptionError, match="'1' has a weight that is computed"):
        nn.utils.narrow_weights(model, {"*": "bfloat16"})
    assert model[0].weight.dtype is weft.float32
    pruned = np.array(model[1].weight)
    nn.utils.narrow_weights(model, {"*": "int8"})
    np.testing.assert_allclose(np.array(model[1].dequantized()), pruned, atol=0.003)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
@pytest.mark.parametrize(
    ("weights", "activations"),
    [*((weights, None) for weights in WEIGHTS), ("int8", "int8"), ("int4", "int8")],
)
def test_numbers_and_scales_stay_where_a_module_is_converted(weights, dtype, activations):
    """A layer of another dtype takes what is of that dtype; its bias is rounded to it."""
    model = nn.Sequential(nn.Embedding(6, 8), nn.Linear(8, 4, bias=False), nn.Linear(4, 3))
    weft.quantize(model, weights, 4, activations=activations)
    before = [np.array(layer.dequantized()) for layer in model]
    x, bias = weft.asarray([1, 0, 5]), model[2].bias
    expected = np.array(model[1](model[0](x)))
    assert model.to(getattr(weft, dtype))[2].bias is bias
    assert bias.dtype.name == dtype
    for layer, weight in zip(model, before, strict=True):
        assert np.array(layer.dequantized()).tobytes() == weight.tobytes()
    np.testing.assert_array_equal(np.array(model[1](model[0](x))), expected)
    rows = model[0](x).astype(dtype)
    assert model[1](rows).dtype.name == dtype
    assert weft.jit(model[1:].__call__)(rows).dtype.name == dtype
