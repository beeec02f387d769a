"""Padding, and elements between channels, windows and places, against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import weft
from hypothesis import given, settings
from hypothesis import strategies as st
from layer_reference import array, assert_layers_match, assert_matches, to_float64
from numerics import assert_same_bits, eager_and_jit

F, TF = weft.nn.functional, torch.nn.functional


def assert_padded_alike(x: np.ndarray, sizes: tuple[int, ...], **options: object) -> None:
    """Elements only move: they are the same to the bit."""
    ours = eager_and_jit(lambda t: F.pad(t, sizes, **options), weft.asarray(x))
    assert_same_bits(ours, TF.pad(torch.tensor(x), sizes, **options).numpy())


@given(st.sampled_from([(3,), (2, 4), (1, 2, 5)]), st.data())
@settings(max_examples=20, deadline=None)
def test_constants_around_and_less(shape, data):
    count = data.draw(st.integers(0, len(shape)))
    sizes = []
    for size in reversed(shape[len(shape) - count :]):
        low = data.draw(st.integers(-size, 2))
        sizes += [low, data.draw(st.integers(-size - min(low, 0), 2))]
    value = data.draw(st.sampled_from([None, 0.0, -1.5]))
    assert_padded_alike(array(*shape), tuple(sizes), value=value)


MODES = [
    ("reflect", (2, 3, 5), (4, 3), 0),
    ("reflect", (3, 5), (0, 2), 0),
    ("reflect", (2, 3, 4, 5), (1, 2, 3, 0), 0),
    ("reflect", (1, 2, 3, 2, 4), (3, 1, 1, 1, 2, 2), 0),
    ("reflect", (2, 3, 5), (4, -1), 0),
    ("replicate", (2, 3, 1), (4, 3), 0),
    ("replicate", (2, 3, 4, 5), (1, 6, 0, 2), 0),
    ("replicate", (2, 2, 3, 4), (1, 1, 1, 1, 1, 2), 0),
    ("replicate", (2, 3, 5), (2, -3), 0),
    ("circular", (2, 3, 4), (4, 3), 0),
    ("circular", (2, 3, 4, 5), (1, 2, 4, 0), 0),
    ("circular", (1, 2, 3, 2, 4), (3, 1, 1, 2, 3, 0), 0),
    ("circular", (2, 3, 5), (2, -1), 0),
    ("reflect", (0, 3, 5), (1, 1), 0),
]


@pytest.mark.parametrize(("mode", "shape", "sizes", "_"), MODES)
def test_elements_of_the_tensor_around(mode, shape, sizes, _):
    assert_padded_alike(array(*shape), sizes, mode=mode)
    dtype = ["float32", "float64", "float16", "bfloat16"][sum(sizes) % 4]
    assert_matches(
        lambda x: F.pad(x, sizes, mode),
        lambda x: TF.pad(x, sizes, mode),
        array(*shape),
        dtype=dtype,
        terms=8,
    )


def test_integers_are_padded():
    x = np.arange(12).reshape(1, 3, 4)
    for options in ({"value": 7}, {"mode": "reflect"}):
        assert_padded_alike(x, (2, 1), **options)


def test_gradient_of_constant_padding():
    for sizes in ((1, 2, -1, 0), (-1, -1)):
        assert_matches(lambda x: F.pad(x, sizes), lambda x: TF.pad(x, sizes), array(2, 4, 5))


LAYERS = {
    "ConstantPad": lambda n, sizes, d: getattr(n, f"ConstantPad{d}d")(sizes, 2.5),
    **{
        kind: lambda n, sizes, d, kind=kind: getattr(n, f"{kind}{d}d")(sizes)
        for kind in ("ZeroPad", "ReflectionPad", "ReplicationPad", "CircularPad")
    },
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_layers(kind, dimensions):
    shape, sizes = (2, 3, 3, 4)[: dimensions + 1], (1, 2, 0, 1, 2, 1)[: 2 * dimensions]
    for padding in (1, sizes):
        assert_layers_match(lambda n: LAYERS[kind](n, padding, dimensions), array(1, *shape))
    assert_layers_match(lambda n: LAYERS[kind](n, sizes, dimensions), array(*shape))


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("outer", [(), (2,), (2, 1)])
def test_channels_and_pixels(groups, outer):
    x = array(*outer, 2 * groups * groups, 2, 3)
    assert_matches(
        lambda x: F.pixel_shuffle(x, groups), lambda x: TF.pixel_shuffle(x, groups), x, terms=0
    )
    y = array(*outer, 2, 2 * groups, 3 * groups)
    assert_matches(
        lambda x: F.pixel_unshuffle(x, groups), lambda x: TF.pixel_unshuffle(x, groups), y, terms=0
    )
    z = array(2, 2 * groups, 3, *outer)
    assert_matches(
        lambda x: F.channel_shuffle(x, groups), lambda x: TF.channel_shuffle(x, groups), z, terms=0
    )


def test_what_is_shuffled_is_new():
    """Writing the result leaves the input as it is."""
    for function in (F.pixel_shuffle, F.pixel_unshuffle, F.channel_shuffle):
        x = weft.zeros(1, 1, 2, 2)
        function(x, 1)[...] = 1.0
        assert not to_float64(x).any()
    x = weft.zeros(1, 2)
    F.pad(x, (0, 0), "reflect")[...] = 1.0
    assert not to_float64(x).any()


BLOCKS = [
    {"kernel_size": 2},
    {"kernel_size": (2, 3), "stride": (1, 2)},
    {"kernel_size": 3, "padding": (1, 2), "dilation": (2, 1)},
    {"kernel_size": (1, 4), "padding": 1, "stride": 3},
]


@pytest.mark.parametrize("options", BLOCKS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_blocks(options, dtype):
    shape = (2, 3, 5, 6) if dtype != "float64" else (3, 5, 6)
    x = array(*shape)
    assert_matches(
        lambda x: F.unfold(x, **options),
        lambda x: TF.unfold(x, **options),
        x,
        dtype=dtype,
        terms=12,
    )
    columns = TF.unfold(torch.tensor(x), **options).numpy()
    assert_matches(
        lambda x: F.fold(x, (5, 6), **options),
        lambda x: TF.fold(x, (5, 6), **options),
        columns,
        dtype=dtype,
        terms=12,
    )


def test_layers_of_shapes():
    assert_layers_match(lambda n: n.PixelShuffle(2), array(2, 8, 2, 3))
    assert_layers_match(lambda n: n.PixelUnshuffle(2), array(2, 2, 4, 6))
    assert_layers_match(lambda n: n.ChannelShuffle(3), array(2, 6, 4))
    assert_layers_match(lambda n: n.Unfold((2, 3), padding=1), array(2, 2, 4, 5), terms=6)
    assert_layers_match(lambda n: n.Fold((4, 5), (2, 3), stride=2), array(2, 12, 4), terms=6)
    assert_layers_match(lambda n: n.Unflatten(1, (2, -1)), array(2, 6, 3))
    assert_layers_match(lambda n: n.Unflatten(-1, (3, 1)), array(2, 3))


MISTAKES = [
    (lambda x: F.pad(x, (1,)), weft.ShapeError, "pairs of sizes"),
    (lambda x: F.pad(x, (1,) * 10), weft.ShapeError, "pairs of sizes"),
    (lambda x: F.pad(x, (1, 1), "mirror"), weft.OptionError, "mode is 'mirror'"),
    (lambda x: F.pad(x, (1, 1), "reflect", 1.0), weft.OptionError, "takes no value"),
    (lambda x: F.pad(x, (5, 0), "reflect"), weft.ShapeError, "more than the 5 elements"),
    (lambda x: F.pad(x, (0, 6), "circular"), weft.ShapeError, "border of 6"),
    (lambda x: F.pad(x, (-3, -3)), weft.WeftError, "pad"),
    (lambda x: F.pixel_shuffle(x, 2), weft.ShapeError, "9 does not divide|4 does not divide"),
    (lambda x: F.pixel_unshuffle(x, 2), weft.ShapeError, "2 does not divide"),
    (lambda x: F.channel_shuffle(x, 2), weft.ShapeError, "2 groups do not divide"),
    (lambda x: F.unfold(x, 9), weft.ShapeError, "larger than the padded image"),
    (lambda x: F.fold(x[0], 4, 2), weft.ShapeError, "fold: the input has shape"),
    (lambda x: weft.nn.ReflectionPad2d((1, 2)), weft.ShapeError, "one integer or 4"),
    (lambda x: weft.nn.ReflectionPad1d(1)(x), weft.ShapeError, "needs 2 or 3 dimensions"),
    (lambda x: weft.nn.Unflatten(1, (2, 2))(x), weft.ShapeError, r"does not become \(2, 2\)"),
]


@pytest.mark.parametrize(("call", "kind", "message"), MISTAKES)
def test_mistakes_are_named(call, kind, message):
    with pytest.raises(kind, match=message):
        call(weft.ones(2, 3, 5, 5))
