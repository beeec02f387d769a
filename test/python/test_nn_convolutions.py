"""Convolutions, their transposes, and tables of rows against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import weft
from layer_reference import array, assert_layers_match, assert_matches, to_float64

F, TF = weft.nn.functional, torch.nn.functional

# Dimensions, shape of the input, of the weight, and options.
CONVOLUTIONS = [
    (1, (2, 4, 9), (6, 2, 3), {"stride": 2, "padding": 1, "groups": 2}),
    (1, (3, 8), (2, 3, 4), {"padding": "same", "dilation": 2}),
    (1, (0, 3, 8), (2, 3, 4), {}),
    (2, (3, 6, 7), (4, 3, 3, 2), {"stride": (2, 1), "padding": (1, 0)}),
    (2, (1, 4, 5, 5), (4, 1, 3, 3), {"groups": 4, "padding": "same"}),
    (3, (2, 3, 4, 5, 6), (4, 3, 3, 2, 3), {}),
    (3, (1, 4, 5, 5, 4), (6, 2, 3, 3, 2), {"stride": (2, 1, 2), "padding": (1, 2, 1), "groups": 2}),
    (3, (2, 5, 4, 4), (3, 2, 2, 2, 2), {"dilation": (2, 1, 3), "padding": "same"}),
    (3, (2, 2, 3, 4, 4), (3, 2, 1, 1, 1), {}),
]


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize(("dimensions", "shape", "weight", "options"), CONVOLUTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolutions(dimensions, shape, weight, options, dtype):
    name = f"conv{dimensions}d"
    inputs = [array(*shape), array(*weight, seed=1), array(weight[0], seed=2)]
    if dtype == "float64":
        inputs = inputs[:2]
    assert_matches(
        lambda *xs: getattr(F, name)(*xs, **options),
        lambda *xs: getattr(TF, name)(*xs, **options),
        *inputs,
        dtype=dtype,
        terms=60,
    )


TRANSPOSES = [
    (1, (2, 4, 5), (4, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}),
    (1, (3, 5), (3, 2, 4), {"dilation": 3, "output_padding": 2, "stride": 2}),
    (1, (1, 2, 6), (2, 2, 2), {"padding": 3, "stride": 2}),
    (1, (2, 3, 6), (3, 2, 3), {"padding": 1}),
    (
        2,
        (2, 3, 4, 3),
        (3, 4, 3, 2),
        {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)},
    ),
    (2, (4, 3, 3), (4, 2, 3, 3), {"groups": 2, "dilation": (1, 2)}),
    (2, (2, 2, 1, 1), (2, 3, 4, 4), {"stride": 4}),
    (3, (1, 2, 3, 2, 3), (2, 3, 3, 2, 2), {"stride": (2, 1, 3), "padding": (1, 0, 1)}),
    (3, (4, 2, 2, 2), (4, 1, 2, 3, 2), {"stride": 2, "output_padding": 1, "groups": 2}),
]


@pytest.mark.parametrize(("dimensions", "shape", "weight", "options"), TRANSPOSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_transposes(dimensions, shape, weight, options, dtype):
    name = f"conv_transpose{dimensions}d"
    filters = weight[1] * options.get("groups", 1)
    inputs = [array(*shape), array(*weight, seed=1), array(filters, seed=2)]
    if dtype == "float64":
        inputs = inputs[:2]
    assert_matches(
        lambda *xs: getattr(F, name)(*xs, **options),
        lambda *xs: getattr(TF, name)(*xs, **options),
        *inputs,
        dtype=dtype,
        terms=60,
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves(dtype):
    for ours, theirs, shape, weight in (
        (F.conv3d, TF.conv3d, (1, 2, 3, 4, 4), (2, 2, 3, 3, 3)),
        (F.conv_transpose1d, TF.conv_transpose1d, (2, 3, 5), (3, 2, 3)),
    ):
        # Sums are made in float32, so that the result is rounded once.
        assert_matches(
            ours, theirs, array(*shape), array(*weight, seed=1, scale=0.3), dtype=dtype, terms=4
        )


LAYERS = {
    "conv1d": (lambda n: n.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 9)),
    "conv1d circular": (lambda n: n.Conv1d(2, 3, 3, padding=2, padding_mode="circular"), (2, 2, 5)),
    "conv2d reflect": (
        lambda n: n.Conv2d(2, 3, (3, 4), padding="same", padding_mode="reflect", bias=False),
        (2, 2, 5, 6),
    ),
    "conv2d replicate": (
        lambda n: n.Conv2d(2, 2, 2, 2, (2, 1), padding_mode="replicate"),
        (2, 4, 5),
    ),
    "conv3d": (lambda n: n.Conv3d(2, 4, (2, 3, 1), padding=1, dilation=2), (1, 2, 4, 5, 3)),
    "conv3d reflect": (
        lambda n: n.Conv3d(1, 2, 2, padding=1, padding_mode="reflect"),
        (1, 1, 3, 2, 3),
    ),
    "transpose1d": (lambda n: n.ConvTranspose1d(4, 6, 3, 2, 1, 1, 2), (2, 4, 5)),
    "transpose2d": (lambda n: n.ConvTranspose2d(2, 3, (2, 3), 2, bias=False), (2, 2, 3, 4)),
    "transpose3d": (lambda n: n.ConvTranspose3d(2, 2, 2, stride=2, dilation=2), (1, 2, 2, 3, 2)),
    "linear": (lambda n: n.Linear(3, 4), (2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    make, shape = LAYERS[name]
    assert_layers_match(make, array(*shape), terms=60)


@pytest.mark.parametrize("output_size", [(6, 8), (2, 3, 7, 9), (1, 3, 6, 9)])
def test_sizes_of_transposes(output_size):
    shape = (2, 2, 3, 4)
    assert_layers_match(
        lambda n: n.ConvTranspose2d(2, 3, 2, stride=2),
        array(*shape),
        terms=20,
        output_size=list(output_size),
    )


def test_bilinear():
    assert_layers_match(lambda n: n.Bilinear(3, 4, 5), array(2, 3), array(2, 4, seed=1), terms=20)
    assert_layers_match(
        lambda n: n.Bilinear(2, 3, 1, bias=False), array(2, 3, 2), array(2, 3, 3, seed=1), terms=20
    )


def test_weights_are_of_the_dtype_and_device():
    layers = [
        weft.nn.Conv1d(2, 2, 1, device="cpu", dtype="float64"),
        weft.nn.ConvTranspose2d(2, 2, 1, dtype="float64"),
        weft.nn.Linear(2, 2, True, "cpu", "float64"),
        weft.nn.Bilinear(2, 2, 2, dtype="float64"),
        weft.nn.Embedding(2, 2, dtype="float64"),
        weft.nn.EmbeddingBag(2, 2, dtype="float64"),
        weft.nn.GroupNorm(1, 2, dtype="float64"),
        weft.nn.RMSNorm(2, device="cpu", dtype="float64"),
        weft.nn.InstanceNorm1d(2, affine=True, dtype="float64"),
    ]
    for layer in layers:
        assert {parameter.dtype for parameter in layer.parameters()} == {weft.float64}


@pytest.mark.parametrize(
    ("layer", "fan"),
    [
        (lambda: weft.nn.ConvTranspose2d(6, 8, 3, groups=2), 36),
        (lambda: weft.nn.Conv3d(2, 9, 3), 54),
        (lambda: weft.nn.Bilinear(16, 9, 7), 16),
    ],
)
def test_first_weights_have_torchs_bounds(layer, fan):
    weft.random.seed(0)
    for parameter in layer().parameters():
        values, bound = np.abs(to_float64(parameter)), 1 / np.sqrt(fan)
        assert values.max() <= bound * (1 + 1e-6)
        assert values.max() > bound * (0.95 if values.size > 50 else 0.5)


# Embeddings ----------------------------------------------------------------------------------

INDICES = np.array([[0, 2, 5, 1], [2, 2, 1, 3], [3, 1, 1, 0]])
BAGS = [
    ({}, None),
    ({"mode": "sum"}, None),
    ({"mode": "max"}, None),
    ({"mode": "mean", "padding_idx": 2}, None),
    ({"mode": "max", "padding_idx": 1}, None),
    ({"mode": "sum"}, [0, 3, 3, 9]),
    ({"mode": "mean"}, [0, 0, 5]),
    ({"mode": "max"}, [0, 4, 4, 11, 12]),
    ({"mode": "max", "padding_idx": -5}, [0, 2, 4, 12]),
    ({"mode": "mean", "padding_idx": 2}, [0, 1, 7]),
    ({"mode": "sum", "include_last_offset": True}, [0, 3, 3, 12]),
    ({"mode": "max", "include_last_offset": True}, [0, 6, 12]),
]


@pytest.mark.parametrize(("options", "offsets"), BAGS)
def test_bags(options, offsets):
    indices = INDICES if offsets is None else INDICES.reshape(-1)
    more = [] if offsets is None else [np.array(offsets)]
    assert_layers_match(lambda n: n.EmbeddingBag(6, 3, **options), indices, *more, terms=12)


def test_frequencies_in_bags():
    """Against rows one by one: on processors PyTorch divides by the counts of other rows here."""
    ours, theirs = weft.tensor(array(6, 3), requires_grad=True), torch.tensor(array(6, 3))
    theirs.requires_grad = True
    options = {"mode": "sum", "scale_grad_by_freq": True}
    result = F.embedding_bag(weft.asarray(INDICES), ours, **options)
    expected = TF.embedding(torch.tensor(INDICES), theirs, scale_grad_by_freq=True).sum(1)
    cotangent = array(*expected.shape, seed=2)
    result.backward(weft.asarray(cotangent))
    expected.backward(torch.tensor(cotangent))
    np.testing.assert_allclose(to_float64(result), to_float64(expected), rtol=1e-14)
    np.testing.assert_allclose(to_float64(ours.grad), to_float64(theirs.grad), rtol=1e-13)


def test_weighted_bags():
    weights = array(*INDICES.shape, seed=1)
    assert_matches(
        lambda w, s: F.embedding_bag(weft.asarray(INDICES), w, mode="sum", per_sample_weights=s),
        lambda w, s: TF.embedding_bag(torch.tensor(INDICES), w, mode="sum", per_sample_weights=s),
        array(6, 3),
        weights,
        terms=12,
    )


def test_empty_bags():
    nothing = np.zeros(0, np.int64)
    for mode in ("sum", "mean", "max"):
        layer = weft.nn.EmbeddingBag(4, 3, mode=mode)
        assert not to_float64(layer(weft.asarray(nothing), weft.asarray([0, 0]))).any()
        assert layer(weft.asarray(np.zeros((2, 0), np.int64))).shape == (2, 3)


def test_half_of_bags_is_summed_in_float32():
    weight = weft.asarray(array(6, 4)).astype("float16")
    ours = F.embedding_bag(weft.asarray(INDICES), weight)
    wide = F.embedding_bag(weft.asarray(INDICES), weight.astype("float32"))
    assert np.array_equal(ours, wide.astype("float16"))


@pytest.mark.parametrize("options", [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True}])
def test_embeddings(options):
    assert_layers_match(lambda n: n.Embedding(6, 4, **options), INDICES, terms=8)


def test_pretrained_tables():
    table = array(4, 3).astype(np.float32)
    for kind in ("Embedding", "EmbeddingBag"):
        for freeze in (True, False):
            layer = getattr(weft.nn, kind).from_pretrained(weft.asarray(table), freeze)
            twin = getattr(torch.nn, kind).from_pretrained(torch.tensor(table), freeze)
            assert layer.weight.requires_grad == twin.weight.requires_grad != freeze
            indices = np.array([[1, 3]])
            ours, theirs = layer(weft.asarray(indices)), twin(torch.tensor(indices))
            np.testing.assert_allclose(to_float64(ours), to_float64(theirs), rtol=1e-6)
    assert repr(weft.nn.Embedding.from_pretrained(weft.asarray(table), padding_idx=1)) == repr(
        torch.nn.Embedding.from_pretrained(torch.tensor(table), padding_idx=1)
    )


def test_offsets_out_of_range():
    rows, weight = weft.asarray([1, 2, 0]), weft.ones(4, 2)
    with pytest.raises(weft.OutOfBoundsError, match="the first offset 1"):
        F.embedding_bag(rows, weight, weft.asarray([1, 2]))
    with pytest.raises(weft.OutOfBoundsError, match="offset 4"):
        F.embedding_bag(rows, weight, weft.asarray([0, 4]))
    compiled = weft.jit(lambda o: F.embedding_bag(rows, weight, o))(weft.asarray([1, 2]))
    assert np.isnan(np.asarray(compiled)[0]).all()
    assert np.array_equal(np.asarray(compiled)[1], [1, 1])


MISTAKES = [
    (lambda: F.conv1d(weft.ones(1, 2, 3, 4), weft.ones(1, 2, 3)), weft.ShapeError, r"\[N, C, L\]"),
    (lambda: F.conv3d(weft.ones(1, 2, 3), weft.ones(1, 2, 3)), weft.ShapeError, "conv3d"),
    (
        lambda: F.conv3d(weft.ones(1, 2, 3, 3, 3), weft.ones(1, 2, 4, 1, 1)),
        weft.ShapeError,
        "larger than the padded input",
    ),
    (lambda: F.conv1d(weft.ones(1, 2, 9), weft.ones(2, 3, 3)), weft.ShapeError, "needs 3 channels"),
    (
        lambda: F.conv_transpose1d(weft.ones(1, 2, 9), weft.ones(3, 2, 3)),
        weft.ShapeError,
        "do not fit",
    ),
    (
        lambda: F.conv_transpose1d(weft.ones(1, 2, 9), weft.ones(2, 2, 3), output_padding=1),
        weft.ShapeError,
        "output_padding is",
    ),
    (
        lambda: weft.nn.ConvTranspose1d(2, 2, 3)(weft.ones(1, 2, 4), output_size=[9]),
        weft.ShapeError,
        r"from \(6,\) to \(6,\)",
    ),
    (lambda: weft.nn.Conv1d(2, 2, 3, padding_mode="mirror"), weft.OptionError, "padding_mode"),
    (lambda: weft.nn.Conv1d(2, 2, 3, 2, padding="same"), weft.OptionError, "needs stride 1"),
    (
        lambda: weft.nn.ConvTranspose1d(2, 2, 3, padding_mode="reflect"),
        weft.OptionError,
        "padding_mode",
    ),
    (lambda: weft.nn.Embedding(2, 2, max_norm=1.0), weft.UnsupportedError, "max_norm"),
    (
        lambda: F.embedding_bag(weft.asarray([1]), weft.ones(2, 2), max_norm=1.0),
        weft.UnsupportedError,
        "max_norm",
    ),
    (lambda: weft.nn.EmbeddingBag(2, 2, mode="min"), weft.OptionError, "mode is 'min'"),
    (
        lambda: F.embedding_bag(weft.asarray([1]), weft.ones(2, 2)),
        weft.ShapeError,
        "with offsets",
    ),
    (
        lambda: F.bilinear(weft.ones(2, 3), weft.ones(2, 3), weft.ones(1, 2, 3)),
        weft.ShapeError,
        "bilinear",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), MISTAKES)
def test_mistakes_are_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call()
