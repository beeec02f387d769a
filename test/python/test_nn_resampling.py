"""Other sizes and places of a grid against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import weft
from layer_reference import array, assert_layers_match, assert_matches
from numerics import assert_same_bits, eager_and_jit
from weft import _resampling

F, TF = weft.nn.functional, torch.nn.functional

# Mode, shape, options.
SIZES = [
    ("linear", (2, 3, 5), {"size": 8}),
    ("linear", (2, 3, 5), {"size": 3, "align_corners": True}),
    ("linear", (2, 3, 5), {"scale_factor": 1.7}),
    ("bilinear", (2, 2, 4, 5), {"size": (7, 3)}),
    ("bilinear", (1, 2, 4, 5), {"size": (6, 1), "align_corners": True}),
    ("bilinear", (1, 2, 4, 5), {"scale_factor": (0.6, 2.3)}),
    ("bilinear", (1, 2, 4, 5), {"scale_factor": 1.3, "recompute_scale_factor": True}),
    ("bicubic", (1, 2, 4, 5), {"size": (7, 3)}),
    ("bicubic", (1, 2, 4, 5), {"scale_factor": 1.6, "align_corners": True}),
    ("bicubic", (1, 1, 1, 2), {"size": 3}),
    ("trilinear", (1, 2, 3, 4, 2), {"size": (4, 3, 5)}),
    ("trilinear", (1, 1, 3, 4, 2), {"scale_factor": 1.5, "align_corners": True}),
    ("bilinear", (1, 2, 4, 5), {"scale_factor": (1.1, 2.0)}),
    ("bicubic", (1, 2, 4, 5), {"scale_factor": (1.1, 2.0)}),
    ("area", (2, 3, 5), {"size": 3}),
    ("area", (1, 2, 4, 6), {"scale_factor": 0.5}),
    ("area", (1, 2, 3, 4, 5), {"size": (2, 3, 2)}),
    ("bilinear", (1, 2, 9, 8), {"size": (4, 3), "antialias": True}),
    ("bicubic", (1, 2, 9, 8), {"size": (4, 11), "antialias": True}),
    ("bicubic", (1, 1, 7, 8), {"size": (3, 3), "antialias": True, "align_corners": True}),
    ("bilinear", (0, 2, 4, 5), {"size": 3}),
]


@pytest.mark.parametrize(("mode", "shape", "options"), SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_between_elements(mode, shape, options, dtype):
    # Places are rounded in the dtype; an element is at most some 10 of them from the first one.
    assert_matches(
        lambda x: F.interpolate(x, mode=mode, **options),
        lambda x: TF.interpolate(x, mode=mode, **options),
        array(*shape),
        dtype=dtype,
        terms=40,
        reference=dtype,
    )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_halves_are_computed_in_float32(dtype):
    x = weft.asarray(array(1, 2, 4, 5)).astype(dtype)
    for options in ({"mode": "bilinear", "size": (7, 3)}, {"mode": "nearest", "size": 9}):
        wide = F.interpolate(x.astype("float32"), **options)
        assert_same_bits(
            eager_and_jit(lambda t: F.interpolate(t, **options), x), wide.astype(dtype)
        )


@pytest.mark.parametrize("mode", ["nearest", "nearest-exact"])
def test_nearest_elements(mode):
    """The same elements as PyTorch's, whatever the sizes: only few shapes compile kernels."""
    # In the last two the roundings decide.
    for size, out in ((5, 3), (5, 12), (7, 7), (3, 1), (11, 84), (2, 41)):
        x = np.arange(2.0 * size).reshape(1, 2, size)
        x = x.astype(np.float32) if size == 2 else x
        for options in ({"size": out}, {"scale_factor": (out + 0.5) / size}):
            ours = F.interpolate(weft.asarray(x), mode=mode, **options)
            assert_same_bits(ours, TF.interpolate(torch.tensor(x), mode=mode, **options).numpy())


def test_all_nearest_elements_of_many_sizes():
    """Only the places that are read: without kernels there can be many."""
    for size in (1, 2, 3, 7, 11, 30, 100):
        x = torch.arange(size, dtype=torch.float32).reshape(1, 1, size)
        for out in (*range(1, 40), 41, 47, 55, 84, 100, 333):
            for mode in ("nearest", "nearest-exact"):
                axis = _resampling._Axis(size, out, None)
                real = np.dtype(np.float32)
                places, _ = _resampling._taps(axis, mode, False, False, real)
                wanted = TF.interpolate(x, size=out, mode=mode).numpy().reshape(-1)
                assert np.array_equal(places[:, 0], wanted), (size, out, mode)


def test_nearest_in_more_dimensions():
    for shape, size in (((2, 3, 4, 5), (7, 2)), ((1, 2, 3, 2, 4), (2, 5, 3))):
        assert_matches(
            lambda x: F.interpolate(x, size),
            lambda x: TF.interpolate(x, size),
            array(*shape),
            terms=8,
        )
    x = np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4)
    assert_same_bits(F.interpolate(weft.asarray(x), 5), TF.interpolate(torch.tensor(x), 5).numpy())


def test_layers():
    assert_layers_match(lambda n: n.Upsample(scale_factor=2), array(1, 2, 3), terms=4)
    assert_layers_match(
        lambda n: n.Upsample((5, 6), mode="bilinear", align_corners=False),
        array(1, 2, 3, 4),
        terms=40,
    )
    assert_layers_match(lambda n: n.UpsamplingNearest2d(scale_factor=2), array(1, 2, 3, 2), terms=4)
    assert_layers_match(lambda n: n.UpsamplingBilinear2d((5, 4)), array(1, 2, 3, 2), terms=40)


# Grids ---------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Since version 1.3.0")
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(2, 3, 4, 5), (1, 2, 1, 3), (2, 1, 2, 3, 4)])
def test_affine_grids(size, align_corners):
    count = len(size) - 2
    assert_matches(
        lambda t: F.affine_grid(t, size, align_corners),
        lambda t: TF.affine_grid(t, list(size), align_corners),
        array(size[0], count, count + 1),
        terms=20,
    )


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_samples_of_images(mode, padding_mode, align_corners):
    # Some places are far outside. Where weights change abruptly, roundings would tell.
    grid = np.random.default_rng(5).uniform(-2.7, 2.7, (2, 3, 4, 2))
    options = (mode, padding_mode, align_corners)
    assert_matches(
        lambda x, g: F.grid_sample(x, g, *options),
        lambda x, g: TF.grid_sample(x, g, *options),
        array(2, 3, 4, 5),
        grid,
        dtype="float64",
        terms=60,
    )


@pytest.mark.parametrize("mode", ["bilinear", "nearest"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_samples_of_volumes(mode, padding_mode):
    grid = np.random.default_rng(6).uniform(-1.5, 1.5, (1, 2, 3, 2, 3))
    assert_matches(
        lambda x, g: F.grid_sample(x, g, mode, padding_mode, align_corners=False),
        lambda x, g: TF.grid_sample(x, g, mode, padding_mode, align_corners=False),
        array(1, 2, 3, 4, 2),
        grid,
        dtype="float64",
        terms=60,
    )


def test_samples_at_the_elements_are_the_elements():
    """Corners aligned, at the ends of the input and beyond: nothing outside counts."""
    x = array(1, 2, 3, 3)
    grid = np.array([[[[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0], [1.0, 3.0]]]])
    for padding_mode in ("zeros", "border", "reflection"):
        assert_matches(
            lambda x, g: F.grid_sample(x, g, "bilinear", padding_mode, True),
            lambda x, g: TF.grid_sample(x, g, "bilinear", padding_mode, True),
            x,
            grid,
            terms=8,
        )


def test_nothing_beyond_the_ends_is_read():
    x = np.full((1, 1, 2, 2), np.inf)
    grid = np.array([[[[-3.0, 0.0], [np.nan, 0.0]]]])
    ours = eager_and_jit(
        lambda x, g: F.grid_sample(x, g, align_corners=False), weft.asarray(x), weft.asarray(grid)
    )
    assert np.array_equal(ours, np.zeros((1, 1, 1, 2)))


MISTAKES = [
    (lambda x: F.interpolate(x, mode="cubic", size=3), weft.OptionError, "mode is 'cubic'"),
    (lambda x: F.interpolate(x), weft.OptionError, "either size or scale_factor"),
    (lambda x: F.interpolate(x, 3, 2.0), weft.OptionError, "either size or scale_factor"),
    (lambda x: F.interpolate(x, (3, 3, 3)), weft.ShapeError, "one number or 2"),
    (lambda x: F.interpolate(x, 3, mode="linear"), weft.ShapeError, r"takes \[N, C, L\]"),
    (lambda x: F.interpolate(x, 3, align_corners=True), weft.OptionError, "no align_corners"),
    (lambda x: F.interpolate(x, 0), weft.ShapeError, "at least 1"),
    (lambda x: F.interpolate(x, scale_factor=-1.0), weft.OptionError, "positive"),
    (lambda x: F.interpolate(x, 3, antialias=True), weft.OptionError, "no antialias"),
    (lambda x: F.grid_sample(x, weft.ones(1, 2, 2, 3)), weft.ShapeError, "grid of shape"),
    (lambda x: F.grid_sample(x, weft.ones(2, 2, 2, 2)), weft.ShapeError, "different N"),
    (lambda x: F.grid_sample(x, weft.ones(1, 2, 2, 2), "cubic"), weft.OptionError, "mode is"),
    (
        lambda x: F.grid_sample(x, weft.ones(1, 2, 2, 2), padding_mode="ones"),
        weft.OptionError,
        "padding_mode is",
    ),
    (lambda x: F.affine_grid(weft.ones(1, 2, 3), (2, 1, 2, 2)), weft.ShapeError, "affine_grid"),
]


@pytest.mark.parametrize(("call", "kind", "message"), MISTAKES)
def test_mistakes_are_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call(weft.ones(1, 1, 4, 4))


def test_sizes_that_are_not_known_while_exporting():
    with pytest.raises(weft.UnsupportedError, match="not known while exporting"):
        weft.export(lambda x: F.interpolate(x, 3), weft.spec((1, 1, "n", 4)))
