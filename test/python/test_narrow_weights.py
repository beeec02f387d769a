"""Products whose right operand is stored narrower, and layers that keep such weights."""

from __future__ import annotations

import numpy as np
import pytest
import weft
from weft import nn

PAIRS = [
    ("float32", "int8"),
    ("float32", "uint8"),
    ("float32", "bfloat16"),
    ("float32", "float16"),
    ("bfloat16", "int8"),
    ("float16", "uint8"),
]


def bits(x):
    return np.array(x.astype("float64") if isinstance(x, weft.Tensor) else x).tobytes()


def elements(generator, shape, dtype):
    """Numbers of the dtype, whole ones among its extremes."""
    if dtype in ("int8", "uint8"):
        limits = np.iinfo(dtype)
        return weft.asarray(generator.integers(limits.min, limits.max, shape, dtype, endpoint=True))
    return weft.asarray(generator.standard_normal(shape, np.float32)).astype(getattr(weft, dtype))


def random_shapes(generator):
    """Shapes of both operands of a product, of any number of rows, and whether one is turned."""
    rows = int(generator.choice([0, 1, 2, 3, 5, 16, 17, 70, 130]))
    depth = int(generator.choice([0, 1, 3, 16, 33, 100, 300]))
    columns = int(generator.choice([1, 2, 15, 16, 17, 64, 100, 257]))
    batch = [(), (), (3,)][int(generator.integers(3))]
    turned = bool(generator.integers(2))
    right = (columns, depth) if turned else (depth, columns)
    return (*batch, rows, depth), (*batch, *right), turned


def product(turned):
    return lambda x, w: x @ (w.swapaxes(-2, -1) if turned else w)


@pytest.mark.parametrize("seed", range(60))
def test_bits_are_those_of_converted_operands(seed):
    """Eager mode converts the operand first; what is compiled reads it as it is."""
    generator = np.random.default_rng(seed)
    left, right, turned = random_shapes(generator)
    dtype, narrow = PAIRS[seed % len(PAIRS)]
    x, w = elements(generator, left, dtype), elements(generator, right, narrow)
    expected = product(turned)(x, w.astype(x.dtype))
    for compiled in (
        weft.jit(product(turned)),
        weft.jit(product(turned), prepare=False),
        weft.jit(lambda x: product(turned)(x, w)),
    ):
        arguments = (x,) if compiled.__wrapped__.__code__.co_argcount == 1 else (x, w)
        for _ in range(2):  # The second call has the kept copy.
            result = compiled(*arguments)
            assert result.dtype == x.dtype
            assert bits(result) == bits(expected)


def test_against_numpy():
    generator = np.random.default_rng(0)
    x, w = elements(generator, (9, 40), "float32"), elements(generator, (40, 50), "int8")
    result = np.array(weft.jit(lambda x, w: x @ w)(x, w))
    exact = np.array(x).astype(np.float64) @ np.array(w).astype(np.float64)
    bound = 42 * 2.0**-24 * (np.abs(np.array(x)) @ np.abs(np.array(w).astype(np.float64)))
    assert (np.abs(result - exact) <= bound).all()


@pytest.mark.parametrize("kind", ["argument", "kept"])
def test_the_weight_is_never_widened_in_memory(kind):
    x, w = weft.ones(4, 96), weft.ones(64, 96, dtype="int8")
    if kind == "kept":
        text = weft.jit(lambda x: nn.functional.linear(x, w)).lower(x).ir("kernels")
    else:
        text = weft.jit(nn.functional.linear).lower(x, w).ir("kernels")
    assert "64x96xf32" not in text
    assert "96x64xf32" not in text


def test_gradients_pass_through():
    generator = np.random.default_rng(1)
    x, w = elements(generator, (5, 7), "float32"), elements(generator, (3, 7), "bfloat16")

    def loss(x, w):
        return (nn.functional.linear(x, w) ** 2).sum()

    ours = weft.jit(weft.grad(loss, argnums=(0, 1)))(x, w)
    assert [g.dtype for g in ours] == [x.dtype, w.dtype]
    wide = np.array(w.astype("float32"), np.float64)
    outer = 2 * np.array(x, np.float64) @ wide.T
    np.testing.assert_allclose(np.array(ours[0]), outer @ wide, rtol=1e-5)
    np.testing.assert_allclose(
        np.array(ours[1].astype("float32")), outer.T @ np.array(x), rtol=2.0**-8, atol=1e-6
    )


def network():
    weft.random.seed(0)
    shared = nn.Linear(24, 24)
    return nn.Sequential(nn.Linear(16, 24), nn.ReLU(), shared, shared, nn.Linear(24, 8, bias=False))


def test_int8_layers_are_as_near_as_they_say():
    model, x = (
        network(),
        weft.asarray(np.random.default_rng(2).standard_normal((6, 16), np.float32)),
    )
    before = [np.array(layer.weight) for layer in (model[0], model[2], model[4])]
    assert nn.utils.narrow_weights(model, {"*": "int8"}) == ["0", "2", "3", "4"]
    assert model[2] is model[3]
    for layer, weight in zip((model[0], model[2], model[4]), before, strict=True):
        assert isinstance(layer, nn.QuantizedLinear)
        assert layer.weight.dtype == weft.int8
        kept = np.array(layer.dequantized())
        largest = np.abs(weight).max(axis=1, keepdims=True)
        assert (np.abs(kept - weight) <= largest / 254 * (1 + 2.0**-20)).all()
        assert np.abs(np.array(layer.weight)).max() == 127
    compiled = weft.jit(model.__call__)(x)
    assert bits(compiled) == bits(model(x))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8"])
def test_int8_layers_sum_in_float32_whatever_the_input_is(dtype):
    layer = nn.Linear(1024, 4, bias=False)
    layer.weight = nn.Parameter(weft.full((4, 1024), 0.01))
    result = nn.QuantizedLinear.of(layer)(weft.ones(2, 1024, dtype=dtype) * 100)
    assert result.dtype.name == ("float32" if dtype == "int8" else dtype)
    np.testing.assert_allclose(np.array(result.astype("float64")), 1024, rtol=2.0**-8)


class Tripled(nn.Linear):
    def forward(self, x):
        return super().forward(x) * 3


def test_layers_with_a_forward_of_their_own_stay():
    model = nn.Sequential(Tripled(4, 4), nn.Linear(4, 4))
    assert nn.utils.narrow_weights(model, {"*": "int8"}) == ["1"]
    with pytest.raises(weft.OptionError, match="no Linear layer"):
        nn.utils.narrow_weights(model, {"0": "int8"})


def test_names_of_any_kind_lead_to_layers():
    model = nn.ModuleDict({"keys": nn.Sequential(nn.Linear(4, 4)), "x": nn.ModuleList()}).eval()
    model["x"].append(nn.Linear(4, 4))
    assert nn.utils.narrow_weights(model, {"*": "int8"}) == ["keys.0", "x.0"]
    assert isinstance(model["keys"][0], nn.QuantizedLinear)
    assert not model["keys"][0].training


def test_what_is_shared_stays_shared():
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    model = nn.Sequential(first, second, first)
    assert nn.utils.narrow_weights(model, {"2": "bfloat16", "*": "bfloat16"}) == ["0", "1", "2"]
    assert first.weight is second.weight
    model = nn.Sequential(layer := nn.Linear(4, 4), layer)
    assert nn.utils.narrow_weights(model, {"1": "int8", "0": "bfloat16"}) == ["0", "1"]
    assert model[0] is model[1]
    assert isinstance(model[0], nn.QuantizedLinear)


def test_nothing_changes_where_something_can_not_be():
    model = network()
    broken = np.array(model[4].weight)
    broken[0, 0] = np.inf
    model[4].weight = nn.Parameter(broken)
    with pytest.raises(weft.OptionError, match="not finite"):
        nn.utils.narrow_weights(model, {"*": "int8"})
    assert all(type(layer) is nn.Linear for layer in (model[0], model[2], model[4]))


def test_rows_of_zeros_and_rows_of_nothing():
    layer = nn.Linear(4, 3)
    layer.weight = nn.Parameter(weft.zeros(3, 4))
    narrow = nn.QuantizedLinear.of(layer)
    np.testing.assert_array_equal(np.array(narrow(weft.ones(2, 4)))[0], np.array(layer.bias))
    empty = nn.QuantizedLinear.of(nn.Linear(0, 3, bias=False))
    assert np.array(empty(weft.ones(2, 0))).tolist() == [[0.0] * 3] * 2


def test_names_choose_and_the_first_pattern_decides():
    model = network()
    nn.utils.narrow_weights(model, {"0": "bfloat16", "[04]": "int8"})
    assert model[0].weight.dtype == weft.bfloat16
    assert model[4].weight.dtype == weft.int8
    assert model[2].weight.dtype == weft.float32
    assert model(weft.ones(2, 16)).dtype == weft.float32


def test_state_is_saved_and_loaded():
    model = network()
    nn.utils.narrow_weights(model, {"*": "int8"})
    state = model.state_dict()
    other = network()
    nn.utils.narrow_weights(other, {"*": "int8"})
    other.load_state_dict({name: value * 1 for name, value in state.items()})
    x = weft.ones(3, 16)
    assert bits(other(x)) == bits(model(x))


@pytest.mark.parametrize(
    ("module", "dtypes", "message"),
    [
        (lambda: nn.Linear(2, 2), {"*": "int8"}, "QuantizedLinear.of"),
        (network, {"head": "int8"}, "no Linear layer has a name like 'head'"),
        (network, {"*": "float64"}, "int8, bfloat16 or float16, not float64"),
    ],
)
def test_what_can_not_be_is_refused(module, dtypes, message):
    made = module()
    with pytest.raises(weft.OptionError, match=message):
        nn.utils.narrow_weights(made, dtypes)
