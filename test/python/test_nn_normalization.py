"""Normalisation and dropout against PyTorch."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import weft
from layer_reference import array, assert_layers_match, assert_matches, to_float64

F, TF = weft.nn.functional, torch.nn.functional
DTYPES = ["float32", "float64", "float16", "bfloat16"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_groups(dtype, groups):
    inputs = [array(3, 6, 4), array(6, seed=1), array(6, seed=2)]
    assert_matches(
        lambda x, w, b: F.group_norm(x, groups, w, b),
        lambda x, w, b: TF.group_norm(x, groups, w, b),
        *inputs,
        dtype=dtype,
        terms=60,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 5), (0, 4)])
def test_roots_of_mean_squares(dtype, shape):
    for count, options in ((1, {}), (len(shape) - 1, {"eps": 1e-3})):
        ending = shape[-count:]
        assert_matches(
            lambda x, w: F.rms_norm(x, ending, w, **options),
            lambda x, w: TF.rms_norm(x, ending, w, **options),
            array(*shape),
            array(*ending, seed=1),
            dtype=dtype,
            terms=40,
        )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_what_is_added_to_mean_squares_by_default(dtype):
    """Of numbers that are as small as its root."""
    x = array(3, 4, scale=1e-8 if dtype == "float64" else 1e-4)
    ours = F.rms_norm(weft.asarray(x).astype(dtype), 4)
    theirs = TF.rms_norm(torch.tensor(x).to(getattr(torch, dtype)), [4])
    np.testing.assert_allclose(
        to_float64(ours), to_float64(theirs), rtol=2e-2 if dtype == "bfloat16" else 2e-3
    )


@pytest.mark.parametrize("shape", [(2, 5, 4), (1, 3, 2, 3), (2, 2, 2, 1, 3)])
def test_responses_of_channels_around(shape):
    for size, options in ((1, ()), (2, (0.5, 0.6, 1.5)), (5, (1.0,))):
        assert_matches(
            lambda x: F.local_response_norm(x, size, *options),
            lambda x: TF.local_response_norm(x, size, *options),
            array(*shape),
            terms=40,
        )


LAYERS = {
    "group": (lambda n: n.GroupNorm(2, 4), (3, 4, 5)),
    "group plain": (lambda n: n.GroupNorm(2, 4, affine=False), (3, 4)),
    "group without bias": (lambda n: n.GroupNorm(1, 4, bias=False), (2, 4, 2, 2)),
    "instance1d": (lambda n: n.InstanceNorm1d(3), (2, 3, 5)),
    "instance1d single": (lambda n: n.InstanceNorm1d(3, affine=True), (3, 5)),
    "instance2d": (
        lambda n: n.InstanceNorm2d(3, affine=True, track_running_stats=True),
        (2, 3, 4, 2),
    ),
    "instance3d": (lambda n: n.InstanceNorm3d(2, track_running_stats=True), (2, 2, 2, 3, 2)),
    "batch3d": (lambda n: n.BatchNorm3d(3), (2, 3, 2, 3, 2)),
    "batch of nothing": (lambda n: n.BatchNorm1d(3), (0, 3)),
    "batch of nothing, averaged": (lambda n: n.BatchNorm2d(3, momentum=None), (0, 3, 2, 2)),
    "batch of nothing by its own": (
        lambda n: n.BatchNorm1d(3, track_running_stats=False),
        (0, 3, 4),
    ),
    "batch without bias": (lambda n: n.BatchNorm1d(3, bias=False), (4, 3)),
    "rms": (lambda n: n.RMSNorm((3, 4)), (2, 3, 4)),
    "rms plain": (lambda n: n.RMSNorm(4, eps=1e-2, elementwise_affine=False), (2, 4)),
    "local": (lambda n: n.LocalResponseNorm(3, 0.5), (2, 4, 5)),
    "layer": (lambda n: n.LayerNorm((2, 3), bias=False), (4, 2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("train", [True, False])
def test_layers(name, train):
    make, shape = LAYERS[name]
    assert_layers_match(make, array(*shape), terms=80, train=train)


def test_resetting():
    layer = weft.nn.InstanceNorm1d(2, affine=True, track_running_stats=True)
    layer(weft.asarray(array(2, 2, 4)).astype("float32"))
    with weft.no_grad():
        layer.weight.fill_(3)
    layer.reset_parameters()
    assert np.array_equal(layer.weight.detach(), np.ones(2))
    assert np.array_equal(layer.running_mean, np.zeros(2))


# Dropout -------------------------------------------------------------------------------------

DROPOUTS = {
    "dropout1d": [((40, 50, 3), 2), ((900, 4), 1)],
    "dropout2d": [((40, 50, 2, 2), 2), ((40, 50, 3), 2)],
    "dropout3d": [((40, 50, 2, 1, 2), 2), ((900, 2, 2, 2), 1)],
}


@pytest.mark.parametrize("name", DROPOUTS)
def test_whole_channels_are_dropped(name):
    weft.random.seed(2)
    for shape, kept in DROPOUTS[name]:
        x = weft.ones(shape)
        for function in (getattr(F, name), weft.jit(getattr(F, name))):
            result = np.asarray(function(x, 0.25))
            channels = result.reshape(math.prod(shape[:kept]), -1)
            assert (channels == channels[:, :1]).all()
            assert set(np.unique(channels)) == {np.float32(0), np.float32(1 / 0.75)}
            assert abs((channels[:, 0] == 0).mean() - 0.25) < 0.06
        assert np.array_equal(getattr(F, name)(x, 0.25, training=False), x)
        assert not np.asarray(getattr(F, name)(x, 1.0)).any()


@pytest.mark.parametrize("name", ["alpha_dropout", "feature_alpha_dropout"])
def test_mean_and_variance_stay(name):
    weft.random.seed(3)
    x = weft.asarray(array(300, 200, 1).astype(np.float32))
    for probability in (0.2, 0.5):
        result = np.asarray(getattr(F, name)(x, probability, training=True))
        assert abs(result.mean()) < 0.02
        assert abs(result.std() - 1) < 0.02
        limit = -1.7580993408473766
        scale = 1 / math.sqrt((limit**2 * probability + 1) * (1 - probability))
        dropped = np.isclose(result, scale * limit * (1 - probability), rtol=1e-6)
        assert abs(dropped.mean() - probability) < 0.02
        np.testing.assert_allclose(
            result[~dropped],
            np.asarray(x)[~dropped] * scale - scale * limit * probability,
            rtol=1e-5,
            atol=1e-5,
        )
    assert np.array_equal(getattr(F, name)(x, 0.5), x)


@pytest.mark.parametrize(
    "name",
    ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"],
)
def test_layers_of_dropout(name):
    layer, twin = getattr(weft.nn, name)(0.5, True), getattr(torch.nn, name)(0.5, True)
    assert repr(layer) == repr(twin)
    x = weft.ones(3, 4, 5) if name in ("Dropout1d", "Dropout2d") else weft.ones(3, 4, 5, 2)
    traced = weft.jit(lambda x: layer(x))
    for run in (layer, traced):
        layer.train()
        assert not np.array_equal(run(x), x)
        layer.eval()
        assert np.array_equal(run(x), x)


def test_gradients_of_dropped_channels_are_zero():
    x = weft.tensor(array(4, 8, 3), requires_grad=True)
    result = F.dropout1d(x, 0.5)
    result.sum().backward()
    kept = np.asarray(result.detach()) != 0
    assert np.array_equal(np.asarray(x.grad), np.where(kept, 2.0, 0.0))


MISTAKES = [
    (lambda x: F.group_norm(x, 2), weft.ShapeError, "2 groups do not divide the 3 channels"),
    (lambda x: F.group_norm(x, 3, weft.ones(4)), weft.ShapeError, "the weight has shape"),
    (lambda x: weft.nn.GroupNorm(2, 3), weft.ShapeError, "2 groups do not divide 3"),
    (lambda x: F.instance_norm(x[:, :, :1]), weft.ShapeError, "one value per channel"),
    (lambda x: weft.nn.InstanceNorm2d(3)(x[0]), weft.ShapeError, "needs 3 or 4 dimensions"),
    (lambda x: weft.nn.InstanceNorm1d(4, affine=True)(x), weft.ShapeError, "has 3 channels"),
    (lambda x: weft.nn.BatchNorm3d(3)(x), weft.ShapeError, "needs 5 dimensions"),
    (lambda x: F.rms_norm(x, 3), weft.ShapeError, r"has to end with \(3,\)"),
    (lambda x: F.local_response_norm(x, 0), weft.ShapeError, "size is"),
    (lambda x: F.dropout2d(x[0]), weft.ShapeError, "needs 3 or 4 dimensions"),
    (lambda x: F.alpha_dropout(x, 2.0), weft.ShapeError, r"has to be in \[0, 1\]"),
    (lambda x: weft.nn.AlphaDropout(-1.0), weft.ShapeError, r"AlphaDropout: .*\[0, 1\]"),
    (lambda x: F.group_norm(x.astype("int32"), 1), weft.DTypeError, "floating"),
]


@pytest.mark.parametrize(("call", "kind", "message"), MISTAKES)
def test_mistakes_are_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call(weft.ones(2, 3, 4))
