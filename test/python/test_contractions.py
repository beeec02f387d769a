"""Matrix products and convolutions, and their gradients."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
import weft
from numerics import UNIT_ROUNDOFF, assert_same_bits, eager_and_jit, numpy_dtype, to_numpy
from weft.nn import functional as F

SIZES = [0, 1, 13, 14, 15, 31, 32, 33, 100]
_RANDOM = np.random.default_rng(20)


def _floats(*shape: int, dtype: str = "float32") -> np.ndarray:
    return _RANDOM.standard_normal(shape).astype(numpy_dtype(dtype))


def _check_product(actual: weft.Tensor, x: np.ndarray, y: np.ndarray) -> None:
    """K additions in any order are off by at most K roundings of the product of magnitudes; half
    precision is summed in float32 and rounded once."""
    left, right = x.astype(np.float64), y.astype(np.float64)
    exact, magnitude = left @ right, np.abs(left) @ np.abs(right)
    unit = UNIT_ROUNDOFF[actual.dtype.name]
    depth = x.shape[-1]
    bound = depth * min(unit, UNIT_ROUNDOFF["float32"]) * magnitude + unit * np.abs(exact)
    assert actual.shape == exact.shape
    error = np.abs(to_numpy(actual).astype(np.float64) - exact)
    assert np.all(error <= bound + 1e-300), f"{x.shape} @ {y.shape}: off by {error.max()}"


@pytest.mark.parametrize("depth", SIZES)
def test_products_of_all_sizes(depth: int) -> None:
    for rows, columns in itertools.product(SIZES, SIZES):
        x, y = _floats(rows, depth), _floats(depth, columns)
        _check_product(eager_and_jit(weft.matmul, weft.asarray(x), weft.asarray(y)), x, y)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_products_of_other_floats(dtype: str) -> None:
    for shape in [(1, 1, 1), (13, 33, 15), (33, 100, 32), (2, 0, 3), (64, 64, 64)]:
        x, y = _floats(*shape[:2], dtype=dtype), _floats(*shape[1:], dtype=dtype)
        actual = eager_and_jit(weft.matmul, weft.asarray(x), weft.asarray(y))
        assert actual.dtype == dtype
        _check_product(actual, x, y)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint64"])
def test_products_of_integers_wrap_around(dtype: str) -> None:
    limits = np.iinfo(dtype)
    for rows, depth, columns in [(1, 1, 1), (13, 33, 15), (33, 100, 32), (2, 0, 3)]:
        x = _RANDOM.integers(limits.min, limits.max, (rows, depth), dtype=dtype)
        y = _RANDOM.integers(limits.min, limits.max, (depth, columns), dtype=dtype)
        actual = eager_and_jit(weft.matmul, weft.asarray(x), weft.asarray(y))
        np.testing.assert_array_equal(to_numpy(actual), x @ y, strict=True)


@pytest.mark.parametrize("left_transposed", [False, True])
@pytest.mark.parametrize("right_transposed", [False, True])
def test_transposed_operands(left_transposed: bool, right_transposed: bool) -> None:
    def product(x: weft.Tensor, y: weft.Tensor) -> weft.Tensor:
        return (x.mT if left_transposed else x) @ (y.mT if right_transposed else y)

    for rows, depth, columns in [(1, 7, 1), (14, 15, 31), (33, 100, 65), (5, 1, 3)]:
        for batch in [(), (3,)]:
            x, y = _floats(*batch, rows, depth), _floats(*batch, depth, columns)
            stored = x.swapaxes(-1, -2) if left_transposed else x
            other = y.swapaxes(-1, -2) if right_transposed else y
            tensors = weft.asarray(stored.copy()), weft.asarray(other.copy())
            actual = eager_and_jit(product, *tensors)
            _check_product(actual, x, y)
            # A transpose is another order in memory, never another order of the sums.
            assert_same_bits(actual, weft.asarray(x) @ weft.asarray(y))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int32"])
@pytest.mark.parametrize("transposed", [False, True])
def test_rows_do_not_depend_on_how_many_there_are(dtype: str, transposed: bool) -> None:
    """How few rows a product has decides how it runs, never what comes out."""
    random = np.random.default_rng(21)

    def product(x: weft.Tensor, w: weft.Tensor) -> weft.Tensor:
        return x @ (w.mT if transposed else w)

    for _ in range(12):
        depth, columns = random.choice([1, 7, 16, 33, 260, 515]), random.integers(1, 300)
        shape = (columns, depth) if transposed else (depth, columns)
        integers = random.integers(-9, 9, (70, depth)), random.integers(-9, 9, shape)
        x, w = (
            weft.asarray((a / 7 if dtype != "int32" else a).astype(numpy_dtype(dtype)))
            for a in integers
        )
        for batch in [(), (2,)]:
            many = product(x, w) if not batch else weft.stack([product(x, w)] * 2)
            for rows in (1, 2, 3, 4, 5, 13, 16, 17):
                few = x[:rows], w
                if batch:
                    few = tuple(weft.stack([value] * 2) for value in few)
                actual = eager_and_jit(product, *few)
                assert_same_bits(actual, many[..., :rows, :])


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((7,), (7,)),
        ((7,), (7, 5)),
        ((5, 7), (7,)),
        ((3, 5, 7), (7,)),
        ((7,), (3, 7, 5)),
        ((3, 5, 7), (7, 4)),
        ((3, 5, 7), (3, 7, 4)),
        ((3, 1, 5, 7), (2, 7, 4)),
        ((1, 5, 7), (3, 7, 4)),
        ((5, 7), (3, 7, 4)),
        ((0, 5, 7), (0, 7, 4)),
    ],
)
def test_batches_and_vectors(left: tuple, right: tuple) -> None:
    x, y = _floats(*left, dtype="float64"), _floats(*right, dtype="float64")
    actual = eager_and_jit(weft.matmul, weft.asarray(x), weft.asarray(y))
    expected = x @ y
    assert actual.shape == expected.shape
    np.testing.assert_allclose(to_numpy(actual), expected, rtol=0, atol=1e-13)


def test_what_is_not_a_number_spreads() -> None:
    x = np.ones((17, 19), np.float32)
    x[3, 4] = np.nan
    actual = to_numpy(eager_and_jit(weft.matmul, weft.asarray(x), weft.zeros(19, 21)))
    np.testing.assert_array_equal(np.isnan(actual).all(1), np.arange(17) == 3)


def test_what_surrounds_a_product_is_fused_without_a_change() -> None:
    def layer(x: weft.Tensor, w: weft.Tensor, b: weft.Tensor) -> weft.Tensor:
        return weft.relu(weft.tanh(x) @ w + b) * 0.5

    for rows in (1, 15, 64):
        x, w, b = _floats(rows, 33), _floats(33, 47), _floats(47)
        actual = eager_and_jit(layer, *map(weft.asarray, (x, w, b)))
        wide = np.maximum(np.tanh(x.astype(np.float64)) @ w + b, 0) * 0.5
        # 33 terms of at most 4.
        np.testing.assert_allclose(to_numpy(actual), wide, atol=33 * 4 * 34 * 2.0**-24)


@pytest.mark.parametrize(
    "subscripts", ["bij,bjk->bik", "ij,kj->ik", "ij,ij->", "i,j->ij", "bi,bij->bj"]
)
def test_einsum(subscripts: str) -> None:
    sizes = {"b": 3, "i": 5, "j": 7, "k": 4}
    labels = subscripts.split("->")[0].split(",")
    inputs = [_floats(*(sizes[c] for c in label), dtype="float64") for label in labels]
    actual = eager_and_jit(lambda *a: weft.einsum(subscripts, *a), *map(weft.asarray, inputs))
    np.testing.assert_allclose(to_numpy(actual), np.einsum(subscripts, *inputs), atol=1e-13)


@pytest.mark.parametrize("axes", [0, 1, 2, ([0], [1]), ([1, 0], [0, 1])])
def test_tensordot(axes: object) -> None:
    x, y = _floats(4, 4, dtype="float64"), _floats(4, 4, dtype="float64")
    actual = weft.tensordot(weft.asarray(x), weft.asarray(y), axes=axes)
    np.testing.assert_allclose(to_numpy(actual), np.tensordot(x, y, axes=axes), atol=1e-13)


# Input, weight, stride, padding, dilation, groups.
CONVOLUTIONS = [
    ((2, 3, 8, 9), (4, 3, 3, 3), 1, 0, 1, 1),
    ((2, 3, 8, 9), (4, 3, 3, 3), 1, 1, 1, 1),
    ((1, 1, 5, 5), (1, 1, 5, 5), 1, 0, 1, 1),
    ((2, 3, 8, 9), (16, 3, 3, 2), 2, (1, 0), 1, 1),
    ((2, 3, 11, 9), (17, 3, 3, 3), (2, 3), (2, 1), 1, 1),
    ((1, 4, 12, 12), (5, 4, 3, 3), 1, 2, 2, 1),
    ((1, 4, 12, 12), (5, 4, 2, 3), 2, 1, (1, 3), 1),
    ((2, 4, 7, 7), (6, 2, 3, 3), 1, 1, 1, 2),
    ((2, 6, 7, 7), (6, 1, 3, 3), 1, 1, 1, 6),
    ((2, 6, 7, 7), (12, 1, 3, 3), 2, 1, 1, 6),
    ((3, 5, 6, 6), (33, 5, 1, 1), 1, 0, 1, 1),
    ((3, 5, 6, 6), (33, 5, 1, 1), 2, 0, 1, 1),
    ((1, 32, 14, 14), (64, 32, 3, 3), 1, 1, 1, 1),
    ((0, 3, 8, 8), (4, 3, 3, 3), 1, 1, 1, 1),
]


@pytest.mark.parametrize("case", CONVOLUTIONS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_convolutions_and_their_gradients(case: tuple, dtype: str) -> None:
    shape, weight_shape, stride, padding, dilation, groups = case
    inputs = [_floats(*shape, dtype=dtype), _floats(*weight_shape, dtype=dtype)]
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}

    def convolve(x: weft.Tensor, w: weft.Tensor) -> weft.Tensor:
        return F.conv2d(x, w, **options)

    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in inputs]
    expected = torch.nn.functional.conv2d(*leaves, **options)
    cotangent = _floats(*expected.shape, dtype=dtype)
    expected.backward(torch.tensor(cotangent, dtype=torch.float64))

    def gradients(x: weft.Tensor, w: weft.Tensor, c: weft.Tensor) -> tuple:
        return weft.vjp(convolve, x, w)[1](c)

    tensors = [weft.asarray(x) for x in inputs]
    result = eager_and_jit(convolve, *tensors)
    back = eager_and_jit(gradients, *tensors, weft.asarray(cotangent))
    for actual, exact in zip([result, *back], [expected, *(x.grad for x in leaves)], strict=True):
        # Terms are of size 1; there are at most as many as elements in the largest operand.
        terms = max(np.prod(weight_shape[1:]), cotangent.size // weight_shape[0] + 1)
        bound = UNIT_ROUNDOFF[dtype] * terms * 8 + 1e-300
        assert actual.shape == tuple(exact.shape)
        np.testing.assert_allclose(
            to_numpy(actual),
            exact.detach().numpy(),
            rtol=terms * UNIT_ROUNDOFF[dtype],
            atol=bound * 4,
        )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_channels_do_not_depend_on_how_many_there_are(dtype: str) -> None:
    """Groups of one channel run as vectors of channels, large weights in blocks: with the sums of
    each channel's own convolution."""
    random = np.random.default_rng(22)
    for channels, size, stride, padding in [
        (5, 9, 1, 1),
        (16, 7, 2, 0),
        (33, 14, 1, 1),
        (1, 3, 1, 0),
    ]:
        x = weft.asarray(_floats(2, channels, size, size + 1, dtype=dtype))
        w = weft.asarray(_floats(channels, 1, 3, 3, dtype=dtype))
        options = {"stride": stride, "padding": padding}
        together = eager_and_jit(lambda x, w: F.conv2d(x, w, groups=channels, **options), x, w)
        for channel in random.integers(channels, size=3):
            own = slice(int(channel), int(channel) + 1)
            assert_same_bits(together[:, own], F.conv2d(x[:, own], w[own], **options))
    x, w = (
        weft.asarray(_floats(*shape, dtype=dtype)) for shape in [(2, 130, 7, 7), (200, 130, 3, 3)]
    )
    together = eager_and_jit(lambda x, w: F.conv2d(x, w, padding=1), x, w)
    for part in (slice(0, 16), slice(190, 200)):
        assert_same_bits(together[:, part], F.conv2d(x, w[part], padding=1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize(("depth", "columns"), [(1, 1), (7, 33), (1100, 17), (2500, 5)])
def test_rows_by_a_weight_are_the_same_however_many(depth: int, columns: int, dtype: str) -> None:
    """A last tile of rows is moved back to end with the rows; a long depth comes in blocks."""
    weight = weft.asarray(_floats(depth, columns, dtype="float64")).astype(dtype)
    bias = weft.asarray(_floats(columns, dtype="float64")).astype(dtype)
    x = weft.asarray(_floats(100, depth, dtype="float64")).astype(dtype)
    layer = weft.jit(lambda x: weft.tanh(x @ weight + bias))
    alone = weft.concat([layer(x[i : i + 1]) for i in range(100)])
    for rows in [*range(15, 68), 97, 98, 100]:
        assert_same_bits(layer(x[:rows]), alone[:rows])


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("seed", range(24))
def test_depthwise_convolutions_are_the_same_in_both_layouts(seed: int, dtype: str) -> None:
    """Between tensors that are channels first one kernel walks the rows, joined where they are
    short and the size stays (every second seed); behind a product of pixels channels are last, and
    between two of them the border is the kernel's, too. Borders, strides and dilations may leave no
    window whole."""
    generator = np.random.default_rng(seed)
    channels = int(generator.choice([1, 3, 8, 17, 24, 33]))
    height, width = (int(size) for size in generator.choice([1, 2, 5, 7, 14, 16, 33, 50], size=2))
    window = [int(size) for size in generator.choice([1, 2, 3, 5, 7], size=2)]
    options = {
        "stride": [int(step) for step in generator.choice([1, 2, 3], size=2)],
        "padding": [int(generator.integers(0, size + 1)) for size in window],
        "dilation": [int(step) for step in generator.choice([1, 2], size=2)],
        "groups": channels,
    }
    if seed % 2:
        window = [int(size) for size in generator.choice([1, 3, 5, 7], size=2)]
        options["stride"] = [1, 1]
        options["padding"] = [
            rate * (size - 1) // 2 for rate, size in zip(options["dilation"], window, strict=True)
        ]
    for d, size in enumerate([height, width]):
        missing = options["dilation"][d] * (window[d] - 1) + 1 - size - 2 * options["padding"][d]
        options["padding"][d] += max(0, (missing + 1) // 2)
    x = weft.asarray(_floats(int(generator.integers(1, 3)), channels, height, width)).astype(dtype)
    w = weft.asarray(_floats(channels, 1, *window)).astype(dtype)
    b = weft.asarray(_floats(channels)).astype(dtype)
    # Zeros of the border count: times infinity they are NaN.
    w[0, 0, 0, 0] = float("inf")
    one = weft.eye(channels).reshape(channels, channels, 1, 1).astype(dtype)
    actual = eager_and_jit(lambda x, w, b: weft.relu(F.conv2d(x, w, b, **options)), x, w, b)
    last = weft.jit(lambda x, w, b: F.conv2d(weft.relu(F.conv2d(x, w, b, **options)), one))
    finite = weft.where(weft.isfinite(w), w, weft.ones_like(w))
    first = eager_and_jit(lambda x, w, b: weft.relu(F.conv2d(x, w, b, **options)), x, finite, b)
    assert_same_bits(first, last(x, finite, b))
    between = weft.jit(lambda x, w, b: last.__wrapped__(F.conv2d(x, one), w, b))
    assert_same_bits(first, between(x, finite, b))
    is_absorbed = any(options["padding"]) and options["stride"][1] < 3 and "16" not in dtype
    is_absorbed &= window[0] * window[1] <= 12
    text = between.lower(x, w, b).ir("kernels")
    assert ("{channels_last = true}" in text) == (is_absorbed and channels > 1)
    wide = [torch.tensor(to_numpy(t.astype("float64"))) for t in (x, w, b)]
    padding = options["padding"]
    bordered = torch.nn.functional.pad(wide[0], [padding[1], padding[1], padding[0], padding[0]])
    unbordered = {**options, "padding": 0}
    expected = torch.nn.functional.conv2d(bordered, *wide[1:], **unbordered).relu()
    terms = window[0] * window[1] + 2
    unit = UNIT_ROUNDOFF[dtype] + terms * UNIT_ROUNDOFF["float32" if dtype != "float64" else dtype]
    np.testing.assert_allclose(
        to_numpy(actual.astype("float64")), expected, rtol=unit, atol=8 * terms * unit
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", range(32))
def test_depthwise_convolutions_of_neighbours_side_by_side(seed: int, dtype: str) -> None:
    """Channels last, neighbours along a row are computed side by side, inside of the image and in
    its border, and stored over the residual. Channels first, each is computed for itself."""
    generator = np.random.default_rng(700 + seed)
    channels = int(generator.choice([8, 16, 23, 24, 32, 40, 48]))
    height, width = int(generator.integers(1, 6)), int(generator.integers(1, 40))
    window = [int(size) for size in generator.integers(1, 4, size=2)]
    dilation = [int(step) for step in generator.integers(1, 3, size=2)]
    stride = [int(generator.integers(1, 4)), int(generator.integers(1, 3))]
    # In front and behind, along H and W: wider than the window, too.
    border = [[int(size) for size in generator.integers(0, 6, size=2)] for _ in "HW"]
    for d, size in enumerate([height, width]):
        border[d][1] += max(1, dilation[d] * (window[d] - 1) + 1 - size - sum(border[d]))
    x = weft.asarray(_floats(int(generator.integers(1, 3)), channels, height, width, dtype=dtype))
    w = weft.asarray(_floats(channels, 1, *window, dtype=dtype))
    if seed % 2:
        w[int(generator.integers(channels)), 0, 0, 0] = float("inf")
    options = {"stride": stride, "dilation": dilation}

    def convolve(x: weft.Tensor, w: weft.Tensor) -> weft.Tensor:
        return F.conv2d(weft.pad(x, [(0, 0), (0, 0), *border]), w, groups=channels, **options)

    first = weft.jit(convolve)(x, w)
    r = weft.asarray(_floats(*first.shape, dtype=dtype))
    last = (0, 2, 3, 1)

    def program(x: weft.Tensor, w: weft.Tensor, r: weft.Tensor) -> weft.Tensor:
        inside = weft.permute_dims(convolve(weft.permute_dims(x, (0, 3, 1, 2)), w), last)
        return weft.minimum(inside, 1) + weft.exp(r)

    images = [weft.asarray(np.ascontiguousarray(to_numpy(t).transpose(last))) for t in (x, r)]
    compiled = weft.jit(program)
    assert "channels_last = true" in compiled.lower(images[0], w, images[1]).ir("kernels")
    actual = compiled(images[0], w, images[1])
    expected = weft.permute_dims(weft.minimum(first, 1), last) + weft.exp(images[1])
    assert_same_bits(actual, expected)
    finite = np.isfinite(to_numpy(actual))
    wide = [torch.tensor(to_numpy(t)).double() for t in (x, w, r)]
    padded = torch.nn.functional.pad(wide[0], [*border[1], *border[0]])
    exact = torch.nn.functional.conv2d(padded, wide[1], groups=channels, **options)
    exact = (exact.clamp(max=1) + wide[2].exp()).numpy().transpose(last)
    np.testing.assert_array_equal(finite, np.isfinite(exact))
    unit = 16 * UNIT_ROUNDOFF[dtype]
    np.testing.assert_allclose(to_numpy(actual)[finite], exact[finite], rtol=unit, atol=16 * unit)


IMAGES = {
    "broadcast along N": lambda x: weft.broadcast_to(x[:1], x.shape),
    "broadcast along C": lambda x: weft.broadcast_to(x[:, :1], x.shape),
    "broadcast along H": lambda x: weft.broadcast_to(x[:, :, :1], x.shape),
    "broadcast along W": lambda x: weft.broadcast_to(x[..., :1], x.shape),
    "broadcast of a row": lambda x: weft.broadcast_to(x[0, 0, 0], x.shape),
    "broadcast of a column": lambda x: weft.broadcast_to(x[0, 0, :, :1], x.shape),
    "broadcast of a number": lambda x: weft.broadcast_to(x[0, 0, 0, 0], x.shape),
    "broadcast of a sum": lambda x: weft.broadcast_to(weft.sum(x, axis=3, keepdims=True), x.shape),
    "counted along W": lambda x: weft.broadcast_to(weft.arange(x.shape[3], dtype=x.dtype), x.shape),
    "counted along H": lambda x: weft.broadcast_to(
        weft.arange(x.shape[2], dtype=x.dtype)[:, None], x.shape
    ),
    "slice": lambda x: weft.concat([x, x, x], axis=3)[..., 2 : 2 + x.shape[3]],
    "every second": lambda x: weft.concat([x, x], axis=2)[:, :, ::2],
    "flipped": lambda x: weft.flip(x, axis=3),
    "transposed": lambda x: weft.permute_dims(weft.permute_dims(x, (0, 2, 3, 1)) * 2, (0, 3, 1, 2)),
    "joined": lambda x: weft.concat([x[..., 1:], x[..., :1]], axis=3),
    "padded": lambda x: weft.pad(x[..., 1:], [(0, 0), (0, 0), (0, 0), (1, 0)]),
    "gathered": lambda x: weft.take(x, weft.asarray([0] * x.shape[2]), axis=2),
    "constant": lambda x: weft.full_like(x, 2.5),
    "reshaped": lambda x: weft.reshape(weft.reshape(x, (-1,)) + 1, x.shape),
    "cast": lambda x: x.astype("float16").astype(x.dtype),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", IMAGES)
def test_depthwise_convolutions_of_images_that_the_kernel_computes(kind: str, dtype: str) -> None:
    for height, width in [(7, 7), (3, 4), (1, 5), (5, 1), (9, 33)]:
        x = weft.asarray(_floats(2, 3, height, width)).astype(dtype)
        w = weft.asarray(_floats(3, 1, 3, 3)).astype(dtype)
        eager_and_jit(lambda x, w: F.conv2d(IMAGES[kind](x), w, padding=1, groups=3), x, w)


@pytest.mark.parametrize("seed", range(24))
def test_convolutions_between_reshapes(seed: int) -> None:
    """The user's own reshapes of images that are channels last become one with those of a
    convolution: what is convolved is the reshaped image."""
    generator = np.random.default_rng(200 + seed)
    count, height, width = (int(size) for size in generator.choice([1, 2, 4, 6], size=3))
    channels, groups = int(generator.choice([1, 2, 4])), int(generator.choice([0, 1]))
    window = int(generator.choice([1, 3]))
    order = generator.permutation(3)
    if seed % 3 == 0:
        shape = (1, count * height, width)
    elif seed % 3 == 1:
        shape = tuple(np.array([count, height, width])[order])
    else:
        shape = (count, height * width, 1)
    x = weft.asarray(_floats(count, channels, height, width))
    w = weft.asarray(_floats(channels, 1 if groups else channels, window, window))
    options = {"padding": window // 2, "groups": channels if groups else 1}

    def reshaped(t, shape: tuple, permute) -> object:
        return permute(permute(t, (0, 2, 3, 1)).reshape(*shape, channels), (0, 3, 1, 2))

    def program(x: weft.Tensor, w: weft.Tensor) -> weft.Tensor:
        inside = F.conv2d(reshaped(x, shape, weft.permute_dims), w, **options)
        return reshaped(inside, (count, height, width), weft.permute_dims)

    inside = torch.nn.functional.conv2d(
        reshaped(torch.tensor(to_numpy(x)).double(), shape, torch.permute),
        torch.tensor(to_numpy(w)).double(),
        **options,
    )
    expected = reshaped(inside, (count, height, width), torch.permute)
    terms = channels * window * window + 1
    np.testing.assert_allclose(
        to_numpy(eager_and_jit(program, x, w)),
        expected,
        rtol=terms * UNIT_ROUNDOFF["float32"],
        atol=16 * terms * UNIT_ROUNDOFF["float32"],
    )


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("seed", range(16))
def test_convolutions_are_the_same_in_both_layouts(seed: int, dtype: str) -> None:
    """A result that is channels first is stored so by the kernel, or never was channels last: with
    the values that it has between layers, where it is."""
    generator = np.random.default_rng(100 + seed)
    count, channels, outputs = (int(generator.choice(c)) for c in ([1, 3], [24, 65], [5, 16, 40]))
    height, width = (int(size) for size in generator.choice([3, 7, 14, 21], size=2))
    window = int(generator.choice([1, 3]))
    options = {"stride": int(generator.integers(1, 3)), "padding": window // 2}
    x = weft.asarray(_floats(count, channels, height, width)).astype(dtype)
    w = weft.asarray(_floats(outputs, channels, window, window)).astype(dtype)
    b = weft.asarray(_floats(outputs)).astype(dtype)
    one = weft.eye(outputs).reshape(outputs, outputs, 1, 1).astype(dtype)
    if seed % 2:
        # The residual is read where the elements are stored.
        residual = F.conv2d(x, w, b, **options)
        first = eager_and_jit(
            lambda x, w, r: weft.relu(F.conv2d(x, w, **options) + r), x, w, residual
        )
        last = weft.jit(lambda x, w, r: F.conv2d(weft.relu(F.conv2d(x, w, **options) + r), one))(
            x, w, residual
        )
    else:
        first = eager_and_jit(lambda x, w, b: weft.relu(F.conv2d(x, w, b, **options)), x, w, b)
        last = weft.jit(lambda x, w, b: F.conv2d(weft.relu(F.conv2d(x, w, b, **options)), one))(
            x, w, b
        )
    assert_same_bits(first, last)
    assert first.min() >= 0
    assert first.max() > 0


@pytest.mark.parametrize("seed", range(24))
def test_pixels_do_not_depend_on_the_size_of_the_image(seed: int) -> None:
    """Tiles end with the lines of some images and go on to the next line in others; parts of images
    have other tiles, and the same values."""
    generator = np.random.default_rng(seed)
    images, channels, filters = generator.integers(1, (4, 40, 70))
    window, stride = generator.integers(1, (4, 3), endpoint=True)
    height, width = generator.integers(window, window + 34, 2)
    x = weft.asarray(_floats(images, channels, height, width))
    w = weft.asarray(_floats(filters, channels, window, window))
    b = weft.asarray(_floats(filters))
    layer = weft.jit(lambda x, w, b: weft.relu(F.conv2d(x, w, b, stride=int(stride))))
    whole = layer(x, w, b)
    exact = [torch.tensor(to_numpy(value), dtype=torch.float64) for value in (x, w, b)]
    expected = torch.nn.functional.conv2d(*exact, stride=int(stride)).relu()
    magnitude = torch.nn.functional.conv2d(*(value.abs() for value in exact), stride=int(stride))
    bound = (channels * window * window + 1) * UNIT_ROUNDOFF["float32"] * magnitude
    assert np.all(np.abs(to_numpy(whole) - expected.numpy()) <= bound.numpy())
    first = stride * generator.integers(0, (height - window) // stride, endpoint=True)
    part = layer(x[-1:, :, int(first) :, :], w, b)
    assert_same_bits(whole[-1:, :, int(first) // int(stride) :, :], part)
    for last in {window, int(generator.integers(window, width, endpoint=True))}:
        part = layer(x[:, :, :, : int(last)], w, b)
        assert_same_bits(whole[:, :, :, : (int(last) - int(window)) // int(stride) + 1], part)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_convolutions_in_half_precision_are_summed_in_float32(dtype: str) -> None:
    x, w = _floats(2, 3, 8, 8, dtype=dtype), _floats(5, 3, 3, 3, dtype=dtype)
    actual = eager_and_jit(lambda a, b: F.conv2d(a, b), weft.asarray(x), weft.asarray(w))
    wide = F.conv2d(weft.asarray(x).astype("float32"), weft.asarray(w).astype("float32"))
    assert_same_bits(actual, wide.astype(dtype))


def test_a_bias_and_names_of_paddings() -> None:
    x, w, b = _floats(2, 3, 8, 8), _floats(5, 3, 3, 3), _floats(5)
    for padding in ("same", "valid"):
        expected = torch.nn.functional.conv2d(*map(torch.tensor, (x, w, b)), padding=padding)
        actual = F.conv2d(*map(weft.asarray, (x, w, b)), padding=padding)
        # 28 terms of size about 1, in another order.
        np.testing.assert_allclose(to_numpy(actual), expected.numpy(), atol=28 * 28 * 2.0**-24)


@pytest.mark.parametrize("shape", [(15, 33, 14), (1, 5, 1), (3, 0, 2), (64, 100, 31)])
def test_gradients_of_products(shape: tuple) -> None:
    rows, depth, columns = shape
    x, y, c = _floats(rows, depth), _floats(depth, columns), _floats(rows, columns)

    def gradients(a: weft.Tensor, b: weft.Tensor, g: weft.Tensor) -> tuple:
        return weft.vjp(weft.matmul, a, b)[1](g)

    left, right = eager_and_jit(gradients, *map(weft.asarray, (x, y, c)))
    _check_product(left, c, y.T)
    _check_product(right, x.T, c)
