"""Pooling over one to three dimensions, with all options, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import weft
from layer_reference import array, assert_layers_match, assert_matches, to_float64
from numerics import assert_same_bits, eager_and_jit

F, TF = weft.nn.functional, torch.nn.functional

SHAPES = {1: (2, 3, 9), 2: (2, 2, 7, 8), 3: (1, 2, 5, 6, 7)}
WINDOWS = [
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
]
MAXIMUM_ONLY = [
    {"kernel_size": 2, "dilation": 2},
    {"kernel_size": 3, "stride": 1, "padding": 1, "dilation": 2, "ceil_mode": True},
]
MEAN_ONLY = [
    {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False},
    {"kernel_size": 3, "padding": 1, "count_include_pad": False, "ceil_mode": True},
]


@pytest.mark.parametrize("options", WINDOWS + MAXIMUM_ONLY, ids=str)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("indices", [False, True])
def test_largest(options, dimensions, indices):
    name, shape = f"max_pool{dimensions}d", SHAPES[dimensions]
    if options.get("padding"):
        shape = shape[1:]
    dtype = ["float32", "float64", "bfloat16"][dimensions % 3]
    assert_matches(
        lambda x: getattr(F, name)(x, **options, return_indices=indices),
        lambda x: getattr(TF, name)(x, **options, return_indices=indices),
        array(*shape),
        dtype=dtype,
        terms=8,
    )


@pytest.mark.parametrize("options", WINDOWS + MEAN_ONLY, ids=str)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_means(options, dimensions):
    name, shape = f"avg_pool{dimensions}d", SHAPES[dimensions]
    if options.get("padding"):
        shape = shape[1:]
    for dtype in ("float32", "float16"):
        assert_matches(
            lambda x: getattr(F, name)(x, **options),
            lambda x: getattr(TF, name)(x, **options),
            array(*shape),
            dtype=dtype,
            terms=27,
        )


@pytest.mark.parametrize("dimensions", [2, 3])
def test_other_divisors(dimensions):
    for options in ({"divisor_override": 5}, {"divisor_override": 3, "ceil_mode": True}):
        assert_matches(
            lambda x: getattr(F, f"avg_pool{dimensions}d")(x, 3, 2, 1, **options),
            lambda x: getattr(TF, f"avg_pool{dimensions}d")(x, 3, 2, 1, **options),
            array(*SHAPES[dimensions]),
            terms=27,
        )


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_norms(dimensions):
    for norm, ceil_mode in ((1, False), (2, True), (3.0, False)):
        assert_matches(
            lambda x: getattr(F, f"lp_pool{dimensions}d")(x, norm, 2, 3, ceil_mode),
            lambda x: getattr(TF, f"lp_pool{dimensions}d")(x, norm, 2, 3, ceil_mode),
            np.abs(array(*SHAPES[dimensions])) + 0.1,
            terms=40,
        )


ADAPTIVE = {
    1: [((2, 3, 9), 3), ((3, 7), 4), ((2, 1, 4), 9), ((2, 3, 5), None)],
    2: [((2, 3, 6, 4), (3, 2)), ((2, 7, 5), (3, 4)), ((1, 2, 5, 8), (None, 3)), ((2, 1, 3, 5), 7)],
    3: [((1, 2, 5, 4, 6), (2, None, 4)), ((2, 4, 6, 3), (2, 3, 1)), ((1, 1, 3, 2, 5), 2)],
}


@pytest.mark.parametrize("dimensions", [1, 2, 3])
@pytest.mark.parametrize("kind", ["avg", "max"])
def test_given_sizes(dimensions, kind):
    name = f"adaptive_{kind}_pool{dimensions}d"
    for number, (shape, size) in enumerate(ADAPTIVE[dimensions]):
        # PyTorch has no None for one dimension.
        wanted = shape[-1] if size is None else size
        assert_matches(
            lambda x: getattr(F, name)(x, size),
            lambda x: getattr(TF, name)(x, wanted),
            array(*shape),
            dtype=["float32", "float64", "float16", "float32"][number],
            terms=27,
        )


def test_places_of_adaptive_maxima():
    for dimensions, shape, size in (
        (1, (2, 3, 7), 4),
        (2, (2, 5, 6), (2, 4)),
        (3, (1, 2, 3, 4, 5), 2),
    ):
        name = f"adaptive_max_pool{dimensions}d"
        assert_matches(
            lambda x: getattr(F, name)(x, size, return_indices=True),
            lambda x: getattr(TF, name)(x, size, return_indices=True),
            array(*shape),
            terms=8,
        )


@pytest.mark.parametrize("return_indices", [False, True])
def test_of_equals_the_first_counts(return_indices):
    x = np.random.default_rng(0).integers(0, 2, (1, 2, 4, 4, 4)).astype(np.float64)
    for name in ("max_pool3d", "adaptive_max_pool3d"):
        assert_matches(
            lambda x: getattr(F, name)(x, 2, return_indices=return_indices),
            lambda x: getattr(TF, name)(x, 2, return_indices=return_indices),
            x,
            dtype="float64",
            terms=8,
        )


def test_infinities_and_nan():
    x = np.zeros((1, 1, 5, 5), np.float32)
    x[0, 0, :2, :2] = -np.inf
    x[0, 0, 4, 4], x[0, 0, 0, 4] = np.nan, np.inf
    for options in ({"padding": 1, "ceil_mode": True}, {"padding": 1, "return_indices": True}):
        ours = eager_and_jit(lambda t: F.max_pool2d(t, 3, 2, **options), weft.asarray(x))
        theirs = TF.max_pool2d(torch.tensor(x), 3, 2, **options)
        if isinstance(theirs, tuple):
            assert_same_bits(ours[1], theirs[1].numpy())
            ours, theirs = ours[0], theirs[0]
        assert_same_bits(ours, theirs.numpy())


def test_options_that_change_nothing_take_the_fast_path():
    """Whole windows with an even border: as without the options, to the bit."""
    x = weft.asarray(array(1, 2, 6, 6))
    assert_same_bits(F.max_pool2d(x, 2, ceil_mode=True), F.max_pool2d(x, 2))
    assert_same_bits(F.avg_pool2d(x, 2, ceil_mode=True), F.avg_pool2d(x, 2))
    assert_same_bits(F.avg_pool2d(x, 2, count_include_pad=False), F.avg_pool2d(x, 2))


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_elements_put_back(dimensions):
    x, shape = array(*SHAPES[dimensions]), SHAPES[dimensions]
    pool, unpool = f"max_pool{dimensions}d", f"max_unpool{dimensions}d"
    values, indices = getattr(TF, pool)(torch.tensor(x), 2, return_indices=True)
    assert_matches(
        lambda x: getattr(F, unpool)(x, weft.asarray(indices.numpy()), 2, output_size=shape[2:]),
        lambda x: getattr(TF, unpool)(x, indices, 2, output_size=shape[2:]),
        values.numpy(),
    )
    layer = getattr(weft.nn, f"MaxPool{dimensions}d")(2, return_indices=True)
    back = getattr(weft.nn, f"MaxUnpool{dimensions}d")(2)
    twin = getattr(torch.nn, f"MaxUnpool{dimensions}d")(2)
    assert repr(back) == repr(twin)
    ours = back(*layer(weft.asarray(x)), output_size=shape)
    theirs = twin(values, indices, output_size=shape)
    assert_same_bits(ours, theirs.numpy())


LAYERS = {
    "MaxPool": lambda n, d: getattr(n, f"MaxPool{d}d")(3, 2, 1, ceil_mode=True),
    "MaxPool dilated": lambda n, d: getattr(n, f"MaxPool{d}d")(2, dilation=2),
    "AvgPool": lambda n, d: getattr(n, f"AvgPool{d}d")(3, 2, 1, True, False),
    "AdaptiveAvgPool": lambda n, d: getattr(n, f"AdaptiveAvgPool{d}d")(2),
    "AdaptiveMaxPool": lambda n, d: getattr(n, f"AdaptiveMaxPool{d}d")(3),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_layers(name, dimensions):
    assert_layers_match(lambda n: LAYERS[name](n, dimensions), array(*SHAPES[dimensions]), terms=27)


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_layers_of_norms(dimensions):
    assert_layers_match(
        lambda n: getattr(n, f"LPPool{d}d" if (d := dimensions) else "")(2, 2),
        np.abs(array(*SHAPES[dimensions])) + 0.1,
        terms=40,
    )


MISTAKES = [
    (lambda x: F.max_pool1d(x, 2), weft.ShapeError, r"\[N, C, L\] or \[C, L\]"),
    (lambda x: F.max_pool2d(x, 2, padding=2), weft.ShapeError, "more than half"),
    (lambda x: F.max_pool2d(x, 9, return_indices=True), weft.ShapeError, "larger than the padded"),
    (lambda x: F.avg_pool2d(x, 0), weft.ShapeError, "kernel_size is"),
    (lambda x: F.avg_pool2d(x, 2, divisor_override=0), weft.ShapeError, "divisor_override"),
    (lambda x: F.adaptive_avg_pool2d(x, 0), weft.ShapeError, "size below 1"),
    (lambda x: F.adaptive_max_pool2d(x, (1, 2, 3)), weft.ShapeError, "2 sizes or one"),
    (lambda x: F.max_pool2d(x.astype("int32"), 2), weft.DTypeError, "floating"),
    (
        lambda x: F.max_unpool2d(x, weft.zeros(1, 1, 4, 4, dtype="int64") + 99, 2),
        weft.OutOfBoundsError,
        "max_unpool2d: index 99",
    ),
    (
        lambda x: F.max_unpool2d(x, weft.zeros(1, 1, 4, 4, dtype="int64"), 2, output_size=(4, 4)),
        weft.ShapeError,
        "within the stride",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), MISTAKES)
def test_mistakes_are_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call(weft.ones(1, 1, 4, 4))


def test_empty_batches():
    x = weft.zeros(0, 3, 4, 4)
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    assert values.shape == indices.shape == (0, 3, 2, 2)
    assert F.adaptive_max_pool2d(x, 3).shape == F.adaptive_avg_pool2d(x, 3).shape == (0, 3, 3, 3)
    assert F.avg_pool1d(weft.zeros(0, 3, 4), 2, ceil_mode=True).shape == (0, 3, 2)


def test_unknown_batches_are_exported():
    x = weft.asarray(array(2, 3, 4, 4).astype(np.float32))
    for function in (
        lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
        lambda x: F.avg_pool2d(x, 3, 2, 1, True, False),
        lambda x: F.adaptive_avg_pool2d(x, (None, 3)),
        lambda x: F.adaptive_max_pool2d(x, 3),
    ):
        assert_same_bits(weft.export(function, weft.spec(("n", 3, 4, 4)))(x), function(x))


def test_gradients_reach_what_is_pooled_with_backward():
    x = weft.tensor(array(2, 3, 7), requires_grad=True)
    y = torch.tensor(array(2, 3, 7), requires_grad=True)
    F.max_pool1d(F.avg_pool1d(x, 3, 1, 1, count_include_pad=False), 2).sum().backward()
    TF.max_pool1d(TF.avg_pool1d(y, 3, 1, 1, count_include_pad=False), 2).sum().backward()
    np.testing.assert_allclose(to_float64(x.grad), to_float64(y.grad), rtol=1e-14)
